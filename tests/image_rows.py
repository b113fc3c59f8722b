"""Images on disk for tests: folders of classes, and what is said of those that are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from auditbench.config import DataTable, InputTable
from auditbench.data import TableSource, open_source
from auditbench.errors import DataError

IMAGE = InputTable(modality="image")
WHERE = "data.inputs.image"


def pixels(*shape: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Whole numbers of full range, drawn with a seed."""
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def refused(function: Any, *arguments: Any, **keys: Any) -> str:
    """What the error says that a call raises."""
    with pytest.raises(DataError) as caught:
        function(*arguments, **keys)
    return caught.value.describe()


def folder_of(root: Path, size: tuple[int, int] = (5, 7), mode: str = "L") -> dict[str, npt.NDArray[np.uint8]]:
    """Three classes of two PNG images each; the pixels by relative path."""
    written = {}
    for number, name in enumerate(("cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png", "eel/1.png", "eel/deep/2.png")):
        content = pixels(*size, *((3,) if mode == "RGB" else ()), seed=number)
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(content).save(root / name)
        written[name] = content
    return written


def opened(base: Path, **keys: Any) -> TableSource:
    """The data of a folder `test` beside `base`; `size` is that of the images."""
    size = keys.pop("size", None)
    inputs = {"image": InputTable(modality="image", size=size)}
    return open_source(DataTable(**{"test": "test", "target": "animal", "inputs": inputs, **keys}), base, {})

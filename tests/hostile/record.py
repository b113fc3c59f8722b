"""The record of one hostile file, and the good files that many of them are made of."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

Pretence = Literal["safetensors", "state-dict", "torchscript", "exported", "pickle", "factory", "bundle"]
Carelessness = Literal["pickle", "torch", "exported", "torchscript", "joblib", "numpy", "import"]
Builder = Callable[[Path, Path], Path]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostileModel:
    """What a stranger hands in as a model.

    Attributes:
        pretends: The format the config would name for it.
        build: From an empty folder and the path of the marker to the file, or to the folder of a bundle.
        says: Words that the refusal must hold, in any case of letters.
        runs: The careless call that would run its payload, which writes the marker; None where there is no payload.
        harmless_pickle: Whether listing its imports rightly finds nothing to object to, because the attack is another.
        unprivileged: Whether it has to be opened without the rights of root, for which nothing is unreadable.
    """

    name: str
    pretends: Pretence
    build: Builder
    says: tuple[str, ...]
    runs: Carelessness | None = None
    harmless_pickle: bool = False
    unprivileged: bool = False


def good_weights() -> dict[str, torch.Tensor]:
    """The state of `Linear(3, 1)` in a sequence, which the architecture `linear` takes."""
    return {"0.weight": torch.tensor([[0.5, -1.0, 2.0]]), "0.bias": torch.tensor([0.25])}


@functools.cache
def good_zip() -> bytes:
    """What `torch.save` writes for the good weights."""
    buffer = io.BytesIO()
    torch.save(good_weights(), buffer)
    return buffer.getvalue()


@functools.cache
def good_legacy() -> bytes:
    """What `torch.save` wrote before it wrote archives."""
    buffer = io.BytesIO()
    torch.save(good_weights(), buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


@functools.cache
def good_safetensors() -> bytes:
    """The good weights as safetensors."""
    import safetensors.torch

    return safetensors.torch.save(good_weights())


def writes(name: str, content: bytes) -> Builder:
    """A builder that writes these bytes, whatever the marker."""

    def build(folder: Path, _marker: Path) -> Path:
        path = folder / name
        path.write_bytes(content)
        return path

    return build


def writes_lazily(name: str, content: Callable[[], bytes]) -> Builder:
    """As `writes`, for bytes that are made when the file is."""

    def build(folder: Path, marker: Path) -> Path:
        return writes(name, content())(folder, marker)

    return build

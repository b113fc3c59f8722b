"""Good files of Keras, and ways to change their parts: the configuration, the arrays, the archive around them."""

from __future__ import annotations

import functools
import io
import json
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py

from auditbench.models.opening.keras_library import imported_keras

Config = dict[str, Any]
INPUT = (None, 4)


@functools.cache
def good_file(ending: str) -> bytes:
    """A network of two layers, as Keras writes it: `.keras` or `.h5`."""
    keras = imported_keras("a test")
    network = keras.Sequential(
        [
            keras.Input(INPUT[1:]),
            keras.layers.Dense(3, activation="relu", name="dense"),
            keras.layers.Dense(1, name="last"),
        ]
    )
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of .h5, which Keras calls legacy
        path = Path(folder) / f"model{ending}"
        network.save(path)
        return path.read_bytes()


def members() -> dict[str, bytes]:
    """The three members of a good `.keras` file, by name."""
    with zipfile.ZipFile(io.BytesIO(good_file(".keras"))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def config() -> Config:
    """The configuration of a good `.keras` file: an input and two layers."""
    found: Config = json.loads(members()["config.json"])
    return found


def zipped(parts: dict[str, bytes], *, method: int = zipfile.ZIP_STORED) -> bytes:
    """An archive of these members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def with_config(value: Any) -> bytes:
    """A `.keras` file with another configuration: a value, or its text."""
    text = value if isinstance(value, str) else json.dumps(value)
    return zipped({**members(), "config.json": text.encode()})


def with_layer(layer: Any, *, at: int = 2) -> bytes:
    """A `.keras` file with another layer in place of one of its own."""
    changed = config()
    changed["config"]["layers"][at] = layer
    return with_config(changed)


def with_setting(key: str, value: Any, *, at: int = 1) -> bytes:
    """A `.keras` file with another setting of a layer."""
    changed = config()
    changed["config"]["layers"][at]["config"][key] = value
    return with_config(changed)


def with_key(key: str, value: Any, *, at: int = 1) -> bytes:
    """A `.keras` file with another key beside the settings of a layer."""
    changed = config()
    changed["config"]["layers"][at][key] = value
    return with_config(changed)


def with_arrays(change: Callable[[h5py.File], object]) -> bytes:
    """A `.keras` file whose weights were changed in place."""
    parts = members()
    return zipped({**parts, "model.weights.h5": changed(parts["model.weights.h5"], change)})


def with_hdf5(change: Callable[[h5py.File], object]) -> bytes:
    """An `.h5` file that was changed in place."""
    return changed(good_file(".h5"), change)


def changed(content: bytes, change: Callable[[h5py.File], object]) -> bytes:
    """An HDF5 file after a change."""
    buffer = io.BytesIO(content)
    with h5py.File(buffer, "r+") as file:
        change(file)
    return buffer.getvalue()


def layer(name: str, settings: Config, *, module: str | None = "keras.layers", **more: Any) -> Config:
    """A layer as a configuration has it."""
    return {"module": module, "class_name": name, "config": settings, "registered_name": None, **more}


def code(marker: Path) -> Config:
    """A Python lambda as Keras stores it, which writes the marker when it is called, and gives what it is given."""
    from keras.src.utils.python_utils import func_dump

    made = eval(f"lambda x, *a, **k: [x, open({str(marker)!r}, 'w').write('ran')][0]")  # noqa: S307 - the payload itself
    text, defaults, closure = func_dump(made)
    return {
        "class_name": "__lambda__",
        "config": {"code": text, "defaults": defaults, "closure": closure, "value": [text, defaults, closure]},
    }

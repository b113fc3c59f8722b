"""Keras as it is imported: on torch, with the settings of this product and none of a person's own, and nothing left behind."""

from __future__ import annotations

import os
import random
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

from auditbench.errors import ModelError

_BACKEND = "torch"


def imported_keras(where: str) -> ModuleType:
    """The module `keras`, computing with torch.

    While it is imported, a folder that is removed again stands for `~/.keras`: the settings there are not read, and none are
    written. Its variables in the environment are put back afterwards.

    Args:
        where: What needs it, for an error.

    Raises:
        ModelError: It was imported before, to compute with another library.
    """
    if "keras" not in sys.modules:
        with _own_environment(), _without("tensorflow", "matplotlib"):
            import_module("keras")
    keras = sys.modules["keras"]
    if (backend := keras.config.backend()) != _BACKEND:
        raise ModelError(
            "Keras was imported before, to compute with another library",
            where=where,
            found=backend,
            allowed=_BACKEND,
            fix='set os.environ["KERAS_BACKEND"] = "torch" before the first import of keras',
        )
    return keras


def layers_within(keras: ModuleType, module: Any) -> Iterator[Any]:
    """The layers of a network, those that others hold included, each once."""
    waiting, seen = [module], {id(module)}
    while waiting:
        layer = waiting.pop()
        held = [*getattr(layer, "layers", ()), *vars(layer).values()]
        for one in [*held, *(item for items in held if isinstance(items, (list, tuple)) for item in items)]:
            if isinstance(one, keras.Layer) and id(one) not in seen:
                seen.add(id(one))
                waiting.append(one)
                yield one


@contextmanager
def usual_settings(keras: ModuleType) -> Iterator[None]:
    """Load under the settings that Keras has of itself, and put back those that were there, random numbers included."""
    import torch

    kept = keras.config.floatx(), keras.config.image_data_format(), keras.config.dtype_policy()
    state = random.getstate()
    keras.config.set_floatx("float32")
    keras.config.set_image_data_format("channels_last")
    keras.config.set_dtype_policy("float32")
    try:
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings(), _without("tensorflow"):
            warnings.simplefilter("ignore")  # of layers that load well; what does not load raises
            yield
    finally:
        random.setstate(state)
        keras.config.set_floatx(kept[0])
        keras.config.set_image_data_format(kept[1])
        keras.config.set_dtype_policy(kept[2])


@contextmanager
def _without(*packages: str) -> Iterator[None]:
    """Let packages be as if they were not installed, where they are not imported yet.

    Keras would import TensorFlow to ask for its types, and matplotlib, which writes its list of fonts to the home, to draw.
    """
    absent = [package for package in packages if package not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type] # None, so that an import fails
    try:
        yield
    finally:
        for package in absent:
            del sys.modules[package]


@contextmanager
def _own_environment() -> Iterator[None]:
    kept = {name: value for name, value in os.environ.items() if name.startswith(("KERAS_", "TF_"))}
    with tempfile.TemporaryDirectory(prefix="auditbench-") as folder:
        for name in kept:
            del os.environ[name]
        os.environ.update(KERAS_BACKEND=_BACKEND, KERAS_HOME=folder)
        try:
            yield
        finally:
            for name in [name for name in os.environ if name.startswith(("KERAS_", "TF_"))]:
                del os.environ[name]
            os.environ.update(kept)

"""One training of a model at a time: two would write into each other's checkpoints, and into each other's bundle."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from auditbench.errors import ModelError, TrainingError
from auditbench.folder_lock import lock_file


@contextmanager
def training_lock(bundle: Path) -> Iterator[None]:
    """Keep other processes from training the model of a folder; the lock stands beside it, and is gone in the end.

    A process that is killed leaves the file, which then keeps nobody out.

    Raises:
        TrainingError: Another process trains this model, or something else stands in the place of the lock.
        ModelError: Nothing can be written beside the folder.
    """
    path = bundle.parent / f".{bundle.name}.training.lock"
    try:
        bundle.parent.mkdir(parents=True, exist_ok=True)
        handle = lock_file(path, busy=lambda holder: _busy(bundle, holder), foreign=lambda: _foreign(path))
    except OSError as error:
        raise ModelError(
            "the model cannot be written",
            where="model.path",
            found=f"{path}: {error.strerror or error}",
            allowed="a folder in a writable place",
            fix="set model.path to another folder",
        ) from error
    try:
        yield
    finally:
        path.unlink(missing_ok=True)  # before it is released, so that nobody holds a file that is gone
        os.close(handle)


def _busy(bundle: Path, holder: str) -> TrainingError:
    return TrainingError(
        "another process is training this model",
        where="model.path",
        found=f"{bundle}: {holder}",
        allowed="one training of a model at a time",
        fix="wait for it, or set model.path to another folder",
    )


def _foreign(path: Path) -> TrainingError:
    return TrainingError(
        "something else stands in the place of the lock of the training",
        where="model.path",
        found=str(path),
        allowed="the lock of a training, or nothing",
        fix="move it away, or set model.path to another folder",
    )

"""Checkpoints: the state of a training run in files, from which a later run goes on as this one would have.

A checkpoint is a file of safetensors and `state.json`, which names it and its sha256. Both are written beside what is
there and renamed, the document last, so that a run that is killed at any moment leaves a complete one.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from auditbench.errors import ModelError
from auditbench.models.opening import MAX_JSON_BYTES, parse_json, parse_tensors, read_file, sha256_of

if TYPE_CHECKING:
    import torch

SCHEMA_VERSION = 1
STATE = "state.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """Where a run is, beside its tensors.

    Attributes:
        epoch: That is under way, from 1; `step` of its steps are done, and `steps` of all epochs.
        total: Loss summed over `terms` in this epoch.
        losses: Training and validation loss of each epoch that is done; so `rates` and `seconds`.
        spent: Seconds of the epoch that is under way.
        best: Smallest validation loss; None before the first epoch ended.
        part_rows: Rows computed at once, `halvings` times halved for want of memory.
        scaler: State of the scale of half precision.
    """

    epoch: int = 1
    step: int = 0
    steps: int = 0
    total: float = 0.0
    terms: float = 0.0
    losses: tuple[tuple[float, float], ...] = ()
    rates: tuple[float, ...] = ()
    seconds: tuple[float, ...] = ()
    spent: float = 0.0
    best: float | None = None
    best_epoch: int = 0
    part_rows: int = 1
    halvings: int = 0
    scaler: Mapping[str, int | float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What a run needs to go on.

    Attributes:
        tensors: Weights, best weights, state of the optimizer, and of every generator of random numbers.
    """

    state: RunState
    tensors: Mapping[str, torch.Tensor]


class Checkpoints:
    """The checkpoints of one model: the last one, in a hidden folder beside the bundle.

    Args:
        bundle: Folder of the bundle that is being made.
        key: Of everything that decides its weights, and of the kind of device; a checkpoint of another key is not used.
    """

    def __init__(self, bundle: Path, key: str) -> None:
        self.folder = bundle.parent / f".{bundle.name}.training"
        self._aside = bundle.parent / f".{bundle.name}.training.aside"
        self._key = key

    def read(self) -> tuple[Checkpoint | None, str]:
        """The checkpoint, or None where there is none; and why one that is there was set aside, in words."""
        if not (self.folder / STATE).exists():
            return None, ""
        try:
            return self._read(), ""
        except (ModelError, ValidationError, ValueError, TypeError, OSError) as error:
            shutil.rmtree(self._aside, ignore_errors=True)
            with suppress(OSError):  # where it cannot be moved, the next one replaces it
                self.folder.rename(self._aside)
            said = str(error).partition("\n")[0]
            return None, f"the checkpoint was set aside as {self._aside.name}: {said}"[:300]

    def write(self, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint by a later one.

        Raises:
            OSError: The folder cannot be written.
        """
        import safetensors.torch

        self.folder.mkdir(parents=True, exist_ok=True)
        content = safetensors.torch.save(
            {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.tensors.items()}
        )
        name = f"state-{checkpoint.state.steps}.safetensors"
        document = {
            "schema": SCHEMA_VERSION,
            "key": self._key,
            "tensors": name,
            "sha256": sha256_of(content),
            "state": asdict(checkpoint.state),
        }
        _replace(self.folder / name, content)
        _replace(self.folder / STATE, json.dumps(document, indent=1, allow_nan=False).encode() + b"\n")
        _sync_folder(self.folder)
        for other in self.folder.iterdir():
            if other.name not in (name, STATE):
                other.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the checkpoint and what was set aside, when the model is there."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self._aside, ignore_errors=True)

    def _read(self) -> Checkpoint:
        document = parse_json(read_file(self.folder / STATE, most=MAX_JSON_BYTES), self.folder / STATE)
        if document.get("schema") != SCHEMA_VERSION:
            raise ValueError(f"schema {document.get('schema')!r}, where this version writes {SCHEMA_VERSION}")
        if document.get("key") != self._key:
            raise ValueError("it was made with other settings, other data, or on another kind of device")
        state = TypeAdapter(RunState).validate_python(document.get("state"))
        name = document.get("tensors")
        if not isinstance(name, str) or Path(name).name != name:
            raise ValueError(f"it names no file of tensors: {name!r}"[:120])
        content = read_file(self.folder / name)
        if sha256_of(content) != document.get("sha256"):
            raise ValueError(f"{name} has other bytes than were written")
        return Checkpoint(state=state, tensors=parse_tensors(content, self.folder / name))


def _replace(path: Path, content: bytes) -> None:
    written = path.with_name(f".{path.name}.{os.getpid()}")
    with written.open("wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    written.replace(path)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

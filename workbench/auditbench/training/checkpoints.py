"""Checkpoints: the state of a training run in files, from which a later run goes on as this one would have.

A checkpoint is a file of safetensors and `state.json`, which names it and its sha256. Both are written beside what is
there and renamed, the document last, so that a run that is killed at any moment leaves a complete one.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

from pydantic import Field, TypeAdapter, ValidationError

from auditbench.errors import ModelError
from auditbench.models.opening import MAX_JSON_BYTES, parse_json, parse_tensors, read_file, sha256_of

if TYPE_CHECKING:
    import torch

SCHEMA_VERSION = 2
STATE = "state.json"
_OWN = re.compile(r"state\.json|state-\d+\.safetensors|\.state\.json\.\d+|\.state-\d+\.safetensors\.\d+")
"""Names of the files that are written, and of those that a killed run left beside them."""

_Count: TypeAlias = Annotated[int, Field(ge=0)]
_FromOne: TypeAlias = Annotated[int, Field(ge=1)]
_Finite: TypeAlias = Annotated[float, Field(allow_inf_nan=False)]
_NotNegative: TypeAlias = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """Where a run is, beside its tensors.

    Attributes:
        epoch: That is under way, from 1; `step` of its steps are done, and `steps` of all epochs.
        moved: Steps that moved the weights, of all epochs; `moved_in_epoch` of this one.
        total: Loss summed over `terms` in this epoch.
        losses: Training and validation loss of each epoch that is done; so `rates` and `seconds`.
        spent: Seconds of the epoch that is under way.
        best: Smallest validation loss; None before the first epoch ended.
        part_rows: Rows computed at once, `halvings` times halved for want of memory.
        scaler: State of the scale of half precision.
    """

    epoch: _FromOne = 1
    step: _Count = 0
    steps: _Count = 0
    moved: _Count = 0
    moved_in_epoch: _Count = 0
    total: _Finite = 0.0
    terms: _NotNegative = 0.0
    losses: tuple[tuple[_Finite, _Finite], ...] = ()
    rates: tuple[_NotNegative, ...] = ()
    seconds: tuple[_NotNegative, ...] = ()
    spent: _NotNegative = 0.0
    best: _Finite | None = None
    best_epoch: _Count = 0
    part_rows: _FromOne = 1
    halvings: _Count = 0
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
        """The checkpoint, or None where there is none; and why one that is there was set aside, in words.

        Raises:
            ModelError: A link, or a folder with files that are none of a checkpoint, stands in its place.
        """
        refuse_other_files(self.folder)
        if not (self.folder / STATE).exists():
            return None, ""
        try:
            return self._read(), ""
        except (ModelError, ValidationError, ValueError, TypeError, OSError) as error:
            return None, self.set_aside(str(error).partition("\n")[0])

    def set_aside(self, reason: str) -> str:
        """Move a checkpoint that cannot be used out of the way; what to tell about it."""
        _remove_own(self._aside)
        with suppress(OSError):  # where it cannot be moved, the next one replaces it
            self.folder.rename(self._aside)
        return f"the checkpoint was set aside as {self._aside.name}: {reason}"[:300]

    def write(self, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint by a later one.

        Raises:
            OSError: The folder cannot be written.
            ModelError: See `read`.
        """
        import safetensors.torch

        refuse_other_files(self.folder)
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
            if other.name not in (name, STATE) and _OWN.fullmatch(other.name):
                other.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the checkpoint and what was set aside, when the model is there."""
        _remove_own(self.folder)
        _remove_own(self._aside)

    def _read(self) -> Checkpoint:
        document = parse_json(read_file(self.folder / STATE, most=MAX_JSON_BYTES), self.folder / STATE)
        if document.get("schema") != SCHEMA_VERSION:
            raise ValueError(f"schema {document.get('schema')!r}, where this version writes {SCHEMA_VERSION}")
        if document.get("key") != self._key:
            raise ValueError(
                "it was made with other settings, other data, other versions, or on another kind of device"
            )
        state = TypeAdapter(RunState).validate_python(document.get("state"))
        name = document.get("tensors")
        if not isinstance(name, str) or Path(name).name != name:
            raise ValueError(f"it names no file of tensors: {name!r}"[:120])
        content = read_file(self.folder / name)
        if sha256_of(content) != document.get("sha256"):
            raise ValueError(f"{name} has other bytes than were written")
        return Checkpoint(state=state, tensors=parse_tensors(content, self.folder / name))


def refuse_other_files(folder: Path) -> None:
    """Refuse to keep checkpoints where something else stands.

    Raises:
        ModelError: The folder is a link, or holds something that no checkpoint has.
    """
    found = "a link" if folder.is_symlink() else ""
    if not found and folder.is_dir():
        foreign = [item.name for item in folder.iterdir() if not _is_own(item)]
        found = ", ".join(repr(name) for name in sorted(foreign)[:4])
    if found:
        raise ModelError(
            "something else than a checkpoint stands in its place",
            where=str(folder),
            found=found,
            allowed="a folder with state.json and its tensors, or nothing",
            fix="move it away, or name another model.path",
        )


def _is_own(path: Path) -> bool:
    return _OWN.fullmatch(path.name) is not None and path.is_file() and not path.is_symlink()


def _remove_own(folder: Path) -> None:
    """Remove a folder of a checkpoint; a link, and what no checkpoint has, stays."""
    with suppress(OSError):
        if folder.is_symlink():
            return
        for item in folder.iterdir():
            if _is_own(item):
                item.unlink()
        folder.rmdir()


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

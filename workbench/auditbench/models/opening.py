"""The one module that opens model files: regular files only, limits first, nothing that runs code."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auditbench.errors import ModelError

if TYPE_CHECKING:
    import torch

MAX_JSON_BYTES = 64 * 2**20


def read_file(path: Path, *, most: int | None = None) -> bytes:
    """The bytes of a regular file; links, pipes and devices are refused before anything is read.

    Args:
        most: Largest size in bytes.

    Raises:
        ModelError: There is no such file, it is not a regular file, or it is too large.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
    try:
        if stat.S_ISLNK(path.lstat().st_mode):
            raise _irregular(path, "a symbolic link")
        descriptor = os.open(path, flags)
    except OSError as error:
        raise ModelError(
            f"there is no {path.name} that can be read",
            where=str(path),
            found=error.strerror or str(error),
            allowed="a regular file",
            fix="check model.path, or train the model: auditbench train CONFIG",
        ) from error
    with os.fdopen(descriptor, "rb") as handle:
        state = os.fstat(handle.fileno())
        if not stat.S_ISREG(state.st_mode):
            raise _irregular(path, "a folder" if stat.S_ISDIR(state.st_mode) else "a pipe or a device")
        if most is not None and state.st_size > most:
            raise ModelError(
                f"{path.name} is too large",
                where=str(path),
                found=f"{state.st_size:,} bytes",
                allowed=f"at most {most:,} bytes",
                fix="check that this is the file you meant",
            )
        return handle.read()


def parse_json(content: bytes, path: Path) -> dict[str, Any]:
    """The object in a JSON file; NaN and infinities are not JSON.

    Raises:
        ModelError: It is no JSON object.
    """
    try:
        document = json.loads(content, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ModelError(
            f"{path.name} is not valid JSON",
            where=str(path),
            found=str(error)[:160],
            fix="copy the file again, or train the model again: auditbench train CONFIG",
        ) from error
    if not isinstance(document, dict):
        raise ModelError(
            f"{path.name} holds no object", where=str(path), found=type(document).__name__, allowed="a JSON object"
        )
    return document


def parse_tensors(content: bytes, path: Path) -> dict[str, torch.Tensor]:
    """The tensors in the bytes of a safetensors file, on the CPU.

    Raises:
        ModelError: It is not a complete safetensors file.
    """
    import safetensors
    from safetensors.torch import load

    try:
        return load(content)
    except (safetensors.SafetensorError, ValueError, KeyError, RuntimeError, OverflowError) as error:
        raise ModelError(
            f"{path.name} is not a complete safetensors file",
            where=str(path),
            found=f"{len(content):,} bytes: {str(error)[:160]}",
            allowed="the file that `auditbench train` wrote",
            fix="copy the file again, or train the model again: auditbench train CONFIG",
        ) from error


def _irregular(path: Path, found: str) -> ModelError:
    return ModelError(
        f"{path.name} is not a regular file",
        where=str(path),
        found=found,
        allowed="a regular file",
        fix="name the file itself in model.path",
    )


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")

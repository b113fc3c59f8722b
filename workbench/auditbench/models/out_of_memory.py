"""Recognising that memory ran out, and how much was asked for: errors of Python, numpy, the system, and torch."""

from __future__ import annotations

import errno
import re
import sys
from collections.abc import Iterator

from auditbench.errors import ModelMemoryError

_TEXTS = (
    "can't allocate memory",
    "not enough memory",
    "std::bad_alloc",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "MPS backend out of memory",
)
"""What torch says in a RuntimeError of no class of its own: its CPU allocator, the C++ library, CUDA, cuBLAS, Metal."""

_AMOUNT = re.compile(r"allocate (\d+(?:\.\d*)?) (bytes?|KiB|MiB|GiB|TiB|PiB|EiB|KB|MB|GB)\b", re.IGNORECASE)
_POWERS = {"k": 10, "m": 20, "g": 30, "t": 40, "p": 50, "e": 60}


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error, or one that it was raised from, says that memory ran out."""
    return any(_says_so(cause) for cause in _causes(error))


def bytes_needed(error: BaseException) -> int | None:
    """Bytes that the failed allocation asked for, as far as its text says; None where it does not.

    Torch and numpy round what they print in larger units, to about three digits.
    """
    for cause in _causes(error):
        if isinstance(cause, ModelMemoryError):
            return cause.needed
        if _says_so(cause) and (found := _AMOUNT.search(_text(cause))):
            return round(float(found[1]) * (1 << _POWERS.get(found[2][0].lower(), 0)))
    return None


def _says_so(error: BaseException) -> bool:
    torch = sys.modules.get("torch")  # an error of torch's is there only where torch is
    if isinstance(error, MemoryError | ModelMemoryError):
        return True
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and any(text in _text(error) for text in _TEXTS)


def _text(error: BaseException) -> str:
    """The text of an error; empty where it cannot be printed."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - the class may be a plugin's own
        return ""


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what it was raised from, each once."""
    seen: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in seen:
        seen.append(cause)
        yield cause
        cause = cause.__cause__

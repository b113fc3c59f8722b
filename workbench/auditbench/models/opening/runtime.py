"""onnxruntime as it is imported: without what it says of devices that it looks for and nobody asked for."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

_STANDARD_ERROR = 2
_WARNING = re.compile(rb"(\x1b\[[0-9;]*m)?[-0-9]+ [:.0-9]+ \[[VIW]:onnxruntime:[^\n]*\n")
ERRORS_ALONE = 3
"""The severity from which on messages are written: errors."""


def imported_runtime() -> ModuleType:
    """The module `onnxruntime`, which writes no warnings of its own to standard error.

    While it is imported it looks for graphics cards and warns where it finds none that it knows, in machine code and
    before its severity can be set. What else is written meanwhile is passed on.
    """
    if "onnxruntime" in sys.modules:
        return sys.modules["onnxruntime"]
    with _without_warnings():
        import onnxruntime
    onnxruntime.set_default_logger_severity(ERRORS_ALONE)
    return onnxruntime  # type: ignore[no-any-return]


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Leave warnings of onnxruntime out of what is written to standard error; nothing where that is closed."""
    try:
        kept = os.dup(_STANDARD_ERROR)
    except OSError:
        yield
        return
    with os.fdopen(kept, "wb", buffering=0) as original, tempfile.TemporaryFile(buffering=0) as written:
        os.dup2(written.fileno(), _STANDARD_ERROR)
        try:
            yield
        finally:
            os.dup2(original.fileno(), _STANDARD_ERROR)
            written.seek(0)
            original.write(_WARNING.sub(b"", written.read()))

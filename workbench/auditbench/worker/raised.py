"""What was raised, in words, whatever printing it raises in its turn."""

from __future__ import annotations

import traceback

_TRACE = 20_000
_NO_TEXT = "(it says no more)"
_UNPRINTABLE = "(it cannot be printed)"


def text_of(error: BaseException) -> str:
    """The text of an exception."""
    try:
        return str(error).strip() or _NO_TEXT
    except BaseException:  # noqa: BLE001 - the class is a plugin's own, and may even exit
        return _UNPRINTABLE


def trace_of(error: BaseException) -> str:
    """The end of its trace."""
    try:
        return "".join(traceback.format_exception(error))[-_TRACE:]
    except BaseException:  # noqa: BLE001 - as above: notes and lines of source are read from it, too
        return f"{type(error).__name__} {_UNPRINTABLE}"[-_TRACE:]

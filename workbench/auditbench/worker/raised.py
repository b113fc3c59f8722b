"""What was raised, in words, whatever printing it raises in its turn."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

_TRACE = 20_000
NO_TEXT = "(it says no more)"
"""Stands for the text of an exception that has none."""
_UNPRINTABLE = "(it cannot be printed)"


def text_of(error: BaseException) -> str:
    """The text of an exception."""
    try:
        return str(error).strip() or NO_TEXT
    except BaseException:  # noqa: BLE001 - the class is a plugin's own, and may even exit
        return _UNPRINTABLE


def trace_of(error: BaseException) -> str:
    """The end of its trace."""
    try:
        return "".join(traceback.format_exception(error))[-_TRACE:]
    except BaseException:  # noqa: BLE001 - as above: notes and lines of source are read from it, too
        return f"{type(error).__name__} {_UNPRINTABLE}"[-_TRACE:]


def place_of(error: BaseException, holds: Callable[[str], bool]) -> str:
    """The innermost line of a trace in a file that `holds`, as `gap.py:41 in analyze`; empty where there is none."""
    steps = [
        (step.f_code, line) for step, line in traceback.walk_tb(error.__traceback__) if holds(step.f_code.co_filename)
    ]
    return next((f"{Path(code.co_filename).name}:{line} in {code.co_name}" for code, line in reversed(steps)), "")


def free_frames(error: BaseException) -> None:
    """Free what the functions held that an exception ended, and those it was raised from; its trace stays."""
    for cause in _causes(error):
        step = cause.__traceback__
        while step is not None:
            with contextlib.suppress(RuntimeError):  # the function still runs
                step.tb_frame.clear()
            step = step.tb_next


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and all that were being handled when it was raised, each once."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        cause = waiting.pop()
        if cause is not None and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            waiting += [cause.__cause__, cause.__context__]

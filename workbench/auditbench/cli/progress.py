"""Progress on stderr: bars with the time left on a terminal, plain lines everywhere else.

Both kinds are listeners of the supervisor: `stage_started`, `stage_progress`, `stage_finished`, `note`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from auditbench.cli.terminal import complain
from auditbench.cli.words import duration, stage_words
from auditbench.safe_text import safe_text

if TYPE_CHECKING:
    from auditbench.listener import Listener

_SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def progress_listener() -> Iterator[Listener]:
    """The listener that suits stderr; bars are taken down when the block ends, however it ends."""
    if not sys.stderr.isatty():
        yield PlainProgress()
        return
    from auditbench.cli.live_progress import LiveProgress

    listener = LiveProgress()
    with listener.progress:
        yield listener


class PlainProgress:
    """One line when a stage starts, one when it ends, and one every ten seconds between."""

    def __init__(self, write: Callable[[str], None] = complain, clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._clock = clock
        self._last: dict[str, float] = {}

    def stage_started(self, name: str, detail: str = "") -> None:
        """Say that work on a stage begins."""
        self._last[name] = self._clock()
        self._write(_joined(f"{safe_text(name)}: started", detail))

    def stage_progress(self, name: str, step: str, done: int, total: int) -> None:
        """Say how far a stage is, unless that was said just now."""
        now = self._clock()
        if now - self._last.get(name, 0.0) >= _SECONDS_BETWEEN_LINES:
            self._last[name] = now
            self._write(f"{safe_text(name)}: {safe_text(step)} {done:,}" + (f" of {total:,}" if total else ""))

    def stage_finished(self, name: str, seconds: float, state: str, detail: str = "") -> None:
        """Say how a stage ended and how long it took."""
        self._write(_joined(f"{safe_text(name)}: {stage_words(state)} after {duration(seconds)}", detail))

    def note(self, text: str) -> None:
        """Pass on a sentence."""
        self._write(text)


def _joined(text: str, detail: str) -> str:
    return f"{text} ({detail})" if detail else text

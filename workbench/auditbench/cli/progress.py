"""Progress on stderr: bars with the time left on a terminal, plain lines everywhere else.

Both kinds are listeners of the supervisor: `stage_started`, `stage_progress`, `stage_finished`, `note`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from auditbench.cli.terminal import complain, safe_text
from auditbench.cli.words import duration

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from auditbench.listener import Listener

_MARKS = {"ok": ("✓", "green"), "failed": ("✗", "red"), "timed_out": ("✗", "red")}
_OTHER_MARK = ("–", "yellow")
_SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def progress_listener() -> Iterator[Listener]:
    """The listener that suits stderr; bars are taken down when the block ends, however it ends."""
    if not sys.stderr.isatty():
        yield PlainProgress()
        return
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
            self._write(f"{safe_text(name)}: {safe_text(step)} {done:,} of {total:,}")

    def stage_finished(self, name: str, seconds: float, state: str, detail: str = "") -> None:
        """Say how a stage ended and how long it took."""
        self._write(_joined(f"{safe_text(name)}: {_worded(state)} after {duration(seconds)}", detail))

    def note(self, text: str) -> None:
        """Pass on a sentence."""
        self._write(safe_text(text))


class LiveProgress:
    """A bar a running stage with rows done and time left; a line with its state and seconds once it has ended."""

    def __init__(self) -> None:
        self.progress = _bars()
        self._tasks: dict[str, TaskID] = {}
        self._steps: dict[str, str] = {}

    def stage_started(self, name: str, detail: str = "") -> None:
        """Show a bar without an end yet."""
        self._drop(name)
        self._tasks[name] = self.progress.add_task(safe_text(name), total=None, step=safe_text(detail))

    def stage_progress(self, name: str, step: str, done: int, total: int) -> None:
        """Move the bar; a new step starts again from nothing, so that the time left is its own."""
        if name not in self._tasks:
            self.stage_started(name, "")
        task = self._tasks[name]
        if self._steps.get(name) != step:
            self._steps[name] = step
            self.progress.reset(task, total=total, step=safe_text(step))
        self.progress.update(task, completed=done, total=total)

    def stage_finished(self, name: str, seconds: float, state: str, detail: str = "") -> None:
        """Turn the bar into a line that stays."""
        from rich.text import Text

        self._drop(name)
        mark, colour = _MARKS.get(state, _OTHER_MARK)
        line = Text.assemble(
            (f"{mark} ", colour), f"{safe_text(name):<14}", (f"{duration(seconds):>8}  ", "dim"), _worded(state)
        )
        if detail:
            line.append(f"  {safe_text(detail)}", "dim")
        self.progress.console.print(line)

    def note(self, text: str) -> None:
        """Print a sentence above the bars."""
        from rich.text import Text

        self.progress.console.print(Text(safe_text(text)))

    def _drop(self, name: str) -> None:
        self._steps.pop(name, None)
        if (task := self._tasks.pop(name, None)) is not None:
            self.progress.remove_task(task)


def _bars() -> Progress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description:<14}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[step]}", markup=False),
        TimeElapsedColumn(),
        TextColumn("left", style="dim"),
        TimeRemainingColumn(compact=True),
        console=Console(stderr=True, highlight=False, markup=False, emoji=False),
        transient=True,
    )


def _worded(state: str) -> str:
    return safe_text(state.replace("_", " "))


def _joined(text: str, detail: str) -> str:
    return f"{text} ({safe_text(detail)})" if detail else text

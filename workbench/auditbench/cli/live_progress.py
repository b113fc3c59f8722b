"""Progress on a terminal: a bar a running stage, a line that stays for each that ended."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn
from rich.text import Text

from auditbench.cli.terminal import safe_line
from auditbench.cli.words import duration, stage_words
from auditbench.safe_text import LONGEST_NAME

_GOOD = ("✓", "green")
_BAD = ("✗", "red")
_MARKS = {"ok": _GOOD, "done": _GOOD, "reused": _GOOD, "failed": _BAD, "timed_out": _BAD}
_OTHER_MARK = ("–", "yellow")


class LiveProgress:
    """Bars with work done and time left, for a stderr that is a terminal."""

    def __init__(self, console: Console | None = None) -> None:
        self.progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description:<14}", markup=False),
            BarColumn(bar_width=24),
            _Done(),
            console=console or Console(stderr=True, highlight=False, markup=False, emoji=False),
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}
        self._steps: dict[str, str] = {}

    def stage_started(self, name: str, detail: str = "") -> None:
        """Show a bar without an end yet."""
        self._drop(name)
        self._tasks[name] = self.progress.add_task(_name(name), total=None, step=_name(detail))

    def stage_progress(self, name: str, step: str, done: int, total: int) -> None:
        """Move the bar; a new step starts again from nothing, so that the time left is its own."""
        if self._steps.get(name) != step or name not in self._tasks:
            self.stage_started(name, step)
            self._steps[name] = step
        self.progress.update(self._tasks[name], completed=done, total=total or None)

    def stage_finished(self, name: str, seconds: float, state: str, detail: str = "") -> None:
        """Turn the bar into a line that stays."""
        self._drop(name)
        mark, colour = _MARKS.get(state, _OTHER_MARK)
        line = Text.assemble(
            (f"{mark} ", colour), f"{_name(name):<14}", (f"{duration(seconds):>11}  ", "dim"), stage_words(state)
        )
        if detail:
            line.append(f"  {safe_line(detail)}", "dim")
        self.progress.console.print(line, soft_wrap=True)

    def note(self, text: str) -> None:
        """Print a sentence above the bars."""
        self.progress.console.print(Text(safe_line(text)), soft_wrap=True)

    def _drop(self, name: str) -> None:
        self._steps.pop(name, None)
        if (task := self._tasks.pop(name, None)) is not None:
            self.progress.remove_task(task)


class _Done(ProgressColumn):
    """How much is done of what, for how long, and how long it will take; what is not known is left out."""

    def render(self, task: Task) -> Text:
        count = f"{task.completed:,.0f}" + (f" of {task.total:,.0f}" if task.total else "") if task.completed else ""
        left = f", {_whole(task.time_remaining)} left" if task.time_remaining else ""
        time = f"{_whole(task.elapsed or 0.0)}{left}"
        step = str(task.fields["step"])
        return Text("  ".join(part for part in (" ".join(filter(None, (count, step))), time) if part))


def _name(name: str) -> str:
    return safe_line(name, LONGEST_NAME)


def _whole(seconds: float) -> str:
    return duration(seconds) if seconds >= 60 else f"{seconds:.0f} s"

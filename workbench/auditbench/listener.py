"""What a run tells whoever watches it: a terminal, a notebook, a test."""

from __future__ import annotations

from typing import Protocol


class Listener(Protocol):
    """Receives the stages of a run, in order, from the thread that runs it.

    Stages are `plan`, `load`, `train`, the name of each analyzer, and `render:FORMAT`. Times are wall-clock seconds.
    """

    def stage_started(self, name: str, detail: str = "") -> None:
        """A stage begins; `detail` says on what, such as a file or a topic."""

    def stage_progress(self, name: str, step: str, done: int, total: int) -> None:
        """A stage has done so much of a step; `total` is 0 when it is not known."""

    def stage_finished(self, name: str, seconds: float, state: str, detail: str = "") -> None:
        """A stage ended; `state` is a result's status, `reused`, or `done`, and `detail` why when it is not a success."""

    def note(self, text: str) -> None:
        """One line that belongs to no stage, such as the command that resumes an interrupted run."""


class SilentListener:
    """A listener for runs that nobody watches."""

    def stage_started(self, name: str, detail: str = "") -> None:
        """Do nothing."""

    def stage_progress(self, name: str, step: str, done: int, total: int) -> None:
        """Do nothing."""

    def stage_finished(self, name: str, seconds: float, state: str, detail: str = "") -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""

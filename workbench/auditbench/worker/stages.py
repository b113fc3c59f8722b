"""Stages of opening a subject, and training as one of them."""

from __future__ import annotations

import time
from typing import Any, Protocol


class Stage(Protocol):
    """Hears of the stages of opening: `started`, `progress` and `finished`, with what belongs to each."""

    def __call__(self, state: str, name: str, **content: Any) -> None:
        """Hear of one."""


class TrainingStage:
    """Tells of training as a stage of its own, once its first epoch shows that there is one."""

    def __init__(self, stage: Stage, seconds: dict[str, float]) -> None:
        self._stage = stage
        self._seconds = seconds
        self._started = time.monotonic()
        self._running = False

    def __enter__(self) -> TrainingStage:
        self._stage("limit", "train")
        return self

    def __exit__(self, *_: object) -> None:
        if self._running:
            self._seconds["train"] = time.monotonic() - self._started
            self._stage("finished", "train", seconds=self._seconds["train"])
        self._stage("limit", "load")

    def tell(self, text: str) -> None:
        """Pass a sentence on."""
        self._stage("told", "train", text=text)

    def progress(self, done: int, total: int, text: str) -> None:
        """Pass an epoch on."""
        if not self._running:
            self._running = True
            self._stage("started", "train")
        self._stage("progress", "train", step="epochs", done=done, total=total, text=text)

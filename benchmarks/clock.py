"""CPU seconds of one thread, of functions that take turns; elapsed seconds where a GPU does the work."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

Result = TypeVar("Result")
WIDEST_SPREAD = 0.3
"""Above this spread a timing supports no ratio."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Repeated measurements of one thing.

    Attributes:
        seconds: One number a repeat, at least one, for each explained row or whatever else is counted.
    """

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """In seconds."""
        return statistics.median(self.seconds)

    @property
    def spread(self) -> float:
        """Interquartile range as a share of the median; 0 for a single repeat."""
        if len(self.seconds) == 1:
            return 0.0
        low, _, high = statistics.quantiles(self.seconds, n=4, method="inclusive")
        return (high - low) / self.median

    @property
    def steady(self) -> bool:
        """Whether a ratio may be made of it."""
        return self.spread <= WIDEST_SPREAD

    def per(self, count: float) -> Timing:
        """The same for each of `count` things."""
        return Timing(seconds=tuple(second / count for second in self.seconds))


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns(Generic[Result]):
    """What a function took in each of its timed turns, and what it gave in all of them, the first one included."""

    timing: Timing
    results: tuple[Result, ...]


def take_turns(
    functions: Mapping[str, Callable[[int], Result]], *, repeats: int, device: str = "cpu"
) -> dict[str, Turns[Result]]:
    """Run every function once a round, so that a slow spell of the machine meets all of them.

    Args:
        functions: By name; each is given the number of the round, from 0.
        repeats: Timed rounds. A round before them is not timed: it compiles, imports and fills caches.
        device: Where the work is done, `cpu` or `cuda`.
    """
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    results: dict[str, list[Result]] = {name: [] for name in functions}
    for turn in range(repeats + 1):
        for name, function in functions.items():
            started = now(device)
            result = function(turn)
            spent = now(device) - started
            results[name].append(result)
            if turn:
                seconds[name].append(spent)
    return {
        name: Turns(timing=Timing(seconds=tuple(seconds[name])), results=tuple(results[name])) for name in functions
    }


def now(device: str = "cpu") -> float:
    """CPU seconds of this process; on a GPU elapsed seconds, after all work on it is done."""
    if device == "cpu":
        return time.process_time()
    import torch

    torch.cuda.synchronize()
    return time.perf_counter()

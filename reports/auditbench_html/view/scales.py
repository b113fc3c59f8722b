"""Scales of charts: a range in the unit of the data with round ticks, never a pixel."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from auditbench_html.view.numbers import short

NARROWEST = 1e-12  # ticks are rounded to as many digits


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A labelled place on a scale."""

    value: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """A range of values; `log` puts equal ratios at equal distances."""

    low: float
    high: float
    ticks: tuple[Tick, ...]
    log: bool = False

    def place(self, value: float) -> float:
        """Where a value lies between the ends: 0 at `low`, 1 at `high`; values beyond are not cut."""
        if self.log:
            low, high = math.log10(self.low), math.log10(self.high)
            return (math.log10(max(value, self.low / 10)) - low) / (high - low)
        return (value - self.low) / (self.high - self.low)


def scale_for(
    values: Iterable[float | None],
    *,
    zero: bool = False,
    log: bool = False,
    percent: bool = False,
    whole: bool = False,
    most: int = 5,
) -> Scale:
    """A scale that holds all values, with two to `most` + 1 round ticks; values that are all alike get room around them.

    Args:
        zero: Whether the scale must begin at zero (bars) or include it.
        log: A logarithmic scale, when all values are positive.
        percent: Ticks read as percentages.
        whole: Ticks are whole numbers, where values count something.
    """
    known = [value for value in values if value is not None]
    if log and known and min(known) > 0 and max(known) / min(known) > 3:
        return _log_scale(min(known), max(known))
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if high - low <= max(abs(high) * 1e-9, NARROWEST):
        low, high = (low - 0.5, high + 0.5) if low else (0.0, 1.0)
    step = max(round_step((high - low) / most), 1.0 if whole else 0.0)
    first = low if zero and low == 0 else low - (high - low) * 0.04
    last = 0.0 if zero and high == 0 else high + (high - low) * 0.04
    if known and min(known) >= 0 and max(known) <= 1:
        first, last = max(first, 0.0), min(last, 1.0)
    return Scale(low=first, high=last, ticks=ticks(first, last, step, percent=percent))


def unit_scale(*, percent: bool = False) -> Scale:
    """From 0 to 1."""
    return Scale(low=0.0, high=1.0, ticks=ticks(0.0, 1.0, 0.2, percent=percent))


def ticks(low: float, high: float, step: float, *, percent: bool = False) -> tuple[Tick, ...]:
    """Multiples of a step between two values, both included."""
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    values = [round(index * step, 12) for index in range(first, last + 1)]
    return tuple(Tick(value=value, label=f"{short(100 * value)}%" if percent else short(value)) for value in values)


def round_step(rough: float) -> float:
    """The smallest of 1, 2 and 5 times a power of ten that is at least `rough`."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))


def _log_scale(low: float, high: float) -> Scale:
    first, last = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
    start = low / 1.15 if low > 10.0**first else 10.0**first
    end = high * 1.15 if high < 10.0**last else 10.0**last
    steps = [
        factor * 10.0**power for power in range(first, last + 1) for factor in ((1,) if last - first > 2 else (1, 2, 5))
    ]
    inside = [value for value in steps if start <= value <= end] or [low, high]
    return Scale(low=start, high=end, ticks=tuple(Tick(value=v, label=short(v)) for v in inside), log=True)

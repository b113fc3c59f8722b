"""Ratios of cost at equal error, on the rule that the error falls with the root of the model rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.clock import Timing

TOLERANCE = 0.1
"""Errors that differ by no more than this share count as equal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A method at one budget.

    Attributes:
        name: Of the method.
        error: Relative to the gold values, see `relative_error`, mean over seeds; None where the method has none.
        error_spread: Standard deviation of the error between seeds; None for a single one.
        timing: Seconds for each explained row.
        model_rows: Rows the model evaluated for each explained row.
    """

    name: str
    error: float | None
    timing: Timing
    model_rows: float
    error_spread: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EqualError:
    """What a method costs for each explained row where its error is the asked one.

    Attributes:
        point: The measured point that it was taken from.
        factor: By which the cost of that point was multiplied; 1 where the errors count as equal, or where no cheaper
            point was measured and the error is lower already.
    """

    point: Point
    factor: float

    @property
    def seconds(self) -> float:
        """For each explained row."""
        return self.point.timing.median * self.factor

    @property
    def model_rows(self) -> float:
        """For each explained row."""
        return self.point.model_rows * self.factor


def at_error(points: Sequence[Point], error: float) -> EqualError:
    """The cost of a method at an error, from the measured point whose error is nearest.

    Never cheaper than the cheapest measured point: an estimator has a least budget, below which the rule does not hold.
    """
    measured = [point for point in points if point.error]
    if not measured:
        raise ValueError("expected a point with an error above 0, got none")
    nearest = min(measured, key=lambda point: abs(math.log(_error(point) / error)))
    factor = (_error(nearest) / error) ** 2
    if abs(_error(nearest) / error - 1) <= TOLERANCE:
        factor = 1.0
    cheapest = min(point.timing.median for point in measured)
    return EqualError(point=nearest, factor=max(factor, min(1.0, cheapest / nearest.timing.median)))


def _error(point: Point) -> float:
    if point.error is None:
        raise ValueError(f"expected an error at {point.name}, got None")
    return point.error

"""How outputs answer to a concept: directional derivatives along its vectors, their signs and their size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from auditbench.statistics import percentile_intervals, resampling_weights

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.statistics import IntervalEstimates
    from auditbench_concepts.vectors import Vectors

    Flags: TypeAlias = npt.NDArray[np.bool_]
    Numbers: TypeAlias = npt.NDArray[np.float64]

REPLICATES = 1000
BOOTSTRAP = "pigeonhole-bootstrap"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Slopes:
    """What the outputs of some rows gain along the activations of other rows.

    Attributes:
        values: Shape `(explained rows, rows)`: gradient of the row's target by the units of the layer, times the
            activations of each row.
        targets: Output of each explained row, shape `(explained rows,)`.
        outputs: How many outputs there are.
    """

    values: Numbers
    targets: npt.NDArray[np.int64]
    outputs: int

    def along(self, vectors: Vectors) -> Numbers:
        """Directional derivatives along each vector, shape `(explained rows, runs)`; arXiv:1711.11279, equation 1."""
        return self.values @ vectors.weights.T


def tcav_scores(derivatives: Numbers, slopes: Slopes) -> Numbers:
    """Share of an output's rows with a derivative above 0, mean over runs; shape `(outputs,)`, NaN without rows.

    References: arXiv:1711.11279, equation 2.
    """
    return _by_output((derivatives > 0).mean(axis=1), slopes)


def mean_slopes(derivatives: Numbers, slopes: Slopes) -> Numbers:
    """Mean derivative of each output along the vectors, over rows and runs; shape `(outputs,)`, NaN without rows."""
    return _by_output(derivatives.mean(axis=1), slopes)


def effects(slopes: Slopes, marked: Flags) -> Numbers:
    """What an output gains, to first order, where activations move from the mean of other rows to that of examples.

    Mean over an output's rows; in the unit of the output, shape `(outputs,)`, NaN without rows. Where the network is
    linear from the layer on, it is the mean output of examples less that of other rows.

    Args:
        marked: Which of the rows that `slopes` has columns for are examples, shape `(rows,)`.
    """
    return _by_output(slopes.values[:, marked].mean(axis=1) - slopes.values[:, ~marked].mean(axis=1), slopes)


def effect_interval(values: Numbers, marked: Flags, rng: np.random.Generator) -> IntervalEstimates:
    """Interval of an effect over explained rows, examples and other rows, each drawn with replacement; shape `(1,)`.

    Args:
        values: Of the explained rows of one output, shape `(explained rows, rows)`; see `Slopes`.

    References: as for `two_way_interval`.
    """
    drawn = _drawn(rng, len(values)) @ values / len(values)
    sides = [(drawn[:, side] * _drawn(rng, int(side.sum()))).mean(axis=1, keepdims=True) for side in (marked, ~marked)]
    found = values[:, marked].mean(keepdims=True)[0] - values[:, ~marked].mean(keepdims=True)[0]
    return percentile_intervals(found, sides[0] - sides[1])


def two_way_interval(values: Numbers, rng: np.random.Generator) -> IntervalEstimates:
    """Interval of the mean over rows and runs, both drawn with replacement; shape `(1,)`.

    Args:
        values: Shape `(rows, runs)`, at least two of each.

    References: Owen (2007), The pigeonhole bootstrap, Annals of Applied Statistics 1:386: no narrower, on average, than it
    should be where rows and runs are drawn at random.
    """
    rows, runs = values.shape
    by_row = _drawn(rng, rows) @ values / rows
    drawn = (by_row * _drawn(rng, runs)).mean(axis=1, keepdims=True)
    return percentile_intervals(values.mean(keepdims=True)[0], drawn)


def _drawn(rng: np.random.Generator, rows: int) -> Numbers:
    """How often each row is drawn in each resample, shape `(REPLICATES, rows)`."""
    return np.concatenate(list(resampling_weights(rng, rows, REPLICATES)))


def _by_output(values: Numbers, slopes: Slopes) -> Numbers:
    """Mean over the rows of each output."""
    rows = np.bincount(slopes.targets, minlength=slopes.outputs).astype(np.float64)
    sums = np.bincount(slopes.targets, weights=values, minlength=slopes.outputs)
    means: Numbers = np.divide(sums, rows, out=np.full(slopes.outputs, np.nan), where=rows > 0)
    return means

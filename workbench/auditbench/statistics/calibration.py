"""Whether predicted probabilities match observed rates: reliability bins and the expected calibration error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from auditbench.statistics._arguments import binary_labels, finite_array
from auditbench.statistics.proportions import wilson_intervals

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # comparing arrays with == gives no truth value
class ReliabilityBins:
    """Predicted probability against observed rate, in equal-width bins of the prediction.

    Attributes:
        edges: Shape (bins + 1,), from 0 to 1. A bin holds its lower edge but not its upper one; the last holds both.
        counts: Shape (bins,), integer: rows in each bin.
        mean_predicted: Shape (bins,), in [0, 1]; NaN for an empty bin.
        observed_rate: Shape (bins,), share of outcomes that are 1, in [0, 1]; NaN for an empty bin.
        low: Shape (bins,), lower Wilson bound of `observed_rate`; NaN for an empty bin.
        high: Shape (bins,), upper Wilson bound; NaN for an empty bin.
        level: Nominal coverage of each interval by itself, in (0, 1).
    """

    edges: npt.NDArray[np.float64]
    counts: npt.NDArray[np.int64]
    mean_predicted: npt.NDArray[np.float64]
    observed_rate: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    level: float


def reliability_bins(
    probability: npt.ArrayLike, outcome: npt.ArrayLike, *, bins: int = 10, level: float = 0.95
) -> ReliabilityBins:
    """Bin rows by predicted probability and compare with what happened.

    Args:
        probability: Shape (n,), in [0, 1]: of the positive class, or of the predicted class for several classes.
        outcome: Shape (n,), 0 or 1: the label, or whether the predicted class was right.
        bins: Number of equal-width bins, at least 1.

    Raises:
        ValueError: Another shape, a probability outside [0, 1], other outcomes, no bin, or `level` outside (0, 1).
    """
    import numpy as np

    predicted = finite_array("probability", probability, 1)
    if ((predicted < 0) | (predicted > 1)).any():
        raise ValueError(f"expected `probability` between 0 and 1, got {predicted.min()} to {predicted.max()}")
    if bins < 1:
        raise ValueError(f"expected `bins` of at least 1, got {bins}")
    happened = binary_labels("outcome", outcome, len(predicted))
    edges = np.linspace(0.0, 1.0, bins + 1)
    place = np.minimum(np.searchsorted(edges, predicted, side="right") - 1, bins - 1)
    counts = np.bincount(place, minlength=bins)
    hits = np.bincount(place[happened], minlength=bins)
    size = np.where(counts > 0, counts, np.nan)
    bounds = wilson_intervals(hits, counts, level)
    return ReliabilityBins(
        edges=edges,
        counts=counts.astype(np.int64),
        mean_predicted=np.bincount(place, weights=predicted, minlength=bins) / size,
        observed_rate=hits / size,
        low=bounds[:, 0],
        high=bounds[:, 1],
        level=level,
    )


def expected_calibration_error(probability: npt.ArrayLike, outcome: npt.ArrayLike, *, bins: int = 10) -> float | None:
    """Mean distance between predicted probability and observed rate over equal-width bins, in [0, 1].

    Each bin weighs by its rows. The value depends on the number of bins and is above 0 by chance even for a calibrated
    model, more so with few rows, so both belong beside it. Arguments and errors as for `reliability_bins`; `None`
    without rows.

    Source: Guo, Pleiss, Sun and Weinberger, arXiv:1706.04599, eq. 3 (bins closed at their lower edge here).
    """
    import numpy as np

    table = reliability_bins(probability, outcome, bins=bins)
    rows = int(table.counts.sum())
    if rows == 0:
        return None
    return float(np.nansum(table.counts * np.abs(table.mean_predicted - table.observed_rate)) / rows)

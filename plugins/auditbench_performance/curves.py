"""Curves over thresholds and the reliability of probabilities, thinned to what a figure can show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from auditbench.results import Axis, Curve, Series
from auditbench.statistics import Clusters, reliability_bins, share_interval
from auditbench_performance.measures import message

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Numbers = npt.NDArray[np.float64]

MOST_POINTS = 100


def roc_curve(scores: Numbers, labels: npt.NDArray[Any], label: str) -> Curve:
    """True against false positive rate over all thresholds; both classes must occur."""
    import numpy as np

    found, passed = _threshold_counts(scores, labels)
    positives = found[-1]
    tpr = np.concatenate([[0.0], found / positives])
    fpr = np.concatenate([[0.0], (passed - found) / (passed[-1] - positives)])
    return Curve(
        name="roc",
        title=message("roc", label=label),
        kind="roc",
        x=Axis(label=message("axis.false_positive_rate")),
        y=Axis(label=message("axis.true_positive_rate")),
        series=(_thinned(label, fpr, tpr),),
    )


def precision_recall_curve(scores: Numbers, labels: npt.NDArray[Any], label: str) -> Curve:
    """Precision against recall over all thresholds; positives must occur. Begins at the highest score."""
    found, passed = _threshold_counts(scores, labels)
    return Curve(
        name="precision_recall",
        title=message("precision_recall", label=label),
        kind="precision_recall",
        x=Axis(label=message("axis.recall")),
        y=Axis(label=message("axis.precision")),
        series=(_thinned(label, found / found[-1], found / passed),),
    )


def reliability_curve(
    probability: Numbers, outcome: npt.NDArray[Any], bins: int, label: str, clusters: Clusters | None = None
) -> Curve:
    """Observed rate against mean predicted probability, one point a bin that has rows, with Wilson intervals.

    Args:
        clusters: Of the rows; None where they are independent. A bin whose rows are of too few has no interval.
    """
    table = reliability_bins(probability, outcome, bins=bins)
    filled = table.counts > 0
    low, high = table.low[filled].tolist(), table.high[filled].tolist()
    if clusters is not None:
        low, high = _clustered_bounds(probability, outcome, table.edges, clusters)
    return Curve(
        name="reliability",
        title=message("reliability", bins=bins),
        kind="reliability",
        x=Axis(label=message("axis.predicted_probability")),
        y=Axis(label=message("axis.observed_rate")),
        series=(
            Series(
                label=label,
                x=tuple(table.mean_predicted[filled].tolist()),
                y=tuple(table.observed_rate[filled].tolist()),
                low=tuple(low),
                high=tuple(high),
                n=tuple(table.counts[filled].tolist()),
            ),
        ),
    )


def _clustered_bounds(
    probability: Numbers, outcome: npt.NDArray[Any], edges: Numbers, clusters: Clusters
) -> tuple[list[float | None], list[float | None]]:
    """Bounds of the observed rate of each bin that has rows."""
    import numpy as np

    place = np.minimum(np.searchsorted(edges, probability, side="right") - 1, len(edges) - 2)
    found = [
        share_interval(np.asarray(outcome)[place == number] == 1, clusters.among(place == number))
        for number in np.unique(place)
    ]
    return [share.low for share in found], [share.high for share in found]


def _threshold_counts(scores: Numbers, labels: npt.NDArray[Any]) -> tuple[Numbers, Numbers]:
    """Positives found and rows passed at each distinct score, from the highest down."""
    import numpy as np

    order = np.argsort(-scores, kind="stable")
    last_of_ties = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    found = np.cumsum(labels[order])[last_of_ties]
    return found.astype(np.float64), (last_of_ties + 1).astype(np.float64)


def _thinned(label: str, x: Numbers, y: Numbers) -> Series:
    """At most `MOST_POINTS` points, spread evenly over the length of the curve, the first and last among them."""
    import numpy as np

    length = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    wanted = np.linspace(0.0, length[-1], MOST_POINTS - 1)
    kept = np.unique(np.append(np.searchsorted(length, wanted), len(x) - 1))
    return Series(label=label, x=tuple(x[kept].tolist()), y=tuple(y[kept].tolist()))

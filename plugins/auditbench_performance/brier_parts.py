"""What the Brier score is made of: miscalibration, discrimination and uncertainty, which add up to it exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from auditbench.results import Column, Table
from auditbench_performance.measures import message

if TYPE_CHECKING:
    import numpy.typing as npt

    Labels = npt.NDArray[np.int64]
    Numbers = npt.NDArray[np.float64]
    Rows = npt.NDArray[np.bool_]


def brier_table(probabilities: Numbers, y_true: Labels, label: str) -> tuple[Table, ...]:
    """The parts of the Brier score, of several classes summed over them; none without rows.

    Args:
        probabilities: Shape `(rows, classes)`.
        y_true: Class indices, shape `(rows,)`.
        label: Of the positive class of two classes, which the score is of; else empty, and it is of all classes.
    """
    n, classes = probabilities.shape
    if n == 0:
        return ()
    of = (1,) if label else range(classes)
    parts = np.sum([brier_parts(probabilities[:, each], y_true == each) for each in of], axis=0)
    miscalibration, discrimination, uncertainty = parts.tolist()
    lines = {
        "miscalibration": miscalibration,
        "discrimination": -discrimination,
        "uncertainty": uncertainty,
        "score": miscalibration - discrimination + uncertainty,
    }
    table = Table(
        name="brier_parts",
        title=message("brier_parts", n=n, label=label)
        if label
        else message("brier_parts_classes", n=n, classes=classes),
        columns=(
            Column(name="part", label=message("column.part")),
            Column(name="value", label=message("column.value"), kind="number"),
        ),
        rows=tuple((message(f"part.{name}"), value) for name, value in lines.items()),
        n=n,
    )
    return (table,)


def brier_parts(probability: Numbers, outcome: Rows) -> Numbers:
    """Miscalibration, discrimination and uncertainty, shape `(3,)`; the score is the first less the second plus the third.

    The rows are recalibrated by the rising function of the probability that fits them best: miscalibration is how much
    that betters the score, discrimination how much better it is than the base rate, whose score is the uncertainty. No bins
    are chosen, and equal probabilities stay together.

    Source: Dimitriadis, Gneiting and Jordan (2021), PNAS 118:e2016191118, eq. 8 (CORP).
    """
    from scipy import optimize

    levels, place = np.unique(probability, return_inverse=True)
    rows = np.bincount(place, minlength=len(levels)).astype(np.float64)
    rates = np.bincount(place, weights=outcome, minlength=len(levels)) / rows
    recalibrated = optimize.isotonic_regression(rates, weights=rows).x[place]
    happened, base = outcome.astype(np.float64), float(outcome.mean())
    score, best = np.mean((probability - happened) ** 2), np.mean((recalibrated - happened) ** 2)
    uncertainty = base * (1 - base)
    return np.asarray([score - best, uncertainty - best, uncertainty])

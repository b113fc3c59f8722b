"""Thresholds by group, fitted by fairlearn on scores and labels of some rows.

Source: Hardt, Price and Srebro (2016), arXiv:1610.02413; fairlearn's `ThresholdOptimizer`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator

from auditbench_mitigation.rules import Rule, Threshold

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench_mitigation.grouping import Codes, Mask
    from auditbench_mitigation.rules import Numbers


class GivenScores(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """What fairlearn takes for a fitted estimator: rows of one column, the score."""

    def fit(self, rows: Any, labels: Any = None) -> GivenScores:
        """Learn nothing."""
        return self

    def predict(self, rows: npt.ArrayLike) -> Numbers:
        """The scores, shape `(rows,)`."""
        return np.asarray(rows, dtype=np.float64)[:, 0]

    def __sklearn_is_fitted__(self) -> bool:
        return True


def fitted_groups(of_row: Codes, labels: Codes, fitted: Mask, minimum: int, groups: int) -> Codes:
    """Groups with enough rows to fit thresholds on, and with both labels among them.

    Args:
        fitted: Which rows are fitted on, shape `(rows,)`.
    """
    positive = np.bincount(of_row[fitted], weights=labels[fitted], minlength=groups)
    rows = np.bincount(of_row[fitted], minlength=groups)
    return np.flatnonzero((rows >= minimum) & (positive > 0) & (positive < rows))


def threshold_rules(
    scores: Numbers,
    labels: Codes,
    of_row: Codes,
    *,
    fitted: Mask,
    groups: Codes,
    as_is: Mask,
    constraint: str,
    allowed_gaps: tuple[float, ...],
) -> Iterator[Rule]:
    """A rule for each allowed gap; rows of other groups are decided as they are.

    Args:
        scores: Probability of the positive class, shape `(rows,)`.
        fitted: Rows that thresholds are fitted on; `groups` those that get thresholds of their own, at least two.
        as_is: Decisions of the model as it is.
    """
    from fairlearn.postprocessing import ThresholdOptimizer

    rows = fitted & np.isin(of_row, groups)
    equalized = constraint == "equalized_odds"
    for allowed in (0.0,) if equalized else allowed_gaps:
        optimizer = ThresholdOptimizer(
            estimator=GivenScores(),
            constraints=constraint,
            objective="accuracy_score",
            prefit=True,
            predict_method="predict",
            tol=allowed or None,
        )
        optimizer.fit(scores[rows, np.newaxis], labels[rows], sensitive_features=of_row[rows])
        chance = as_is.astype(np.float64)
        thresholds: list[Threshold] = []
        for group, drawn in optimizer.interpolated_thresholder_.interpolation_dict.items():
            among, own = of_row == group, tuple(_thresholds(int(group), drawn))
            chance[among] = chance_of(own, scores[among])
            thresholds += own
        yield Rule(method="thresholds", allowed=allowed, chance=chance, thresholds=tuple(thresholds))


def chance_of(thresholds: tuple[Threshold, ...], scores: Numbers) -> Numbers:
    """Probability that rows of one group with these scores are decided as positive, shape `(rows,)`."""
    chance = np.zeros(len(scores))
    for each in thresholds:
        chance += each.share * (each.chance if each.above is None else scores > each.above)
    return chance


def _thresholds(group: int, drawn: Any) -> Iterator[Threshold]:
    """fairlearn's two thresholds of a group, of which one is drawn, and the constant that may replace both."""
    by_chance = float(drawn.get("p_ignore", 0.0))
    for share, operation in ((drawn.p0, drawn.operation0), (drawn.p1, drawn.operation1)):
        if kept := float(share) * (1.0 - by_chance):
            yield Threshold(group=group, share=kept, above=float(operation.threshold))
    if by_chance:
        yield Threshold(group=group, share=by_chance, above=None, chance=float(drawn.prediction_constant))

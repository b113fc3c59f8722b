"""Scores of a group for rows that the model behind them has not seen, and how well these tell the group."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from auditbench.statistics import Clusters, IntervalEstimate, delong_interval, wilson_interval

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench_data_bias.telling_inputs import TellingInput

    Numbers = npt.NDArray[np.float64]
    Codes = npt.NDArray[np.int64]

TREES, LEAVES = 60, 15


def held_out_scores(
    telling: TellingInput, classes: Codes, clusters: Clusters | None, seed: int
) -> tuple[npt.NDArray[np.intp], Numbers]:
    """Half of the rows, and scores of each class for these from a model that was fitted on the other half.

    Gradient boosting learns from the columns of a table, logistic regression from the tokens of a text. The halves hold the
    classes in equal shares, and clusters whole. Each row is not scored in turn by cross-fitting: such scores depend on each
    other through the rows that their models share, and intervals of 95 % were seen to cover 88 %.

    Args:
        classes: From 0, each at least twice, shape `(rows,)`.

    Returns:
        Places of the scored rows, and their scores, shape `(scored rows, classes)`.

    Source: Friedman (2001), Annals of Statistics 29:1189 (gradient boosting); Bengio and Grandvalet (2004), J. Machine
    Learning Research 5:1089 (why the variance of cross-validation has no unbiased estimate).
    """
    with _left_as_found():
        fitted, held = _halves(classes, clusters, seed)
        scores = np.zeros((len(held), int(classes.max()) + 1))
        if len(np.unique(classes[fitted])) > 1:  # whole clusters may be of one class; then nothing is learnt
            model = _model(telling, seed)
            model.fit(telling.matrix[fitted], classes[fitted])
            scores[:, model.classes_] = model.predict_proba(telling.matrix[held])
    return held, scores


def auc_interval(
    scores: Numbers, hit: npt.NDArray[np.bool_], clusters: Clusters | None, *, level: float
) -> IntervalEstimate:
    """Area under the ROC curve with DeLong's interval; of a perfect order, one that is not of width 0.

    There the lower bound is Wilson's for as many hits of as many trials as the smaller side has rows, or clusters.
    """
    found = delong_interval(scores, hit, level=level, clusters=clusters)
    if found.reason != "no_variation" or found.estimate != 1.0:
        return found
    sides = [int(side.sum()) if clusters is None else clusters.among(side).count for side in (hit, ~hit)]
    bounds = wilson_interval(min(sides), min(sides), level)
    low = None if bounds is None else bounds[0]
    return IntervalEstimate(estimate=1.0, low=low, high=1.0, level=level, method="wilson")


@contextmanager
def _left_as_found() -> Iterator[None]:
    """One thread, without the warnings of fits that stop early, and without what importing the library leaves behind.

    A few thousand rows gain nothing by more threads, and results do not depend on how many there are. A fit that stops early
    still scores rows that it has not seen.
    """
    environment = dict(os.environ)
    try:
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for variable in os.environ.keys() - environment.keys():
            del os.environ[variable]


def _halves(classes: Codes, clusters: Clusters | None, seed: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    if clusters is None:
        splits = StratifiedKFold(2, shuffle=True, random_state=seed).split(classes, classes)
    else:
        folded = StratifiedGroupKFold(2, shuffle=True, random_state=seed)
        splits = folded.split(classes, classes, clusters.of_row)
    fitted, held = next(splits)
    return fitted, held


def _model(telling: TellingInput, seed: int) -> Any:
    if telling.of_text:
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(C=10.0, max_iter=500)
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        max_iter=TREES,
        max_leaf_nodes=LEAVES,
        early_stopping=False,
        categorical_features=telling.categories,
        random_state=seed,
    )

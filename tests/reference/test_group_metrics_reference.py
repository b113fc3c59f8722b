"""Metrics of groups against fairlearn, their intervals against a bootstrap of rows and against a known truth."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fairlearn import metrics as fairlearn
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, precision_score

from auditbench_fairness import group_metrics
from auditbench_fairness.disparities import disparities, measure_disparity
from auditbench_fairness.questions import Question
from auditbench_fairness.rates import RATES

PEERS = {
    "selection_rate": fairlearn.selection_rate,
    "true_positive_rate": fairlearn.true_positive_rate,
    "false_positive_rate": fairlearn.false_positive_rate,
    "true_negative_rate": fairlearn.true_negative_rate,
    "false_negative_rate": fairlearn.false_negative_rate,
    "precision": lambda y_true, y_pred: precision_score(y_true, y_pred, zero_division=np.nan),
    "accuracy": accuracy_score,
}
DENOMINATORS = {
    "selection_rate": [[1, 1], [1, 1]],
    "true_positive_rate": [[0, 0], [1, 1]],
    "false_positive_rate": [[1, 1], [0, 0]],
    "true_negative_rate": [[1, 1], [0, 0]],
    "false_negative_rate": [[0, 0], [1, 1]],
    "precision": [[0, 1], [0, 1]],
    "accuracy": [[1, 1], [1, 1]],
}
ROWS = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 1), st.sampled_from("abc"), st.integers(3, 5)), min_size=1, max_size=25
)


def sample(n: int, seed: int) -> tuple[Any, Any, Any]:
    """Labels, decisions and two features; the rates of the groups differ."""
    rng = np.random.default_rng(seed)
    sex, race = rng.integers(0, 2, n), rng.choice(3, n, p=[0.6, 0.3, 0.1])
    y_true = (rng.random(n) < np.where(sex == 1, 0.4, 0.3)).astype(int)
    y_pred = (rng.random(n) < 0.15 + 0.5 * y_true + 0.1 * (race == 1)).astype(int)
    return y_true, y_pred, np.column_stack([sex, race])


@settings(deadline=None, max_examples=25)
@given(rows=ROWS)
def test_every_cell_equals_fairlearn_and_empty_ones_are_nan(rows: list[tuple[int, int, str, int]]) -> None:
    y_true, y_pred, area, size = (np.array(part) for part in zip(*rows, strict=True))
    groups = pd.DataFrame({"area": area, "size": size})
    found = group_metrics(y_true=y_true, y_pred=y_pred, groups=groups, metrics=list(PEERS))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fairlearn warns of cells without rows
        frame = fairlearn.MetricFrame(metrics=PEERS, y_true=y_true, y_pred=y_pred, sensitive_features=groups)
    assert list(found.cells) == frame.by_group.index.tolist()
    for index, cell in enumerate(found.cells):
        for column, name in enumerate(PEERS):
            theirs = frame.by_group[name][cell]
            if (found.counts[index] * np.array(DENOMINATORS[name])).sum():
                assert found.values[index, column] == pytest.approx(theirs)
            else:
                assert math.isnan(found.values[index, column])
                assert math.isnan(theirs) or theirs in (0, 1)


def test_disparities_of_the_counts_equal_fairlearn() -> None:
    y_true, y_pred, groups = sample(3000, 0)
    found = group_metrics(y_true=y_true, y_pred=y_pred, groups=groups, metrics=RATES)
    peers = {name: PEERS[name] for name in RATES}
    frame = fairlearn.MetricFrame(metrics=peers, y_true=y_true, y_pred=y_pred, sensitive_features=groups)
    estimated = ~np.isnan(found.values)
    wanted = {"difference": frame.difference(), "ratio": frame.ratio(), "to_overall": frame.difference("to_overall")}
    grouping: Any = None  # names of groups play no part
    question = Question(grouping=grouping, counts=found.counts, places=np.zeros(0, dtype=np.int64), rates=RATES)
    seen = 0
    for disparity in disparities(RATES, to_overall=True):
        if len(disparity.rates) == 1:
            measured = measure_disparity(disparity, question, estimated)
            assert measured.estimate.estimate == pytest.approx(wanted[disparity.kind][disparity.rates[0]]), (
                disparity.name
            )
            seen += 1
    assert seen == 13


def test_counts_drawn_have_the_widths_of_rows_drawn() -> None:
    y_true, y_pred, groups = sample(2000, 1)
    names = ["selection_rate", "true_positive_rate", "false_positive_rate", "precision", "accuracy"]

    def by_counts(seed: int) -> Any:
        rng = np.random.default_rng(seed)
        found = group_metrics(y_true=y_true, y_pred=y_pred, groups=groups, metrics=names, n_boot=1000, rng=rng)
        assert found.interval is not None
        return found.interval

    def by_rows(seed: int) -> Any:
        rng = np.random.default_rng(seed)
        drawn = []
        for _ in range(1000):
            rows = rng.integers(0, 2000, 2000)
            again = group_metrics(y_true=y_true[rows], y_pred=y_pred[rows], groups=groups[rows], metrics=names)
            drawn.append(again.values)
        return np.nanpercentile(drawn, [2.5, 97.5], axis=0)

    ours, again, rows = by_counts(0), by_counts(1), by_rows(2)
    widths = [(interval[1] - interval[0]).mean() for interval in (ours, again, rows)]
    assert widths[0] == pytest.approx(widths[2], rel=0.02)
    assert widths[0] == pytest.approx(widths[1], rel=0.02)
    noise = np.abs(ours - again).mean()
    assert 0 < np.abs(ours - rows).mean() < 1.6 * noise


def coverage(repeats: int, n_boot: int) -> Any:
    """How often intervals hold the truth, shape `(cells, metrics)`."""
    truth = {  # of a group with P(label) = b and decisions 1 at 0.7 of positives and 0.2 of negatives
        group: [0.2 + 0.5 * base, 0.7, 0.2, 0.8 - 0.1 * base] for group, base in (("a", 0.5), ("b", 0.3))
    }
    names = ["selection_rate", "true_positive_rate", "false_positive_rate", "accuracy"]
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(repeats):
        group = rng.choice(["a", "b"], 600)
        y_true = rng.random(600) < np.where(group == "a", 0.5, 0.3)
        y_pred = rng.random(600) < np.where(y_true, 0.7, 0.2)
        found = group_metrics(y_true=y_true, y_pred=y_pred, groups=group, metrics=names, n_boot=n_boot, rng=rng)
        assert found.interval is not None
        known = np.array([truth[str(cell[0])] for cell in found.cells])
        covered.append((found.interval[0] <= known) & (known <= found.interval[1]))
    return np.mean(covered, axis=0)


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    share = coverage(400, 400)
    assert (np.abs(share - 0.95) < 0.04).all()
    assert share.mean() == pytest.approx(0.945, abs=0.012)


@pytest.mark.nightly
def test_intervals_of_500_data_sets_cover_from_93_to_97_percent() -> None:
    share = coverage(500, 1000)
    assert 0.93 <= share.mean() <= 0.97
    assert (np.abs(share - 0.95) < 0.035).all()  # of one rate 0.01 is the error of the simulation itself

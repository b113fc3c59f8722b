"""What each row does to the metrics that plugins report: against their own intervals, and against resampled rows."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from scipy import special

import auditbench_fairness
import auditbench_performance
from auditbench.results import AnalysisResult, Metric
from auditbench.testing import given_outputs_subject, toy_context
from auditbench_fairness.analysis import analyze as analyze_fairness
from auditbench_performance.analysis import analyze as analyze_performance
from auditbench_performance.confusion import (
    balanced_accuracy,
    balanced_accuracy_influence,
    class_counts,
    macro_f1,
    macro_f1_influence,
)
from tests.plugin_results import check_influences

ROWS = 2000
REPLICATES = 40
WITHOUT = {
    "calibration_error_by_chance",
    "residual_percentile",
    "absolute_error_percentile",
    "equal_mass_calibration_error",
    "temperature",
}
"""A quantile of a simulation, and what rests on ranks, where a row is 0 or a step; a temperature is of half of the rows."""
_ENOUGH = 60
"""Hits and misses from which Wilson's interval is as wide as the normal one within a few percent."""
FAIRNESS = auditbench_fairness.Params(intersections=1, most_classes=2)
PERFORMANCE = auditbench_performance.Params(replicates=40, top_k=2)


@dataclasses.dataclass(frozen=True)
class Rows:
    """Outputs, labels and groups; groups differ so much that resampling picks the same extreme pair."""

    outputs: Any
    labels: Any
    groups: Any
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def audit(self, kind: str, rows: Any) -> AnalysisResult:
        subject = given_outputs_subject(
            self.outputs[rows],
            self.labels[rows],
            sensitive_features={"place": self.groups[rows].tolist()},
            **self.options,
        )
        if kind == "fairness":
            return analyze_fairness(toy_context(subject, analyzer=kind, params=FAIRNESS), FAIRNESS)
        return analyze_performance(toy_context(subject, analyzer=kind, params=PERFORMANCE), PERFORMANCE)


def _binary() -> Rows:
    rng = np.random.default_rng(3)
    groups = rng.choice(["a", "b", "c"], ROWS, p=[0.5, 0.25, 0.25])
    labels = (rng.random(ROWS) < np.select([groups == "a", groups == "b"], [0.15, 0.5], 0.75)).astype(int)
    evidence = rng.normal(1.2 * labels + np.select([groups == "a", groups == "b"], [-1.6, -0.6], 0.2))
    return Rows(np.round(special.expit(evidence / 4), 3), labels, groups)


def _multiclass() -> Rows:
    rng = np.random.default_rng(4)
    groups = rng.choice(["a", "b"], ROWS, p=[0.3, 0.7])
    labels = rng.choice(3, ROWS, p=[0.5, 0.3, 0.2])
    logits = rng.normal(size=(ROWS, 3)) + np.where(groups == "a", 0.3, 1.8)[:, np.newaxis] * np.eye(3)[labels]
    logits[:, 0] += np.where(groups == "a", 1.0, -0.2)
    options = {"task": "multiclass-classification", "classes": ("x", "y", "z")}
    return Rows(special.softmax(0.5 * logits, axis=1), labels, groups, options)


def _regression() -> Rows:
    rng = np.random.default_rng(5)
    groups = rng.choice(["a", "b", "c"], ROWS, p=[0.4, 0.35, 0.25])
    shift = np.select([groups == "a", groups == "b"], [0.0, 1.0], 2.5)
    labels = shift + rng.normal(size=ROWS)
    return Rows(
        labels + 0.5 * shift + rng.gamma(2.0, 0.3 + 0.2 * shift),
        labels,
        groups,
        {"task": "regression", "output": "value"},
    )


DATA = {"binary": _binary(), "multiclass": _multiclass(), "regression": _regression()}
AUDITS = [(task, kind) for task in DATA for kind in ("performance", "fairness")]


@pytest.fixture(scope="module")
def audited() -> dict[tuple[str, str], AnalysisResult]:
    return {(task, kind): DATA[task].audit(kind, np.arange(ROWS)) for task, kind in AUDITS}


def standard_error(metric: Metric) -> float:
    influence = np.asarray(metric.influence, dtype=np.float64)
    assert influence.shape == (ROWS,)
    return float(influence.std(ddof=1)) / math.sqrt(ROWS)


def place(metric: Metric) -> tuple[Any, ...]:
    return (metric.name, *sorted(metric.where.items()))


@pytest.mark.parametrize(("task", "kind"), AUDITS)
def test_every_metric_says_what_rows_do_to_it(
    audited: dict[tuple[str, str], AnalysisResult], task: str, kind: str
) -> None:
    check_influences(audited[task, kind])
    for metric in audited[task, kind].metrics:
        assert metric.value is not None, place(metric)
        without = metric.name in WITHOUT
        if kind == "fairness" and metric.name.startswith("calibration_error"):
            without = metric.interval is None  # what could be chance alone
        assert (metric.influence is None) is without, place(metric)


@pytest.mark.parametrize(("task", "kind"), AUDITS)
def test_it_gives_the_interval_that_has_a_closed_form(
    audited: dict[tuple[str, str], AnalysisResult], task: str, kind: str
) -> None:
    compared = 0
    for metric in audited[task, kind].metrics:
        interval, value = metric.interval, metric.value
        if interval is None or value is None or interval.method not in ("wilson", "delong-logit", "student-t"):
            continue
        half, error = (interval.high - interval.low) / 2, standard_error(metric)
        if interval.method == "wilson" and min(value, 1 - value) * (metric.denominator or metric.n) < _ENOUGH:
            continue
        if interval.method == "delong-logit":
            half = (special.logit(interval.high) - special.logit(interval.low)) / 2 * value * (1 - value)
        assert 1.96 * error == pytest.approx(half, rel=0.03), place(metric)
        compared += 1
    assert compared >= 1 or (task, kind) == ("regression", "performance")


def noise_picks_the_pair(metric: Metric) -> bool:
    """Whether a difference between groups is not told from 0; its influence takes the extreme pair as given."""
    return metric.name == "auc_difference" and metric.interval is not None and metric.interval.low == 0


@pytest.mark.parametrize(("task", "kind"), AUDITS)
def test_it_foretells_what_resampled_rows_give(
    audited: dict[tuple[str, str], AnalysisResult], task: str, kind: str
) -> None:
    """A value on resampled rows is that on all rows plus the mean influence of those drawn, up to smaller terms."""
    rng = np.random.default_rng(0)
    picks = [rng.integers(0, ROWS, ROWS) for _ in range(REPLICATES)]
    drawn: dict[tuple[Any, ...], list[float]] = {}
    for rows in picks:
        for metric in DATA[task].audit(kind, rows).metrics:
            assert metric.value is not None
            drawn.setdefault(place(metric), []).append(metric.value)
    for metric in audited[task, kind].metrics:
        if metric.influence is not None and not noise_picks_the_pair(metric):
            values, influence = drawn[place(metric)], np.asarray(metric.influence)
            foretold = np.array([influence[rows].mean() for rows in picks])
            if not influence.any():  # a rate of 0 or 1 is so in every resample
                assert np.ptp(values) == 0, place(metric)
                continue
            correlation = np.corrcoef(values, foretold)[0, 1]
            assert correlation > 0.85, place(metric)
            assert correlation * np.std(values) / np.std(foretold) == pytest.approx(1, abs=0.25), place(metric)


@pytest.mark.parametrize(
    ("metric", "influence"),
    [(balanced_accuracy, balanced_accuracy_influence), (macro_f1, macro_f1_influence)],
    ids=["balanced_accuracy", "macro_f1"],
)
def test_one_more_row_in_a_cell_moves_the_metric_as_foretold(metric: Any, influence: Any) -> None:
    """Of classes with many rows, and of one that neither occurs nor is predicted."""
    counts = 10_000 * np.array([[5, 2, 1, 0], [1, 7, 3, 0], [2, 2, 9, 0], [0, 0, 0, 0]])
    classes = np.array([True, True, True, False])

    def of_table(table: Any) -> Any:
        y_true, y_pred = (np.repeat(places.ravel(), table.ravel()) for places in np.indices(table.shape))
        return class_counts(y_true, y_pred, len(table))

    for cell in np.ndindex(3, 3):
        more = counts.copy()
        more[cell] += 1
        moved = (metric(of_table(more), classes) - metric(of_table(counts), classes)) * counts.sum()
        found = influence(of_table(counts), classes, *(np.array([place]) for place in cell))
        assert found[0] == pytest.approx(float(moved), rel=1e-3), cell


@pytest.mark.parametrize(
    ("most", "gaps", "rates"),
    [(0, 0, 0), (15, 15, 0), (29, 15, 0), (30, 15, 15)],
    ids=["no-room", "gaps", "not-all-groups", "all"],
)
def test_gaps_come_before_groups_where_there_is_room_for_few(
    monkeypatch: pytest.MonkeyPatch, most: int, gaps: int, rates: int
) -> None:
    monkeypatch.setattr("auditbench_fairness.analysis.MOST_INFLUENCES", most * ROWS)
    metrics = DATA["binary"].audit("fairness", np.arange(ROWS)).metrics
    of_rates = [metric for metric in metrics if metric.name in auditbench_fairness.SHARES]
    with_influence = [metric for metric in of_rates if metric.influence is not None]
    assert sum("group" not in metric.where for metric in with_influence) == gaps
    assert sum("group" in metric.where for metric in with_influence) == rates


@pytest.mark.parametrize(("most", "gaps", "means"), [(5, 0, 0), (6, 6, 0), (14, 6, 0), (15, 6, 9)])
def test_gaps_of_means_come_first_as_well(monkeypatch: pytest.MonkeyPatch, most: int, gaps: int, means: int) -> None:
    monkeypatch.setattr("auditbench_fairness.analysis.MOST_INFLUENCES", most * ROWS)
    metrics = DATA["regression"].audit("fairness", np.arange(ROWS)).metrics
    with_influence = [metric for metric in metrics if metric.influence is not None]
    assert sum("group" not in metric.where for metric in with_influence) == gaps
    assert sum("group" in metric.where for metric in with_influence) == means


def test_a_gap_to_a_group_at_the_edge_is_not_known_by_row() -> None:
    """Everyone of one group is selected: its rows move nothing, and its rate is uncertain all the same."""
    rng = np.random.default_rng(6)
    groups = np.repeat(["a", "b"], 60)
    outputs = np.where((groups == "a") | (rng.random(120) < 0.5), 0.9, 0.1)
    rows = Rows(outputs, (rng.random(120) < 0.5).astype(int), groups)
    metrics = {place(metric): metric for metric in rows.audit("fairness", np.arange(120)).metrics}
    feature = ("feature", "place")
    known = {key: metric.influence is not None for key, metric in metrics.items()}
    assert known[("accuracy_difference", feature)]
    for name in ("demographic_parity_difference", "demographic_parity_ratio", "selection_rate_difference_to_overall"):
        assert not known[(name, feature)], name
        assert metrics[(name, feature)].interval is not None


def test_features_come_before_their_combinations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auditbench_fairness.analysis.MOST_INFLUENCES", 60 * ROWS)
    params = auditbench_fairness.Params(intersections=2)
    rows = DATA["binary"]
    sensitive = {"place": rows.groups.tolist(), "half": (np.arange(ROWS) % 2).tolist()}
    subject = given_outputs_subject(rows.outputs, rows.labels, sensitive_features=sensitive)
    metrics = analyze_fairness(toy_context(subject, analyzer="fairness", params=params), params).metrics
    having = dict.fromkeys(("place", "half", "place & half"), 0)
    for metric in metrics:
        having[metric.where["feature"]] += metric.influence is not None
    assert having == {"place": 30, "half": 25, "place & half": 0}


def test_very_many_classes_and_rows_leave_classes_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auditbench_performance.multiclass.MOST_INFLUENCES", 9 * ROWS - 1)
    metrics = DATA["multiclass"].audit("performance", np.arange(ROWS)).metrics
    assert not any(metric.influence is not None for metric in metrics if "class" in metric.where)
    assert any(metric.influence is not None for metric in metrics)

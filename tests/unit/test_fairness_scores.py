"""Scores of groups: area under the curve, mean score and calibration, equal to single functions and to scikit-learn."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import auditbench_fairness
from auditbench.results import AnalysisResult
from auditbench.statistics import (
    GroupedRows,
    auc,
    clusters_of,
    delong_interval,
    expected_calibration_error,
    largest_mean_difference_of,
    mean_interval,
)
from auditbench.testing import given_outputs_subject, toy_context
from auditbench_fairness import Params
from auditbench_fairness.analysis import analyze
from auditbench_fairness.scores import SCORES, area_values, calibration_values
from tests.plugin_results import check_result, metric_of

ROWS = 600


def drawn(seed: int = 0) -> tuple[Any, Any, Any]:
    """Scores to one digit, so that many are equal, labels, and groups of uneven sizes."""
    rng = np.random.default_rng(seed)
    group = rng.choice(["a", "b", "c"], ROWS, p=[0.6, 0.3, 0.1])
    score = np.round(rng.beta(2, 3, ROWS) + 0.1 * (group == "b"), 1).clip(0, 1)
    label = (rng.random(ROWS) < 0.5 * score + 0.3 * (group == "a")).astype(int)
    return score.astype(np.float32).astype(np.float64), label, group


def measure(score: Any, label: Any, params: Params | None = None, **keys: Any) -> AnalysisResult:
    given = params or Params()
    subject = given_outputs_subject(score, label, **keys)
    result = analyze(toy_context(subject, analyzer="fairness", params=given), given)
    check_result(auditbench_fairness, result)
    return result


def test_scores_of_groups_equal_those_of_their_rows_alone() -> None:
    score, label, group = drawn()
    result = measure(score, label, Params(minimum_outcomes=1), sensitive_features={"g": group})
    for name in "abc":
        own = group == name
        found = {metric: metric_of(result, metric, feature="g", group=name) for metric in SCORES}
        assert found["auc"].value == pytest.approx(auc(score[own], label[own]))
        assert found["mean_score"].value == pytest.approx(score[own].mean())
        assert found["calibration_gap"].value == pytest.approx(score[own].mean() - label[own].mean())
        assert found["calibration_error"].value == pytest.approx(expected_calibration_error(score[own], label[own]))
        student, delong = mean_interval(score[own]), delong_interval(score[own], label[own])
        mean, area = found["mean_score"].interval, found["auc"].interval
        assert mean is not None
        assert area is not None
        assert (mean.low, mean.high) == pytest.approx((student.low, student.high))
        assert (area.low, area.high) == pytest.approx((delong.low, delong.high), abs=0.01)
    values = [metric_of(result, "auc", feature="g", group=name).value for name in "abc"]
    gap = metric_of(result, "auc_difference", feature="g")
    assert gap.value == pytest.approx(max(values) - min(values))
    assert gap.interval is not None


def test_weights_give_the_areas_of_scikit_learn() -> None:
    score, label, group = drawn(1)
    weights = np.random.default_rng(1).lognormal(0, 1, ROWS)
    result = measure(score, label, sensitive_features={"g": group}, weights=weights)
    for name in "abc":
        own = group == name
        wanted = roc_auc_score(label[own], score[own], sample_weight=weights[own])
        assert metric_of(result, "auc", feature="g", group=name).value == pytest.approx(wanted)
        gap = np.average(score[own] - label[own], weights=weights[own])
        assert metric_of(result, "calibration_gap", feature="g", group=name).value == pytest.approx(gap)


def test_weights_of_whole_numbers_count_rows_as_often() -> None:
    score, label, group = drawn(2)
    times = np.random.default_rng(2).integers(1, 4, ROWS)
    weighted = measure(score, label, sensitive_features={"g": group}, weights=times)
    again = [np.repeat(part, times) for part in (score, label, group)]
    repeated = measure(again[0], again[1], sensitive_features={"g": again[2]})
    values = {(m.name, tuple(m.where.values())): m.value for m in weighted.metrics}
    for metric in repeated.metrics:
        assert values[metric.name, tuple(metric.where.values())] == pytest.approx(metric.value, abs=1e-9), metric.name


def test_values_a_row_have_the_scores_as_means() -> None:
    score, label, group = drawn(3)
    _, of_row = np.unique(group, return_inverse=True)
    rows = GroupedRows(of_row=of_row, groups=3)
    areas, errors = area_values(rows, score, label == 1), calibration_values(rows, score, label == 1)
    for place, name in enumerate("abc"):
        own = group == name
        assert areas[of_row == place].mean() == pytest.approx(auc(score[own], label[own]))
        assert errors[own].mean() == pytest.approx(expected_calibration_error(score[own], label[own]))


def test_a_group_of_one_label_has_no_area_and_says_so() -> None:
    score, label, group = drawn(4)
    label = np.where(group == "c", 1, label)
    result = measure(score, label, sensitive_features={"g": group})
    area = metric_of(result, "auc", feature="g", group="c")
    assert (area.value, area.reason.key) == (None, "fairness.undefined.one_class")
    assert metric_of(result, "mean_score", feature="g", group="c").value is not None
    values = [metric_of(result, "auc", feature="g", group=name).value for name in "ab"]
    assert metric_of(result, "auc_difference", feature="g").value == pytest.approx(max(values) - min(values))
    table = next(table for table in result.tables if table.name == "scores")
    (row,) = (row for row in table.rows if row[1] == "c")
    assert row[-1].key == "fairness.not_estimated.auc"


def test_a_perfect_ranking_has_no_interval_rather_than_one_of_no_width() -> None:
    score, _, group = drawn(5)
    result = measure(score, (score > 0.4).astype(int), sensitive_features={"g": group})
    area = metric_of(result, "auc", feature="g", group="a")
    assert (area.value, area.interval, area.no_interval) == (1.0, None, "not_estimated")
    assert metric_of(result, "auc_difference", feature="g").interval is None
    gaps = next(table for table in result.tables if table.name == "score_disparities")
    (row,) = (row for row in gaps.rows if row[1].key == "fairness.auc_difference")
    assert row[-1].key == "fairness.no_interval.not_estimated"


def test_decisions_alone_have_no_scores() -> None:
    score, label, group = drawn(6)
    result = measure((score > 0.4).astype(float), label, sensitive_features={"g": group})
    assert not {metric.name for metric in result.metrics} & set(SCORES)
    assert "scores" not in {table.name for table in result.tables}


def area_of(score: Any, label: Any) -> float:
    found = auc(score, label)
    assert found is not None
    return found


def cover(clustered: bool, repeats: int) -> float:
    """How often the bounds of the difference of two areas hold the true one."""
    rng, held = np.random.default_rng(4), 0
    ids = np.repeat(np.arange(50), 6) if clustered else np.arange(300)
    big = rng.integers(0, 2, 200_000)
    truth = area_of(rng.normal(size=200_000) + 1.0 * big, big) - area_of(rng.normal(size=200_000) + 0.5 * big, big)
    for _ in range(repeats):
        group, label = rng.integers(0, 2, 300), rng.integers(0, 2, 300)
        # The variance of a score is 1, with or without what its cluster adds.
        noise = np.sqrt(0.3) * rng.normal(size=50)[ids] + np.sqrt(0.7) * rng.normal(size=300) if clustered else None
        score = (rng.normal(size=300) if noise is None else noise) + np.where(group == 1, 1.0, 0.5) * label
        rows = GroupedRows(of_row=group, groups=2, clusters=clusters_of(ids))
        areas = dataclasses.replace(rows.means(area_values(rows, score, label == 1)), log_odds=True)
        found = largest_mean_difference_of(areas)
        assert found.low is not None
        assert found.high is not None
        held += found.low <= truth <= found.high
    return held / repeats


@pytest.mark.parametrize("clustered", [False, True])
def test_bounds_of_differences_in_area_hold_the_truth(clustered: bool) -> None:
    assert cover(clustered, 120) >= 0.89


@pytest.mark.nightly
@pytest.mark.parametrize("clustered", [False, True])
def test_bounds_of_differences_in_area_cover_as_often_as_they_say(clustered: bool) -> None:
    assert 0.93 <= cover(clustered, 500) <= 0.975


def test_clusters_widen_the_intervals_of_scores() -> None:
    score, label, group = drawn(7)
    order = np.lexsort((score, group))
    given = score[order], label[order], {"sensitive_features": {"g": group[order]}}
    alone = measure(given[0], given[1], **given[2])
    together = measure(given[0], given[1], clusters=np.arange(ROWS) // 10, **given[2])
    assert clusters_of(np.arange(ROWS) // 10) is not None
    for name in ("mean_score", "mean_score_difference"):
        where = {"group": "a"} if name == "mean_score" else {}
        one, many = (metric_of(each, name, feature="g", **where).interval for each in (alone, together))
        assert one is not None
        assert many is not None
        assert many.high - many.low > 1.5 * (one.high - one.low)

"""Fairness and parity where rows depend on each other: intervals and tests go by clusters."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

import auditbench_fairness
import auditbench_parity
from auditbench.results import AnalysisResult
from auditbench.statistics import FEWEST_CLUSTERS, wilson_interval
from auditbench.testing import ToySubject, given_outputs_subject, toy_context, toy_subject
from auditbench_fairness.analysis import analyze as measure_fairness
from auditbench_parity.analysis import analyze as measure_parity
from tests.plugin_results import check_result, metric_of, rules_of

ROWS = 400
TEXTS = np.repeat(np.arange(20), 20)


def clustered(subject: ToySubject, ids: Any) -> ToySubject:
    data = subject.data.with_rows(lambda part: dataclasses.replace(part, clusters=ids))
    return dataclasses.replace(subject, data=data)


def fairness_of(task: Any, ids: Any) -> AnalysisResult:
    rng = np.random.default_rng(0)
    group = np.arange(ROWS) % 2
    scores = 0.9 * group + 0.05 * rng.random(ROWS)
    labels = (rng.random(ROWS) < 0.5).astype(float)
    output: Any = {"output": "value"} if task == "regression" else {}
    sensitive = {"sex": np.where(group == 1, "F", "M")}
    subject = given_outputs_subject(scores, labels, task=task, sensitive_features=sensitive, **output)
    params = auditbench_fairness.Params()
    return measure_fairness(toy_context(clustered(subject, ids), analyzer="fairness", params=params), params)


@pytest.mark.parametrize("task", ["binary-classification", "regression"])
def test_values_are_those_of_independent_rows_and_intervals_go_by_clusters(task: str) -> None:
    plain, found = fairness_of(task, np.arange(ROWS)), fairness_of(task, TEXTS)
    check_result(auditbench_fairness, found)
    assert [metric.value for metric in found.metrics] == pytest.approx(
        [metric.value for metric in plain.metrics], abs=1e-12
    )
    methods = {metric.interval.method for metric in found.metrics if metric.interval and "group" in metric.where}
    assert methods
    assert all(method.startswith("cluster-") for method in methods)
    assert {table.name for table in plain.tables} == {table.name for table in found.tables}
    notes = {note.text.key for note in found.notes}
    assert "fairness.note.clusters" in notes
    assert not {"fairness.note.intervals", "fairness.note.intervals_regression"} & notes


def test_clusters_of_equal_rows_count_as_one_row_each() -> None:
    rng = np.random.default_rng(3)
    group, hit, label = rng.integers(0, 2, 60), rng.random(60) < 0.4, rng.integers(0, 2, 60)

    def of(times: int) -> AnalysisResult:
        sex = np.repeat(np.where(group == 1, "F", "M"), times)
        subject = given_outputs_subject(
            np.repeat(hit.astype(float), times),
            np.repeat(label, times),
            sensitive_features={"sex": sex},
            clusters=np.repeat(np.arange(60), times) if times > 1 else None,
        )
        params = auditbench_fairness.Params(minimum_group=5, minimum_outcomes=1)
        return measure_fairness(toy_context(subject, analyzer="fairness", params=params), params)

    one, ten = of(1), of(10)
    for name, where in (("selection_rate", {"group": "F"}), ("demographic_parity_difference", {})):
        alone, repeated = (metric_of(each, name, feature="sex", **where) for each in (one, ten))
        assert repeated.value == pytest.approx(alone.value)
        assert alone.interval is not None
        assert repeated.interval is not None
        width = alone.interval.high - alone.interval.low
        assert (
            width < repeated.interval.high - repeated.interval.low < 1.15 * width
        )  # Student's quantile for 60 clusters


@pytest.mark.parametrize("task", ["binary-classification", "regression"])
def test_a_group_of_few_clusters_is_not_estimated(task: str) -> None:
    clusters = np.where(np.arange(ROWS) % 2 == 1, np.arange(ROWS) % 16, 100 + np.arange(ROWS) % 10)
    found = fairness_of(task, clusters)
    counted = {metric.where.get("group", ""): metric.clusters for metric in found.metrics if metric.value is not None}
    assert counted == {"F": 8}
    reasons = {m.reason.key for m in found.metrics if m.where.get("group") == "M" and m.reason}
    assert reasons == {"fairness.undefined.few_clusters"}
    gaps = {m.reason.key for m in found.metrics if "group" not in m.where and m.reason}
    assert gaps == {"fairness.undefined.one_group"}
    assert {metric.clusters for metric in fairness_of(task, None).metrics} == {None}


def test_a_group_that_is_left_out_brings_no_clusters() -> None:
    group = np.where(np.arange(ROWS) < 5, "tiny", np.where(np.arange(ROWS) % 2, "F", "M"))
    clusters = np.where(np.arange(ROWS) < 5, 1000 + np.arange(ROWS), np.arange(ROWS) % 20)
    subject = given_outputs_subject(
        np.linspace(0.01, 0.99, ROWS), np.arange(ROWS) % 3 == 0, sensitive_features={"who": group}
    )
    params = auditbench_fairness.Params()
    found = measure_fairness(toy_context(clustered(subject, clusters), analyzer="fairness", params=params), params)
    gap = metric_of(found, "demographic_parity_difference", feature="who")
    assert gap.clusters == 20
    assert {metric.clusters for metric in found.metrics if metric.where.get("group") == "tiny"} == {None}


def test_a_gap_is_found_where_the_same_rows_are_independent() -> None:
    assert "gap" in rules_of(fairness_of("binary-classification", None))


def parity_of(ids: Any) -> AnalysisResult:
    subject, other = toy_subject(rows=ROWS, seed=0), toy_subject("constant", rows=ROWS)
    context = toy_context(clustered(subject, ids), analyzer="parity", models={"other": other.model})
    return measure_parity(context, auditbench_parity.Params())


def test_decisions_that_differ_between_models_are_counted_by_cluster() -> None:
    plain, found = (metric_of(parity_of(ids), "changed_decisions") for ids in (None, TEXTS))
    assert plain.value == found.value
    assert (plain.clusters, found.clusters) == (None, 20)
    assert plain.value is not None
    assert plain.interval is not None
    assert (plain.interval.low, plain.interval.high) == wilson_interval(round(plain.value * ROWS), ROWS)
    assert found.interval is not None
    assert found.interval.method == "cluster-wilson"
    assert found.interval.high - found.interval.low > plain.interval.high - plain.interval.low
    few = metric_of(parity_of(np.arange(ROWS) % (FEWEST_CLUSTERS - 1)), "changed_decisions")
    assert (few.interval, few.no_interval, few.clusters) == (None, "few_clusters", FEWEST_CLUSTERS - 1)

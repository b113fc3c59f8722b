"""Fairness and parity where rows depend on each other: no interval or test takes them as independent."""

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
def test_fairness_has_the_values_alone_where_rows_depend_on_each_other(task: str) -> None:
    plain, found = fairness_of(task, np.arange(ROWS)), fairness_of(task, TEXTS)
    check_result(auditbench_fairness, found)
    assert [metric.value for metric in found.metrics] == [metric.value for metric in plain.metrics]
    assert any(metric.interval for metric in plain.metrics)
    for metric in found.metrics:
        assert metric.interval is None
        assert metric.value is None or metric.no_interval == "dependent_rows"
    assert {table.name for table in plain.tables} - {table.name for table in found.tables} == {"comparisons"}
    assert "fairness.limit.dependent_rows" in {note.text.key for note in found.notes}
    assert not any("interval" in note.text.key for note in found.notes)
    assert not any(rule.endswith("gap") for rule in rules_of(found))


@pytest.mark.parametrize("task", ["binary-classification", "regression"])
def test_values_of_groups_say_how_many_clusters_are_behind_them(task: str) -> None:
    clusters = np.where(np.arange(ROWS) % 2 == 1, np.arange(ROWS) % 16, 100 + np.arange(ROWS) % 10)
    found = fairness_of(task, clusters)
    counted = {metric.where.get("group", ""): metric.clusters for metric in found.metrics if metric.value is not None}
    assert counted == {"F": 8, "M": 5, "": 13}
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

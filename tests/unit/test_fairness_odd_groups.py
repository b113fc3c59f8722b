"""Groups as data have them: one person, one label, hundreds, none, missing and several values at once, and weights."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import auditbench_fairness
from auditbench.bands import MISSING_GROUP
from auditbench.results import AnalysisResult
from auditbench.testing import given_outputs_subject, toy_context
from auditbench_fairness import Params
from auditbench_fairness.analysis import analyze
from auditbench_fairness.measures import SMALLEST_SHOWN
from auditbench_fairness.setting import setting_of
from tests.plugin_results import check_result, finding_of, metric_of, rules_of


def measure(score: Any, label: Any, params: Params | None = None, **keys: Any) -> AnalysisResult:
    given = params or Params()
    subject = given_outputs_subject(score, label, **keys)
    result = analyze(toy_context(subject, analyzer="fairness", params=given), given)
    check_result(auditbench_fairness, result)
    return result


def drawn(rows: int, seed: int = 0) -> tuple[Any, Any, np.random.Generator]:
    rng = np.random.default_rng(seed)
    score = rng.random(rows)
    return score, (rng.random(rows) < score).astype(int), rng


def every_number_has_its_reason(result: AnalysisResult) -> bool:
    return all((metric.value is None) == (metric.reason is not None) for metric in result.metrics)


def test_a_group_of_few_rows_is_named_and_not_counted_out() -> None:
    score, label, _ = drawn(200)
    group = np.array(["one", *["seven"] * 7, *["fifteen"] * 15, *["many"] * 177])
    result = measure(score, label, sensitive_features={"who": group})
    shown = {"one": None, "seven": None, "fifteen": 15, "many": 177}
    for name, n in shown.items():
        own = [metric for metric in result.metrics if metric.where.get("group") == name]
        assert {metric.n for metric in own} == {n or 0}
        assert n is not None or all(metric.denominator is None for metric in own)
        for metric in own if n is None else ():
            assert metric.value is None
            assert metric.reason is not None
            assert metric.reason.values == {"shown_from": SMALLEST_SHOWN, "minimum": 30}
    for table in result.tables:
        if table.name in ("groups", "scores"):
            column = [each.name for each in table.columns].index("n")
            assert {row[1]: row[column] for row in table.rows} == shown
    said = json.dumps([[str(cell) for cell in row] for table in result.tables for row in table.rows])
    assert "'n': 7" not in said
    assert {"fairness.limit.suppression", "fairness.note.minimum"} <= {note.text.key for note in result.notes}


def test_two_hundred_groups_are_measured_and_cut() -> None:
    score, label, rng = drawn(20_000)
    group = rng.integers(0, 200, 20_000).astype(str)
    result = measure(score, label, sensitive_features={"zip": group})
    assert every_number_has_its_reason(result)
    listed = {metric.where["group"] for metric in result.metrics if "group" in metric.where}
    assert len(listed) == Params().most_groups
    gap = metric_of(result, "demographic_parity_difference", feature="zip")
    assert gap.n == 20_000
    assert gap.interval is not None
    assert gap.interval.low == 0.0  # the groups differ by chance alone
    assert not {"gap", "error_gap"} & set(rules_of(result))
    comparisons = next(table for table in result.tables if table.name == "comparisons")
    assert comparisons.title.values["n"] == len(comparisons.rows)
    adjusted = [row[-1] for row in comparisons.rows]
    assert min(adjusted) > 0.01


def test_empty_intersections_have_a_reason_and_no_number() -> None:
    score, label, _ = drawn(400)
    one = np.where(np.arange(400) % 2, "a", "b")
    other = np.where(np.arange(400) % 2, "x", "y")
    result = measure(score, label, sensitive_features={"one": one, "other": other})
    empty = [metric for metric in result.metrics if metric.where.get("group") in ("a & y", "b & x")]
    assert empty
    assert {metric.reason.key for metric in empty if metric.reason} == {"fairness.undefined.empty_group"}
    assert {metric.value for metric in empty} == {None}


@pytest.mark.parametrize("label_of", [0, 1])
def test_a_group_of_one_label_lacks_what_needs_both(label_of: int) -> None:
    score, label, _ = drawn(300)
    group = np.where(np.arange(300) % 3 == 0, "same", "mixed")
    label = np.where(group == "same", label_of, label)
    result = measure(score, label, sensitive_features={"who": group})
    lacking = {metric.name for metric in result.metrics if metric.where.get("group") == "same" and metric.value is None}
    assert lacking == {"auc", "false_positive_rate" if label_of else "true_positive_rate"}
    assert every_number_has_its_reason(result)


def test_rows_without_a_value_are_a_group_and_said_so() -> None:
    score, label, _ = drawn(300)
    group = np.where(np.arange(300) % 5 == 0, MISSING_GROUP, np.where(np.arange(300) % 2, "a", "b"))
    result = measure(score, label, sensitive_features={"who": group})
    assert metric_of(result, "selection_rate", feature="who", group=MISSING_GROUP).n == 60
    (note,) = (note for note in result.notes if note.text.key == "fairness.limit.missing_value")
    assert note.text.values == {"names": "who"}


def test_several_values_at_once_are_a_group_of_their_own_and_said_so() -> None:
    score, label, _ = drawn(300)
    group = np.array(["black", "white", "black|white"] * 100)
    result = measure(score, label, sensitive_features={"race": group})
    assert {m.where["group"] for m in result.metrics if m.name == "accuracy"} == {"black", "white", "black|white"}
    assert metric_of(result, "selection_rate", feature="race", group="black").n == 100
    (note,) = (note for note in result.notes if note.text.key == "fairness.limit.several_values")
    assert note.text.values == {"names": "race", "value": "black|white"}


def test_every_table_names_the_positive_label_and_the_threshold() -> None:
    score, label, rng = drawn(300)
    subject = given_outputs_subject(
        score,
        label,
        threshold=0.3,
        classes=("deny", "grant"),
        sensitive_features={"who": np.where(np.arange(300) % 2, "a", "b")},
        control_features={"school": rng.choice(["x", "y"], 300)},
    )
    context = toy_context(subject, analyzer="fairness", params=Params())
    assert setting_of(context).kind == "binary"
    result = analyze(context, Params())
    assert [table.name for table in result.tables] == [
        "groups",
        "scores",
        "score_disparities",
        "disparities",
        "comparisons",
        "conditional",
    ]
    for table in result.tables:
        assert table.title.values["positive"] == "grant", table.name
        assert table.title.values["threshold"] == 0.3, table.name


def test_the_lowest_and_the_highest_group_are_named_with_what_could_be_found() -> None:
    score, label, _ = drawn(600)
    group = np.array(["a", "b", "c"] * 200)
    score = np.clip(score + 0.2 * (group == "b") - 0.2 * (group == "c"), 0, 1)
    result = measure(score, label, sensitive_features={"who": group})
    table = next(table for table in result.tables if table.name == "disparities")
    names = [column.name for column in table.columns]
    rows = {row[1].key: dict(zip(names, row, strict=True)) for row in table.rows}
    parity = rows["fairness.demographic_parity_difference"]
    assert (parity["lowest"], parity["highest"]) == ("c", "b")
    assert 0 < parity["detectable"] < parity["value"]
    overall = rows["fairness.selection_rate_difference_to_overall"]
    assert overall["lowest"] in ("b", "c")
    assert overall["highest"].key == "fairness.all_rows"
    assert rows["fairness.demographic_parity_ratio"]["detectable"] is None


def test_weighted_rates_are_those_of_the_weighted_rows() -> None:
    score, label, rng = drawn(500)
    group, weights = rng.choice(["a", "b"], 500), rng.lognormal(0, 1, 500)
    result = measure(score, label, sensitive_features={"who": group}, weights=weights)
    hit, own = score >= 0.5, group == "a"
    rate = metric_of(result, "selection_rate", feature="who", group="a")
    assert rate.value == pytest.approx(np.average(hit[own], weights=weights[own]))
    assert (rate.n, rate.denominator) == (own.sum(), own.sum())
    precision = metric_of(result, "precision", feature="who", group="a")
    assert precision.value == pytest.approx(np.average(label[own & hit], weights=weights[own & hit]))
    table = next(table for table in result.tables if table.name == "groups")
    names = [column.name for column in table.columns]
    (row,) = (dict(zip(names, row, strict=True)) for row in table.rows if row[1] == "a")
    kish = weights[own].sum() ** 2 / np.sum(weights[own] ** 2)
    assert row["effective"] <= kish * (1 + 1e-9)
    assert row["effective"] > 0.5 * kish
    assert rate.interval is not None
    assert rate.interval.method == "weighted-wilson"


@pytest.mark.parametrize("task", ["binary-classification", "multiclass-classification", "regression"])
def test_equal_weights_change_no_value(task: Any) -> None:
    score, label, rng = drawn(300)
    group = rng.choice(["a", "b", "c"], 300)
    outputs = np.stack([score, 1 - score, np.full(300, 0.4)], axis=1) if task.startswith("multi") else score
    keys = {"multiclass-classification": {"classes": ("p", "q", "r")}, "regression": {"output": "value"}}.get(task, {})
    keys = {**keys, "task": task, "sensitive_features": {"who": group}}
    if task.startswith("multi"):
        outputs = outputs / outputs.sum(axis=1, keepdims=True)
    once, same = measure(outputs, label, **keys), measure(outputs, label, weights=np.full(300, 7.0), **keys)
    for one, other in zip(once.metrics, same.metrics, strict=True):
        assert (one.name, one.where) == (other.name, other.where)
        assert other.value == pytest.approx(one.value, abs=1e-9)
        if one.interval is not None and other.interval is not None:
            assert (other.interval.low, other.interval.high) == pytest.approx(
                (one.interval.low, one.interval.high), abs=1e-9
            )


def test_a_group_of_no_weight_is_not_estimated() -> None:
    score, label, _ = drawn(200)
    group = np.where(np.arange(200) % 4 == 0, "out", "in")
    result = measure(score, label, sensitive_features={"who": group}, weights=(group == "in").astype(float))
    reasons = {m.reason.key for m in result.metrics if m.where.get("group") == "out" and m.reason}
    assert "fairness.undefined.no_weight" in reasons
    assert every_number_has_its_reason(result)


def simpson() -> tuple[Any, Any, dict[str, Any], dict[str, Any]]:
    """Ten times the table of `test_stratified`: few are taken where women apply, and more of them than of men."""
    cells = {("hard", "F"): (300, 1000), ("easy", "F"): (80, 100), ("hard", "M"): (20, 100), ("easy", "M"): (600, 900)}
    score, place, sex = [], [], []
    for (department, group), (hits, rows) in cells.items():
        score += [0.9] * hits + [0.1] * (rows - hits)
        place += [department] * rows
        sex += [group] * rows
    label = np.arange(len(score)) % 2
    return np.array(score), label, {"sex": np.array(sex)}, {"department": np.array(place)}


def test_conditional_parity_turns_simpsons_table() -> None:
    score, label, sensitive, control = simpson()
    result = measure(score, label, sensitive_features=sensitive, control_features=control)
    plain = metric_of(result, "demographic_parity_difference", feature="sex")
    assert plain.value == pytest.approx(620 / 1000 - 380 / 1100)
    first, second = 1000 * 100 / 1100, 100 * 900 / 1000
    by_hand = (first * (0.30 - 0.20) + second * (0.80 - 600 / 900)) / (first + second)
    largest = metric_of(result, "conditional_demographic_parity_difference", feature="sex")
    assert largest.value == pytest.approx(by_hand)
    table = next(table for table in result.tables if table.name == "conditional")
    names = [column.name for column in table.columns]
    (row,) = (dict(zip(names, row, strict=True)) for row in table.rows)
    assert row["plain"] == pytest.approx(380 / 1100 - 620 / 1000)
    assert row["at_equal"] == pytest.approx(by_hand)
    assert (row["strata"], row["strata_left_out"]) == (2, 0)
    found = finding_of(result, "reversal")
    assert found.title.values["group"] == "F"
    assert found.title.values["control"] == "department"


def test_a_group_alone_at_its_values_is_not_compared_at_equal_ones() -> None:
    score, label, sensitive, _ = simpson()
    control = {"badge": np.where(sensitive["sex"] == "F", "red", "blue")}
    result = measure(score, label, sensitive_features=sensitive, control_features=control)
    largest = metric_of(result, "conditional_demographic_parity_difference", feature="sex")
    assert (largest.value, largest.reason.key) == (None, "fairness.undefined.no_rows")
    assert "reversal" not in rules_of(result)


def test_control_features_of_a_regression_are_said_not_to_be_used() -> None:
    score, label, sensitive, control = simpson()
    result = measure(
        score, label, task="regression", output="value", sensitive_features=sensitive, control_features=control
    )
    assert "fairness.limit.control_task" in {note.text.key for note in result.notes}
    assert not [metric for metric in result.metrics if metric.name.startswith("conditional")]


@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("task", ["binary-classification", "multiclass-classification", "regression"])
def test_every_mix_gives_a_valid_result(task: Any, weighted: bool, clustered: bool) -> None:
    rng = np.random.default_rng(0)
    score, label, who = rng.random(400), rng.integers(0, 2, 400), rng.choice(["a", "b", "c"], 400)
    keys: dict[str, Any] = {"task": task, "clusters": np.arange(400) // 8 if clustered else None}
    keys["weights"] = rng.lognormal(0, 1, 400) * (rng.random(400) > 0.1) if weighted else None
    half = rng.choice(["x", "y"], 400)
    keys["sensitive_features"] = {"who": np.where(np.arange(400) < 1, "solo", who), "half": half}
    keys["control_features"] = {"school": rng.choice(["u", "v", "w"], 400), "same": half}
    if task == "multiclass-classification":
        score, label = rng.dirichlet([1, 1, 1], 400), rng.integers(0, 3, 400)
        keys["classes"] = ("p", "q", "r")
    if task == "regression":
        keys["output"] = "value"
    for params in (Params(), Params(minimum_group=1, minimum_outcomes=1)):
        result = measure(score, label, params, **keys)
        assert every_number_has_its_reason(result)


@pytest.mark.parametrize("label_of", [0, 1, None])
def test_outcomes_that_never_vary_give_a_valid_result(label_of: int | None) -> None:
    label = np.arange(40) % 2 if label_of is None else np.full(40, label_of)
    score = np.full(40, 0.5) if label_of is None else np.full(40, 0.1 + 0.8 * label_of)
    keys: dict[str, Any] = {
        "sensitive_features": {"who": ["a", "b"] * 20},
        "control_features": {"school": ["u"] * 40},
    }
    for more in ({}, {"weights": np.ones(40)}, {"clusters": np.arange(40) // 4}):
        result = measure(score, label, Params(minimum_group=1, minimum_outcomes=1), **keys, **more)
        assert every_number_has_its_reason(result)

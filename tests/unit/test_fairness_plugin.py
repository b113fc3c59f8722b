"""The fairness plugin: rates and gaps by hand, small and empty groups with reasons, rules, and every task."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import auditbench_fairness
from auditbench import statistics as stats
from auditbench.errors import ModelError
from auditbench.messages import merge_catalogues
from auditbench.results import AnalysisResult
from auditbench.testing import given_outputs_subject, toy_context, toy_subject
from auditbench_fairness import Params
from auditbench_fairness.analysis import analyze
from auditbench_fairness.group_counts import count_groups
from auditbench_fairness.groups import groupings_of
from auditbench_fairness.rates import RATES, one_against_rest
from tests.plugin_results import analyzer_of, check_catalogue, check_result, finding_of, metric_of, rules_of

EVERY_GROUP = Params(minimum_group=1, minimum_outcomes=1)
SEX = ["F"] * 4 + ["M"] * 5
Y_TRUE = [1, 1, 0, 0, 1, 1, 1, 0, 0]
Y_PRED = [1, 0, 0, 0, 1, 1, 0, 1, 0]


def measure(y_pred: Any, y_true: Any, params: Params = EVERY_GROUP, **sensitive: Any) -> AnalysisResult:
    subject = given_outputs_subject(y_pred, y_true, sensitive_features=sensitive)
    return analyze(toy_context(subject, analyzer="fairness", params=params), params)


def rows_of(cells: dict[tuple[str, int, int], int]) -> tuple[list[int], list[int], list[str]]:
    """Decisions, labels and groups from counts by (group, label, decision)."""
    rows = [key for key, count in cells.items() for _ in range(count)]
    return [p for _, _, p in rows], [y for _, y, _ in rows], [g for g, _, _ in rows]


@pytest.mark.parametrize(
    ("rate", "female", "male"),
    [
        ("selection_rate", (1, 4), (3, 5)),
        ("true_positive_rate", (1, 2), (2, 3)),
        ("false_positive_rate", (0, 2), (1, 2)),
        ("precision", (1, 1), (2, 3)),
        ("accuracy", (3, 4), (3, 5)),
    ],
)
def test_rates_by_group_equal_a_hand_count(rate: str, female: tuple[int, int], male: tuple[int, int]) -> None:
    result = measure(Y_PRED, Y_TRUE, sex=SEX)
    for group, (hits, trials) in (("F", female), ("M", male)):
        metric = metric_of(result, rate, feature="sex", group=group)
        assert metric.value == pytest.approx(hits / trials)
        assert (metric.n, metric.denominator) == (SEX.count(group), trials)
        assert metric.interval is not None
        assert (metric.interval.low, metric.interval.high) == pytest.approx(stats.wilson_interval(hits, trials))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("demographic_parity_difference", 3 / 5 - 1 / 4),
        ("demographic_parity_ratio", (1 / 4) / (3 / 5)),
        ("equal_opportunity_difference", 2 / 3 - 1 / 2),
        ("true_positive_rate_difference", 2 / 3 - 1 / 2),
        ("false_positive_rate_difference", 1 / 2),
        ("equalized_odds_difference", 1 / 2),
        ("equalized_odds_ratio", 0.0),
        ("precision_difference", 1 / 3),
        ("precision_ratio", 2 / 3),
        ("accuracy_difference", 3 / 4 - 3 / 5),
        ("selection_rate_difference_to_overall", 4 / 9 - 1 / 4),
        ("accuracy_difference_to_overall", 3 / 4 - 6 / 9),
    ],
)
def test_gaps_between_groups_equal_a_hand_count(name: str, value: float) -> None:
    metric = metric_of(measure(Y_PRED, Y_TRUE, sex=SEX), name, feature="sex")
    assert metric.value == pytest.approx(value)
    assert metric.n == 9
    assert metric.higher_is_better == name.endswith("ratio")


def test_intersections_hold_every_combination() -> None:
    result = measure([1, 0, 1, 1], [1, 0, 0, 1], sex=["F", "F", "M", "M"], race=["a", "b", "a", "a"])
    feature = "sex & race"
    sizes = {m.where["group"]: m.n for m in result.metrics if m.where["feature"] == feature and "group" in m.where}
    assert sizes == {"F & a": 1, "F & b": 1, "M & a": 2, "M & b": 0}
    empty = metric_of(result, "selection_rate", feature=feature, group="M & b")
    assert (empty.value, empty.reason.key) == (None, "fairness.undefined.empty_group")
    assert metric_of(result, "demographic_parity_difference", feature=feature).value == 1.0
    check_result(auditbench_fairness, result)


def test_depth_of_intersections_is_a_parameter() -> None:
    sensitive = {name: ["x", "y", "x", "y"] for name in ("a", "b", "c")}
    features = {
        depth: {m.where["feature"] for m in measure([1, 0, 1, 0], [1, 0, 0, 1], params, **sensitive).metrics}
        for depth in (1, 2, 3)
        for params in [Params(minimum_group=1, minimum_outcomes=1, intersections=depth)]
    }
    assert features[1] == {"a", "b", "c"}
    assert features[2] == {*features[1], "a & b", "a & c", "b & c"}
    assert features[3] == {*features[2], "a & b & c"}


def test_small_groups_and_rare_outcomes_are_not_estimated() -> None:
    cells = {("A", 1, 1): 30, ("A", 0, 0): 30, ("B", 1, 1): 9, ("B", 0, 0): 40, ("C", 1, 1): 10, ("C", 0, 0): 19}
    y_pred, y_true, group = rows_of(cells)
    result = measure(y_pred, y_true, Params(), area=group)
    reasons = {
        (m.where["group"], m.name): m.reason.key.rpartition(".")[2]
        for m in result.metrics
        if "group" in m.where and m.reason is not None
    }
    assert reasons == {
        ("B", "true_positive_rate"): "few_outcomes_hidden",
        ("B", "precision"): "few_outcomes_hidden",
    } | {("C", rate): "small_group" for rate in RATES}
    assert metric_of(result, "demographic_parity_difference", feature="area").value == pytest.approx(1 / 2 - 9 / 49)
    opportunity = metric_of(result, "equal_opportunity_difference", feature="area")
    assert opportunity.value is None
    assert opportunity.reason.key == "fairness.undefined.one_group"
    small = finding_of(result, "small_groups")
    assert small.title.values == {"n": 2, "total": 3, "feature": "area", "groups": "B, C"}
    gaps = next(table for table in result.tables if table.name == "disparities")
    parity = next(row for row in gaps.rows if row[1].key == "fairness.demographic_parity_difference")
    assert parity[8:10] == (2, 1)
    assert parity[6:8] == ("B", "A")
    check_result(auditbench_fairness, result)


def test_a_group_without_one_of_two_rates_is_left_out_of_equalized_odds() -> None:
    cells = {("A", 1, 1): 30, ("A", 0, 0): 30, ("B", 1, 0): 30, ("B", 0, 0): 30, ("C", 0, 1): 40, ("D", 1, 1): 5}
    y_pred, y_true, area = rows_of(cells)
    result = measure(y_pred, y_true, Params(), area=area)
    table = next(table for table in result.tables if table.name == "disparities")
    counts = {row[1].key.removeprefix("fairness."): row[8:10] for row in table.rows}
    assert counts["equalized_odds_difference"] == counts["equalized_odds_ratio"] == (3, 2)
    assert counts["true_positive_rate_difference"] == (2, 2)
    assert counts["false_positive_rate_difference"] == (3, 1)
    assert metric_of(result, "equalized_odds_difference", feature="area").value == 1


def test_no_ratio_when_nobody_is_selected() -> None:
    result = measure([0, 0, 0, 0], [1, 0, 1, 0], sex=["F", "F", "M", "M"])
    assert metric_of(result, "demographic_parity_difference", feature="sex").value == 0
    ratio = metric_of(result, "demographic_parity_ratio", feature="sex")
    assert (ratio.value, ratio.reason.key) == (None, "fairness.undefined.zero_denominator")
    precision = metric_of(result, "precision", feature="sex", group="F")
    assert (precision.value, precision.denominator) == (None, None)
    assert precision.reason.key == "fairness.undefined.no_denominator"
    check_result(auditbench_fairness, result)


def test_one_group_is_undefined_not_zero() -> None:
    result = measure(Y_PRED, Y_TRUE, sex=["F"] * 9)
    gaps = [m for m in result.metrics if "group" not in m.where]
    assert gaps
    assert all(m.value is None and m.reason.key == "fairness.undefined.one_group" for m in gaps)
    assert rules_of(result) == ["one_group"]
    assert metric_of(result, "selection_rate", feature="sex", group="F").value == pytest.approx(4 / 9)
    check_result(auditbench_fairness, result)


@pytest.mark.parametrize("kind", ["binary", "constant", "multiclass", "regression"])
@pytest.mark.parametrize("params", [EVERY_GROUP, Params()], ids=["every-group", "defaults"])
def test_every_task_gives_a_valid_result_that_repeats(kind: Any, params: Params) -> None:
    context = toy_context(toy_subject(kind), analyzer="fairness", params=params)
    result = analyze(context, params)
    assert {m.where["feature"] for m in result.metrics} == {"sex", "region", "sex & region"}
    check_result(auditbench_fairness, result)
    assert analyze(context, params) == result


def test_multiclass_compares_each_class_with_the_rest() -> None:
    y_true, y_pred = [0, 1, 2, 2, 0, 1], [0, 2, 2, 2, 1, 1]
    subject = given_outputs_subject(
        np.eye(3)[y_pred],
        y_true,
        task="multiclass-classification",
        classes=("a", "b", "c"),
        sensitive_features={"sex": ["F", "F", "F", "M", "M", "M"]},
    )
    result = analyze(toy_context(subject, analyzer="fairness"), EVERY_GROUP)
    where = {"feature": "sex", "group": "F", "class": "c"}
    assert metric_of(result, "selection_rate", **where).value == pytest.approx(2 / 3)
    assert metric_of(result, "true_positive_rate", **where).value == 1
    assert metric_of(result, "false_positive_rate", **where).value == pytest.approx(1 / 2)
    assert metric_of(result, "precision", **where).value == pytest.approx(1 / 2)
    assert metric_of(result, "accuracy", feature="sex", group="M").value == pytest.approx(2 / 3)
    parity = metric_of(result, "demographic_parity_difference", feature="sex", **{"class": "c"})
    assert parity.value == pytest.approx(1 / 3)
    assert metric_of(result, "accuracy_difference", feature="sex").value == pytest.approx(0)


def test_only_the_most_frequent_classes_are_compared() -> None:
    params = EVERY_GROUP.model_copy(update={"most_classes": 2})
    result = analyze(toy_context(toy_subject("multiclass"), analyzer="fairness"), params)
    assert {m.where["class"] for m in result.metrics if "class" in m.where} == {"low", "high"}
    assert any(note.text.key == "fairness.limit.most_classes" for note in result.notes)


def test_a_wide_gap_is_a_finding_and_one_by_chance_is_not() -> None:
    cells = {("F", 0, 0): 400, ("F", 1, 1): 100, ("M", 0, 0): 250, ("M", 1, 1): 100, ("M", 0, 1): 150}
    y_pred, y_true, sex = rows_of(cells)
    result = measure(y_pred, y_true, Params(), sex=sex)
    assert rules_of(result) == ["gap", "error_gap"]
    assert finding_of(result, "gap").where == {"feature": "sex"}
    rng = np.random.default_rng(0)
    groups = np.repeat(list("abcdefghij"), 40)
    chance = measure(rng.integers(0, 2, 400), rng.integers(0, 2, 400), Params(), area=groups)
    assert metric_of(chance, "demographic_parity_ratio", feature="area").value < 0.8
    assert rules_of(chance) == []


def test_interval_of_a_gap_between_two_groups_is_newcombes() -> None:
    cells = {("F", 0, 0): 700, ("F", 0, 1): 300, ("M", 0, 0): 500, ("M", 0, 1): 500}
    y_pred, y_true, sex = rows_of(cells)
    metric = metric_of(measure(y_pred, y_true, Params(), sex=sex), "demographic_parity_difference", feature="sex")
    newcombe = stats.newcombe_difference(500, 1000, 300, 1000)
    assert (metric.interval.low, metric.interval.high) == pytest.approx((newcombe.low, newcombe.high))
    assert metric.interval.method == "simultaneous-newcombe"


def test_n_counts_rows_and_the_denominator_what_the_rates_are_shares_of() -> None:
    result = measure(Y_PRED, Y_TRUE, sex=SEX)
    found = {m.name: (m.n, m.denominator) for m in result.metrics if "group" not in m.where}
    assert found["demographic_parity_ratio"] == (9, 9)
    assert found["equal_opportunity_difference"] == (9, 5)
    assert found["false_positive_rate_difference"] == (9, 4)
    assert found["equalized_odds_difference"] == (9, 9)
    assert found["precision_ratio"] == (9, 4)
    assert found["accuracy_difference_to_overall"] == (9, 9)
    assert all(m.denominator is not None for m in result.metrics)


def test_equalized_odds_bounds_hold_over_both_rates() -> None:
    rng = np.random.default_rng(2)
    y_true, y_pred, area = rng.integers(0, 2, 900), rng.integers(0, 2, 900), rng.choice(list("abc"), 900)
    metric = metric_of(measure(y_pred, y_true, Params(), area=area), "equalized_odds_difference", feature="area")
    sides = []
    for label in (1, 0):
        masks = [(y_true == label) & (area == group) for group in "abc"]
        sides.append(([int(y_pred[mask].sum()) for mask in masks], [int(mask.sum()) for mask in masks]))
    expected = stats.largest_difference(sides)
    assert (metric.value, metric.interval.low, metric.interval.high) == pytest.approx(
        (expected.estimate, expected.low, expected.high)
    )


def test_equal_groups_raise_findings_no_more_often_than_stated() -> None:
    rng, raised = np.random.default_rng(6), 0
    area = np.repeat(list("abcdefghij"), [500, 300, 200, 200, 100, 40, 40, 40, 40, 40])
    for _ in range(100):
        y_true = rng.random(len(area)) < 0.3
        y_pred = rng.random(len(area)) < np.where(y_true, 0.7, 0.2)
        raised += bool({"gap", "error_gap"} & set(rules_of(measure(y_pred, y_true, Params(), area=area))))
    assert raised <= 5


def groups_table(result: AnalysisResult) -> list[dict[str, Any]]:
    table = next(table for table in result.tables if table.name == "groups")
    return [dict(zip([column.name for column in table.columns], row, strict=True)) for row in table.rows]


def test_a_row_names_every_undefined_rate_and_no_count_below_ten() -> None:
    cells = {("A", 1, 1): 30, ("A", 0, 0): 30, ("B", 1, 1): 4, ("B", 0, 0): 40, ("C", 0, 0): 7, ("D", 0, 0): 19}
    y_pred, y_true, area = rows_of(cells)
    result = measure(y_pred, y_true, Params(), area=area)
    rows = {row["group"]: row for row in groups_table(result)}
    assert rows["A"]["note"] is None
    assert rows["B"]["note"].key == "fairness.not_estimated.true_positive_rate-precision"
    assert (rows["C"]["note"].key, rows["C"]["n"]) == ("fairness.undefined.small_group_hidden", None)
    assert (rows["D"]["note"].key, rows["D"]["n"]) == ("fairness.undefined.small_group", 19)
    say = merge_catalogues("en", analyzer_of(auditbench_fairness).messages["en"])
    texts = [say.text(m.reason) for m in result.metrics if m.reason is not None]
    texts += [say.text(row["note"]) for row in rows.values() if row["note"] is not None]
    assert any("fewer than 10 rows" in text for text in texts)
    assert not [text for text in texts if re.search(r"\b[1-9]\b", text)]
    check_result(auditbench_fairness, result)


@pytest.mark.parametrize("lacking", [{"A"}, {"B"}, {"C"}, {"A", "B"}, {"B", "C"}, {"A", "C"}, {"A", "B", "C"}])
def test_every_combination_of_undefined_rates_has_words(lacking: set[str]) -> None:
    rates = dict(zip("ABC", ("true_positive_rate", "false_positive_rate", "precision"), strict=True))
    key = "fairness.not_estimated." + "-".join(rates[letter] for letter in sorted(lacking))
    text = merge_catalogues("en", analyzer_of(auditbench_fairness).messages["en"]).say(key, minimum=10)
    assert text.count("fewer than 10 rows") == len(lacking)


def test_comparisons_are_listed_once_and_adjusted_over_the_family() -> None:
    y_pred, y_true, sex = rows_of({("F", 1, 1): 20, ("F", 0, 0): 40, ("M", 1, 1): 40, ("M", 0, 0): 20})
    table = next(t for t in measure(y_pred, y_true, Params(), sex=sex).tables if t.name == "comparisons")
    names = [column.name for column in table.columns]
    rows = [dict(zip(names, row, strict=True)) for row in table.rows]
    assert {row["group"] for row in rows} == {"F"}
    assert [row["adjusted_p_value"] for row in rows] == pytest.approx(
        stats.benjamini_hochberg([row["p_value"] for row in rows])
    )
    first = rows[0]
    assert (first["measure"].key, first["n"]) == ("fairness.selection_rate", 60)
    assert (first["value"], first["rest"], first["difference"]) == pytest.approx((1 / 3, 2 / 3, -1 / 3))


def test_many_groups_are_cut_and_said_so() -> None:
    params = EVERY_GROUP.model_copy(update={"most_groups": 3})
    area = [f"area {index}" for index in [0, 0, 0, 1, 1, 2, 2, 3, 4]]
    result = measure(Y_PRED, Y_TRUE, params, area=area)
    assert {m.where["group"] for m in result.metrics if "group" in m.where} == {"area 0", "area 1", "area 2"}
    assert metric_of(result, "demographic_parity_difference", feature="area").n == 9
    assert any(note.text.key == "fairness.limit.most_groups" for note in result.notes)


def test_differences_to_overall_can_be_left_out() -> None:
    params = EVERY_GROUP.model_copy(update={"reference": "none"})
    assert not [m for m in measure(Y_PRED, Y_TRUE, params, sex=SEX).metrics if "to_overall" in m.name]


def test_outputs_without_a_decision_are_refused() -> None:
    context = toy_context(toy_subject(), analyzer="fairness")
    with pytest.raises(ModelError):
        analyze(dataclasses.replace(context, outputs=context.outputs * math.nan), EVERY_GROUP)


TABLES = st.lists(st.tuples(*[st.integers(0, 2)] * 4), min_size=1, max_size=40)


@given(rows=TABLES)
def test_counts_of_one_pass_equal_counting_row_by_row(rows: list[tuple[int, int, int, int]]) -> None:
    first, second, y_true, y_pred = np.array(rows).T
    groups = {"a": first.astype(str), "b": second.astype(str)}
    counts = count_groups(y_true=y_true, y_pred=y_pred, groups=groups, classes=3)
    assert counts.table.sum() == len(rows)
    for grouping in groupings_of(counts.cells, 2):
        totals = grouping.totals(counts.table)
        for index, group in enumerate(grouping.groups):
            names = [
                str(a) if grouping.feature == "a" else str(b) if grouping.feature == "b" else f"{a} & {b}"
                for a, b, _, _ in rows
            ]
            for label in range(3):
                for decision in range(3):
                    wanted = sum(
                        n == group and (t, p) == (label, decision) for n, (_, _, t, p) in zip(names, rows, strict=True)
                    )
                    assert totals[index, label, decision] == wanted


@given(counts=st.lists(st.integers(0, 3), min_size=9, max_size=9), index=st.integers(0, 2))
def test_one_class_against_the_rest_keeps_every_row(counts: list[int], index: int) -> None:
    table = np.array(counts).reshape(3, 3)
    (tn, fp), (fn, tp) = one_against_rest(table, index)
    rest = [i for i in range(3) if i != index]
    assert (tp, fn, fp) == (table[index, index], table[index, rest].sum(), table[rest, index].sum())
    assert tn == table[np.ix_(rest, rest)].sum()


def test_many_combinations_keep_only_those_that_occur() -> None:
    rng = np.random.default_rng(0)
    sensitive = {name: rng.integers(0, 300, 500).astype(str) for name in ("a", "b")}
    counts = count_groups(y_true=np.zeros(500), y_pred=np.ones(500), groups=sensitive)
    assert len(counts.table) <= 500
    pair = groupings_of(counts.cells, 2)[2]
    sizes = dict(zip(pair.groups, pair.totals(counts.table).sum(axis=(1, 2)).tolist(), strict=True))
    names = [f"{a} & {b}" for a, b in zip(*sensitive.values(), strict=True)]
    assert sizes == {name: names.count(name) for name in names}


def test_record_and_catalogue() -> None:
    analyzer = analyzer_of(auditbench_fairness)
    assert (analyzer.name, analyzer.topic, analyzer.Params) == ("fairness", "fairness", Params)
    assert analyzer.needs.sensitive_features
    check_catalogue(auditbench_fairness)

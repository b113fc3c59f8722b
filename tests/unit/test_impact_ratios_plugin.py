"""The `impact-ratios` analyzer: tables by hand, the examples of the rules, unknown and small categories, roles that are clear."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import comb
from typing import Any

import numpy as np
import pandas as pd
import pytest

import auditbench_impact_ratios
from auditbench import statistics as stats
from auditbench.errors import AnalyzerNotPossible, ConfigError
from auditbench.results import AnalysisResult, Table
from auditbench.testing import given_outputs_subject, toy_context, toy_subject
from auditbench_impact_ratios import Params
from auditbench_impact_ratios.analysis import analyze
from auditbench_impact_ratios.rates import shortfall
from auditbench_impact_ratios.roles import check
from tests.german_credit import german_credit
from tests.plugin_results import analyzer_of, check_catalogue, check_result, finding_of, metric_of, rules_of

ALL_RATIOS = Params(minimum_group=1)
LAW = Params(smallest_category=0.02)

# 6 RCNY § 5-301 (b), example: applicants, selected, impact ratio as printed there.
RULE_SEX = {"Male": (1390, 667, 1.00), "Female": (1181, 555, 0.979)}
RULE_RACE = {
    "Hispanic or Latino": (408, 204, 0.97),
    "White": (797, 412, 1.00),
    "Black or African American": (390, 170, 0.84),
    "Native Hawaiian or Pacific Islander": (119, 52, 0.85),
    "Asian": (616, 302, 0.95),
    "Native American or Alaska Native": (41, 18, 0.85),
    "Two or More Races": (213, 96, 0.87),
}


def measure(
    outputs: Any,
    params: Params = ALL_RATIOS,
    *,
    task: Any = "binary-classification",
    clusters: Any = None,
    **sensitive: Any,
) -> AnalysisResult:
    labels = np.zeros(len(outputs)) if task == "regression" else np.arange(len(outputs)) % 2
    output = "value" if task == "regression" else "probability"
    subject = given_outputs_subject(
        outputs, labels, task=task, output=output, sensitive_features=sensitive, clusters=clusters
    )
    result = analyze(toy_context(subject, analyzer="impact-ratios", params=params), params)
    check_result(auditbench_impact_ratios, result)
    return result


def rows_of(counts: Mapping[str, tuple[int, ...]]) -> tuple[list[int], list[str]]:
    """Decisions and categories from rows and selected rows by category."""
    decisions, categories = [], []
    for name, (rows, selected, *_) in counts.items():
        decisions += [1] * selected + [0] * (rows - selected)
        categories += [name] * rows
    return decisions, categories


def table(result: AnalysisResult, name: str) -> dict[str, dict[str, Any]]:
    """Rows of a table by category, cells by column."""
    (found,) = [each for each in result.tables if each.name == name]
    place = [column.name for column in found.columns].index("group")
    return {str(row[place]): _cells(found, row) for row in found.rows}


def _cells(found: Table, row: tuple[Any, ...]) -> dict[str, Any]:
    return {column.name: cell for column, cell in zip(found.columns, row, strict=True)}


@pytest.mark.parametrize(("feature", "example"), [("sex", RULE_SEX), ("race", RULE_RACE)])
def test_ratios_are_those_of_the_example_in_the_rules(feature: str, example: dict[str, tuple[int, int, float]]) -> None:
    decisions, categories = rows_of(example)
    result = measure(decisions, **{feature: categories})
    found = table(result, f"selection_{feature}")
    for name, (rows, selected, ratio) in example.items():
        assert (found[name]["n"], found[name]["hits"]) == (rows, selected)
        assert found[name]["rate"] == pytest.approx(selected / rows)
        assert found[name]["ratio"] == pytest.approx(ratio, abs=0.005)
    smallest = metric_of(result, "smallest_impact_ratio", feature=feature)
    assert smallest.value == pytest.approx(min(ratio for _, _, ratio in example.values()), abs=0.005)


def test_a_category_below_two_percent_is_listed_and_left_out_of_the_ratios() -> None:
    """41 of 2,584 rows are 1.6 %; of the rest White stays the most selected."""
    decisions, categories = rows_of(RULE_RACE)
    result = measure(decisions, LAW, race=categories)
    found = table(result, "selection_race")
    small = found["Native American or Alaska Native"]
    assert (small["n"], small["hits"], small["rate"], small["ratio"]) == (41, 18, pytest.approx(18 / 41), None)
    assert small["note"].key == "impact-ratios.undefined.left_out"
    assert [row["ratio"] is None for row in found.values()].count(True) == 1
    assert "impact-ratios.limit.left_out" in {note.text.key for note in result.notes}
    where = {"feature": "race", "group": "Native American or Alaska Native"}
    assert metric_of(result, "selection_rate", **where).value == pytest.approx(18 / 41)
    assert metric_of(result, "impact_ratio", **where).reason.key == "impact-ratios.undefined.left_out"
    assert metric_of(result, "smallest_impact_ratio", feature="race").n == 2584 - 41


def test_the_highest_rate_of_a_category_that_is_left_out_is_no_reference() -> None:
    decisions, categories = rows_of({"A": (500, 250), "B": (480, 120), "C": (10, 10)})
    found = table(measure(decisions, LAW, race=categories), "selection_race")
    assert [found[name]["ratio"] for name in "ABC"] == [1.0, pytest.approx(0.5), None]
    found = table(measure(decisions, Params(), race=categories), "selection_race")
    assert [found[name]["ratio"] for name in "ABC"] == [pytest.approx(0.5), pytest.approx(0.25), 1.0]
    assert [found[name]["note"] and found[name]["note"].key for name in "ABC"] == [
        None,
        None,
        "impact-ratios.note.small_share",
    ]


# Eleven people: sex, race, probability of the positive label.
PEOPLE = [
    ("F", "x", 0.9), ("F", "x", 0.6), ("F", "x", 0.2), ("F", "y", 0.1), ("F", "y", 0.4),
    ("M", "x", 0.8), ("M", "x", 0.7), ("M", "y", 0.5), ("M", "y", 0.5), ("M", "y", 0.3), ("M", "?", 0.95),
]  # fmt: skip


def of_people(params: Params = ALL_RATIOS) -> AnalysisResult:
    sex, race, scores = (list(part) for part in zip(*PEOPLE, strict=True))
    return measure(scores, params, sex=sex, race=race)


def test_selection_tables_equal_a_hand_count() -> None:
    """Selected at 0.5 or more. F: 2 of 5; M: 5 of 6 (all but 0.3). x: 4 of 5; y: 2 of 5; ?: 1 of 1."""
    result = of_people()
    sex = table(result, "selection_sex")
    assert [(sex[name]["n"], sex[name]["hits"]) for name in "FM"] == [(5, 2), (6, 5)]
    assert sex["F"]["ratio"] == pytest.approx((2 / 5) / (5 / 6))
    race = table(result, "selection_race")
    assert [(race[name]["n"], race[name]["hits"]) for name in "?xy"] == [(1, 1), (5, 4), (5, 2)]
    both = table(result, "selection_sex_and_race")
    assert {name: (row["n"], row["hits"]) for name, row in both.items()} == {
        "F & ?": (0, None), "F & x": (3, 2), "F & y": (2, 0), "M & ?": (1, 1), "M & x": (2, 2), "M & y": (3, 2),
    }  # fmt: skip
    assert both["F & ?"]["note"].key == "impact-ratios.undefined.empty"
    assert both["F & y"]["ratio"] == 0.0
    assert both["M & y"]["ratio"] == pytest.approx(2 / 3)


def test_scoring_tables_equal_a_hand_count() -> None:
    """The median of the eleven is 0.5, which two score. Above it: F 0.9, 0.6; M 0.8, 0.7, 0.95."""
    result = of_people()
    sex = table(result, "scoring_sex")
    assert [(sex[name]["n"], sex[name]["hits"]) for name in "FM"] == [(5, 2), (6, 3)]
    assert sex["F"]["ratio"] == pytest.approx((2 / 5) / (3 / 6))
    race = table(result, "scoring_race")
    assert [(race[name]["n"], race[name]["hits"]) for name in "?xy"] == [(1, 1), (5, 4), (5, 0)]
    (note,) = [note.text for note in result.notes if note.text.key == "impact-ratios.scoring.note"]
    assert {name: note.values[name] for name in ("median", "n", "ties")} == {"median": 0.5, "n": 11, "ties": 2}
    assert metric_of(result, "smallest_scoring_impact_ratio", feature="sex").value == pytest.approx(0.8)


def test_very_many_combinations_are_listed_where_they_have_rows() -> None:
    names = [f"c{number}" for number in range(200)]
    result = measure([0, 1] * 100, sex=["F", "M"] * 100, race=names)
    assert len(table(result, "selection_sex_and_race")) == 200
    assert len(table(result, "selection_race")) == 200


def test_rows_of_an_unknown_category_are_counted_and_in_no_table() -> None:
    """The median of all eleven stays 0.5, although one of them is in no table by race."""
    result = of_people(Params(minimum_group=1, unknown=("?",)))
    assert list(table(result, "selection_race")) == ["x", "y"]
    assert set(table(result, "scoring_sex_and_race")) == {"F & x", "F & y", "M & x", "M & y"}
    told = {
        note.text.values["feature"]: (note.text.values["n"], note.text.values["total"])
        for note in result.notes
        if note.text.key == "impact-ratios.note.unknown"
    }
    assert told == {"sex": (0, 11), "race": (1, 11), "sex & race": (1, 11)}
    share = metric_of(result, "unknown_category", feature="race")
    assert (share.value, share.n) == (pytest.approx(1 / 11), 11)
    (note,) = [note.text for note in result.notes if note.text.key == "impact-ratios.scoring.note"]
    assert (note.values["median"], note.values["n"]) == (0.5, 11)
    assert table(result, "selection_race")["x"]["hits"] == 4


def test_missing_values_and_named_ones_are_unknown_whatever_their_case() -> None:
    race = ["a"] * 5 + ["b"] * 5 + ["missing", "UNKNOWN", "Unknown"]
    result = measure([1, 0] * 6 + [1], race=race)
    assert list(table(result, "selection_race")) == ["a", "b"]
    assert metric_of(result, "unknown_category", feature="race").value == pytest.approx(3 / 13)


def test_nobody_of_a_known_category() -> None:
    result = measure([1, 0, 1, 0], sex=["Unknown"] * 4)
    assert table(result, "selection_sex") == {}
    smallest = metric_of(result, "smallest_impact_ratio", feature="sex")
    assert (smallest.value, smallest.reason.key) == (None, "impact-ratios.undefined.one_group")
    assert result.findings == ()


@pytest.mark.parametrize(
    ("hits", "size", "highest", "expected"),
    [
        pytest.param(48, 80, (48, 80), 0, id="equal"),
        pytest.param(40, 100, (50, 100), 0, id="exactly-four-fifths"),
        pytest.param(39, 100, (50, 100), 1, id="one-below"),
        pytest.param(0, 7, (1, 3), 2, id="rounded-up"),  # 0.8 x 7 / 3 = 1.87
        pytest.param(12, 40, (60, 80), 12, id="uniform-guidelines"),  # 0.8 x 0.75 x 40 = 24
    ],
)
def test_the_shortfall_is_the_fewest_that_reach_four_fifths(
    hits: int, size: int, highest: tuple[int, int], expected: int
) -> None:
    assert shortfall(hits, size, *highest) == expected
    assert 5 * (hits + expected) * highest[1] >= 4 * size * highest[0]
    assert not expected or 5 * (hits + expected - 1) * highest[1] < 4 * size * highest[0]


def test_four_fifths_by_hand() -> None:
    """48 of 80 and 12 of 40, the example of the questions and answers on 29 CFR 1607: 30 % over 60 % is one half."""
    decisions, race = rows_of({"White": (80, 48), "Black": (40, 12)})
    result = measure(decisions, race=race)
    black = table(result, "four_fifths")["Black"]
    assert (black["reference"], black["ratio"], black["shortfall"]) == ("White", pytest.approx(0.5), 8)
    chances = [Fraction(comb(40, k) * comb(80, 60 - k), comb(120, 60)) for k in range(41)]
    assert black["p_value"] == pytest.approx(float(sum(chance for chance in chances if chance <= chances[12])))
    assert black["adjusted_p_value"] == black["p_value"]
    assert black["line"].key == "impact-ratios.line.below"
    assert black["ratio_high"] < 0.8
    assert rules_of(result) == ["below_four_fifths"]


@pytest.mark.parametrize(
    ("times", "selected", "line"),
    [(1, 12, "across"), (1, 16, "across"), (50, 12, "below"), (50, 16, "across"), (50, 18, "above")],
)
def test_small_samples_do_not_tell_on_which_side_of_four_fifths_a_ratio_is(
    times: int, selected: int, line: str
) -> None:
    decisions, race = rows_of({"White": (40 * times, 20 * times), "Black": (40 * times, selected * times)})
    assert table(measure(decisions, race=race), "four_fifths")["Black"]["line"].key == f"impact-ratios.line.{line}"


def test_p_values_are_fishers_over_all_comparisons_of_the_table() -> None:
    from scipy.stats import fisher_exact

    rng = np.random.default_rng(0)
    sex, race = rng.choice(["F", "M"], 400), rng.choice(list("abc"), 400)
    chosen = (rng.random(400) < 0.3 + 0.2 * (race == "a")).astype(int)
    result = measure(chosen, sex=sex, race=race)
    (found,) = [each for each in result.tables if each.name == "four_fifths"]
    rows = [_cells(found, row) for row in found.rows]
    assert len(rows) == 1 + 2 + 5
    expected = []
    for row in rows:
        names = {"sex": sex, "race": race, "sex & race": np.char.add(np.char.add(sex, " & "), race)}[row["feature"]]
        pair = [
            [int(chosen[names == name].sum()), int((1 - chosen)[names == name].sum())]
            for name in (row["group"], row["reference"])
        ]
        expected.append(fisher_exact(pair).pvalue)
    assert [row["p_value"] for row in rows] == pytest.approx(expected)
    assert [row["adjusted_p_value"] for row in rows] == pytest.approx(stats.benjamini_hochberg(expected).tolist())
    assert found.title.values["n"] == 8


def test_smallest_ratios_are_fairlearns() -> None:
    from fairlearn.metrics import demographic_parity_ratio

    frame, rng = german_credit(), np.random.default_rng(2)
    decisions = (frame["amount"] + rng.normal(scale=2000, size=len(frame)) > 2500).to_numpy().astype(int)
    sensitive = {"sex": frame["sex"], "race": frame["age_band"]}
    result = measure(decisions, **sensitive)
    for feature, groups in (*sensitive.items(), ("sex & race", pd.DataFrame(sensitive))):
        expected = demographic_parity_ratio(decisions, decisions, sensitive_features=groups)
        assert metric_of(result, "smallest_impact_ratio", feature=feature).value == pytest.approx(expected)


def test_intervals_hold_for_all_categories_at_once() -> None:
    decisions, race = rows_of({"a": (300, 120), "b": (200, 60), "c": (100, 20)})
    result = measure(decisions, race=race)
    found = stats.ratios_to_highest([120, 60, 20], [300, 200, 100])
    for place, name in enumerate("abc"):
        metric = metric_of(result, "impact_ratio", feature="race", group=name)
        assert (metric.interval.low, metric.interval.high) == pytest.approx((found.low[place], found.high[place]))
    whole = metric_of(result, "smallest_impact_ratio", feature="race")
    pairs = stats.smallest_ratio([([120, 60, 20], [300, 200, 100])])
    assert (whole.interval.low, whole.interval.high) == pytest.approx((pairs.low, pairs.high))


def test_a_finding_names_the_lowest_category_only_where_its_interval_is_below_the_line() -> None:
    decisions, race = rows_of({"a": (2000, 1000), "b": (2000, 700), "c": (2000, 900), "d": (2000, 500)})
    result = measure(decisions, race=race)
    finding = finding_of(result, "below_four_fifths")
    assert finding.where == {"feature": "race"}
    assert {name: finding.title.values[name] for name in ("n", "group", "reference")} == {
        "n": 2,
        "group": "d",
        "reference": "a",
    }
    assert rules_of(measure(*rows_of({"a": (20, 10), "b": (20, 5)})[:1], race=["a"] * 20 + ["b"] * 20)) == []


def test_small_categories_show_neither_number_nor_rate() -> None:
    decisions, race = rows_of({"a": (60, 30), "b": (60, 20), "c": (9, 4)})
    result = measure(decisions, Params(), race=race)
    small = table(result, "selection_race")["c"]
    assert [small[name] for name in ("n", "hits", "rate", "ratio")] == [None] * 4
    assert small["note"].key == "impact-ratios.undefined.small_hidden"
    for name in ("selection_rate", "impact_ratio"):
        metric = metric_of(result, name, feature="race", group="c")
        assert (metric.value, metric.n, metric.reason.key) == (None, 0, "impact-ratios.undefined.small_hidden")


def test_a_rate_of_zero_everywhere_has_no_ratio() -> None:
    result = measure([0.1, 0.2, 0.3, 0.4], sex=["F", "F", "M", "M"])
    smallest = metric_of(result, "smallest_impact_ratio", feature="sex")
    assert (smallest.value, smallest.reason.key) == (None, "impact-ratios.undefined.zero_denominator")
    (title,) = [each.title.key for each in result.tables if each.name == "selection_sex"]
    assert title == "impact-ratios.selection.title_without_ratio"
    assert "four_fifths" not in {each.name for each in result.tables}
    assert metric_of(result, "smallest_scoring_impact_ratio", feature="sex").value == 0.0


def test_titles_name_positive_label_threshold_median_and_reference() -> None:
    titles = {each.name: each.title.values for each in of_people().tables}
    assert titles["selection_sex"] == {"feature": "sex", "reference": "M", "positive": "yes", "threshold": 0.5}
    assert titles["four_fifths"] == {"n": 7, "positive": "yes", "threshold": 0.5}
    assert titles["scoring_sex"] == {
        "feature": "sex",
        "reference": "M",
        "positive": "yes",
        "median": 0.5,
        "n": 11,
        "ties": 2,
    }


def test_a_regression_has_scores_alone() -> None:
    """Median 25 of 10, 20, 30, 40: F one of two above it, M one of two."""
    result = measure([10.0, 30.0, 20.0, 40.0], task="regression", sex=["F", "F", "M", "M"])
    assert {each.name for each in result.tables} == {"scoring_sex"}
    assert metric_of(result, "smallest_scoring_impact_ratio", feature="sex").value == 1.0
    assert result.tables[0].title.key == "impact-ratios.scoring_value.title"
    assert not any(metric.name in ("selection_rate", "impact_ratio") for metric in result.metrics)


def test_one_mode_alone() -> None:
    names = {each.name for each in of_people(Params(modes=("scoring",), minimum_group=1)).tables}
    assert names == {"scoring_sex", "scoring_race", "scoring_sex_and_race"}


def test_clusters_widen_intervals_and_have_no_exact_test() -> None:
    rng = np.random.default_rng(1)
    person = np.repeat(np.arange(60), 10)
    sex = np.where(person % 2, "F", "M")
    chosen = (rng.random(60) < np.where(np.arange(60) % 2, 0.3, 0.6)).astype(int)[person]
    alone, clustered = (measure(chosen, sex=sex, clusters=clusters) for clusters in (None, person))
    first, second = (metric_of(result, "smallest_impact_ratio", feature="sex") for result in (alone, clustered))
    assert first.value == second.value
    assert second.interval.high - second.interval.low > 2 * (first.interval.high - first.interval.low)
    assert second.clusters == 60
    (found,) = [each for each in clustered.tables if each.name == "four_fifths"]
    assert "p_value" not in {column.name for column in found.columns}
    assert "impact-ratios.limit.no_test" in {note.text.key for note in clustered.notes}


def test_weights_are_said_to_play_no_part() -> None:
    subjects = [
        given_outputs_subject([1, 0, 1, 1], [1, 0, 0, 1], sensitive_features={"sex": list("FMFM")}, weights=weights)
        for weights in (None, [1, 2, 3, 4])
    ]
    plain, weighted = (analyze(toy_context(subject, params=ALL_RATIOS), ALL_RATIOS) for subject in subjects)
    assert weighted.metrics == plain.metrics
    told = {note.text.key for note in weighted.notes} - {note.text.key for note in plain.notes}
    assert told == {"impact-ratios.limit.weights"}


def test_few_clusters_have_no_interval() -> None:
    result = measure([1, 0, 1, 1, 0, 0, 1, 0], sex=["F", "M"] * 4, clusters=[0, 0, 0, 0, 1, 1, 1, 1])
    metric = metric_of(result, "smallest_impact_ratio", feature="sex")
    assert (metric.interval, metric.no_interval) == (None, "few_clusters")
    assert result.findings == ()


def test_the_line_of_four_fifths_is_a_reference_of_selection_alone() -> None:
    lines = {metric.name: metric.reference.value for metric in of_people().metrics if metric.reference is not None}
    assert lines == {"impact_ratio": 0.8, "smallest_impact_ratio": 0.8}


@pytest.mark.parametrize(
    ("params", "names", "where", "found"),
    [
        pytest.param(Params(sex="gendr"), ("gender",), "analyzers.impact-ratios.sex", "gendr", id="no-such-column"),
        pytest.param(Params(sex="a", race="a"), ("a", "b"), "analyzers.impact-ratios.race", "a", id="one-for-both"),
    ],
)
def test_unclear_roles_are_refused(params: Params, names: tuple[str, ...], where: str, found: str) -> None:
    data = given_outputs_subject([0, 1], [0, 1], sensitive_features={name: ["a", "b"] for name in names}).data
    with pytest.raises(ConfigError) as caught:
        check(data, params)
    (problem,) = caught.value.problems
    assert (problem.where, problem.found) == (where, found)
    assert problem.fix


@pytest.mark.parametrize(
    ("role", "names"), [("sex", ("sex", "Gender")), ("race", ("race", "ethnicity"))], ids=["sex", "race"]
)
def test_two_usual_names_need_a_word(role: str, names: tuple[str, ...]) -> None:
    data = given_outputs_subject([0, 1], [0, 1], sensitive_features={name: ["a", "b"] for name in names}).data
    with pytest.raises(AnalyzerNotPossible, match=f"several sensitive features could tell {role}"):
        check(data, Params())
    check(data, Params(**{role: names[1]}))


def test_without_a_role_it_does_not_apply() -> None:
    data = given_outputs_subject([0, 1], [0, 1], sensitive_features={"area": ["a", "b"]}).data
    with pytest.raises(AnalyzerNotPossible, match="no sensitive feature is known to tell sex or race"):
        check(data, Params())
    check(data, Params(race="area"))


def test_selection_of_a_regression_is_refused() -> None:
    subject = given_outputs_subject(
        [1.0, 2.0], [0, 1], task="regression", output="value", sensitive_features={"sex": ["a", "b"]}
    )
    with pytest.raises(ConfigError) as caught:
        check(subject.data, Params(modes=("selection",)))
    assert caught.value.problems[0].where == "analyzers.impact-ratios.modes"


def test_one_role_alone_is_told() -> None:
    result = measure([1, 0, 1, 0], race=["a", "a", "b", "b"])
    assert {each.name for each in result.tables} == {"selection_race", "four_fifths", "scoring_race"}
    assert "impact-ratios.limit.no_sex" in {note.text.key for note in result.notes}


def test_both_are_named_in_the_order_of_the_data() -> None:
    result = measure([1, 0, 1, 0], race=["a", "a", "b", "b"], sex=["F", "M", "F", "M"])
    assert metric_of(result, "smallest_impact_ratio", feature="race & sex").n == 4


@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_the_metrics_of_a_task_are_those_that_are_declared_for_it(kind: Any) -> None:
    subject, analyzer = toy_subject(kind), analyzer_of(auditbench_impact_ratios)
    params = Params(race="region")
    result = analyze(toy_context(subject, analyzer="impact-ratios", params=params), params)
    check_result(auditbench_impact_ratios, result)
    declared = {name for name, tasks in analyzer.metric_tasks.items() if subject.data.task in tasks}
    assert {metric.name for metric in result.metrics} == declared
    assert set(analyzer.metric_tasks) == set(analyzer.metrics)


def test_catalogue_is_complete() -> None:
    check_catalogue(auditbench_impact_ratios)

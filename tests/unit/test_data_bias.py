"""Who is in the data, by hand counts; what is told of few rows; populations that fit and that do not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from auditbench.data import EvaluationData, Rows
from auditbench.errors import AnalyzerNotPossible, ConfigError
from auditbench.messages import load_messages, merge_catalogues
from auditbench.results import AnalysisResult, Metric, Table
from auditbench.testing import ToySubject, given_outputs_subject, toy_context, toy_subject
from auditbench_data_bias.analysis import analyze
from auditbench_data_bias.groups import PartRows, groupings_of
from auditbench_data_bias.missing_cells import missing_cells
from auditbench_data_bias.params import Params
from auditbench_data_bias.population import check_population, goodness_of_fit

SEX = ["Female"] * 40 + ["Male"] * 60
RACE = (["Black"] * 10 + ["White"] * 30) + (["Black"] * 24 + ["White"] * 36)


def subject_of(sex: Any = SEX, race: Any = RACE, labels: Any = None, **keys: Any) -> ToySubject:
    n = len(sex)
    y_true = (np.arange(n) % 4 == 0).astype(int) if labels is None else labels
    return given_outputs_subject(
        np.linspace(0.01, 0.99, n), y_true, sensitive_features={"sex": sex, "race": race}, **keys
    )


def result_of(subject: ToySubject, **params: Any) -> AnalysisResult:
    found = Params(**{"minimum_group": 5, **params})
    return analyze(toy_context(subject, analyzer="data-bias", params=found), found)


def metrics(result: AnalysisResult, name: str) -> dict[tuple[str, ...], Metric]:
    return {tuple(metric.where.values()): metric for metric in result.metrics if metric.name == name}


def table(result: AnalysisResult, name: str) -> Table:
    (found,) = (each for each in result.tables if each.name == name)
    return found


def said(result: AnalysisResult) -> str:
    say = merge_catalogues("en", load_messages("auditbench")["en"], load_messages("auditbench_data_bias")["en"])
    return "\n".join(say.text(note.text) for note in result.notes)


def test_shares_are_those_of_a_hand_count() -> None:
    found = metrics(result_of(subject_of()), "share")
    assert found["sex", "Female"].value == pytest.approx(0.4)
    assert found["race", "Black"].value == pytest.approx(0.34)
    assert found["sex & race", "Female & Black"].value == pytest.approx(0.1)
    assert found["sex & race", "Male & White"].value == pytest.approx(0.36)
    assert {metric.n for metric in found.values()} == {100}
    assert result_of(subject_of(), intersections=1).metrics[:4] == tuple(
        metric for where, metric in found.items() if "&" not in where[0]
    )


def test_a_combination_without_a_row_is_listed_with_what_it_may_be() -> None:
    race = ["White"] * 40 + ["Black"] * 30 + ["White"] * 30
    found = metrics(result_of(subject_of(race=race)), "share")
    none = found["sex & race", "Female & Black"]
    assert none.value == 0.0
    assert none.interval is not None
    assert none.interval.low == 0.0
    assert none.interval.high == pytest.approx(1.96**2 / (100 + 1.96**2), abs=1e-4)
    assert ("sex & race", "Female & Black") not in metrics(result_of(subject_of(race=race)), "base_rate")


def test_few_rows_are_listed_without_their_number() -> None:
    race = ["Other"] * 3 + ["Black"] * 37 + ["White"] * 60
    result = result_of(subject_of(race=race), minimum_group=20)
    share, rate = metrics(result, "share")["race", "Other"], metrics(result, "base_rate")["race", "Other"]
    assert share.value is None
    assert share.reason is not None
    assert share.n == 100
    assert rate.value is None
    assert rate.n == 0
    assert rate.reason is not None
    assert rate.reason.key == "data-bias.undefined.few_rows_hidden"
    (line,) = (row for row in table(result, "representation").rows if row[:2] == ("race", "Other"))
    assert line[2:6] == (None, None, None, None)
    assert "fewer than 10 rows" in said(result)


def test_one_person_one_group_and_missing_values_are_no_crash() -> None:
    lonely = subject_of(sex=["missing"] + ["Female"] * 99, race=["a"] * 100)
    result = result_of(lonely)
    assert metrics(result, "base_rate_difference")["race",].value is None
    assert metrics(result, "proxy_auc")["sex",].value is None
    assert result.findings == ()
    many = subject_of(sex=[f"group {index}" for index in range(100)], race=["a", "b"] * 50)
    found = result_of(many, most_groups=7)
    assert sum(metric.where["feature"] == "sex" for metric in found.metrics if metric.name == "share") == 7
    assert "Only the 7 largest groups are listed for: sex" in said(found)


def test_groups_of_a_hundred_values_each_stay_those_that_occur() -> None:
    rng = np.random.default_rng(0)
    values = {name: np.asarray([f"{name}{i:03}" for i in rng.integers(0, 100, 500)]) for name in ("a", "b")}
    rows = PartRows(part="evaluated", y_true=np.zeros(500), features=values, clusters=None, weights=None)
    *_, both = groupings_of((rows,), 2)
    expected = {f"{one} & {other}" for one, other in zip(values["a"], values["b"], strict=True)}
    assert set(both.groups) == expected
    named = np.asarray(both.groups)[both.codes["evaluated"]]
    assert named.tolist() == [f"{a} & {b}" for a, b in zip(values["a"], values["b"], strict=True)]


@given(st.lists(st.tuples(st.sampled_from("xyz"), st.sampled_from(["1", "2", "missing"])), min_size=1, max_size=40))
def test_every_row_is_of_one_group_of_each_grouping(rows: list[tuple[str, str]]) -> None:
    one, other = (np.asarray(values) for values in zip(*rows, strict=True))
    part = PartRows(
        part="evaluated", y_true=np.zeros(len(rows)), features={"a": one, "b": other}, clusters=None, weights=None
    )
    groupings = groupings_of((part,), 2)
    assert [grouping.feature for grouping in groupings] == ["a", "b", "a & b"]
    for grouping in groupings:
        assert grouping.sizes("evaluated").sum() == len(rows)
    named = np.asarray(groupings[-1].groups)[groupings[-1].codes["evaluated"]].tolist()
    assert named == [f"{a} & {b}" for a, b in rows]


def test_base_rates_and_their_difference() -> None:
    labels = np.asarray([1] * 10 + [0] * 30 + [1] * 30 + [0] * 30)
    result = result_of(subject_of(labels=labels))
    rates = metrics(result, "base_rate")
    assert rates["sex", "Female"].value == pytest.approx(0.25)
    assert rates["sex", "Male"].value == pytest.approx(0.5)
    difference = metrics(result, "base_rate_difference")["sex",]
    assert difference.value == pytest.approx(0.25)
    assert difference.interval is not None
    line = difference.interval.low
    for given_line, expected in ((line - 1e-9, True), (line + 1e-9, False)):
        found = result_of(subject_of(labels=labels), difference_line=given_line).findings
        by_sex = {each.rule for each in found if each.where == {"feature": "sex"}}
        assert ("data-bias.base_rates" in by_sex) == expected


def test_weights_are_used_and_told() -> None:
    weights = np.asarray([3.0] * 40 + [1.0] * 60)
    result = result_of(subject_of(weights=weights))
    assert metrics(result, "share")["sex", "Female"].value == pytest.approx(120 / 180)
    assert "count each row by its weight" in said(result)
    clusters = np.arange(100) // 5
    together = result_of(subject_of(clusters=clusters))
    share = metrics(together, "share")["sex", "Female"]
    assert (share.value, share.clusters) == (0.4, 20)
    assert share.interval is not None
    assert share.interval.method == "cluster-wilson"
    assert metrics(together, "base_rate_difference")["sex",].interval is not None


def test_missing_cells_are_counted_by_group() -> None:
    subject = toy_subject(rows=200, missing=50)
    cells = missing_cells(subject.data)
    assert list(cells) == ["hours"]
    assert np.flatnonzero(cells["hours"]).tolist() == list(range(150, 200))
    result = result_of(subject)
    sex = subject.data.sensitive_features["sex"]
    expected = {group: cells["hours"][sex == group].mean() for group in ("Female", "Male")}
    lines = {row[2]: row for row in table(result, "missing").rows if row[1] == "sex" and row[4] is not None}
    for group, share in expected.items():
        assert lines[group][4] == pytest.approx(share)
    gap = metrics(result, "missing_difference")["sex", "hours"]
    assert gap.value == pytest.approx(abs(expected["Female"] - expected["Male"]))
    assert not [each for each in result_of(toy_subject(rows=200)).tables if each.name == "missing"]


def test_categories_that_the_model_does_not_know_are_missing() -> None:
    def unknown(rows: Rows) -> Rows:
        raw = rows.inputs["features"].copy()
        raw[:4, 2] = 3  # behind the three categories of `work`
        return replace(rows, inputs={"features": raw})

    subject = toy_subject(rows=60)
    data = subject.data.with_rows(unknown)
    assert missing_cells(data)["work"].tolist() == [True] * 4 + [False] * 56


def test_training_rows_are_told_apart_from_evaluated_ones() -> None:
    subject = toy_subject(rows=80, background=50)

    def change(rows: Rows) -> Rows:
        share = 0.25 if len(rows) == 80 else 0.5
        women = np.arange(len(rows)) < share * len(rows)
        return replace(
            rows,
            sensitive_features={"sex": np.where(women, "Female", "Male")},
            y_true=(np.arange(len(rows)) % 2 == 0).astype(np.int64) * (len(rows) == 50),
        )

    result = result_of(replace(subject, data=subject.data.with_rows(change)))
    assert metrics(result, "share")["sex", "Female"].value == pytest.approx(0.25)
    training = metrics(result, "training_share")["sex", "Female"]
    assert (training.value, training.sample, training.n) == (0.5, "training", 50)
    assert metrics(result, "base_rate")["sex", "Male"].value == 0.0
    assert metrics(result, "training_base_rate")["sex", "Female"].value == pytest.approx(13 / 25)
    assert "80 evaluated and the 50 training rows" in said(result)
    alone = subject_of()
    own = replace(alone, data=replace(alone.data, background_source="test"))
    assert not [metric for metric in result_of(own).metrics if metric.name.startswith("training")]


def population_result(shares: dict[str, float], subject: ToySubject | None = None, **params: Any) -> AnalysisResult:
    return result_of(subject or subject_of(), population={"sex": shares}, **params)


def test_a_group_with_less_than_its_share_is_a_finding() -> None:
    own = subject_of()
    evaluated = replace(own, data=replace(own.data, background_source="test"))
    result = population_result({"Female": 0.8, "Male": 0.2}, evaluated)
    assert metrics(result, "representation_ratio")["sex", "Female"].value == pytest.approx(0.5)
    assert metrics(result, "representation_ratio")["sex", "Male"].value == pytest.approx(3.0)
    (finding,) = (each for each in result.findings if each.rule == "data-bias.underrepresented")
    assert finding.where == {"feature": "sex", "value": "Female"}
    near = population_result({"Female": 0.42, "Male": 0.58}, evaluated)
    assert not [each for each in near.findings if each.rule == "data-bias.underrepresented"]
    lower = metrics(result, "representation_ratio")["sex", "Female"].interval
    assert lower is not None
    strict = population_result({"Female": 0.8, "Male": 0.2}, evaluated, representation_line=lower.high - 1e-9)
    assert not [each for each in strict.findings if each.rule == "data-bias.underrepresented"]


def test_nothing_is_claimed_without_a_population() -> None:
    result = result_of(subject_of())
    assert not metrics(result, "representation_ratio")
    assert "states no population" in said(result)
    assert not [each for each in result.tables if each.name == "population"]


def test_rows_of_groups_that_the_population_does_not_name_are_left_out() -> None:
    sex = ["Female"] * 30 + ["Male"] * 50 + ["missing"] * 20
    result = population_result({"Female": 0.5, "Male": 0.5}, subject_of(sex=sex))
    ratio = metrics(result, "representation_ratio")["sex", "Female"]
    assert ratio.value == pytest.approx((30 / 80) / 0.5)
    assert ratio.n == 80
    assert {row[4] for row in table(result, "population").rows} == {20}


def test_weights_and_clusters_leave_no_test() -> None:
    clustered = subject_of(clusters=np.arange(100) // 4)
    for row in table(population_result({"Female": 0.5, "Male": 0.5}, clustered), "population").rows:
        assert row[5:8] == (None, None, None)
        assert row[8]


@pytest.mark.parametrize(
    "population",
    [
        pytest.param({"age": {"a": 0.5, "b": 0.5}}, id="no-such-feature"),
        pytest.param({"sex": {"Femal": 0.5, "Male": 0.5}}, id="misspelt-group"),
        pytest.param({"sex & race & age": {"a": 0.5, "b": 0.5}}, id="too-deep"),
    ],
)
def test_a_population_that_does_not_fit_is_refused(population: Any) -> None:
    data: EvaluationData = subject_of().data
    with pytest.raises(ConfigError) as caught:
        check_population(data, Params(population=population))
    assert "analyzers.data-bias.population" in caught.value.describe()


def test_a_named_group_without_a_row_is_no_mistake_where_all_others_are_named() -> None:
    data = subject_of().data
    check_population(data, Params(population={"sex": {"Female": 0.4, "Male": 0.4, "Diverse": 0.2}}))
    result = population_result({"Female": 0.4, "Male": 0.4, "Diverse": 0.2})
    assert metrics(result, "representation_ratio")["sex", "Diverse"].value == 0.0
    with pytest.raises(ValidationError, match="add up to 1"):
        Params(population={"sex": {"Female": 0.5, "Male": 0.2}})


def test_p_values_of_rare_groups_come_from_drawn_tables() -> None:
    rng = np.random.default_rng(0)
    *_, exact = goodness_of_fit(np.asarray([1, 9]), np.asarray([0.3, 0.7]), rng)
    assert exact
    *_, exact = goodness_of_fit(np.asarray([40, 60]), np.asarray([0.3, 0.7]), rng)
    assert not exact


def test_of_a_model_that_is_not_there_nobody_knows_the_inputs() -> None:
    subject = toy_subject(rows=100)
    assert "nobody knows which" not in said(result_of(subject))
    facts = replace(subject.model.facts, format="predictions")
    stored = replace(subject, model=replace(subject.model, facts=facts))
    assert "nobody knows which of these columns it takes" in said(result_of(stored))


def test_data_without_sensitive_features_are_refused() -> None:
    subject = given_outputs_subject([0.1, 0.9], [0, 1])
    with pytest.raises(AnalyzerNotPossible, match="no sensitive feature"):
        result_of(subject)


def test_the_same_call_gives_the_same_result() -> None:
    subject = toy_subject(rows=120)
    assert result_of(subject) == result_of(subject)

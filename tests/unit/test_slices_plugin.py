"""The `slices` analyzer: levels of columns, every task and kind of row, what it says, and what it refuses."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import auditbench_slices
from auditbench.bands import MISSING_GROUP, read_band
from auditbench.errors import AnalyzerNotPossible, ConfigError
from auditbench.messages import load_messages, merge_catalogues
from auditbench.statistics import clusters_of, first_half, minimum_detectable_difference
from auditbench.testing import given_outputs_subject, missing_words, toy_context, toy_subject
from auditbench_slices import Params
from auditbench_slices.analysis import analyze, check
from auditbench_slices.columns import OTHER, columns_of, of_categories, of_numbers
from auditbench_slices.detectable import detectable
from auditbench_slices.losses import Losses
from tests.plugin_results import analyzer_of, check_catalogue, check_result, finding_of, metric_of
from tests.slice_data import confirmed, groups, off_by, slices_of, wrong_with

ALL = np.ones(400, dtype=bool)


def levels(values: Any, first: Any = None) -> dict[str, list[float]]:
    """The numbers in each level that has some."""
    numbers = np.asarray(values, dtype=np.float64)
    column = of_numbers("x", numbers, np.ones(len(numbers), dtype=bool) if first is None else first)
    return {name: sorted(set(numbers[column.codes == place])) for place, name in enumerate(column.levels)
            if (column.codes == place).any()}  # fmt: skip


def test_numbers_are_in_quartiles_of_the_first_half() -> None:
    first = np.arange(400) < 200
    values = np.concatenate([np.arange(200), np.full(200, 1000.0)])
    column = of_numbers("x", values, first)
    assert np.bincount(column.codes[first]).tolist() == [50, 50, 49, 51]  # the third quartile is between 149 and 150
    assert column.levels[:4] == ("under 50", "50 to 99", "100 to 148", "149 and over")
    assert set(column.codes[~first]) == {3}


def test_a_frequent_number_stands_alone_and_a_missing_one_is_a_level() -> None:
    zeros = np.concatenate([np.zeros(300), np.arange(1, 91), np.full(10, math.nan)])
    found = levels(zeros)
    assert list(found)[:2] == ["over 0", "0"]
    assert found["0"] == [0.0]
    assert found["over 0"] == list(range(1, 91))
    assert MISSING_GROUP in found
    assert set(levels(np.arange(400) % 2)) == {"0", "1"}


@given(values=st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=60))
def test_every_number_is_in_the_level_that_says_so(values: list[float]) -> None:
    for name, members in levels(values).items():
        band = read_band(name)
        assert band is not None
        low, high = (float(end.replace(",", "")) for end in (band.low, band.high))
        slack = 1e-9 * max(abs(low), abs(high))  # names have ten digits
        for number in members:
            if band.kind == "single":
                assert number == pytest.approx(low, rel=1e-9)
            elif band.kind == "under":
                assert number < high + slack
            elif band.kind in ("from", "over"):
                assert number >= low - slack
            else:
                assert low - slack <= number <= high + slack


def test_rare_categories_are_joined_and_missing_is_not() -> None:
    codes = np.repeat(np.arange(5), [200, 100, 60, 30, 10])
    names = ("a", "b", "c", "d", MISSING_GROUP)
    column = of_categories("x", codes, names, ALL, minimum=50, most=2)
    assert column.levels == ("a", "b", MISSING_GROUP, OTHER)
    assert np.bincount(column.codes).tolist() == [200, 100, 10, 90]


def test_columns_are_sensitive_control_and_input_ones_each_once() -> None:
    data = toy_subject(rows=400).data
    data = data.with_rows(
        lambda rows: dataclasses.replace(rows, control_features={"job": np.where(np.arange(len(rows)) % 2, "x", "y")})
    )
    names = [column.name for column in columns_of(data, ALL, minimum=10, most=20)]
    assert names[:3] == ["job", "sex", "region"]
    assert sorted(names) == sorted(set(names))
    assert {feature.name for feature in data.features} <= set(names)


@pytest.mark.parametrize("modality", ["image", "text", "series", "mixed"])
def test_other_inputs_are_sliced_by_sensitive_and_control_features_alone(modality: Any) -> None:
    data = toy_subject(modality=modality, rows=60).data
    names = {column.name for column in columns_of(data, np.ones(60, dtype=bool), minimum=10, most=20)}
    assert {"sex", "region"} <= names
    if modality != "mixed":
        assert names == {"sex", "region"}


@pytest.mark.parametrize("modality", ["tabular", "image"])
@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression", "constant"])
def test_every_task_gives_a_valid_result_that_repeats(kind: Any, modality: Any) -> None:
    context = toy_context(toy_subject(kind, rows=200, modality=modality), analyzer="slices")
    result = slices_of(context, minimum_rows=10)
    assert metric_of(result, "slices_searched").value > 2
    check_result(auditbench_slices, result)
    assert slices_of(context, minimum_rows=10) == result


def found_in(loss: str, *, regression: bool, clusters: Any = None, seed: int = 1) -> Any:
    """What is found where every sixth row or so costs more."""
    rng = np.random.default_rng(seed)
    columns = groups(4000, rng, 4)
    worse = columns["column_1"] == "c"
    if regression:
        context = off_by(rng.normal(size=4000) * (1 + 2 * worse), columns, clusters=clusters)
    else:
        context = wrong_with(0.1 + 0.3 * worse, columns, rng, clusters=clusters)
    return slices_of(context, loss=loss)


@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize(
    ("loss", "regression"), [("error", False), ("log_loss", False), ("error", True), ("squared_error", True)]
)
def test_a_bad_slice_is_found_by_every_loss(loss: str, regression: bool, clustered: bool) -> None:
    clusters = np.arange(4000) % 400 if clustered else None
    result = found_in(loss, regression=regression, clusters=clusters)
    check_result(auditbench_slices, result)
    assert confirmed(result) == [{"column_1": "c"}]
    difference = metric_of(result, "difference_to_rest", column_1="c")
    assert difference.interval is not None
    assert difference.interval.low > 0
    methods = {False: "welch-t" if regression or loss == "log_loss" else "newcombe", True: "cluster-t"}
    assert difference.interval.method == methods[clustered]
    assert (difference.clusters is not None) == clustered
    for language in ("en", "zh-CN"):
        assert missing_words(analyzer_of(auditbench_slices), result, language) == ()


def test_halves_share_no_cluster() -> None:
    clusters = clusters_of(np.repeat(np.arange(50), 7))
    first = first_half(350, np.random.default_rng(0), clusters)
    assert not set(clusters.of_row[first]) & set(clusters.of_row[~first])
    assert len(set(clusters.of_row[first])) == 25
    assert first_half(7, np.random.default_rng(0)).sum() == 3


def test_too_few_clusters_search_nothing() -> None:
    result = found_in("error", regression=False, clusters=np.arange(4000) % 12)
    assert metric_of(result, "slices_searched").value == 0
    assert [note.text.key for note in result.notes if note.kind == "limit"] == ["slices.limit.nothing_searched"]
    check_result(auditbench_slices, result)


def test_a_slice_without_enough_rows_in_the_second_half_is_not_estimated() -> None:
    rng = np.random.default_rng(3)
    columns = {"place": np.full(4000, "usual"), "other": rng.choice(list("ab"), 4000)}
    context = wrong_with(0.1, columns, rng)
    first = np.flatnonzero(first_half(4000, context.rng("halves")))
    columns["place"][first[:40]] = "odd"
    labels = (np.random.default_rng(4).random(4000) < 0.9).astype(int)
    labels[first[:40]] = 0
    subject = given_outputs_subject(np.full(4000, 0.9), labels, sensitive_features=columns)
    result = analyze(toy_context(subject, analyzer="slices", seed=context.seed), Params())
    metric = metric_of(result, "difference_to_rest", place="odd")
    assert metric.reason is not None
    assert metric.reason.key == "slices.undefined.few_rows"
    (line,) = result.tables[0].rows
    assert line[3:6] == (None, None, None)
    assert result.findings == ()
    check_result(auditbench_slices, result)


def test_nothing_found_says_what_would_have_been() -> None:
    rng = np.random.default_rng(5)
    result = slices_of(wrong_with(0.2, groups(2000, rng, 3), rng))
    assert result.findings == ()
    assert "slices.note.nothing_confirmed" in {note.text.key for note in result.notes}
    (table,) = result.tables
    assert table.name == "detectable"
    sizes = [row[1] for row in table.rows]
    assert sizes == sorted(sizes)
    assert sizes[0] >= 30
    excess = [float(row[2].values["value"]) for row in table.rows]
    assert excess == sorted(excess, reverse=True)
    check_result(auditbench_slices, result)


def test_what_would_be_found_is_the_difference_of_the_test_and_grows_with_dependence() -> None:
    rng = np.random.default_rng(6)
    wrong = (rng.random(5000) < 0.2).astype(float)
    found = {each.share: each for each in detectable(Losses(name="wrong", values=wrong), level=0.9999, minimum=30)}
    expected = minimum_detectable_difference(4500, 500, wrong.mean(), level=0.9999, direction="above")
    assert (found[0.1].n, found[0.1].difference) == (500, expected)
    clusters = clusters_of(np.arange(5000) // 50)
    together = np.repeat(rng.random(100) < 0.2, 50).astype(float)
    apart = detectable(Losses(name="wrong", values=together), level=0.9999, minimum=30)
    dependent = detectable(Losses(name="wrong", values=together, clusters=clusters), level=0.9999, minimum=30)
    assert all((one.difference or 0) < (two.difference or 2) for one, two in zip(apart, dependent, strict=True))


@pytest.mark.parametrize("rate", [0.05, 0.4])
def test_the_difference_above_lies_above(rate: float) -> None:
    either = minimum_detectable_difference(500, 100, rate)
    above = minimum_detectable_difference(500, 100, rate, direction="above")
    below = minimum_detectable_difference(500, 100, 1 - rate, direction="above")
    assert either is not None
    assert either == min(part for part in (above, below) if part is not None)


def test_a_finding_says_what_was_measured_on_whom_and_with_what_limit() -> None:
    result = found_in("error", regression=False)
    finding = finding_of(result, "worse")
    say = merge_catalogues("en", load_messages("auditbench_slices")["en"])
    text = say.text(finding.title)
    (line,) = result.tables[0].rows
    assert "column_1 = c" in text
    assert "yes from a probability of 0.5" in text
    assert f"{line[3]} rows apart from those that were searched" in text
    assert finding.severity == "medium"
    assert slices_of(wrong_with(0.5, {"a": np.tile(["x", "y"], 50)}, np.random.default_rng(0))).findings == ()


def test_weights_are_said_not_to_count() -> None:
    rng = np.random.default_rng(7)
    columns = groups(400, rng, 3)
    keys = {note.text.key for note in slices_of(wrong_with(0.2, columns, rng, weights=np.ones(400))).notes}
    assert "slices.limit.weights" in keys


@pytest.mark.parametrize(("loss", "kind"), [("log_loss", "regression"), ("squared_error", "binary")])
def test_a_loss_of_another_task_is_refused_before_anything_runs(loss: Any, kind: Any) -> None:
    subject = toy_subject(kind)
    with pytest.raises(ConfigError) as caught:
        check(subject.model, subject.data, Params(loss=loss))
    assert caught.value.problems[0].where == "analyzers.slices.loss"


def test_images_without_features_have_no_slices() -> None:
    subject = toy_subject(modality="image")
    data = subject.data.with_rows(lambda rows: dataclasses.replace(rows, sensitive_features={}))
    with pytest.raises(AnalyzerNotPossible):
        check(subject.model, data, Params())


def test_record_and_catalogue() -> None:
    analyzer = analyzer_of(auditbench_slices)
    assert (analyzer.name, analyzer.topic, analyzer.Params) == ("slices", "performance", Params)
    check_catalogue(auditbench_slices)

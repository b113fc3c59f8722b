"""The `individual-fairness` analyzer: every task and input, groups with reasons, refusals, numbers that follow from the rows."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

import auditbench_individual_fairness
from auditbench.data import FeatureSpec, SeriesInput, TableInput
from auditbench.errors import AnalyzerNotPossible, ConfigError
from auditbench.results import AnalysisResult
from auditbench.testing import QuietHost, given_outputs_subject, toy_context, toy_subject
from auditbench_individual_fairness import Params
from auditbench_individual_fairness.analysis import analyze, check
from auditbench_individual_fairness.space import space_of, without_distance
from tests.plugin_results import analyzer_of, check_catalogue, check_result, metric_of

EVERY_GROUP = Params(minimum_group=1, replicates=40)


def result_of(subject: Any, params: Params = EVERY_GROUP, **keys: Any) -> AnalysisResult:
    context = toy_context(subject, analyzer="individual-fairness", params=params, **keys)
    result = analyze(context, params)
    check_result(auditbench_individual_fairness, result)
    return result


def measure(outputs: Any, y_true: Any, params: Params = EVERY_GROUP, **keys: Any) -> AnalysisResult:
    return result_of(given_outputs_subject(outputs, y_true, **keys), params)


def note_keys(result: AnalysisResult) -> set[str]:
    return {note.text.key.removeprefix("individual-fairness.") for note in result.notes}


def test_consistency_by_hand() -> None:
    """Scores are the only input. With one neighbour each: 0.1-0.2, 0.45-0.55 (decided otherwise), 0.9-0.95."""
    scores = [0.1, 0.2, 0.45, 0.55, 0.9, 0.95]
    params = Params(neighbours=1, minimum_group=1, replicates=40)
    result = measure(scores, [0, 0, 0, 1, 1, 1], params, sensitive_features={"g": list("aabbcc")})
    assert metric_of(result, "consistency").value == pytest.approx(1 - 2 / 6)
    assert metric_of(result, "score_consistency").value == pytest.approx(1 - (0.1 * 4 + 0.05 * 2) / 6)
    for group, expected in (("a", 1.0), ("b", 0.0), ("c", 1.0)):
        found = metric_of(result, "group_consistency", feature="g", group=group)
        assert (found.value, found.n) == (pytest.approx(expected), 2)


def test_of_several_classes_consistency_is_the_share_of_neighbours_with_the_class() -> None:
    outputs = np.array([[8.0, 0, 0], [8.1, 0, 0], [0, 8.0, 0], [0, 7.9, 0.1], [0, 4, 4.1], [0, 4.1, 4]])
    params = Params(neighbours=1, minimum_group=1)
    keys: dict[str, Any] = {"task": "multiclass-classification", "output": "logit", "classes": ("a", "b", "c")}
    result = measure(outputs, [0, 0, 1, 1, 2, 1], params, threshold=None, **keys)
    assert metric_of(result, "consistency").value == pytest.approx(4 / 6)
    shares = np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)
    half = [np.abs(shares[a] - shares[b]).sum() / 2 for a, b in ((0, 1), (1, 0), (2, 3), (3, 2), (4, 5), (5, 4))]
    assert metric_of(result, "score_consistency").value == pytest.approx(1 - np.mean(half), abs=1e-6)
    assert not any("entropy" in metric.name for metric in result.metrics)
    assert {"undefined.no_order", "note.consistency_multiclass"} <= note_keys(result)


def test_indices_by_hand() -> None:
    """Benefits 2, 1, 1, 0: mean 1. Group a has 2 and 1, group b 1 and 0."""
    result = measure([1, 1, 0, 0], [0, 1, 0, 1], sensitive_features={"g": list("aabb")})
    assert metric_of(result, "generalized_entropy").value == pytest.approx(((4 + 1 + 1 + 0) / 4 - 1) / 2)
    assert metric_of(result, "theil").value == pytest.approx(2 * math.log(2) / 4)
    assert metric_of(result, "coefficient_of_variation").value == pytest.approx(math.sqrt(0.5))
    between = metric_of(result, "generalized_entropy_between_groups", feature="g").value
    within = metric_of(result, "generalized_entropy_within_groups", feature="g").value
    assert between == pytest.approx((1.5**2 / 2 + 0.5**2 / 2 - 1) / 2)
    assert between + within == pytest.approx(0.25)
    parts, benefits = result.tables
    row = dict(zip((column.name for column in parts.columns), parts.rows[0], strict=True))
    assert (row["whole"], row["between"], row["within"]) == pytest.approx((0.25, between, within))
    assert row["share"] == pytest.approx(between / 0.25)
    assert [(row[1], row[2], row[3]) for row in benefits.rows] == [("a", 2, 1.5), ("b", 2, 0.5)]
    for table in result.tables:
        assert table.title.values == {"positive": "yes", "threshold": 0.5}


def test_benefits_that_are_all_equal_have_no_interval_and_no_inequality() -> None:
    result = measure([1, 0, 1, 0], [1, 0, 1, 0], sensitive_features={"g": list("aabb")})
    for name in ("generalized_entropy", "theil", "coefficient_of_variation"):
        metric = metric_of(result, name)
        assert (metric.value, metric.interval, metric.no_interval) == (0.0, None, "not_estimated")


@pytest.mark.parametrize(
    ("outputs", "y_true", "alpha", "reason"),
    [
        pytest.param([0, 0, 0], [1, 1, 1], 2.0, "no_benefit", id="every-benefit-0"),
        pytest.param([1, 0, 0], [1, 1, 0], 0.0, "zero_benefits", id="logarithm-of-0"),
    ],
)
def test_indices_that_are_undefined_say_why(outputs: list[int], y_true: list[int], alpha: float, reason: str) -> None:
    result = measure(outputs, y_true, Params(alpha=alpha, replicates=40))
    for name in ("generalized_entropy", "theil", "coefficient_of_variation"):
        metric = metric_of(result, name)
        assert metric.value is None
        assert metric.reason.key == f"individual-fairness.undefined.{reason}"
    assert result.tables == ()


def test_a_group_without_a_benefit_has_no_index_of_its_own() -> None:
    result = measure([0, 0, 1, 0], [1, 1, 1, 0], sensitive_features={"g": list("aabb")})
    benefits = result.tables[1]
    row = dict(zip((column.name for column in benefits.columns), benefits.rows[0], strict=True))
    assert (row["mean_benefit"], row["index_within"]) == (0.0, None)
    assert row["note"].key == "individual-fairness.undefined.no_benefit"
    parts = result.tables[0].rows[0]
    assert parts[4] + parts[7] == pytest.approx(parts[3])


def test_benefits_of_a_regression_are_ratios() -> None:
    predicted, labels = [10.0, 30.0, 20.0, 5.0], [10.0, 20.0, 40.0, 5.0]
    keys: dict[str, Any] = {"task": "regression", "output": "value", "threshold": None}
    result = measure(predicted, labels, Params(neighbours=1, replicates=40), **keys)
    ratios = np.array([1.0, 1.5, 0.5, 1.0])
    assert metric_of(result, "coefficient_of_variation").value == pytest.approx(ratios.std() / ratios.mean())
    gaps = [5, 10, 0, 5]  # 10 to 5, 30 to 20, 20 to 10 and 30, which are as far and share the place, 5 to 10
    difference = metric_of(result, "neighbour_difference")
    assert (difference.value, difference.unit) == (pytest.approx(np.mean(gaps)), "value")
    assert "limit.benefit_ratio" in note_keys(result)


@pytest.mark.parametrize(("predicted", "label"), [(-1.0, 1.0), (1.0, 0.0), (1.0, -2.0)])
def test_ratios_need_labels_above_0(predicted: float, label: float) -> None:
    keys: dict[str, Any] = {"task": "regression", "output": "value", "threshold": None}
    result = measure([1.0, predicted], [1.0, label], **keys)
    assert metric_of(result, "theil").reason.key == "individual-fairness.undefined.no_ratio"


def test_sensitive_inputs_play_no_part_in_distances() -> None:
    """The toy table has its sensitive feature among its inputs: with it or without, the neighbours are the same."""
    subject = toy_subject()
    (table,) = subject.data.inputs.values()
    sensitive = table.features[0].name
    rows = subject.data.take(np.arange(len(subject.data)))
    with_it, without = (space_of(subject.data.inputs, rows, names).places for names in ((), (sensitive,)))
    width = table.features[0].stop - table.features[0].start
    assert with_it.shape[1] - without.shape[1] in (width, width + 1)
    assert with_it[:, -without.shape[1] :] == pytest.approx(without)


def test_numbers_are_scaled_and_categories_apart_by_the_root_of_2() -> None:
    features = (
        FeatureSpec(name="size", kind="number", start=0, stop=1, mean=100.0, scale=3.0),
        FeatureSpec(name="same", kind="number", start=1, stop=2),
        FeatureSpec(name="kind", kind="category", categories=("a", "b"), start=2, stop=5),
    )
    raw = np.array([[10.0, 7.0, 0.0], [30.0, 7.0, 1.0], [np.nan, 7.0, np.nan], [20.0, 7.0, 2.0]])
    subject = given_outputs_subject([0, 1, 0, 1], [0, 1, 0, 1])
    rows = subject.data.take(np.arange(4))
    places = space_of({"features": TableInput(features=features)}, _with(rows, raw), ()).places
    filled = np.array([10.0, 30.0, 20.0, 20.0])
    assert places[:, 0] == pytest.approx((filled - filled.mean()) / filled.std())
    assert (places[:, 1] == 0).all()
    assert places[:, 2:].tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]]
    assert math.dist(places[0, 2:], places[1, 2:]) == pytest.approx(math.sqrt(2))


def test_places_of_extreme_numbers_are_finite() -> None:
    feature = FeatureSpec(name="size", kind="number", start=0, stop=1)
    raw = np.array([[1e300], [-1e300], [3.0], [np.nan]])
    rows = given_outputs_subject([0, 1, 0, 1], [0, 1, 0, 1]).data.take(np.arange(4))
    places = space_of({"features": TableInput(features=(feature,))}, _with(rows, raw), ()).places
    assert np.isfinite(places).all()


def _with(rows: Any, raw: Any) -> Any:
    return dataclasses.replace(rows, inputs={"features": raw})


def test_series_have_distances_step_by_step() -> None:
    inputs = {"series": SeriesInput(channels=("x", "y"), steps=2, mean=(0.0, 0.0), scale=(1.0, 1.0))}
    raw = np.array([[[1.0, 2.0], [5.0, 5.0]], [[3.0, np.nan], [5.0, 5.0]]])
    assert without_distance(inputs, ()) is None
    rows = dataclasses.replace(given_outputs_subject([0, 1], [0, 1]).data.take(np.arange(2)), inputs={"series": raw})
    places = space_of(inputs, rows, ()).places
    filled = np.array([1.0, 2.0, 3.0, 2.0])
    assert places[:, :2].ravel() == pytest.approx((filled - filled.mean()) / filled.std())
    assert (places[:, 2:] == 0).all()


@pytest.mark.parametrize("modality", ["image", "text"])
def test_inputs_without_a_distance_have_no_consistency_and_the_reason(modality: Any) -> None:
    result = result_of(toy_subject(modality=modality))
    metric = metric_of(result, "consistency")
    assert (metric.value, metric.reason.key) == (None, "individual-fairness.undefined.no_distance")
    assert metric_of(result, "theil").value is not None


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression", "constant"])
@pytest.mark.parametrize("modality", ["tabular", "series"])
def test_every_task_has_words_for_all_it_says(kind: Any, modality: Any) -> None:
    result = result_of(toy_subject(kind, modality=modality), Params(replicates=40, minimum_group=5))
    name = "neighbour_difference" if kind == "regression" else "consistency"
    assert metric_of(result, name).value is not None


def test_inputs_that_are_all_sensitive_have_no_distance() -> None:
    table = TableInput(features=(FeatureSpec(name="sex", kind="number", start=0, stop=1),))
    assert without_distance({"features": table}, ("sex",)).key == "individual-fairness.undefined.only_sensitive"
    assert without_distance({"features": table}, ("race",)) is None


def test_several_classes_without_a_distance_do_not_apply() -> None:
    subject = given_outputs_subject(
        np.eye(3), [0, 1, 2], task="multiclass-classification", classes=("a", "b", "c"), threshold=None,
        sensitive_features={f"output_{place}": ["x"] * 3 for place in range(3)},
    )  # fmt: skip
    with pytest.raises(AnalyzerNotPossible):
        check(subject.model, subject.data, EVERY_GROUP)


def test_more_neighbours_than_rows_are_refused() -> None:
    subject = toy_subject()
    with pytest.raises(ConfigError) as caught:
        check(subject.model, subject.data, Params(neighbours=9, rows=10))
    (problem,) = caught.value.problems
    assert (problem.where, problem.allowed) == ("analyzers.individual-fairness.neighbours", "at most 8")


def test_few_rows_have_no_consistency_and_the_reason() -> None:
    result = measure([0, 1, 1], [0, 1, 0])
    metric = metric_of(result, "consistency")
    assert (metric.value, metric.reason.values) == (None, {"needed": 7})
    assert metric_of(result, "theil").value is not None


def test_small_groups_are_listed_and_not_estimated() -> None:
    groups = ["a"] * 40 + ["b"] * 12 + ["c"] * 4
    rng = np.random.default_rng(0)
    result = measure(rng.random(56), rng.integers(0, 2, 56), Params(replicates=40), sensitive_features={"g": groups})
    for group, n, key in (("b", 12, "small_group"), ("c", 0, "small_group_hidden")):
        metric = metric_of(result, "group_consistency", feature="g", group=group)
        assert (metric.value, metric.n, metric.reason.key.rpartition(".")[2]) == (None, n, key)
    rows = {row[1]: row for row in result.tables[1].rows}
    assert rows["b"][2:9] == (12, None, None, None, None, None, None)
    assert rows["c"][2] is None
    assert rows["a"][3] is not None


def test_clustered_rows_have_no_interval_of_consistency_and_clustered_ones_of_indices() -> None:
    rng = np.random.default_rng(1)
    outputs, labels = rng.random(60), rng.integers(0, 2, 60)
    alone = measure(outputs, labels, Params())
    clustered = measure(np.repeat(outputs, 4), np.repeat(labels, 4), Params(), clusters=np.repeat(np.arange(60), 4))
    consistency = metric_of(clustered, "consistency")
    assert (consistency.interval, consistency.no_interval, consistency.clusters) == (None, "dependent_rows", 60)
    first, second = (metric_of(result, "theil") for result in (alone, clustered))
    assert second.value == pytest.approx(first.value)
    assert second.interval.high - second.interval.low == pytest.approx(
        first.interval.high - first.interval.low, rel=0.2
    )
    assert (second.clusters, second.interval.method) == (60, "cluster-bootstrap-percentile")
    assert {"limit.dependent_rows", "note.cluster_bootstrap"} <= note_keys(clustered)


def test_weights_are_said_to_play_no_part() -> None:
    plain, weighted = (measure([1, 0, 1, 1], [1, 0, 0, 1], weights=weights) for weights in (None, [1, 2, 3, 4]))
    assert weighted.metrics == plain.metrics
    assert note_keys(weighted) - note_keys(plain) == {"limit.weights"}


def test_a_sample_of_rows_is_drawn_by_the_seed_and_tells_its_size() -> None:
    rng = np.random.default_rng(2)
    subject = given_outputs_subject(rng.random(80), rng.integers(0, 2, 80))
    params = Params(rows=30, replicates=40)
    first, same, other = (metric_of(result_of(subject, params, seed=seed), "consistency") for seed in (0, 0, 1))
    assert first == same
    assert first.n == 30
    assert first.value != other.value


def test_progress_counts_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auditbench_individual_fairness.consistency._NUMBERS_AT_ONCE", 300)
    host = QuietHost()
    rng = np.random.default_rng(3)
    result_of(given_outputs_subject(rng.random(40), rng.integers(0, 2, 40)), host=host)
    assert [done for _, step, done, _ in host.steps if step == "neighbours"] == [7, 14, 21, 28, 35, 40]


def test_200_groups_and_one_person_groups() -> None:
    groups = [f"g{number}" for number in range(200)]
    rng = np.random.default_rng(4)
    result = measure(rng.random(200), rng.integers(0, 2, 200), Params(replicates=40), sensitive_features={"g": groups})
    listed = [metric for metric in result.metrics if metric.name == "group_consistency"]
    assert len(listed) == 50
    assert {metric.value for metric in listed} == {None}
    assert metric_of(result, "generalized_entropy_within_groups", feature="g").value == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_the_metrics_of_a_task_are_those_that_are_declared_for_it(kind: Any) -> None:
    analyzer = analyzer_of(auditbench_individual_fairness)
    subject = toy_subject(kind)
    given = {metric.name for metric in result_of(subject).metrics}
    assert given == {name for name, tasks in analyzer.metric_tasks.items() if subject.data.task in tasks}
    assert set(analyzer.metric_tasks) == set(analyzer.metrics)


def test_catalogue_is_complete() -> None:
    check_catalogue(auditbench_individual_fairness)

"""`parity`: differences of two models by hand, by a plain re-implementation, and when it does not apply."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import auditbench_parity
from auditbench.context import AuditContext
from auditbench.data import FeatureSpec, ImageInput, ModelInput, SeriesInput, TableInput, TextInput
from auditbench.errors import AnalyzerNotPossible, ConfigError, ModelError
from auditbench.models import ModelUnderTest
from auditbench.results import AnalysisResult, Metric
from auditbench.run import Modality
from auditbench.statistics import wilson_interval
from auditbench.testing import given_outputs_subject, missing_words, toy_context, toy_subject
from auditbench_parity import METRICS, Params, auditbench_analyzers
from auditbench_parity.analysis import analyze
from auditbench_parity.references import first_difference
from tests.plugin_results import check_catalogue, check_result


class Given:
    """A model that gives these outputs, whatever the rows."""

    def __init__(self, model: ModelUnderTest, outputs: Any) -> None:
        self.model, self.facts, self.inputs, self.batch_rows = model, model.facts, model.inputs, 2
        self.outputs = np.atleast_2d(np.asarray(outputs, dtype=np.float64).T).T
        self.start = 0
        self.probabilities, self.decisions = model.probabilities, model.decisions

    def predict(self, inputs: Mapping[str, Any]) -> Any:
        count = len(next(iter(inputs.values())))
        found = self.outputs[self.start : self.start + count]
        self.start += count
        return found


def context_of(outputs: Any, reference: Any, *, facts: Mapping[str, Any] | None = None, **subject: Any) -> AuditContext:
    """A context whose model gives `outputs`, with a further model `bundle` that gives `reference`."""
    toy = given_outputs_subject(outputs, np.zeros(len(outputs)), **subject)
    other: Any = Given(toy.model, reference)
    other.facts = dataclasses.replace(toy.model.facts, **({"name": "the bundle"} | dict(facts or {})))
    context = toy_context(toy, analyzer="parity", models={"bundle": other})
    return dataclasses.replace(context, outputs=np.atleast_2d(np.asarray(outputs, dtype=np.float64).T).T)


def by_name(result: AnalysisResult, name: str, **where: str) -> Metric:
    (metric,) = (item for item in result.metrics if item.name == name and item.where == where)
    return metric


def test_probabilities_by_hand() -> None:
    context = context_of(
        [0.2, 0.6, 0.9, 0.4],
        [0.2, 0.4, 0.8, 0.4],
        sensitive_features={"sex": ["F", "F", "M", "M"]},
    )
    result = analyze(context, Params())
    assert by_name(result, "largest_output_difference").value == pytest.approx(0.2)
    assert by_name(result, "mean_output_difference").value == pytest.approx(0.3 / 4)
    assert by_name(result, "largest_probability_difference").unit == "probability"
    assert by_name(result, "largest_scaled_difference").value == pytest.approx(0.2)
    assert by_name(result, "largest_probability_difference").value == pytest.approx(0.2)
    assert by_name(result, "mean_probability_difference").value == pytest.approx(0.3 / 4)
    changed = by_name(result, "changed_decisions")
    assert (changed.value, changed.n, changed.denominator) == (0.25, 4, 4)
    assert changed.interval is not None
    assert (changed.interval.low, changed.interval.high) == wilson_interval(1, 4)
    women, men = ({"feature": "sex", "group": group} for group in "FM")
    assert by_name(result, "group_changed_decisions", **women).value == 0.5
    assert by_name(result, "group_changed_decisions", **men).value == 0.0
    assert by_name(result, "group_largest_difference", **men).value == pytest.approx(0.1)
    assert {metric.name for metric in result.metrics} == set(METRICS)
    (table,) = result.tables
    assert [row[0] for row in table.rows] == ["row-1", "row-2"]
    assert [row[2:] for row in table.rows] == [("yes", "no"), ("yes", "yes")]
    rules = {finding.rule: finding for finding in result.findings}
    assert set(rules) == {"parity.changed_decisions", "parity.outputs_differ"}
    assert rules["parity.changed_decisions"].title.values == {"n": 1, "rows": 4, "reference": "the bundle"}


def test_values_are_scaled_by_the_largest_of_the_reference() -> None:
    context = context_of([1000.0, 5.0], [1000.5, 5.0], task="regression", output="value")
    result = analyze(context, Params(tolerance=1e-3))
    assert by_name(result, "largest_output_difference").value == pytest.approx(0.5)
    assert by_name(result, "largest_output_difference").unit == "value"
    assert by_name(result, "largest_scaled_difference").value == pytest.approx(0.5 / 1000.5)
    assert {metric.name for metric in result.metrics} == set(METRICS[:3])
    assert result.findings == ()
    assert result.tables[0].rows[0][2:] == (1000.0, 1000.5)


def test_small_values_are_scaled_up() -> None:
    result = analyze(context_of([0.0, 0.0], [9e-6, 2e-6], task="regression", output="value"), Params())
    assert by_name(result, "largest_scaled_difference").value == 1.0
    assert [finding.rule for finding in result.findings] == ["parity.outputs_differ"]


def test_against_values_of_zero_only_equal_ones_have_no_finding() -> None:
    equal = analyze(context_of([0.0, 0.0], [0.0, 0.0], task="regression", output="value"), Params())
    assert by_name(equal, "largest_scaled_difference").value == 0.0
    assert equal.findings == ()
    context = context_of([0.0, 1e-9], [0.0, 0.0], task="regression", output="value")
    other = analyze(context, Params(tolerance=1e9))
    metric = by_name(other, "largest_scaled_difference")
    assert (metric.value, metric.reason and metric.reason.key) == (None, "parity.undefined.zero_reference")
    assert [finding.rule for finding in other.findings] == ["parity.outputs_differ"]
    check_result(auditbench_parity, other)
    (analyzer,) = auditbench_analyzers()
    assert [missing_words(analyzer, other, language) for language in ("en", "zh-CN")] == [(), ()]


def test_another_number_of_outputs_compares_probabilities_alone() -> None:
    context = context_of([0.2, 0.6], [[0.8, 0.2], [0.5, 0.5]])
    result = analyze(context, Params())
    for name in METRICS[:3]:
        metric = by_name(result, name)
        assert (metric.value, metric.reason and metric.reason.key) == (None, "parity.undefined.other_scale")
    assert by_name(result, "largest_probability_difference").value == pytest.approx(0.1)


def test_equal_models_have_no_finding_and_no_table() -> None:
    result = analyze(context_of([0.2, 0.7], [0.2, 0.7]), Params())
    assert result.findings == ()
    assert result.tables == ()
    assert all(metric.value == 0.0 for metric in result.metrics)


def test_other_scales_compare_probabilities_alone() -> None:
    logits = np.log(np.array([0.2, 0.6]) / np.array([0.8, 0.4]))
    context = context_of([0.2, 0.7], logits, facts={"output": "logit"})
    other: Any = context.models["bundle"]
    bound = dataclasses.replace(context.model, facts=other.facts)
    other.probabilities, other.decisions = bound.probabilities, bound.decisions
    result = analyze(context, Params())
    for name in METRICS[:3]:
        metric = by_name(result, name)
        assert metric.value is None
        assert metric.reason is not None
        assert metric.reason.key == "parity.undefined.other_scale"
    assert by_name(result, "largest_probability_difference").value == pytest.approx(0.1)
    assert by_name(result, "changed_decisions").value == 0.0


def test_a_feature_of_many_groups_is_named_and_left_out() -> None:
    context = context_of([0.1, 0.2, 0.3], [0.1, 0.2, 0.3], sensitive_features={"town": ["A", "B", "C"]})
    result = analyze(context, Params(most_groups=2))
    assert not any(metric.where for metric in result.metrics)
    (note,) = (note for note in result.notes if note.text.key == "parity.limit.most_groups")
    assert note.text.values == {"n": 2, "names": "town"}


@settings(max_examples=60, deadline=None)
@given(data=st.data(), classes=st.integers(2, 4), rows=st.integers(1, 9))
def test_metrics_equal_those_of_plain_loops(data: st.DataObject, classes: int, rows: int) -> None:
    numbers = st.integers(-200, 200).map(lambda eighths: eighths / 8)
    draw = st.lists(st.lists(numbers, min_size=classes, max_size=classes), min_size=rows, max_size=rows)
    found, expected = data.draw(draw), data.draw(draw)
    names = tuple(f"class {index}" for index in range(classes))
    task = "multiclass-classification"
    result = analyze(context_of(found, expected, task=task, output="logit", classes=names, threshold=None), Params())
    largest = max(
        abs(a - b) for one, other in zip(found, expected, strict=True) for a, b in zip(one, other, strict=True)
    )
    size = max(1.0, *(abs(value) for one in expected for value in one))
    changed = sum(
        max(range(classes), key=softmax(one).__getitem__) != max(range(classes), key=softmax(other).__getitem__)
        for one, other in zip(found, expected, strict=True)
    )
    assert by_name(result, "largest_output_difference").value == pytest.approx(largest)
    assert by_name(result, "largest_scaled_difference").value == pytest.approx(largest / size)
    assert by_name(result, "changed_decisions").value == pytest.approx(changed / rows)
    of_probability = max(
        abs(a - b)
        for one, other in zip(found, expected, strict=True)
        for a, b in zip(softmax(one), softmax(other), strict=True)
    )
    assert by_name(result, "largest_probability_difference").value == pytest.approx(of_probability, abs=1e-12)


def softmax(logits: list[float]) -> list[float]:
    powers = [float(np.exp(value - max(logits))) for value in logits]
    return [power / sum(powers) for power in powers]


def test_outputs_that_are_no_numbers_are_an_error() -> None:
    with pytest.raises(ModelError, match="the model to compare with gives outputs that are not numbers"):
        analyze(context_of([0.1, 0.2], [0.1, float("nan")]), Params())


def test_without_another_model_it_does_not_apply() -> None:
    with pytest.raises(AnalyzerNotPossible, match="there is no model to compare with"):
        analyze(toy_context(), Params())


def test_a_model_that_is_not_there_is_named() -> None:
    context = context_of([0.1], [0.1])
    with pytest.raises(ConfigError, match="no further model of this name") as refused:
        analyze(context, Params(with_model="bundel"))
    assert (refused.value.problems[0].found, refused.value.problems[0].allowed) == ("bundel", "bundle")
    several = dataclasses.replace(context, models={**context.models, "other": context.models["bundle"]})
    with pytest.raises(ConfigError, match="there are several models"):
        analyze(several, Params())


@pytest.mark.parametrize(
    ("facts", "told"),
    [({"task": "multiclass-classification"}, "other tasks"), ({"classes": ("yes", "no")}, "other classes")],
)
def test_another_question_is_not_compared(facts: dict[str, Any], told: str) -> None:
    with pytest.raises(AnalyzerNotPossible, match=told):
        analyze(context_of([0.1], [0.1], facts=facts), Params())


def test_other_rows_are_not_compared() -> None:
    context = context_of([0.1], [0.1])
    context.models["bundle"].inputs = toy_subject().model.inputs  # type: ignore[misc]
    with pytest.raises(AnalyzerNotPossible, match="take other rows"):
        analyze(context, Params())


NUMBER = FeatureSpec(name="age", kind="number", start=0, stop=1)
TABLE = TableInput(features=(NUMBER,))
IMAGE = ImageInput(channels=1, height=2, width=2, mean=(0.0,), scale=(1.0,))
TEXT = TextInput(unit="words", vocabulary=("a",), length=4)
SERIES = SeriesInput(channels=("x",), steps=4, mean=(0.0,), scale=(1.0,))


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        pytest.param(TABLE, TableInput(features=(dataclasses.replace(NUMBER, mean=3.0),)), None, id="other-mean"),
        pytest.param(TABLE, TableInput(features=(dataclasses.replace(NUMBER, name="sex"),)), "features", id="table"),
        pytest.param(IMAGE, dataclasses.replace(IMAGE, mean=(0.5,)), None, id="image-of-other-mean"),
        pytest.param(IMAGE, dataclasses.replace(IMAGE, height=3), "shape", id="image"),
        pytest.param(TEXT, dataclasses.replace(TEXT, vocabulary=("b",)), "vocabulary", id="text"),
        pytest.param(SERIES, dataclasses.replace(SERIES, steps=5), "steps", id="series"),
        pytest.param(TABLE, IMAGE, "modality", id="modality"),
    ],
)
def test_rows_are_the_same_where_files_are_read_alike(one: ModelInput, other: ModelInput, told: str | None) -> None:
    found = first_difference({"input": one}, {"input": other})
    assert (found is None) == (told is None)
    if told is not None:
        assert found is not None
        assert found.startswith(told)
    assert first_difference({"input": one}, {"another": one}) == "inputs input and another"


@pytest.mark.parametrize("modality", get_args(Modality))
@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_a_model_of_any_modality_equals_itself(kind: Any, modality: Modality) -> None:
    subject = toy_subject(kind, modality=modality)
    result = analyze(toy_context(subject, analyzer="parity", models={"itself": subject.model}), Params())
    check_result(auditbench_parity, result)
    assert by_name(result, "largest_scaled_difference").value == 0.0
    assert result.findings == ()


def test_result_and_catalogue_are_complete() -> None:
    context = context_of([0.9, 0.1], [0.1, 0.1], sensitive_features={"sex": ["F", "M"]})
    check_result(auditbench_parity, analyze(context, Params()))
    check_catalogue(auditbench_parity)


@pytest.mark.parametrize("language", ["en", "zh-CN"])
@pytest.mark.parametrize("most_groups", [1, 50])
def test_every_message_has_words(language: str, most_groups: int) -> None:
    (analyzer,) = auditbench_analyzers()
    context = context_of([0.9, 0.1], [0.1, 0.1], sensitive_features={"sex": ["F", "M"]})
    assert missing_words(analyzer, analyze(context, Params(most_groups=most_groups)), language) == ()
    other_scale = context_of([0.9, 0.1], [0.1, 0.1], facts={"output": "logit"})
    assert missing_words(analyzer, analyze(other_scale, Params()), language) == ()

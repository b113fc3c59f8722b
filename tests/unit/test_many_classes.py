"""Classifiers of thousands of classes: counts that follow from the rows give what the whole table of pairs would."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import auditbench_fairness
import auditbench_performance
from auditbench.record import plain
from auditbench.results import Metric
from auditbench.testing import given_outputs_subject, toy_context
from auditbench.worker.cases import choose_cases
from auditbench_fairness.analysis import analyze as analyze_fairness
from auditbench_fairness.few_classes import few_classes
from auditbench_performance.analysis import analyze as analyze_performance
from auditbench_performance.confusion import class_counts, confusion_matrix, drawn_counts
from auditbench_performance.resampling import Sample
from auditbench_performance.rules import findings
from tests.plugin_results import check_result, metric_of

CLASSES = 1200
ROWS = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), min_size=1, max_size=60)


@given(rows=ROWS)
def test_counts_of_classes_are_the_margins_of_the_table(rows: list[tuple[int, int]]) -> None:
    y_true, y_pred = np.array(rows).T
    table, counts = confusion_matrix(y_true, y_pred, 8), class_counts(y_true, y_pred, 8)
    np.testing.assert_array_equal(counts.hits, np.diag(table))
    np.testing.assert_array_equal(counts.labelled, table.sum(axis=1))
    np.testing.assert_array_equal(counts.predicted, table.sum(axis=0))


@given(rows=ROWS, seed=st.integers(0, 3))
def test_replicates_have_as_many_rows_of_pairs_that_occur(rows: list[tuple[int, int]], seed: int) -> None:
    y_true, y_pred = np.array(rows).T
    (drawn,) = drawn_counts(y_true, y_pred, 8, Sample(n=len(rows), replicates=5), np.random.default_rng(seed))
    assert drawn.hits.shape == drawn.labelled.shape == drawn.predicted.shape == (6, 8)
    assert (drawn.labelled.sum(axis=1) == len(rows)).all()
    assert (drawn.predicted.sum(axis=1) == len(rows)).all()
    assert (drawn.hits <= np.minimum(drawn.labelled, drawn.predicted)).all()
    assert not drawn.labelled[:, class_counts(y_true, y_pred, 8).labelled == 0].any()


def test_replicates_vary_as_resampled_rows_do() -> None:
    rng = np.random.default_rng(0)
    y_true, y_pred = rng.integers(0, 3, 200), rng.integers(0, 3, 200)
    (drawn,) = drawn_counts(y_true, y_pred, 3, Sample(n=200, replicates=4000), rng)
    share = drawn.labelled[0] / 200
    np.testing.assert_allclose(drawn.labelled[1:].mean(axis=0), drawn.labelled[0], rtol=0.01)
    np.testing.assert_allclose(drawn.labelled[1:].std(axis=0), np.sqrt(200 * share * (1 - share)), rtol=0.06)


@given(rows=ROWS, most=st.integers(1, 7))
def test_few_classes_keep_what_is_right_and_every_compared_rate(rows: list[tuple[int, int]], most: int) -> None:
    y_true, y_pred = np.array(rows).T
    names = tuple("abcdefgh")
    few = few_classes(y_true, y_pred, names, most)
    assert few.size == min(8, most + 2)
    assert max(few.y_true.max(), few.y_pred.max()) < few.size
    np.testing.assert_array_equal(few.y_true == few.y_pred, y_true == y_pred)
    assert len(few.compared) == most
    for number, name in few.compared:
        np.testing.assert_array_equal(few.y_true == number, y_true == names.index(name))
        np.testing.assert_array_equal(few.y_pred == number, y_pred == names.index(name))
    counts = np.bincount(y_true, minlength=8)
    left_out = [counts[index] for index, name in enumerate(names) if name not in dict(map(reversed, few.compared))]
    assert min(counts[names.index(name)] for _, name in few.compared) >= max(left_out, default=0)


@pytest.fixture(scope="module")
def vocabulary() -> Any:
    """400 rows of a model that is right on half of them, as many classes as a vocabulary has tokens."""
    rng = np.random.default_rng(2)
    y_true = np.minimum(rng.geometric(0.05, 400) * 7, CLASSES - 1)
    outputs = rng.normal(0.0, 0.1, (400, CLASSES))
    right = rng.random(400) < 0.5
    outputs[np.arange(400), np.where(right, y_true, rng.integers(0, CLASSES, 400))] += 5
    groups = {"length": np.where(rng.random(400) < 0.5, "short", "long")}
    return given_outputs_subject(
        outputs, y_true, task="multiclass-classification", output="logit",
        classes=tuple(f"token {index}" for index in range(CLASSES)), sensitive_features=groups,
    )  # fmt: skip


def test_performance_lists_the_most_frequent_of_many_classes(vocabulary: Any) -> None:
    params = auditbench_performance.Params(replicates=40, most_classes=5)
    context = toy_context(vocabulary, analyzer="performance", params=params)
    result = analyze_performance(context, params)
    check_result(auditbench_performance, result)
    y_true, y_pred = context.data.y_true, context.outputs.argmax(axis=1)
    frequent = np.sort(np.argsort(-np.bincount(y_true, minlength=CLASSES), kind="stable")[:5])
    listed = [metric.where["class"] for metric in result.metrics if metric.name == "recall"]
    assert listed == [f"token {index}" for index in frequent]
    assert result.matrices == ()
    assert metric_of(result, "accuracy").value == pytest.approx((y_true == y_pred).mean())
    recalls = [(y_pred == label)[y_true == label].mean() for label in np.unique(y_true)]
    assert metric_of(result, "balanced_accuracy").value == pytest.approx(np.mean(recalls))
    limit = next(note for note in result.notes if note.text.key == "performance.limit.most_classes")
    assert limit.text.values == {"n": CLASSES - 5, "most": 5}


def test_rare_classes_are_a_finding_only_where_classes_are_measured() -> None:
    rows = np.array([0] * 20 + [1] * 3)
    counts, accuracy = class_counts(rows, rows, 2), Metric(name="accuracy", value=1.0, no_interval="exact", n=23)
    balanced = dataclasses.replace(accuracy, name="balanced_accuracy")
    params = auditbench_performance.Params()
    (finding,) = findings((accuracy, balanced), params, counts, ("common", "rare"))
    assert finding.rule == "performance.few_rows"
    assert finding.title.values == {"n": 1, "fewest": 10, "named": "rare", "more": 0}
    assert findings((accuracy,), params, counts, ("common", "rare")) == ()


@pytest.mark.parametrize(("few", "more"), [(5, 0), (20, 15)])
def test_many_rare_classes_are_one_finding_that_names_the_rarest(few: int, more: int) -> None:
    names = tuple(f"c{index}" for index in range(few + 1))
    rows = np.concatenate([np.full(20, 0), *(np.full(1 + index % 9, index) for index in range(1, few + 1))])
    params = auditbench_performance.Params(replicates=40, most_classes=few + 1)
    outputs = np.eye(few + 1)[rows]
    context = toy_context(
        given_outputs_subject(outputs, rows, task="multiclass-classification", classes=names),
        analyzer="performance",
        params=params,
    )
    result = analyze_performance(context, params)
    check_result(auditbench_performance, result)
    (finding,) = (finding for finding in result.findings if "few_rows" in finding.rule)
    counts = np.bincount(rows)
    named = str(finding.title.values["named"]).split(", ")
    assert [counts[names.index(name)] for name in named] == sorted(counts[1:])[:5]
    assert (finding.title.values["n"], finding.title.values["more"]) == (few, more)
    assert finding.title.key.endswith("few_rows_more") == (more > 0)


def test_fairness_of_many_classes_is_that_of_the_rows(vocabulary: Any) -> None:
    params = auditbench_fairness.Params(most_classes=2, minimum_outcomes=1)
    context = toy_context(vocabulary, analyzer="fairness", params=params)
    result = analyze_fairness(context, params)
    check_result(auditbench_fairness, result)
    y_true, y_pred = context.data.y_true, context.outputs.argmax(axis=1)
    short = context.data.sensitive_features["length"] == "short"
    where = {"feature": "length", "group": "short"}
    assert metric_of(result, "accuracy", **where).value == pytest.approx((y_true == y_pred)[short].mean())
    name = next(metric.where["class"] for metric in result.metrics if "class" in metric.where)
    index = context.data.classes.index(name)
    rate = metric_of(result, "selection_rate", **where, **{"class": name})
    assert rate.value == pytest.approx((y_pred == index)[short].mean())


def test_cases_of_many_classes_are_chosen(vocabulary: Any) -> None:
    outputs = toy_context(vocabulary).outputs
    chosen = choose_cases(vocabulary.model, vocabulary.data, outputs, count=12, raw_inputs=True)
    assert len(chosen.cases) == 12
    assert "typical" in {case.rule for case in chosen.cases}
    probabilities = vocabulary.model.probabilities(outputs)
    for case, row in zip(chosen.cases, chosen.indices, strict=True):
        assert case.output == ()
        ranked = np.argsort(-probabilities[row], kind="stable")[:5]
        assert case.most_probable == tuple((f"token {place}", probabilities[row, place]) for place in ranked)
        assert case.predicted_probability == case.most_probable[0][1]
        label = vocabulary.data.y_true[row]
        assert (case.observed, case.observed_probability) == (f"token {label}", probabilities[row, label])
        if case.rule == "typical":
            assert case.where == {"target": case.observed}
        assert len(json.dumps(plain(dataclasses.replace(case, inputs=())))) < 1000

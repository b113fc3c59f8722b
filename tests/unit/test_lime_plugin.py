"""The `lime` analyzer: sign and order of linear models, measured fidelity, counted rows, and words for everything."""

from __future__ import annotations

import dataclasses
import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import auditbench_lime
from auditbench.results import AnalysisResult, Metric
from auditbench.testing import TOY_FEATURES, ToySubject, given_outputs_subject, missing_words, toy_context, toy_subject
from auditbench_lime import Params, analysis, library_weights, lime_weights
from auditbench_lime.analysis import analyze

(ANALYZER,) = auditbench_lime.auditbench_analyzers()
QUICK = Params(rows=12, num_samples=800)


class Counted(nn.Module):
    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.rows = 0

    def forward(self, encoded: torch.Tensor) -> torch.Tensor:
        self.rows += len(encoded)
        return self.module(encoded)


def explain(subject: ToySubject, params: Params = QUICK, **context: Any) -> AnalysisResult:
    return analyze(toy_context(subject, analyzer="lime", params=params, **context), params)


def metrics_named(result: AnalysisResult, name: str) -> list[Metric]:
    return [metric for metric in result.metrics if metric.name == name]


@pytest.mark.parametrize("method", ["shared", "independent", "library"])
@pytest.mark.parametrize("kind", ["regression", "binary", "multiclass"])
def test_linear_model_keeps_sign_and_order(kind: Any, method: Any) -> None:
    subject, params = toy_subject(kind, background=400), Params(rows=40, num_samples=3000, method=method)
    context = toy_context(subject, analyzer="lime", params=params)
    (block,) = analyze(context, params).attributions
    values = np.asarray(block.values)
    exact = subject.exact_contributions(context.explained_rows(40), subject.data.background(400, context.rng()))
    clear = np.abs(exact) > 0.75  # far from the mean: the row's bin lies on one side of it
    assert clear.sum() > 20
    np.testing.assert_array_equal(np.sign(values[clear]), np.sign(exact[clear]))
    for target in range(values.shape[1]):
        strongest = np.abs(exact[:, target]).mean(axis=0).argmax()
        assert np.abs(values[:, target]).mean(axis=0).argmax() == strongest


def test_weights_are_not_said_to_add_up() -> None:
    (block,) = explain(toy_subject()).attributions
    assert not block.additive
    assert block.method == "lime.shared"
    assert block.values.shape == (12, 1, 4)
    assert np.isfinite(block.values).all()


def test_missing_numbers_are_explained_as_filled_ones() -> None:
    subject = toy_subject(missing=60)
    raw = subject.data.take(np.arange(60)).inputs["features"].copy()
    raw[:, 1] = TOY_FEATURES[1].fill
    rows = dataclasses.replace(subject.data.take(np.arange(60)), inputs={"features": raw})
    filled = dataclasses.replace(subject, data=dataclasses.replace(subject.data, _evaluated=rows))
    blocks = [explain(each).attributions[0] for each in (subject, filled)]
    np.testing.assert_array_equal(blocks[0].values, blocks[1].values)


@pytest.mark.parametrize("explain", [lime_weights, partial(lime_weights, independent=True), library_weights])
def test_fidelity_is_one_where_the_model_is_linear_in_categories(explain: Any) -> None:
    rows = np.random.default_rng(0).integers(0, 2, (30, 2)).astype(float)
    found = explain(
        lambda raw: raw @ np.asarray([[2.0], [-1.0]]), rows, rows, num_samples=4000, categorical_features=[0, 1]
    )
    np.testing.assert_allclose(found.r2, 1.0, atol=1e-4)
    np.testing.assert_allclose(found.values[:, 0], np.where(rows > 0, 1, -1) * [2.0, -1.0], rtol=0.01)
    assert not found.unseen.any()


@pytest.mark.parametrize("explain", [lime_weights, partial(lime_weights, independent=True), library_weights])
def test_a_bin_of_one_value_is_sampled_at_that_value(explain: Any) -> None:
    background = np.repeat([[5.0], [9.0]], [30, 10], axis=0)
    seen: list[float] = []

    def predict(raw: np.ndarray) -> np.ndarray:
        seen.extend(raw[:, 0])
        return raw.copy()

    explain(predict, np.asarray([[9.0]]), background, num_samples=500)
    assert min(seen) == 5.0
    assert max(seen) == pytest.approx(9.0)


def test_an_unseen_category_is_counted_and_said() -> None:
    subject = toy_subject()
    raw = subject.data.take(np.arange(60)).inputs["features"].copy()
    raw[7, 2] = 3  # missing or unseen, which no background row has
    rows = dataclasses.replace(subject.data.take(np.arange(60)), inputs={"features": raw})
    subject = dataclasses.replace(subject, data=dataclasses.replace(subject.data, _evaluated=rows))
    result = explain(subject, case_indices=(7,))
    (note,) = [note for note in result.notes if note.text.key == "lime.limit_unseen"]
    assert note.text.values["n"] == 1
    assert missing_words(ANALYZER, result) == ()


def test_fidelity_is_the_median_over_sampled_rows() -> None:
    result = explain(toy_subject("multiclass"), case_indices=(0, 1))
    found = metrics_named(result, "local_fidelity")
    assert [metric.where for metric in found] == [{"class": name} for name in ("low", "middle", "high")]
    assert {metric.n for metric in found} == {10}
    for metric in found:
        assert metric.value is not None
        assert metric.interval is not None
        assert metric.interval.low <= metric.value <= metric.interval.high <= 1


def test_low_fidelity_is_found_where_the_whole_interval_lies_below_the_line() -> None:
    (fidelity,) = metrics_named(explain(toy_subject()), "local_fidelity")
    assert fidelity.interval is not None
    assert fidelity.value is not None
    assert fidelity.value + 1e-6 < fidelity.interval.high
    for line, expected in (
        (fidelity.interval.high + 1e-6, ["lime.low_fidelity"]),
        (fidelity.interval.high - 1e-6, []),
    ):
        result = explain(toy_subject(), QUICK.model_copy(update={"low_fidelity": line}))
        assert [finding.rule for finding in result.findings] == expected
        assert missing_words(ANALYZER, result) == ()


@pytest.mark.parametrize("features", [5, 12, 30])
def test_a_linear_model_of_numbers_has_the_fidelity_that_the_finding_says(features: int) -> None:
    assert "linear in its numbers mostly has an R² below 0.5" in str(
        ANALYZER.messages["en"]["lime.low_fidelity.action"]
    )
    rng = np.random.default_rng(0)
    weights, rows, training = (rng.normal(size=size) for size in (features, (20, features), (1000, features)))

    def fidelity(width: float) -> float:
        fits = lime_weights(lambda table: table @ weights, rows, training, num_samples=20000, kernel_width=width)
        return float(np.median(fits.r2))

    usual = 0.75 * features**0.5
    assert fidelity(usual) < 0.5
    assert fidelity(usual) < fidelity(0.7 * usual) < fidelity(usual) + 0.1


def test_a_kernel_that_leaves_few_samples_is_said_and_not_to_be_narrowed() -> None:
    for width, note, action in (
        (0.2, "lime.limit_few_samples", "lime.low_fidelity.action_few_samples"),
        (2.0, None, "lime.low_fidelity.action"),
    ):
        result = explain(toy_subject(), Params(rows=12, num_samples=50, kernel_width=width, low_fidelity=1.0))
        found = {each.text.key: each.text.values for each in result.notes}
        assert [finding.action.key for finding in result.findings] == [action]
        assert ("lime.limit_few_samples" in found) == (note is not None)
        if note:
            assert found[note]["numbers"] == 5
            assert 6 < found[note]["n"] <= 12
        assert missing_words(ANALYZER, result) == ()


def test_cases_alone_have_no_median() -> None:
    result = explain(toy_subject(), Params(rows=2, num_samples=100), case_indices=(0, 1))
    (metric,) = metrics_named(result, "local_fidelity")
    assert metric.value is None
    assert metric.reason is not None
    assert metric.reason.key == "lime.no_sampled_rows"


def test_low_fidelity_of_one_row_goes_by_its_value() -> None:
    one_row = QUICK.model_copy(update={"rows": 1})
    (fidelity,) = metrics_named(explain(toy_subject(), one_row), "local_fidelity")
    assert fidelity.value is not None
    assert fidelity.interval is None
    for line, expected in ((fidelity.value + 1e-6, ["lime.low_fidelity"]), (fidelity.value - 1e-6, [])):
        result = explain(toy_subject(), one_row.model_copy(update={"low_fidelity": line}))
        assert [finding.rule for finding in result.findings] == expected


def test_a_constant_model_has_no_fidelity_and_no_order() -> None:
    other = explain(toy_subject("constant"))
    result = explain(toy_subject("constant"), results={"shap": other})
    assert [metric.value for metric in metrics_named(result, "mean_absolute_attribution")] == [0.0] * 4
    for name in ("local_fidelity", "rank_agreement"):
        (metric,) = metrics_named(result, name)
        assert metric.value is None
    assert missing_words(ANALYZER, result) == ()


def test_equal_seeds_give_equal_weights_and_others_do_not() -> None:
    params = Params(rows=60, num_samples=200)  # all rows: the seed chooses none
    first, again, other = (explain(toy_subject(), params, seed=seed).attributions[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.values, again.values)
    assert first.row_ids == other.row_ids
    assert not np.array_equal(first.values, other.values)


@pytest.mark.parametrize(
    ("method", "expected"), [("shared", 799 + 12), ("independent", 12 * 800), ("library", 12 * 801)]
)
@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_every_model_row_is_counted_and_targets_share_them(kind: Any, method: Any, expected: int) -> None:
    subject = toy_subject(kind)
    module = Counted(subject.model.module)
    subject = dataclasses.replace(subject, model=dataclasses.replace(subject.model, module=module))
    params = Params(rows=12, num_samples=800, method=method)
    context = toy_context(subject, analyzer="lime", params=params)
    module.rows = 0
    result = analyze(context, params)
    (block,) = result.attributions
    assert block.model_rows == module.rows == expected + 12
    assert result.notes[0].text.key == f"lime.method_{method}"
    assert ("lime.limit_shared" in {note.text.key for note in result.notes}) == (method == "shared")
    assert missing_words(ANALYZER, result) == ()


def test_chunks_of_shared_samples_do_not_share_them(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = explain(toy_subject()).attributions[0]
    monkeypatch.setitem(analysis.CHUNK_ROWS, "shared", 6)
    parts = explain(toy_subject()).attributions[0]
    assert parts.model_rows == whole.model_rows + 799
    np.testing.assert_allclose(parts.values[:6], whole.values[:6], rtol=1e-4)
    assert (np.abs(parts.values[6:] - whole.values[6:]) > 1e-4).all()


def test_model_and_generators_are_left_as_found() -> None:
    subject = toy_subject()
    subject.model.module.train()
    before = np.random.get_state()[1].copy(), torch.random.get_rng_state()  # noqa: NPY002
    explain(subject)
    assert subject.model.module.training
    np.testing.assert_array_equal(before[0], np.random.get_state()[1])  # noqa: NPY002
    assert torch.equal(before[1], torch.random.get_rng_state())


def test_agreement_is_with_every_method_before() -> None:
    first = explain(toy_subject(), seed=3)
    result = explain(toy_subject(), seed=3, results={"shap": first})
    (metric,) = metrics_named(result, "rank_agreement")
    assert (metric.value, metric.where, metric.n) == (1.0, {"method": "shap"}, 12)
    assert metrics_named(first, "rank_agreement") == []
    assert not [finding for finding in result.findings if finding.rule == "lime.low_agreement"]
    assert missing_words(ANALYZER, result) == ()


def test_a_method_that_ranks_features_the_other_way_round_is_a_finding() -> None:
    first = explain(toy_subject(), seed=3)
    own = first.attributions[0]
    order = np.argsort(np.abs(np.asarray(own.values)).mean(axis=(0, 1)))
    turned = np.empty_like(np.asarray(own.values))
    turned[:, :, order] = np.asarray(own.values)[:, :, order[::-1]]
    other = dataclasses.replace(first, attributions=(dataclasses.replace(own, values=turned),))
    result = explain(toy_subject(), seed=3, results={"shap": other})
    (finding,) = [finding for finding in result.findings if finding.rule == "lime.low_agreement"]
    (metric,) = metrics_named(result, "rank_agreement")
    assert metric.interval is not None
    assert metric.interval.high < 0.5
    assert finding.where == metric.where
    assert missing_words(ANALYZER, result) == ()


def test_all_features_are_kept() -> None:
    rng = np.random.default_rng(0)
    table = rng.normal(size=(40, 15))
    subject = given_outputs_subject(
        table,
        rng.integers(0, 15, 40),
        task="multiclass-classification",
        output="logit",
        classes=tuple("abcdefghijklmno"),
    )
    (block,) = explain(subject, Params(rows=1, num_samples=300)).attributions
    assert (np.asarray(block.values) != 0).all()


def test_the_analyzer_says_what_it_needs() -> None:
    assert (ANALYZER.name, ANALYZER.topic, ANALYZER.after) == ("lime", "explanation", ("shap",))
    assert ANALYZER.needs.modalities == ("tabular", "image", "text", "series")


def test_every_key_in_the_source_has_words() -> None:
    folder = Path(auditbench_lime.__file__).parent
    keys = {key for path in folder.glob("*.py") for key in re.findall(r'key="([^"]+)"', path.read_text("utf-8"))}
    assert len(keys) > 3
    assert keys <= set(ANALYZER.messages["en"])

"""The `captum` analyzer: exact on linear models, complete, grouped by feature, and harmless to the model."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

import auditbench_captum
from auditbench.data import FeatureSpec
from auditbench.models import BatchSize
from auditbench.results import AnalysisResult, Metric
from auditbench.testing import ToySubject, missing_words, toy_context, toy_subject
from auditbench.worker.analysis import unmet_need
from auditbench_captum import Params
from auditbench_captum.analysis import analyze
from auditbench_captum.gradients import gradient_attributions
from auditbench_captum.methods import METHODS

(ANALYZER,) = auditbench_captum.auditbench_analyzers()
KINDS = ("regression", "binary", "multiclass")
OF_TABLES = [name for name, method in METHODS.items() if "tabular" in method.modalities]


class Counted(nn.Module):
    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.rows = 0

    def forward(self, encoded: torch.Tensor) -> torch.Tensor:
        self.rows += len(encoded)
        return self.module(encoded)


def network(outputs: int = 1, activation: type[nn.Module] = nn.ReLU) -> nn.Module:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Linear(9, 16), activation(), nn.Linear(16, 16), activation(), nn.Linear(16, outputs))
    for parameter in layers.parameters():
        parameter.data *= 3.0
        parameter.requires_grad_(False)
    return layers.eval()


def with_module(subject: ToySubject, module: nn.Module) -> ToySubject:
    return dataclasses.replace(subject, model=dataclasses.replace(subject.model, module=module))


def explain(subject: ToySubject, params: Params, **context: Any) -> AnalysisResult:
    return analyze(toy_context(subject, analyzer="captum", params=params, **context), params)


def metrics_named(result: AnalysisResult, name: str) -> list[Metric]:
    return [metric for metric in result.metrics if metric.name == name]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["integrated_gradients", "deep_lift", "feature_ablation"])
def test_linear_model_gets_weight_times_difference_from_the_mean(kind: Any, method: Any) -> None:
    subject, params = toy_subject(kind, missing=5), Params(rows=20, background=15, method=method)
    context = toy_context(subject, analyzer="captum", params=params)
    (block,) = analyze(context, params).attributions
    background = subject.data.background(15, context.rng("background"))
    exact = subject.exact_contributions(context.explained_rows(20), background)
    np.testing.assert_allclose(block.values, exact, atol=1e-6)
    assert block.method == f"captum.{method}"


@pytest.mark.parametrize(
    ("method", "tolerance"), [("integrated_gradients", 1e-2), ("deep_lift", 1e-5), ("gradient_shap", 0.2)]
)
def test_additive_methods_report_their_gap(method: Any, tolerance: float) -> None:
    subject = with_module(toy_subject("multiclass"), network(3))
    result = explain(subject, Params(rows=30, method=method))
    (block,), (gap,) = result.attributions, metrics_named(result, "completeness_gap")
    output_range = np.ptp(toy_context(subject).outputs, axis=0)
    sums = np.asarray(block.values).sum(axis=2) + block.base_values
    assert gap.value == pytest.approx((np.abs(sums - block.outputs) / output_range).max(), rel=1e-9)
    assert gap.value < tolerance
    assert block.additive
    assert missing_words(ANALYZER, result) == ()


def test_more_nodes_go_only_to_rows_above_tolerance() -> None:
    subject = with_module(toy_subject(), network())
    one_pass = Params(rows=30, n_steps=4, max_steps=4, tolerance=0.005)
    refined = Params(rows=30, n_steps=4, max_steps=512, tolerance=0.005)
    before, after = (explain(subject, params) for params in (one_pass, refined))
    gaps = [metrics_named(result, "completeness_gap")[0].value or 0.0 for result in (before, after)]
    assert gaps[1] <= 0.005 < gaps[0]
    first, second = (np.asarray(result.attributions[0].values) for result in (before, after))
    changed = (first != second).any(axis=(1, 2))
    assert 0 < changed.sum() < 30
    (note,) = [note for note in after.notes if note.text.key == "captum.refined"]
    assert note.text.values["n"] == changed.sum()
    assert before.attributions[0].model_rows < after.attributions[0].model_rows < 30 * 512
    assert missing_words(ANALYZER, after) == ()


def test_a_gap_above_the_limit_is_found() -> None:
    result = explain(with_module(toy_subject(), network()), Params(rows=30, n_steps=2, max_steps=2))
    (gap,) = metrics_named(result, "completeness_gap")
    assert gap.value is not None
    assert gap.value > 0.01
    assert [finding.rule for finding in result.findings] == ["captum.completeness_gap_above_limit"]
    assert missing_words(ANALYZER, result) == ()


@pytest.mark.parametrize("method", [name for name in OF_TABLES if not METHODS[name].additive])
def test_methods_without_a_sum_say_so(method: Any) -> None:
    result = explain(with_module(toy_subject(), network()), Params(rows=5, method=method))
    (gap,) = metrics_named(result, "completeness_gap")
    assert gap.value is None
    assert gap.reason is not None
    assert gap.reason.key == "captum.not_additive"
    assert not result.attributions[0].additive
    assert missing_words(ANALYZER, result) == ()


def test_saliency_of_a_category_is_its_steepest_column_not_the_sum() -> None:
    subject, params = toy_subject(), Params(rows=6, method="saliency")
    (block,) = explain(subject, params).attributions
    weights = np.abs(subject.model.module.weights.detach().numpy()[0])
    expected = [max(weights[feature.start : feature.stop]) for feature in subject.model.features]
    np.testing.assert_allclose(block.values[:, 0], np.tile(expected, (6, 1)), rtol=1e-6)
    assert block.unit == "logit per encoded unit"


def test_more_categories_without_effect_change_no_saliency() -> None:
    def saliencies(categories: int) -> Any:
        columns = torch.zeros((1, 2, categories))
        columns[0, :, 0] = torch.tensor([3.0, 2.0])
        columns[0, 1, 1:] = 2.0
        width = 2 * categories
        layer = nn.Linear(width, 1)
        layer.weight.data = columns.reshape(1, width)
        features = tuple(
            FeatureSpec(name=name, kind="category", categories=("x",) * (categories - 1), start=start, stop=stop)
            for name, start, stop in (("a", 0, categories), ("b", categories, width))
        )
        encoded = torch.zeros((1, width))
        found = gradient_attributions(
            layer.eval(),
            encoded,
            encoded,
            1,
            features,
            params=Params(method="saliency"),
            batch=BatchSize(8),
            rng=np.random.default_rng(0),
        )
        return found.values[0, 0].tolist()

    assert saliencies(3) == saliencies(40) == [3.0, 2.0]


@pytest.mark.parametrize("method", OF_TABLES)
@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_every_model_row_is_counted(method: Any, kind: Any) -> None:
    module = Counted(network(3 if kind == "multiclass" else 1)).eval()
    subject = with_module(toy_subject(kind), module)
    params = Params(rows=7, background=10, method=method, n_samples=30)
    context = toy_context(subject, analyzer="captum", params=params)
    module.rows = 0
    (block,) = analyze(context, params).attributions
    assert block.model_rows == module.rows


def test_integrated_gradients_need_rows_times_nodes_for_all_targets_together() -> None:
    params = Params(rows=7, n_steps=16)
    (block,) = explain(toy_subject("multiclass"), params).attributions
    beforehand, ends, outputs = 1, 1 + 7, 7
    assert block.model_rows == beforehand + ends + outputs + 7 * 16


@pytest.mark.parametrize("method", ["integrated_gradients", "gradient_shap"])
def test_no_batch_is_larger_than_the_model_takes(method: Any) -> None:
    largest = 0

    class Measured(nn.Module):
        def forward(self, encoded: torch.Tensor) -> torch.Tensor:
            nonlocal largest
            largest = max(largest, len(encoded))
            return encoded.sum(dim=1, keepdim=True) ** 3

    subject = with_module(toy_subject(), Measured().eval())
    subject = dataclasses.replace(subject, model=dataclasses.replace(subject.model, batch_rows=32))
    explain(subject, Params(rows=50, method=method, n_samples=20))
    assert largest <= 32


@pytest.mark.parametrize("method", OF_TABLES)
def test_model_and_generators_are_left_as_found(method: Any) -> None:
    module = network()
    states = [parameter.clone() for parameter in module.parameters()]
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    with torch.no_grad():
        explain(with_module(toy_subject(), module), Params(rows=6, method=method, n_samples=10))
        assert not torch.is_grad_enabled()
    assert torch.equal(before[0], torch.random.get_rng_state())
    np.testing.assert_array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002
    assert not module.training
    for parameter, state in zip(module.parameters(), states, strict=True):
        assert not parameter.requires_grad
        assert parameter.grad is None
        assert torch.equal(parameter, state)
    assert not any(part._forward_hooks or part._forward_pre_hooks or part._backward_hooks for part in module.modules())


def test_equal_seeds_give_equal_values_and_others_do_not() -> None:
    params = Params(rows=60, background=40, method="gradient_shap", n_samples=5)
    first, again, other = (
        explain(with_module(toy_subject(), network()), params, seed=seed).attributions[0].values for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_constant_model_has_no_gap_with_a_reason() -> None:
    result = explain(toy_subject("constant"), Params(rows=5))
    (gap,) = metrics_named(result, "completeness_gap")
    assert gap.reason is not None
    assert gap.reason.key == "captum.constant_output"
    assert missing_words(ANALYZER, result) == ()


def test_agreement_covers_all_methods_before() -> None:
    first = explain(toy_subject(), Params(rows=20))
    result = explain(toy_subject(), Params(rows=20), results={"shap": first, "lime": first})
    (matrix,) = result.matrices
    assert (matrix.kind, matrix.rows, matrix.columns) == ("agreement", ("captum", "shap", "lime"), matrix.rows)
    assert all(value == 1.0 for row in matrix.values for value in row)
    assert [metric.where["method"] for metric in metrics_named(result, "rank_agreement")] == ["shap", "lime"]
    assert first.matrices == ()
    assert missing_words(ANALYZER, result) == ()


def test_a_model_without_gradients_is_not_applicable() -> None:
    assert unmet_need(ANALYZER.needs, toy_context(toy_subject(gradients=True))) is None
    reason = unmet_need(ANALYZER.needs, toy_context(toy_subject(gradients=False)))
    assert reason is not None
    assert reason.key == "core.not_applicable_capability_gradients"


def test_steps_out_of_order_and_unknown_methods_are_refused() -> None:
    with pytest.raises(ValidationError, match="expected `n_steps` <= `max_steps`"):
        Params(n_steps=64, max_steps=32)
    with pytest.raises(ValidationError, match="integrated_gradients"):
        Params.model_validate({"method": "lime"})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"layer": "net.0"}, "`layer` with method"),
        ({"layer_channels": "last", "method": "relevance"}, "`layer` with method"),
        ({"window": 3}, '"occlusion" alone'),
        ({"stride": 2, "method": "occlusion"}, "`stride` <= `window`"),
        ({"window": 2, "stride": 3, "method": "occlusion"}, "`stride` <= `window`"),
    ],
)
def test_settings_of_another_method_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Params.model_validate(given)


def test_the_analyzer_says_what_it_needs() -> None:
    assert (ANALYZER.name, ANALYZER.topic, ANALYZER.after) == ("captum", "explanation", ("shap", "lime"))


def test_every_key_in_the_source_has_words() -> None:
    folder = Path(auditbench_captum.__file__).parent
    keys = {key for path in folder.glob("*.py") for key in re.findall(r'"(captum\.\w+)"', path.read_text("utf-8"))}
    named = {f"captum.{name}" for name in METHODS}
    assert len(keys - named) > 10
    assert keys - named <= set(ANALYZER.messages["en"])

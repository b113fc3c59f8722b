"""Explainers of images, texts and series in an audit: on linear models every contribution is known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import auditbench_captum
import auditbench_lime
import auditbench_shap
from auditbench.masking.player_params import PlayerParams
from auditbench.results import AnalysisResult
from auditbench.run import Modality
from auditbench.testing import ToySubject, toy_context, toy_subject
from tests.plugin_results import analyzer_of

PLAYERS = PlayerParams(superpixels="grid", regions=6, segments=4, hidden_by="background")


def explained(plugin: Any, subject: ToySubject, **params: Any) -> tuple[AnalysisResult, Any]:
    """The result, and the context that it was found in."""
    analyzer = analyzer_of(plugin)
    assert analyzer.Params is not None
    context = toy_context(
        subject, analyzer=analyzer.name, params=analyzer.Params(**params), case_indices=(2, 0), raw_inputs=True
    )
    return analyzer.analyze(context, context.params), context


def exact(subject: ToySubject, context: Any, rows: int, background: int) -> np.ndarray:
    """Contributions of each entry to the highest output and the next, shape `(rows, targets, *row shape)`."""
    chosen = context.explained_rows(rows)
    every = subject.exact_contributions(chosen, context.data.background(background, context.rng("background")))
    order = np.argsort(-subject.model.predict(chosen.inputs), axis=1, kind="stable")[:, :2]
    return np.take_along_axis(every, order.reshape(*order.shape, *[1] * (every.ndim - 2)), axis=1)


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
@pytest.mark.parametrize("modality", ["image", "series"])
def test_integrated_gradients_of_a_linear_model_are_known_cell_by_cell(modality: Modality, kind: Any) -> None:
    subject = toy_subject(kind, modality=modality)
    result, context = explained(auditbench_captum, subject, rows=8, background=9)
    expected = exact(subject, context, 8, 9)
    cells = expected.sum(axis=2) if modality == "image" else expected
    np.testing.assert_allclose(result.attributions[0].values, cells, atol=1e-5)
    assert next(metric for metric in result.metrics if metric.name == "completeness_gap").value < 1e-5


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
@pytest.mark.parametrize("modality", ["image", "series"])
def test_shares_of_shapley_values_add_up_to_those_of_a_linear_model(modality: Modality, kind: Any) -> None:
    subject = toy_subject(kind, modality=modality)
    result, context = explained(auditbench_shap, subject, rows=8, background=9, players=PLAYERS)
    expected = exact(subject, context, 8, 9)
    (attribution,) = result.attributions
    values = np.asarray(attribution.values, dtype=np.float64)
    cells = tuple(range(2, values.ndim))
    np.testing.assert_allclose(values.sum(axis=cells), expected.sum(axis=tuple(range(2, expected.ndim))), atol=1e-5)
    np.testing.assert_allclose(values.sum(axis=cells) + attribution.base_values, attribution.outputs, atol=1e-5)
    importance = [metric for metric in result.metrics if metric.name == "mean_absolute_attribution"]
    assert len(importance) == (6 if modality == "image" else 8)
    total = math.fsum(metric.value for metric in importance if metric.value is not None)
    counted = np.abs(values[2:, 0]) if len(context.data) > 8 else np.abs(values[:, 0])
    assert total == pytest.approx(counted.sum() / len(counted), rel=1e-5)


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_words_of_a_linear_model_have_its_weights(kind: Any) -> None:
    subject = toy_subject(kind, modality="text")
    result, context = explained(auditbench_shap, subject, rows=8)
    rows = context.explained_rows(8)
    order = np.argsort(-subject.model.predict(rows.inputs), axis=1, kind="stable")[:, :2]
    for row, ids in enumerate(rows.inputs["text"]):
        for place, output in enumerate(order[row]):
            lost = np.where(ids != 0, subject.weights[output][ids] - subject.weights[output][1], 0.0)
            np.testing.assert_allclose(result.attributions[0].values[row, place], lost, atol=1e-5)
    drawn = result.token_attributions[0]
    assert "".join(drawn.tokens) == rows.texts["text"][0]
    assert math.fsum(drawn.values) == pytest.approx(float(result.attributions[0].values[0, 0].sum()), abs=1e-5)


def test_occlusion_of_a_linear_model_is_its_shapley_value() -> None:
    subject = toy_subject("binary", modality="series")
    hidden, _ = explained(auditbench_captum, subject, rows=6, background=7, method="occlusion", players=PLAYERS)
    shared, _ = explained(auditbench_shap, subject, rows=6, background=7, players=PLAYERS)
    assert hidden.attributions[0].values.shape == shared.attributions[0].values.shape
    assert np.abs(hidden.attributions[0].values).max() > 0.01
    assert not hidden.attributions[0].additive


def test_weights_of_lime_point_where_a_linear_model_does() -> None:
    subject = toy_subject("binary", modality="series")
    fitted, context = explained(auditbench_lime, subject, rows=12, background=9, players=PLAYERS)
    values = np.asarray(fitted.attributions[0].values, dtype=np.float64)[:, 0].reshape(12, -1)
    expected = exact(subject, context, 12, 9)[:, 0].reshape(12, -1)
    steps = subject.model.inputs["series"].steps // 4
    runs = expected.reshape(12, -1, steps).sum(axis=2), values.reshape(12, -1, steps).sum(axis=2)
    assert np.corrcoef(runs[0].ravel(), runs[1].ravel())[0, 1] > 0.95
    assert all(metric.value > 0.8 for metric in fitted.metrics if metric.name == "local_fidelity")


@pytest.mark.parametrize("modality", ["image", "text", "series"])
def test_a_sample_of_lime_is_one_model_row(modality: Modality) -> None:
    result, _ = explained(auditbench_lime, toy_subject("binary", modality=modality), rows=6, background=30)
    assert result.attributions[0].model_rows <= 6 * 1010


@pytest.mark.parametrize(
    ("plugin", "modality", "params", "found"),
    [
        (auditbench_shap, "image", {"method": "shap.kernel"}, "shap.kernel"),
        (auditbench_lime, "series", {"method": "library"}, "library"),
        (auditbench_captum, "series", {"method": "deep_lift"}, "deep_lift, for series"),
        (auditbench_captum, "image", {"method": "grad_cam"}, ""),
    ],
)
def test_a_method_that_does_not_fit_says_so(
    plugin: Any, modality: Modality, params: dict[str, Any], found: str
) -> None:
    from auditbench.errors import AnalyzerNotPossible

    with pytest.raises(AnalyzerNotPossible) as refused:
        explained(plugin, toy_subject("binary", modality=modality), rows=4, **params)
    assert found in refused.value.problems[0].found
    assert refused.value.problems[0].allowed

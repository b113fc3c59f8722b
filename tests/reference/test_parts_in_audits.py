"""Explainers of images, texts and series in an audit: on linear models every contribution is known."""

from __future__ import annotations

import dataclasses
import math
import re
import warnings
from typing import Any

import numpy as np
import pytest
import torch

import auditbench_captum
import auditbench_lime
import auditbench_shap
from auditbench.errors import AnalyzerNotPossible, ConfigError
from auditbench.masking import Prediction
from auditbench.masking.player_params import PlayerParams
from auditbench.results import AnalysisResult
from auditbench.run import Modality
from auditbench.testing import ToySubject, toy_context, toy_subject
from auditbench.worker.named_parameters import named_methods
from tests.plugin_results import analyzer_of

PLAYERS = PlayerParams(superpixels="grid", regions=6, segments=4, hidden_by="background")


def explained(
    plugin: Any, subject: ToySubject, results: dict[str, AnalysisResult] | None = None, **params: Any
) -> tuple[AnalysisResult, Any]:
    """The result, and the context that it was found in."""
    analyzer = analyzer_of(plugin)
    assert analyzer.Params is not None
    context = toy_context(
        subject,
        analyzer=analyzer.name,
        params=analyzer.Params(**params),
        case_indices=(2, 0),
        raw_inputs=True,
        results=results,
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


@pytest.mark.parametrize("superpixels", ["slic", "felzenszwalb", "grid"])
@pytest.mark.parametrize("hidden_by", ["background", "blur", "mean", "baseline"])
def test_every_cut_and_every_hider_of_images_has_values_that_add_up_with_a_standard_error(
    superpixels: Any, hidden_by: Any
) -> None:
    players = PlayerParams(superpixels=superpixels, regions=30, hidden_by=hidden_by)
    result, context = explained(auditbench_shap, toy_subject("multiclass", modality="image"), rows=6, players=players)
    found = {metric.name: metric for metric in result.metrics}
    assert found["local_accuracy_gap"].value == pytest.approx(0.0, abs=1e-6)
    assert found["largest_standard_error"].n == len(result.attributions[0].row_ids) == 6
    cells = np.asarray(result.attributions[0].values, dtype=np.float64)
    chosen = context.explained_rows(6)
    total = cells.sum(axis=(2, 3)) + result.attributions[0].base_values
    expected = np.sort(subject_outputs(context, chosen), axis=1)[:, ::-1][:, :2]
    np.testing.assert_allclose(total, expected, atol=1e-5)


def subject_outputs(context: Any, rows: Any) -> np.ndarray:
    """Outputs of the rows, shape `(rows, outputs)`."""
    return np.asarray(context.model.predict(rows.inputs))


@pytest.mark.parametrize(
    ("modality", "params", "words"),
    [
        ("series", {"budget": 3}, "at least"),
        ("text", {"budget": 3}, "at least"),
        ("image", {"method": "exact"}, "to enumerate"),
    ],
)
def test_a_budget_that_does_not_reach_is_refused_and_says_what_would(
    modality: Modality, params: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words) as refused:
        explained(auditbench_shap, toy_subject("binary", modality=modality), rows=4, **params)
    assert refused.value.problems[0].fix


@pytest.mark.parametrize("modality", ["image", "series", "text"])
@pytest.mark.parametrize("params", [{"method": "kernel"}, {"method": "permutation"}, {"target_error": 0.05}])
def test_every_estimator_has_a_budget_and_a_standard_error_by_default(
    modality: Modality, params: dict[str, Any]
) -> None:
    players = PlayerParams(regions=30, segments=12, hidden_by="token" if modality == "text" else "baseline")
    result, _ = explained(auditbench_shap, toy_subject("binary", modality=modality), rows=4, players=players, **params)
    found = {metric.name: metric for metric in result.metrics}
    assert found["local_accuracy_gap"].value == pytest.approx(0.0, abs=1e-6)
    assert found["largest_standard_error"].n == 4


def test_a_long_text_has_a_standard_error_by_default_and_none_with_a_single_round() -> None:
    from auditbench.masking import MaskToken, token_players
    from auditbench.masking.explained_input import ExplainedInput
    from auditbench_shap.params import Params
    from auditbench_shap.parts import explain_players

    tokens = torch.randint(2, 90, (1, 500), generator=torch.Generator().manual_seed(0))
    setting = ExplainedInput(rows=tokens, players=token_players(tokens), masker=MaskToken(token_id=1))
    sizes = np.random.default_rng(0).normal(size=90)

    def found(budget: int | None) -> Any:
        prediction = Prediction(lambda seen: np.tanh(sizes[seen].mean(axis=1)))
        rng = np.random.default_rng(0)
        return explain_players(prediction, setting, target=None, rng=rng, params=Params(budget=budget))

    usual, less = found(None), found(1000)
    assert usual.model_rows <= 2 * 2 * 499 + 10
    assert 0 < usual.of_outputs["largest_error"][0, 0] < 1
    assert np.isnan(less.of_outputs["largest_error"][0, 0])
    assert less.model_rows <= 1010


def test_lime_says_that_images_share_samples_and_texts_do_not() -> None:
    for modality, shared in (("image", True), ("text", False)):
        result, _ = explained(auditbench_lime, toy_subject("binary", modality=modality), rows=4)
        assert ("lime.limit_shared" in {note.text.key for note in result.notes}) == shared


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_owen_values_of_words_of_a_linear_model_are_its_weights(kind: Any) -> None:
    subject = toy_subject(kind, modality="text")
    flat, _ = explained(auditbench_shap, subject, rows=8)
    levels, _ = explained(auditbench_shap, subject, rows=8, method="hierarchical")
    np.testing.assert_allclose(levels.attributions[0].values, flat.attributions[0].values, atol=1e-6)
    assert levels.attributions[0].method == "shap.hierarchical"
    error = next(metric for metric in levels.metrics if metric.name == "largest_standard_error")
    assert error.value == 0
    assert error.n == 8


@pytest.mark.parametrize(
    ("modality", "plugin"),
    [
        ("image", auditbench_lime),
        ("series", auditbench_lime),
        ("text", auditbench_lime),
        ("image", auditbench_captum),
        ("series", auditbench_captum),
    ],
)
def test_methods_that_rank_the_parts_of_each_row_alike_agree(modality: Modality, plugin: Any) -> None:
    subject = toy_subject("binary", modality=modality)
    players = PLAYERS if modality != "text" else PlayerParams()
    shap, _ = explained(auditbench_shap, subject, rows=20, background=200, players=players)
    later, context = explained(plugin, subject, {"shap": shap}, rows=20, background=200, players=players)
    (agreement,) = [metric for metric in later.metrics if metric.name == "rank_agreement"]
    own, other = (np.asarray(part.attributions[0].values, dtype=np.float64)[2:, 0] for part in (later, shap))
    expected = [
        rank_correlation(*(parts_of(row, modality, context, place) for row in pair))
        for place, pair in enumerate(zip(own, other, strict=True), start=2)
    ]
    known = [value for value in expected if not math.isnan(value)]
    assert agreement.value == pytest.approx(np.mean(known))
    assert agreement.n == len(known) > 10
    assert agreement.interval is not None
    assert agreement.interval.low <= agreement.value <= agreement.interval.high
    assert agreement.where == {"method": "shap"}
    assert agreement.value > 0.7
    assert agreement.interval.low > 0.5
    assert not [finding for finding in later.findings if finding.rule.endswith(".low_agreement")]


@pytest.mark.parametrize("plugin", [auditbench_lime, auditbench_captum])
def test_a_method_that_ranks_the_parts_of_each_row_otherwise_is_a_finding(plugin: Any) -> None:
    subject = toy_subject("binary", modality="series")
    shap, _ = explained(auditbench_shap, subject, rows=20, background=200, players=PLAYERS)
    own = shap.attributions[0]
    moved = dataclasses.replace(own, values=np.roll(np.asarray(own.values), own.values.shape[-1] // 4, axis=-1))
    other = dataclasses.replace(shap, attributions=(moved,))
    later, _ = explained(plugin, subject, {"shap": other}, rows=20, background=200, players=PLAYERS)
    (agreement,) = [metric for metric in later.metrics if metric.name == "rank_agreement"]
    assert agreement.interval is not None
    assert agreement.interval.high < 0.5
    (finding,) = [finding for finding in later.findings if finding.rule.endswith(".low_agreement")]
    assert finding.title.values["value"] == agreement.value
    assert finding.where == {"method": "shap"}


def parts_of(cells: np.ndarray, modality: Modality, context: Any, row: int) -> np.ndarray:
    """|contribution| of each part of a row, by loops."""
    if modality == "text":
        return np.abs(cells[context.explained_rows(20).inputs["text"][row] != 0])
    if modality == "series":
        return np.array(
            [
                abs(channel[step : step + cells.shape[-1] // 4].sum())
                for channel in cells
                for step in range(0, cells.shape[-1], cells.shape[-1] // 4)
            ]
        )
    from auditbench.masking import superpixels

    tiles = superpixels(np.zeros((1, 1, *cells.shape)), method="grid", count=6).groups[0].numpy()
    return np.array([abs(cells[tiles == tile].sum()) for tile in range(tiles.max() + 1)])


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    from scipy.stats import ConstantInputWarning, spearmanr

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConstantInputWarning)
        return float(spearmanr(first.round(9), second.round(9)).statistic) if len(first) > 1 else math.nan


def test_methods_that_explained_other_sampled_rows_have_no_agreement() -> None:
    subject = toy_subject("binary", modality="series")
    shap, _ = explained(auditbench_shap, subject, rows=2, players=PLAYERS)  # the cases alone, which do not count
    lime, _ = explained(auditbench_lime, subject, {"shap": shap}, rows=8, players=PLAYERS)
    (agreement,) = [metric for metric in lime.metrics if metric.name == "rank_agreement"]
    assert agreement.value is None
    assert agreement.reason is not None
    assert agreement.reason.key == "lime.no_ranking_parts"


def test_without_another_method_there_is_no_agreement_to_state() -> None:
    lime, _ = explained(auditbench_lime, toy_subject("binary", modality="series"), rows=6, players=PLAYERS)
    assert not [metric for metric in lime.metrics if metric.name == "rank_agreement"]


@pytest.mark.parametrize(
    ("plugin", "method", "modalities"),
    [
        (auditbench_shap, "hierarchical", ("text",)),
        (auditbench_shap, "shap.kernel", ("tabular",)),
        (auditbench_shap, "exact", ("tabular", "image", "text", "series")),
        (auditbench_lime, "library", ("tabular",)),
        (auditbench_lime, "independent", ("tabular", "image", "text", "series")),
        (auditbench_captum, "gradient_shap", ("tabular", "image", "series")),
        (auditbench_captum, "attention", ("text",)),
    ],
)
def test_a_method_of_other_inputs_is_told_with_those_that_fit(
    plugin: Any, method: str, modalities: tuple[Modality, ...]
) -> None:
    analyzer = analyzer_of(plugin)
    assert analyzer.Params is not None
    parameters = analyzer.Params(method=method).model_dump()
    every: tuple[Modality, ...] = ("tabular", "image", "text", "series")
    told = {modality: named_methods(analyzer, parameters, modality) for modality in every}
    assert tuple(modality for modality in every if not told[modality]) == modalities
    for modality in every:
        for problem in told[modality]:
            assert problem.found == f"{method}, for {modality}"
            (fix,) = re.findall(r'"(.+)"', problem.fix)
            assert not named_methods(analyzer, {**parameters, "method": fix}, modality)


def test_a_network_without_convolution_has_no_class_activation() -> None:
    with pytest.raises(AnalyzerNotPossible) as refused:
        explained(auditbench_captum, toy_subject("binary", modality="image"), rows=4, method="grad_cam")
    assert refused.value.problems[0].allowed

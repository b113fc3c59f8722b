"""The `captum` analyzer on images, series and texts: what is known of linear models, what it says, and what it refuses."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from auditbench.data.arrays import from_arrays
from auditbench.data.inputs import TextInput
from auditbench.errors import AnalyzerNotPossible, ConfigError
from auditbench.masking.drawn import block_means, blocks_of
from auditbench.masking.player_params import PlayerParams
from auditbench.messages import load_messages
from auditbench.models import wrap_module
from auditbench.models.architectures.networks.encoder import EncoderNetwork
from auditbench.models.architectures.parameters import EncoderParams
from auditbench.results import AnalysisResult
from auditbench.run import Modality
from auditbench.testing import ToySubject, missing_words, toy_context, toy_subject
from auditbench.worker.hidden_inputs import without_inputs
from auditbench_captum import Params, attention_blocks, auditbench_analyzers
from auditbench_captum.analysis import analyze
from auditbench_captum.attention import Attention, attention
from auditbench_captum.methods import METHODS

(ANALYZER,) = auditbench_analyzers()
WORDS = tuple(f"word{number}" for number in range(20))
TEXT = TextInput(unit="words", vocabulary=WORDS, length=9)
OF_PLACES = [name for name, method in METHODS.items() if "series" in method.modalities]
OF_TEXTS = [name for name, method in METHODS.items() if "text" in method.modalities]


class Counted(nn.Module):
    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.rows = 0

    def forward(self, encoded: torch.Tensor) -> torch.Tensor:
        self.rows += len(encoded)
        return self.module(encoded)


def with_module(subject: ToySubject, module: nn.Module) -> ToySubject:
    return dataclasses.replace(subject, model=dataclasses.replace(subject.model, module=module.eval()))


def convolutional(modality: str) -> nn.Module:
    torch.manual_seed(0)
    if modality == "image":
        layers = [nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(120, 3)]
    else:
        layers = [nn.Conv1d(2, 4, 3, padding=1), nn.BatchNorm1d(4), nn.ReLU(), nn.Flatten(), nn.Linear(48, 3)]
    return nn.Sequential(*layers)


def of_texts() -> ToySubject:
    torch.manual_seed(0)
    network = EncoderNetwork(EncoderParams(width=8, heads=2, layers=2, feedforward=16), TEXT, 3)
    model = wrap_module(
        network,
        task="multiclass-classification",
        classes=("a", "b", "c"),
        output="logit",
        inputs={"text": TEXT},
        device="cpu",
    )
    rng = np.random.default_rng(0)
    ids = rng.integers(2, 22, (30, 9))
    ids[::3, 5:] = 0
    data = from_arrays(
        {"text": ids},
        rng.integers(0, 3, 30),
        task="multiclass-classification",
        classes=("a", "b", "c"),
        inputs={"text": TEXT},
    )
    return ToySubject(model=model, data=data, weights=np.empty((0, 0)), bias=np.empty(0))


def explain(subject: ToySubject, *, raw_inputs: bool = True, **params: Any) -> AnalysisResult:
    chosen = Params.model_validate({"rows": 7, "background": 9, **params})
    context = toy_context(subject, analyzer="captum", params=chosen, case_indices=(3, 1), raw_inputs=raw_inputs)
    return analyze(context, chosen)


def notes_of(result: AnalysisResult, kind: str) -> set[str]:
    return {note.text.key for note in result.notes if note.kind == kind}


@pytest.mark.parametrize("modality", ["image", "series"])
def test_deep_lift_and_windows_of_one_cell_find_what_integrated_gradients_find_in_a_linear_model(
    modality: Modality,
) -> None:
    subject = toy_subject("multiclass", modality=modality)
    expected = explain(subject).attributions[0]
    lifted = explain(subject, method="deep_lift")
    hidden = explain(
        subject,
        method="occlusion",
        window=1,
        stride=1,
        players=PlayerParams(hidden_by="baseline"),
    )
    np.testing.assert_allclose(lifted.attributions[0].values, expected.values, atol=1e-5)
    np.testing.assert_allclose(hidden.attributions[0].values, expected.values, atol=1e-5)
    assert np.abs(expected.values).max() > 0.01
    assert next(metric for metric in lifted.metrics if metric.name == "completeness_gap").value < 1e-5


@pytest.mark.parametrize("modality", ["image", "series"])
def test_expected_gradients_of_parts_report_their_gap_and_their_noise(modality: Modality) -> None:
    result = explain(toy_subject("binary", modality=modality), method="gradient_shap", n_samples=400)
    gap = next(metric for metric in result.metrics if metric.name == "completeness_gap")
    assert 0 < gap.value < 0.1
    assert "captum.limit_no_standard_error" in {note.text.key for note in result.notes}


@pytest.mark.parametrize("method", OF_PLACES)
@pytest.mark.parametrize("modality", ["image", "series"])
def test_every_method_has_words_and_counts_its_model_rows(method: str, modality: Modality) -> None:
    module = Counted(convolutional(modality))
    subject = with_module(toy_subject("multiclass", modality=modality), module)
    params = Params.model_validate({"rows": 7, "background": 9, "method": method, "n_samples": 5})
    context = toy_context(subject, analyzer="captum", params=params, case_indices=(3, 1))
    module.rows = 0
    result = analyze(context, params)
    (attribution,) = result.attributions
    assert attribution.model_rows == module.rows
    assert missing_words(ANALYZER, result) == ()
    assert np.abs(attribution.values).max() > 0
    blocks = result.image_overlays or result.series_attributions
    assert len(blocks) == 2 * (3 if METHODS[method].linear else 2)
    if METHODS[method].slope:
        assert attribution.values.min() >= 0


@pytest.mark.parametrize(
    ("method", "shows", "unit", "reading"),
    [
        ("integrated_gradients", "contribution", "logit", "change"),
        ("input_x_gradient", "contribution", "logit", "straight"),
        ("relevance", "contribution", "logit", "relevance"),
        ("occlusion", "contribution", "logit", "hidden"),
        ("saliency", "slope", "logit per encoded unit", "slope_parts"),
        ("smooth_grad", "slope", "logit per encoded unit", "slope_parts"),
        ("grad_cam", "map", "1", "map"),
        ("guided_grad_cam", "map", "1", "guided"),
    ],
)
def test_every_method_is_called_what_it_is(method: str, shows: str, unit: str, reading: str) -> None:
    result = explain(with_module(toy_subject("multiclass", modality="image"), convolutional("image")), method=method)
    block = result.image_overlays[0]
    assert (block.shows, block.unit, result.attributions[0].unit) == (shows, unit, unit)
    assert notes_of(result, "how_to_read") == {f"captum.how_to_read_{reading}"}
    assert block.title.key == ("core.drawn_predicted" if shows == "contribution" else f"captum.{shows}_predicted")


@pytest.mark.parametrize(
    ("modality", "method", "shows"),
    [
        ("series", "integrated_gradients", "contribution"),
        ("series", "saliency", "slope"),
        ("series", "grad_cam", "map"),
        ("text", "integrated_gradients", "contribution"),
        ("text", "saliency", "slope"),
    ],
)
def test_steps_and_words_carry_what_their_values_are(modality: str, method: str, shows: str) -> None:
    series = with_module(toy_subject("multiclass", modality="series"), convolutional("series"))
    result = explain(series if modality == "series" else of_texts(), method=method)
    assert {block.shows for block in (*result.series_attributions, *result.token_attributions)} == {shows}


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_a_map_is_not_said_to_have_a_unit_or_to_start_somewhere(language: str) -> None:
    templates = load_messages("auditbench_captum")[language]
    for reading in ("map", "guided"):
        said = str(templates[f"captum.how_to_read_{reading}"])
        assert "{unit}" not in said
        assert ("no starting point" if language == "en" else "没有起点") in said.replace("也没有起点", "没有起点")


@pytest.mark.parametrize("method", OF_PLACES)
def test_only_what_adds_up_or_hides_parts_is_compared_with_other_methods(method: str) -> None:
    subject = with_module(toy_subject("multiclass", modality="image"), convolutional("image"))
    other = {"shap": explain(subject, method="occlusion")}
    params = Params.model_validate({"rows": 7, "background": 9, "method": method, "n_samples": 5})
    context = toy_context(subject, analyzer="captum", params=params, case_indices=(3, 1), results=other)
    result = analyze(context, params)
    compared = any(metric.name == "rank_agreement" for metric in result.metrics)
    assert compared == (method in ("integrated_gradients", "deep_lift", "gradient_shap", "occlusion"))
    assert compared != ("captum.limit_not_compared" in notes_of(result, "limit"))


def test_the_places_of_a_layer_are_told_where_a_map_is_interpolated() -> None:
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 4, 1), nn.ReLU(), nn.Flatten()]
    subject = toy_subject("multiclass", modality="image")
    size = tuple(subject.data.take(np.arange(1)).inputs["image"].shape[2:])
    smaller = tuple(pixels // 2 for pixels in size)
    module = nn.Sequential(*layers, nn.Linear(4 * smaller[0] * smaller[1], 3))
    coarse = explain(with_module(subject, module), method="grad_cam").image_overlays[0]
    assert (coarse.places, coarse.averaged, coarse.values.shape) == (smaller, False, size)
    for layer, method in (("0", "grad_cam"), ("", "guided_grad_cam"), ("", "saliency")):
        assert explain(with_module(subject, module), method=method, layer=layer).image_overlays[0].places is None


@pytest.mark.parametrize("method", ["integrated_gradients", "saliency", "grad_cam", "occlusion"])
def test_maps_by_pixels_are_means_over_blocks_where_images_are_not_to_be_shown(method: str) -> None:
    subject = with_module(toy_subject("multiclass", modality="image"), convolutional("image"))
    shown = explain(subject, method=method).image_overlays[0]
    hidden = explain(subject, method=method, raw_inputs=False).image_overlays[0]
    fine = np.asarray(shown.values)
    if method == "occlusion":  # by parts, whose pixels share a value
        np.testing.assert_array_equal(hidden.values, fine)
        assert (hidden.places, hidden.averaged) == (None, False)
        return
    places = tuple(max(1, pixels // 4) for pixels in fine.shape)
    assert (shown.averaged, hidden.places, hidden.averaged) == (False, places, True)
    assert len(np.unique(hidden.values)) <= np.prod(places)
    assert np.ptp(fine) > 0
    np.testing.assert_allclose(np.asarray(hidden.values).mean(), fine.mean())


@pytest.mark.parametrize(("size", "blocks"), [(224, 8), (28, 7), (9, 2), (3, 1)])
def test_blocks_of_a_hidden_image_are_few_and_of_about_equal_size(size: int, blocks: int) -> None:
    values = np.random.default_rng(0).normal(size=(size, 2 * size))
    assert blocks_of(values.shape)[0] == blocks
    found = block_means(values, blocks_of(values.shape))
    edges = [-(-at * size // blocks) for at in range(blocks + 1)]
    across = blocks_of(values.shape)[1]
    sides = [-(-at * 2 * size // across) for at in range(across + 1)]
    for top, bottom in itertools.pairwise(edges):
        for left, right in itertools.pairwise(sides):
            np.testing.assert_allclose(found[top:bottom, left:right], values[top:bottom, left:right].mean())


@pytest.mark.parametrize("method", OF_TEXTS)
def test_every_method_of_texts_has_words_and_counts_its_model_rows(method: str) -> None:
    subject = of_texts()
    module = Counted(subject.model.module)
    subject = with_module(subject, module)
    params = Params.model_validate({"rows": 7, "background": 9, "method": method})
    context = toy_context(subject, analyzer="captum", params=params, case_indices=(3, 1))
    module.rows = 0
    result = analyze(context, params)
    assert sum(block.model_rows for block in result.attributions) == module.rows
    assert missing_words(ANALYZER, result) == ()
    assert result.attributions[0].values.shape[2:] == (9,)


def test_attention_says_that_it_is_none_and_gives_no_words_away() -> None:
    result = explain(of_texts(), method="attention")
    rollout, weights = result.attributions
    assert rollout.target_names == ("attention rollout",)
    np.testing.assert_allclose(np.asarray(rollout.values).sum(axis=2), 1.0, atol=1e-6)
    assert weights.values.shape == (2, 4, 9, 9)
    assert weights.target_names == ("layer 1, head 1", "layer 1, head 2", "layer 2, head 1", "layer 2, head 2")
    assert [row[:2] for row in result.tables[0].rows] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert not result.metrics
    assert {block.title.key for block in result.token_attributions} == {"captum.attention_drawn"}
    assert "captum.attention_is_not_attribution" in {note.text.key for note in result.notes if note.kind == "limit"}
    hidden = without_inputs(result)
    assert not any(word in token for block in hidden.token_attributions for token in block.tokens for word in WORDS)


def test_weights_of_one_text_are_held_at_a_time_and_of_no_more_cases_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once: list[int] = []

    def noted(module: nn.Module, token_ids: torch.Tensor) -> Attention:
        at_once.append(len(token_ids))
        return attention(module, token_ids)

    monkeypatch.setattr(attention_blocks, "attention", noted)
    monkeypatch.setattr(attention_blocks, "MOST_WEIGHTS", 4 * 9 * 9)
    rollout, weights = explain(of_texts(), method="attention").attributions
    assert at_once == [1] * (len(rollout.row_ids) + 2)
    assert weights.values.shape == (1, 4, 9, 9)
    monkeypatch.setattr(attention_blocks, "MOST_WEIGHTS", 4 * 9 * 9 - 1)
    assert len(explain(of_texts(), method="attention").attributions) == 1


def test_a_contrast_is_the_difference_of_what_is_drawn_beside_it() -> None:
    first, second, both = explain(toy_subject("multiclass", modality="image")).image_overlays[:3]
    np.testing.assert_allclose(both.values, np.asarray(first.values) - np.asarray(second.values), atol=1e-12)
    assert both.title.key == "core.drawn_contrast"
    assert (both.title.values["target"], both.title.values["other"]) == (
        first.title.values["target"],
        second.title.values["target"],
    )


def test_a_text_whose_tokens_are_all_alike_still_has_an_embedding() -> None:
    subject = of_texts()
    ids = np.zeros((30, 9), dtype=np.int64)
    data = from_arrays(
        {"text": ids},
        np.arange(30) % 3,
        task="multiclass-classification",
        classes=("a", "b", "c"),
        inputs={"text": TEXT},
    )
    result = explain(dataclasses.replace(subject, data=data))
    assert np.abs(result.attributions[0].values).max() == 0


@pytest.mark.parametrize(
    ("modality", "params", "where"),
    [
        ("text", {"window": 2}, "hidden_by token, for text"),
        ("image", {"window": 2, "players": {"hidden_by": "mean"}}, "hidden_by mean, for image"),
    ],
)
def test_windows_that_cannot_be_hidden_are_refused(modality: Modality, params: dict[str, Any], where: str) -> None:
    subject = of_texts() if modality == "text" else toy_subject("binary", modality=modality)
    with pytest.raises(AnalyzerNotPossible) as refused:
        explain(subject, method="occlusion", **params)
    assert refused.value.problems[0].found == where


def test_the_named_layer_is_mapped_and_named_in_the_report() -> None:
    subject = with_module(toy_subject("multiclass", modality="image"), convolutional("image"))
    result = explain(subject, method="grad_cam", layer="2")
    assert result.notes[0].text.key == "captum.method_grad_cam_layer"
    assert result.notes[0].text.values["layer"] == "2"
    assert missing_words(ANALYZER, result) == ()
    with pytest.raises(ConfigError) as refused:
        explain(subject, method="grad_cam", layer="7")
    assert refused.value.problems[0].where == "analyzers.captum.layer"

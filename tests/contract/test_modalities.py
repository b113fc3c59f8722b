"""Analyzers on every modality: those of outputs work on all, the others say in words why they do not apply."""

from __future__ import annotations

from types import ModuleType
from typing import Any, get_args

import pytest

import auditbench_captum
import auditbench_fairness
import auditbench_language
import auditbench_lime
import auditbench_performance
import auditbench_resources
import auditbench_shap
from auditbench.contracts import Analyzer
from auditbench.messages import Catalogue, load_messages
from auditbench.run import Modality
from auditbench.testing import toy_context, toy_subject
from auditbench.worker.analysis import unmet_need
from tests.plugin_results import analyzer_of, check_result

EVERY: tuple[ModuleType, ...] = (auditbench_performance, auditbench_fairness, auditbench_resources)
OPTIONS: dict[str, dict[str, Any]] = {
    "performance": {"replicates": 40},
    "fairness": {"minimum_group": 5, "minimum_outcomes": 3},
    "resources": {"batch_sizes": (1, 4), "warm_up": 0, "repetitions": 2, "memory_rows": 4},
}
MODALITIES: tuple[Modality, ...] = get_args(Modality)


def params_of(analyzer: Analyzer) -> Any:
    assert analyzer.Params is not None
    return analyzer.Params(**OPTIONS[analyzer.name])


@pytest.fixture(autouse=True)
def short_memory_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auditbench_resources.memory.CALLING_SECONDS", 0.01)


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("plugin", EVERY, ids=lambda plugin: plugin.__name__)
def test_what_needs_outputs_alone_works_on_every_modality(plugin: ModuleType, kind: Any, modality: Modality) -> None:
    analyzer = analyzer_of(plugin)
    assert set(analyzer.needs.modalities) in (set(), set(MODALITIES))
    params = params_of(analyzer)
    context = toy_context(toy_subject(kind, modality=modality), analyzer=analyzer.name, params=params)
    assert unmet_need(analyzer.needs, context) is None
    result = analyzer.analyze(context, params)
    check_result(plugin, result)
    assert any(metric.value is not None for metric in result.metrics)


EXPLAINERS: tuple[ModuleType, ...] = (auditbench_shap, auditbench_lime, auditbench_captum)


@pytest.mark.parametrize("plugin", EXPLAINERS, ids=lambda plugin: plugin.__name__)
@pytest.mark.parametrize("modality", ["image", "text", "series"])
@pytest.mark.parametrize("kind", ["binary", "multiclass", "constant"])
def test_explainers_work_on_images_texts_and_series(plugin: ModuleType, modality: Modality, kind: Any) -> None:
    analyzer = analyzer_of(plugin)
    assert analyzer.Params is not None
    params = analyzer.Params(rows=6, background=5)
    context = toy_context(
        toy_subject(kind, modality=modality), analyzer=analyzer.name, params=params, case_indices=(3, 1)
    )
    if (reason := unmet_need(analyzer.needs, context)) is not None:
        assert (plugin, modality) == (auditbench_captum, "text")
        assert reason.key == "core.not_applicable_capability_gradients"
        return
    result = analyzer.analyze(context, params)
    check_result(plugin, result)
    drawn = {"image": result.image_overlays, "text": result.token_attributions, "series": result.series_attributions}
    targets = 2 if kind == "multiclass" else 1
    (attribution,) = result.attributions
    contrasts = int(targets == 2 and attribution.additive)
    panels = 2 * (targets + contrasts)
    assert {name: len(blocks) for name, blocks in drawn.items()} == {**dict.fromkeys(drawn, 0), modality: panels}
    assert attribution.values.shape[:2] == (6, targets)


@pytest.mark.parametrize("plugin", EXPLAINERS, ids=lambda p: p.__name__)
def test_what_does_not_work_on_several_inputs_says_so_in_both_languages(plugin: ModuleType) -> None:
    reason = unmet_need(analyzer_of(plugin).needs, toy_context(toy_subject(modality="mixed")))
    assert reason is not None
    words = load_messages("auditbench")
    said = Catalogue(language="en", templates=words["en"]).text(reason)
    assert said.startswith("It works on tabular, image, text, series; this model takes several inputs.")
    chinese = Catalogue(language="zh-CN", templates=words["zh-CN"]).text(reason)
    assert "mixed" not in chinese
    assert chinese.endswith("。")


@pytest.mark.parametrize("modality", MODALITIES)
def test_what_is_for_language_models_alone_says_so(modality: Modality) -> None:
    subject = toy_subject("multiclass", modality=modality)
    (language, *_) = auditbench_language.auditbench_analyzers()
    reason = unmet_need(language.needs, toy_context(subject))
    assert reason is not None
    for words, templates in load_messages("auditbench").items():
        said = Catalogue(language=words, templates=templates).text(reason)
        assert "next-token" in said
        assert modality == "text" or "text (next-token)" in said

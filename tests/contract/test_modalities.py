"""Analyzers on every modality: those of outputs work on all, the others say in words why they do not apply."""

from __future__ import annotations

from types import ModuleType
from typing import Any, get_args

import pytest

import auditbench_captum
import auditbench_fairness
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
ENGLISH = {
    "image": "This model takes images, which the analyzer does not work on.",
    "text": "This model takes texts, which the analyzer does not work on.",
    "series": "This model takes series, which the analyzer does not work on.",
    "mixed": "This model takes several inputs, which the analyzer does not work on.",
}


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


@pytest.mark.parametrize("plugin", [auditbench_shap, auditbench_lime, auditbench_captum], ids=lambda p: p.__name__)
@pytest.mark.parametrize("modality", ["image", "text", "series", "mixed"])
def test_what_does_not_work_on_a_modality_says_so_in_both_languages(plugin: ModuleType, modality: Modality) -> None:
    needs = analyzer_of(plugin).needs
    assert needs.modalities == ("tabular",)
    reason = unmet_need(needs, toy_context(toy_subject(modality=modality)))
    assert reason is not None
    words = load_messages("auditbench")
    assert Catalogue(language="en", templates=words["en"]).text(reason) == ENGLISH[modality]
    chinese = Catalogue(language="zh-CN", templates=words["zh-CN"]).text(reason)
    assert modality not in chinese
    assert chinese.endswith("。")

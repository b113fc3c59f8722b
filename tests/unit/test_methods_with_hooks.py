"""Methods that hook the layers of a network are refused where a model declares that its layers take none."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

import auditbench_captum
import auditbench_shap
from auditbench.errors import AnalyzerNotPossible
from auditbench.testing import ToySubject, toy_context, toy_subject
from auditbench_captum.analysis import analyze as analyze_captum
from auditbench_shap.analysis import analyze as analyze_shap


def without_hooks(subject: ToySubject) -> ToySubject:
    facts = dataclasses.replace(subject.model.facts, capabilities=("gradients", "black_box"))
    return dataclasses.replace(subject, model=dataclasses.replace(subject.model, facts=facts))


@pytest.mark.parametrize(
    ("plugin", "analyze", "method"),
    [
        pytest.param(auditbench_captum, analyze_captum, "deep_lift", id="captum"),
        pytest.param(auditbench_shap, analyze_shap, "shap.deep", id="shap"),
    ],
)
def test_deep_methods_need_hooks(plugin: Any, analyze: Any, method: str) -> None:
    params = plugin.Params(method=method, rows=4)
    (analyzer,) = plugin.auditbench_analyzers()
    subject = toy_subject()
    assert analyze(toy_context(subject, analyzer=analyzer.name, params=params), params).attributions
    context = toy_context(without_hooks(subject), analyzer=analyzer.name, params=params)
    with pytest.raises(AnalyzerNotPossible, match=r"hooks the layers of a network") as caught:
        analyze(context, params)
    assert f"analyzers.{analyzer.name}.method" in caught.value.describe()


def test_gradients_alone_are_enough_for_the_usual_methods() -> None:
    subject = without_hooks(toy_subject())
    captum, shap = auditbench_captum.Params(rows=4), auditbench_shap.Params(rows=4)
    assert analyze_captum(toy_context(subject, analyzer="captum", params=captum), captum).attributions
    assert analyze_shap(toy_context(subject, analyzer="shap", params=shap), shap).attributions

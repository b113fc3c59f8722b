"""Integrated gradients of any module's inputs, and gradient attributions of a table's features by captum."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from auditbench import Analyzer, Needs, hookimpl
from auditbench.messages import load_messages
from auditbench_captum.methods import FACTS
from auditbench_captum.params import Params

if TYPE_CHECKING:
    from auditbench.context import AuditContext
    from auditbench.data import EvaluationData
    from auditbench.models import ModelUnderTest
    from auditbench.results import AnalysisResult
    from auditbench_captum.path import PathAttribution, integrated_gradients

__all__ = ["Params", "PathAttribution", "auditbench_analyzers", "integrated_gradients"]


@hookimpl
def auditbench_analyzers() -> Iterator[Analyzer]:
    """Register `captum`."""
    yield Analyzer(
        name="captum",
        topic="explanation",
        summary="Integrated gradients, and other gradient attributions by the captum library",
        analyze=_analyze,
        Params=Params,
        check=_check,
        needs=Needs(
            capabilities=("black_box", "gradients"),
            tasks=("binary-classification", "multiclass-classification", "regression"),
            modalities=("tabular", "image", "text", "series"),
            packages=("captum",),
        ),
        after=("shap", "lime"),
        metrics=("mean_absolute_attribution", "completeness_gap", "rank_agreement"),
        methods=FACTS,
        messages=load_messages("auditbench_captum"),
        cost="samples",
    )


def __getattr__(name: str) -> Any:
    """Import what needs torch when it is first used."""
    if name not in ("PathAttribution", "integrated_gradients"):
        raise AttributeError(f"module 'auditbench_captum' has no attribute {name!r}")
    from auditbench_captum import path

    return getattr(path, name)


def _analyze(context: AuditContext, params: Params) -> AnalysisResult:
    from auditbench_captum.analysis import analyze

    return analyze(context, params)


def _check(model: ModelUnderTest, data: EvaluationData, params: Params) -> None:
    from auditbench_captum.analysis import check

    check(model, data, params)

"""Shapley values: our own estimators, and the explainers of the shap library beside them."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

from auditbench import Analyzer, Needs, hookimpl
from auditbench.messages import load_messages
from auditbench_shap.methods import FACTS
from auditbench_shap.params import Params

if TYPE_CHECKING:
    from auditbench.context import AuditContext
    from auditbench.results import AnalysisResult
    from auditbench_shap.shapley import ShapleyValues, shapley_values

_HOMES = {"ShapleyValues": "shapley", "shapley_values": "shapley"}

__all__ = ["Params", "ShapleyValues", "shapley_values"]


def __getattr__(name: str) -> Any:
    """Import what needs torch when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module 'auditbench_shap' has no attribute {name!r}")
    return getattr(import_module(f"auditbench_shap.{_HOMES[name]}"), name)


@hookimpl
def auditbench_analyzers() -> Iterator[Analyzer]:
    """Register `shap`."""
    yield Analyzer(
        name="shap",
        topic="explanation",
        summary="Shapley values of features, superpixels, words and segments, with their sampling error",
        analyze=_analyze,
        Params=Params,
        needs=Needs(
            capabilities=("black_box",),
            tasks=("binary-classification", "multiclass-classification", "regression"),
            modalities=("tabular", "image", "text", "series"),
        ),
        metrics=("mean_absolute_attribution", "local_accuracy_gap", "largest_standard_error", "sensitive_share"),
        shares=("sensitive_share",),
        methods=FACTS,
        messages=load_messages("auditbench_shap"),
        cost="samples",
    )


def _analyze(context: AuditContext, params: Params) -> AnalysisResult:
    from auditbench_shap.analysis import analyze

    return analyze(context, params)

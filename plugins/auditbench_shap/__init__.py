"""Shapley values of a table's features, computed by the shap library."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from auditbench import Analyzer, Needs, hookimpl
from auditbench.messages import load_messages
from auditbench_shap.params import Params

if TYPE_CHECKING:
    from auditbench.context import AuditContext
    from auditbench.results import AnalysisResult


@hookimpl
def auditbench_analyzers() -> Iterator[Analyzer]:
    """Register `shap`."""
    yield Analyzer(
        name="shap",
        topic="explanation",
        summary="Interventional Shapley values of the features, by the shap library",
        analyze=_analyze,
        Params=Params,
        needs=Needs(modalities=("tabular",), packages=("shap",)),
        metrics=("mean_absolute_attribution", "local_accuracy_gap", "largest_standard_error", "sensitive_share"),
        messages=load_messages("auditbench_shap"),
    )


def _analyze(context: AuditContext, params: Params) -> AnalysisResult:
    from auditbench_shap.analysis import analyze

    return analyze(context, params)

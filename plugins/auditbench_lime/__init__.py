"""LIME for tables: a weighted linear model around each explained row, computed by the lime library."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from auditbench import Analyzer, Needs, hookimpl
from auditbench.messages import load_messages
from auditbench_lime.params import Params

if TYPE_CHECKING:
    from auditbench.context import AuditContext
    from auditbench.results import AnalysisResult


@hookimpl
def auditbench_analyzers() -> Iterator[Analyzer]:
    """Register `lime`."""
    yield Analyzer(
        name="lime",
        topic="explanation",
        summary="Local linear explanations of the features, by the lime library",
        analyze=_analyze,
        Params=Params,
        needs=Needs(modalities=("tabular",), packages=("lime",)),
        after=("shap",),
        metrics=("mean_absolute_attribution", "local_fidelity", "rank_agreement"),
        messages=load_messages("auditbench_lime"),
    )


def _analyze(context: AuditContext, params: Params) -> AnalysisResult:
    from auditbench_lime.analysis import analyze

    return analyze(context, params)

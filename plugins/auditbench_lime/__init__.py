"""LIME: a weighted linear model around each explained row, for all rows at once or by the lime library."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

from auditbench import Analyzer, Needs, hookimpl
from auditbench.messages import load_messages
from auditbench_lime.methods import FACTS
from auditbench_lime.params import Params

if TYPE_CHECKING:
    from auditbench.context import AuditContext
    from auditbench.results import AnalysisResult
    from auditbench_lime.library import library_weights
    from auditbench_lime.masked import masked_lime_weights
    from auditbench_lime.weights import LimeWeights, lime_weights

_HOMES = {
    "LimeWeights": "weights",
    "library_weights": "library",
    "lime_weights": "weights",
    "masked_lime_weights": "masked",
}

__all__ = ["LimeWeights", "Params", "library_weights", "lime_weights", "masked_lime_weights"]


def __getattr__(name: str) -> Any:
    """Import what needs torch, or the lime library, when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module 'auditbench_lime' has no attribute {name!r}")
    return getattr(import_module(f"auditbench_lime.{_HOMES[name]}"), name)


@hookimpl
def auditbench_analyzers() -> Iterator[Analyzer]:
    """Register `lime`."""
    yield Analyzer(
        name="lime",
        topic="explanation",
        summary="Local linear explanations of features, superpixels, words and segments",
        analyze=_analyze,
        Params=Params,
        needs=Needs(
            capabilities=("black_box",),
            tasks=("binary-classification", "multiclass-classification", "regression"),
            modalities=("tabular", "image", "text", "series"),
        ),
        after=("shap",),
        metrics=("mean_absolute_attribution", "local_fidelity", "rank_agreement"),
        methods=FACTS,
        messages=load_messages("auditbench_lime"),
        cost="samples",
    )


def _analyze(context: AuditContext, params: Params) -> AnalysisResult:
    from auditbench_lime.analysis import analyze

    return analyze(context, params)

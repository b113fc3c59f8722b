"""Concepts: whether outputs depend on stripes, words, a group or a class of rows, ranked among random concepts (TCAV)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from auditbench.contracts import Analyzer, Needs
from auditbench.hookspecs import hookimpl
from auditbench.messages import load_messages
from auditbench_concepts.params import TCAV, Params

if TYPE_CHECKING:
    from auditbench.context import AuditContext
    from auditbench.data import EvaluationData
    from auditbench.models import ModelUnderTest
    from auditbench.results import AnalysisResult


def _analyze(context: AuditContext, params: Params) -> AnalysisResult:
    from auditbench_concepts.analysis import analyze  # torch enters here

    return analyze(context, params)


def _check(model: ModelUnderTest, data: EvaluationData, params: Params) -> None:
    from auditbench_concepts.analysis import check

    check(model, data, params)


@hookimpl
def auditbench_analyzers() -> Iterator[Analyzer]:
    """Register `concepts`."""
    yield Analyzer(
        name="concepts",
        topic="explanation",
        summary="Concepts that outputs depend on, tested against random ones (TCAV)",
        analyze=_analyze,
        Params=Params,
        check=_check,
        needs=Needs(
            capabilities=("layers",),
            tasks=("binary-classification", "multiclass-classification", "regression"),
        ),
        metrics=("score", "effect", "planted_change", "accuracy", "agreement"),
        shares=("score", "accuracy"),
        methods=(TCAV,),
        messages=load_messages("auditbench_concepts"),
        cost="trains",
    )

"""Language models: what continuations rest on, how sure they are, what each layer says; and minimal pairs of texts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from auditbench.contracts import Analyzer, Needs
from auditbench.hookspecs import hookimpl
from auditbench.messages import load_messages
from auditbench_language.methods import ATTRIBUTIONS, LENS, LIKELIHOOD, OUTPUTS
from auditbench_language.params import LensParams, PairParams, Params

if TYPE_CHECKING:
    from auditbench.context import AuditContext
    from auditbench.results import AnalysisResult

__all__ = ["LensParams", "PairParams", "Params", "auditbench_analyzers"]

_CLASSIFIERS = ("binary-classification", "multiclass-classification")


@hookimpl
def auditbench_analyzers() -> Iterator[Analyzer]:
    """Register `language`, `language-lens` and `language-pairs`."""
    messages = load_messages("auditbench_language")
    yield Analyzer(
        name="language",
        topic="language",
        summary="What a language model's continuations rest on, word by word, and how sure it is",
        Params=Params,
        analyze=_analyze,
        needs=Needs(capabilities=("black_box",), tasks=("next-token",), modalities=("text",)),
        metrics=("entropy", "excess_surprise", "reach", "completeness_gap"),
        methods=ATTRIBUTIONS,
        messages=messages,
        cost="samples",
    )
    yield Analyzer(
        name="language-lens",
        topic="language",
        summary="The logit lens: from which layer on a language model says what it says in the end",
        Params=LensParams,
        analyze=_analyze_lens,
        needs=Needs(capabilities=("layers",), tasks=("next-token",), modalities=("text",)),
        metrics=("prediction_depth",),
        shares=("prediction_depth",),
        methods=(LENS,),
        messages=messages,
        cost="passes",
    )
    yield Analyzer(
        name="language-pairs",
        topic="fairness",
        summary="Minimal pairs: whether stereotypical texts are more probable, or get other outputs",
        Params=PairParams,
        analyze=_analyze_pairs,
        needs=Needs(
            capabilities=("black_box",), tasks=("next-token", *_CLASSIFIERS, "regression"), modalities=("text",)
        ),
        metrics=("stereotype_preference", "score_difference", "output_change", "decision_change"),
        metric_tasks={
            "stereotype_preference": ("next-token",),
            "score_difference": ("next-token",),
            "output_change": (*_CLASSIFIERS, "regression"),
            "decision_change": _CLASSIFIERS,
        },
        shares=("stereotype_preference", "decision_change"),
        methods=(LIKELIHOOD, OUTPUTS),
        messages=messages,
        cost="samples",
    )


def _analyze(context: AuditContext, params: Params) -> AnalysisResult:
    from auditbench_language.analysis import analyze  # torch enters here

    return analyze(context, params)


def _analyze_lens(context: AuditContext, params: LensParams) -> AnalysisResult:
    from auditbench_language.lens_analysis import analyze

    return analyze(context, params)


def _analyze_pairs(context: AuditContext, params: PairParams) -> AnalysisResult:
    from auditbench_language.pair_analysis import analyze

    return analyze(context, params)

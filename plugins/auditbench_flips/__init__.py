"""Flips: what changes when only the sensitive value, or only the words for a person, are exchanged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from auditbench.contracts import Analyzer, Needs
from auditbench.hookspecs import hookimpl
from auditbench.messages import load_messages
from auditbench_flips.params import Params

if TYPE_CHECKING:
    from auditbench.context import AuditContext
    from auditbench.data import EvaluationData
    from auditbench.models import ModelUnderTest
    from auditbench.results import AnalysisResult

__all__ = ["Params", "auditbench_analyzers"]

_CLASSIFIERS = ("binary-classification", "multiclass-classification")
_DECISIONS = ("decision_change", "word_decision_change", "pronoun_decision_change")
_SCORES = ("score_change", "word_score_change", "pronoun_score_change")


@hookimpl
def auditbench_analyzers() -> Iterator[Analyzer]:
    """Register `flips`."""
    yield Analyzer(
        name="flips",
        topic="fairness",
        summary="What changes when only a sensitive value, or only the words for a person, are exchanged",
        Params=Params,
        analyze=_analyze,
        check=_check,
        needs=Needs(capabilities=("black_box",), modalities=("tabular", "text", "mixed")),
        metrics=(*_DECISIONS, *_SCORES, "likelihood_change"),
        metric_tasks={
            **dict.fromkeys(_DECISIONS, _CLASSIFIERS),
            **dict.fromkeys(_SCORES, (*_CLASSIFIERS, "regression")),
            "likelihood_change": ("next-token",),
        },
        shares=_DECISIONS,
        messages=load_messages("auditbench_flips"),
        cost="samples",
    )


def _analyze(context: AuditContext, params: Params) -> AnalysisResult:
    from auditbench_flips.analysis import analyze  # numpy enters here

    return analyze(context, params)


def _check(model: ModelUnderTest, data: EvaluationData, params: Params) -> None:
    from auditbench_flips.analysis import check

    check(model, data, params)

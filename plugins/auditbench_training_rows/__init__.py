"""Training rows: which of them made the model say this, and which may be labelled wrongly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from auditbench import Analyzer, Needs, hookimpl
from auditbench.messages import load_messages
from auditbench_training_rows.methods import FACTS
from auditbench_training_rows.params import Params

if TYPE_CHECKING:
    from auditbench.context import AuditContext
    from auditbench.data import EvaluationData
    from auditbench.models import ModelUnderTest
    from auditbench.results import AnalysisResult

__all__ = ["Params"]

_CLASSIFIERS = ("binary-classification", "multiclass-classification")
_METRIC_TASKS = {
    "label_disagreement": _CLASSIFIERS,
    "neighbour_agreement": _CLASSIFIERS,
    "prediction_agreement": _CLASSIFIERS,
    "neighbour_error": ("regression",),
}


@hookimpl
def auditbench_analyzers() -> Iterator[Analyzer]:
    """Register `training-rows`."""
    yield Analyzer(
        name="training-rows",
        topic="explanation",
        summary="Training rows behind an answer: TracIn, nearest neighbours, and labels worth a look",
        analyze=_analyze,
        Params=Params,
        check=_check,
        needs=Needs(capabilities=("black_box",), tasks=(*_CLASSIFIERS, "regression")),
        metrics=(*_METRIC_TASKS, "far_share", "influence_concentration"),
        metric_tasks=_METRIC_TASKS,
        shares=(
            "label_disagreement",
            "neighbour_agreement",
            "prediction_agreement",
            "far_share",
            "influence_concentration",
        ),
        methods=FACTS,
        messages=load_messages("auditbench_training_rows"),
        cost="passes",
    )


def _analyze(context: AuditContext, params: Params) -> AnalysisResult:
    from auditbench_training_rows.analysis import analyze

    return analyze(context, params)


def _check(model: ModelUnderTest, data: EvaluationData, params: Params) -> None:
    from auditbench_training_rows.analysis import check

    check(model, data, params)

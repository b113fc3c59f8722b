"""Individual fairness: whether similar rows are treated alike, and how unequally errors are shared out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

from auditbench.contracts import Analyzer, Needs
from auditbench.hookspecs import hookimpl
from auditbench.messages import load_messages

if TYPE_CHECKING:
    from auditbench.context import AuditContext
    from auditbench.data import EvaluationData
    from auditbench.models import ModelUnderTest
    from auditbench.results import AnalysisResult

__all__ = ["METRIC_TASKS", "Params", "auditbench_analyzers"]

_CLASSES = ("binary-classification", "multiclass-classification")
SHARES = ("consistency", "score_consistency", "group_consistency", "group_score_consistency")
METRIC_TASKS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(SHARES, _CLASSES),
    **dict.fromkeys(("neighbour_difference", "group_neighbour_difference"), ("regression",)),
    **dict.fromkeys(
        (
            "generalized_entropy",
            "theil",
            "coefficient_of_variation",
            "generalized_entropy_between_groups",
            "generalized_entropy_within_groups",
        ),
        ("binary-classification", "regression"),
    ),
}


class Params(BaseModel):
    """Parameters of `individual-fairness`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    neighbours: Annotated[int, Field(ge=1, le=1000)] = Field(
        5, description="Nearest other rows that a row is compared with."
    )
    rows: Annotated[int, Field(ge=10, le=50_000)] = Field(
        5000, description="Rows among which neighbours are looked for; a sample where there are more."
    )
    alpha: Annotated[float, Field(ge=0, le=10)] = Field(
        2.0,
        description="Order of the generalized entropy index: the higher, the more the largest benefits count. 1 is the Theil "
        "index.",
    )
    replicates: Annotated[int, Field(ge=40)] = Field(
        1000, description="Bootstrap replicates of the intervals of the indices."
    )
    minimum_group: Annotated[int, Field(ge=1)] = Field(
        30, description="Groups with fewer rows are listed and not estimated."
    )
    most_groups: Annotated[int, Field(ge=2)] = Field(
        50, description="Groups of one feature that are listed, the largest first."
    )


def _analyze(context: AuditContext, params: Params) -> AnalysisResult:
    from auditbench_individual_fairness.analysis import analyze  # numpy enters here

    return analyze(context, params)


def _check(model: ModelUnderTest, data: EvaluationData, params: Params) -> None:
    from auditbench_individual_fairness.analysis import check

    check(model, data, params)


@hookimpl
def auditbench_analyzers() -> Iterator[Analyzer]:
    """Register `individual-fairness`."""
    yield Analyzer(
        name="individual-fairness",
        topic="fairness",
        summary="Whether similar rows are treated alike, and how unequally errors are shared out, with intervals",
        analyze=_analyze,
        Params=Params,
        check=_check,
        needs=Needs(tasks=(*_CLASSES, "regression")),
        metrics=tuple(METRIC_TASKS),
        metric_tasks=METRIC_TASKS,
        shares=SHARES,
        messages=load_messages("auditbench_individual_fairness"),
        cost="outputs",
    )

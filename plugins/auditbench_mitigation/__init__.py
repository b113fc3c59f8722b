"""Mitigation: what reweighing, thresholds by group and a reduction bring and cost, on rows that none was fitted on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, field_validator

from auditbench.contracts import Analyzer, Needs
from auditbench.hookspecs import hookimpl
from auditbench.messages import load_messages

if TYPE_CHECKING:
    from auditbench.context import AuditContext
    from auditbench.data import EvaluationData
    from auditbench.models import ModelUnderTest
    from auditbench.results import AnalysisResult

__all__ = ["METRICS", "Method", "Params", "auditbench_analyzers"]

Method: TypeAlias = Literal["reweighing", "thresholds", "reduction"]
SHARES = ("accuracy", "demographic_parity_difference", "equalized_odds_difference")
METRICS = (
    *SHARES,
    "accuracy_change",
    "demographic_parity_difference_change",
    "equalized_odds_difference_change",
    "group_selection_rate_change",
    "group_true_positive_rate_change",
    "group_accuracy_change",
)


class Params(BaseModel):
    """Parameters of `mitigation`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    features: Annotated[tuple[str, ...], Field(strict=False)] = Field(
        (),
        description="Sensitive features whose groups are brought nearer to each other: of several, the groups are their "
        "combinations; the first that the data name when empty.",
    )
    constraint: Literal["demographic_parity", "equalized_odds"] = Field(
        "demographic_parity",
        description="What thresholds and reduction bring nearer: selection rates, or true and false positive rates.",
    )
    methods: Annotated[tuple[Method, ...], Field(min_length=1, strict=False)] = Field(
        ("reweighing", "thresholds", "reduction"), description="What is tried."
    )
    allowed_gaps: Annotated[tuple[Annotated[float, Field(ge=0, lt=1)], ...], Field(min_length=1, strict=False)] = Field(
        (0.0, 0.05),
        description="Largest gap between groups that thresholds and reduction may leave on the rows they are fitted on: each "
        "is one point of the frontier. Thresholds for `equalized_odds` know 0 alone.",
    )
    most_refits: Annotated[int, Field(ge=1, le=200)] = Field(
        6, description="Networks trained at most: one by reweighing, the others by the reduction for all its points."
    )
    minimum_group: Annotated[int, Field(ge=2)] = Field(
        30,
        description="Groups with fewer rows, of those that are fitted or measured on, are left as they are or not estimated.",
    )
    minimum_outcomes: Annotated[int, Field(ge=1)] = Field(
        10, description="A rate that would be a share of fewer rows is not estimated."
    )

    @field_validator("features", "methods", "allowed_gaps")
    @classmethod
    def _each_once(cls, values: tuple[object, ...]) -> tuple[object, ...]:
        if len(set(values)) < len(values):
            raise ValueError("expected each once")
        return values


def _analyze(context: AuditContext, params: Params) -> AnalysisResult:
    from auditbench_mitigation.analysis import analyze  # numpy enters here

    return analyze(context, params)


def _check(model: ModelUnderTest, data: EvaluationData, params: Params) -> None:
    from auditbench_mitigation.grouping import grouped

    grouped(data, params)


@hookimpl
def auditbench_analyzers() -> Iterator[Analyzer]:
    """Register `mitigation`."""
    yield Analyzer(
        name="mitigation",
        topic="fairness",
        summary="What reweighing, thresholds by group and a reduction would bring and cost, and whom",
        Params=Params,
        analyze=_analyze,
        check=_check,
        needs=Needs(tasks=("binary-classification",), sensitive_features=True, training=True, packages=("sklearn",)),
        after=("fairness",),
        metrics=METRICS,
        shares=SHARES,
        messages=load_messages("auditbench_mitigation"),
        cost="trains",
    )

"""Slices: values and pairs of values of the columns where the model does worse than on all other rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from auditbench.contracts import Analyzer
from auditbench.hookspecs import hookimpl
from auditbench.messages import load_messages

if TYPE_CHECKING:
    from auditbench.context import AuditContext
    from auditbench.data import EvaluationData
    from auditbench.models import ModelUnderTest
    from auditbench.results import AnalysisResult

METRICS = ("difference_to_rest", "slices_searched", "slices_confirmed")


class Params(BaseModel):
    """Parameters of `slices`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    loss: Literal["error", "log_loss", "squared_error"] = Field(
        "error",
        description="What a row costs: `error` is a wrong decision of a classifier and the absolute error of a regression; "
        "`log_loss` is of classifiers alone, `squared_error` of regressions.",
    )
    minimum_rows: Annotated[int, Field(ge=10)] = Field(
        30, description="Rows that a slice, and all others, must have in a half to be tested there."
    )
    search_rate: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.05, description="False discovery rate of the search on the first half (Benjamini and Hochberg)."
    )
    confirmation_rate: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.05, description="Chance of any slice that is confirmed wrongly on the second half, at most (Holm)."
    )
    medium_ratio: Annotated[float, Field(ge=1)] = Field(
        2.0,
        description="A confirmed slice whose interval of the mean loss lies above this many times the loss of all other rows "
        "is a medium finding, any other a low one.",
    )
    most_slices: Annotated[int, Field(ge=1, le=12)] = Field(
        10, description="Slices that are tested on the second half, the most significant of the first."
    )
    most_values: Annotated[int, Field(ge=2, le=100)] = Field(
        20, description="Categories of one column that are told apart, the most frequent; the others are joined."
    )
    most_paired: Annotated[int, Field(ge=2, le=200)] = Field(
        40, description="Columns that are paired, those of which a value by itself is most significant."
    )


def _analyze(context: AuditContext, params: Params) -> AnalysisResult:
    from auditbench_slices.analysis import analyze  # numpy enters here

    return analyze(context, params)


def _check(model: ModelUnderTest, data: EvaluationData, params: Params) -> None:
    from auditbench_slices.analysis import check

    check(model, data, params)


@hookimpl
def auditbench_analyzers() -> Iterator[Analyzer]:
    """Register `slices`."""
    yield Analyzer(
        name="slices",
        topic="performance",
        summary="Where the model does worse: values and pairs of values, found on one half of the rows, tested on the other",
        analyze=_analyze,
        Params=Params,
        check=_check,
        metrics=METRICS,
        messages=load_messages("auditbench_slices"),
        cost="outputs",
    )

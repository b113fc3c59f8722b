"""Impact ratios: selection and scoring rates by sex, by race or ethnicity, and by both, as US practice reads them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from auditbench.contracts import Analyzer, Needs
from auditbench.hookspecs import hookimpl
from auditbench.messages import load_messages

if TYPE_CHECKING:
    from auditbench.context import AuditContext
    from auditbench.data import EvaluationData
    from auditbench.models import ModelUnderTest
    from auditbench.results import AnalysisResult

__all__ = ["METRIC_TASKS", "Mode", "Params", "auditbench_analyzers"]

Mode: TypeAlias = Literal["selection", "scoring"]
_SELECTION = ("selection_rate", "impact_ratio", "smallest_impact_ratio")
_SCORING = ("scoring_rate", "scoring_impact_ratio", "smallest_scoring_impact_ratio", "unknown_category")
METRIC_TASKS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_SELECTION, ("binary-classification",)),
    **dict.fromkeys(_SCORING, ("binary-classification", "regression")),
}


class Params(BaseModel):
    """Parameters of `impact-ratios`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    sex: str = Field("", description="Sensitive feature that tells sex; empty for the one named `sex` or `gender`.")
    race: str = Field(
        "", description="Sensitive feature that tells race or ethnicity; empty for the one named `race` or `ethnicity`."
    )
    unknown: Annotated[tuple[str, ...], Field(strict=False)] = Field(
        ("Unknown",),
        description="Values that stand for an unknown category, whatever their case; missing values always do.",
    )
    modes: Annotated[tuple[Mode, ...], Field(min_length=1, strict=False)] = Field(
        ("selection", "scoring"),
        description="Rates that are compared: of rows decided as positive, and of rows that score above the median. A "
        "regression has scores alone.",
    )
    smallest_category: Annotated[float, Field(ge=0, le=0.02)] = Field(
        0.0,
        description="Categories with a smaller share of the rows are listed and left out of the ratios, which Local Law 144 "
        "allows below 0.02; 0 leaves out none.",
    )
    minimum_group: Annotated[int, Field(ge=1)] = Field(
        10, description="Categories with fewer rows are listed and not estimated."
    )


def _analyze(context: AuditContext, params: Params) -> AnalysisResult:
    from auditbench_impact_ratios.analysis import analyze  # numpy enters here

    return analyze(context, params)


def _check(model: ModelUnderTest, data: EvaluationData, params: Params) -> None:
    from auditbench_impact_ratios.roles import check

    check(data, params)


@hookimpl
def auditbench_analyzers() -> Iterator[Analyzer]:
    """Register `impact-ratios`."""
    yield Analyzer(
        name="impact-ratios",
        topic="fairness",
        summary="Impact ratios by sex and race: four fifths, and New York City's Local Law 144 in both modes",
        analyze=_analyze,
        Params=Params,
        check=_check,
        needs=Needs(tasks=("binary-classification", "regression"), sensitive_features=True),
        metrics=tuple(METRIC_TASKS),
        metric_tasks=METRIC_TASKS,
        shares=tuple(METRIC_TASKS),
        messages=load_messages("auditbench_impact_ratios"),
        cost="outputs",
    )

"""Parity: whether two models, such as a bundle and its export, give the same outputs and decisions on the same rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

from auditbench.contracts import NAMES_A_MODEL, Analyzer, Needs
from auditbench.hookspecs import hookimpl
from auditbench.messages import load_messages
from auditbench.models.exporting import TOLERANCE

if TYPE_CHECKING:
    from auditbench.context import AuditContext
    from auditbench.results import AnalysisResult

METRICS = (
    "largest_output_difference",
    "mean_output_difference",
    "largest_scaled_difference",
    "largest_probability_difference",
    "mean_probability_difference",
    "changed_decisions",
    "group_changed_decisions",
    "group_largest_difference",
)
SHARES = (
    "largest_probability_difference",
    "mean_probability_difference",
    "changed_decisions",
    "group_changed_decisions",
)
METRIC_TASKS = dict.fromkeys(SHARES, ("binary-classification", "multiclass-classification", "next-token"))


class Params(BaseModel):
    """Parameters of `parity`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    with_model: str = Field(
        "",
        description="Model to compare with: a name of the [models.NAME] tables; the only one when empty.",
        json_schema_extra={NAMES_A_MODEL: True},
    )
    tolerance: Annotated[float, Field(ge=0)] = Field(
        TOLERANCE, description="A scaled difference of the outputs above this is a finding."
    )
    shown_rows: Annotated[int, Field(ge=0, le=100)] = Field(10, description="Rows shown, those that differ most.")
    most_groups: Annotated[int, Field(ge=1, le=1000)] = Field(
        50, description="Groups of a sensitive feature that are measured; of a feature with more, none is."
    )


def _analyze(context: AuditContext, params: Params) -> AnalysisResult:
    from auditbench_parity.analysis import analyze  # numpy enters here

    return analyze(context, params)


@hookimpl
def auditbench_analyzers() -> Iterator[Analyzer]:
    """Register `parity`."""
    yield Analyzer(
        name="parity",
        topic="deployment",
        summary="Differences of outputs and decisions between this model and another on the same rows",
        Params=Params,
        analyze=_analyze,
        needs=Needs(further_models=True),
        metrics=METRICS,
        metric_tasks=METRIC_TASKS,
        shares=SHARES,
        messages=load_messages("auditbench_parity"),
        cost="passes",
    )

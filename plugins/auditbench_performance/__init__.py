"""Performance: the standard metrics of the task with their intervals, confusion matrix, curves and calibration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

from auditbench.contracts import Analyzer
from auditbench.hookspecs import hookimpl
from auditbench.messages import load_messages

if TYPE_CHECKING:
    from auditbench.context import AuditContext
    from auditbench.results import AnalysisResult

METRICS = (
    "accuracy",
    "majority_class_accuracy",
    "balanced_accuracy",
    "precision",
    "recall",
    "specificity",
    "f1",
    "macro_f1",
    "auc",
    "average_precision",
    "log_loss",
    "brier",
    "expected_calibration_error",
    "calibration_error_by_chance",
    "base_rate",
    "positive_rate",
    "top_k_accuracy",
    "perplexity",
    "bigram_log_loss",
    "gain_over_bigram",
    "mse",
    "rmse",
    "mae",
    "r2",
    "mean_error",
    "residual_percentile",
    "absolute_error_percentile",
)


class Params(BaseModel):
    """Parameters of `performance`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    replicates: Annotated[int, Field(ge=40, le=100_000)] = Field(
        1000, description="Bootstrap replicates of the intervals that have no closed form."
    )
    bins: Annotated[int, Field(ge=2, le=100)] = Field(
        10, description="Equal-width bins of the predicted probability, for calibration."
    )
    calibration_line: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.05, description="A calibration error whose interval lies above this is a finding."
    )
    top_k: Annotated[int, Field(ge=2)] = Field(
        3, description="Classes counted by top-k accuracy, where there are more classes than that."
    )
    most_classes: Annotated[int, Field(ge=2, le=200)] = Field(
        50, description="Classes with metrics of their own, the most frequent first, and of the confusion matrix."
    )


def _analyze(context: AuditContext, params: Params) -> AnalysisResult:
    from auditbench_performance.analysis import analyze  # numpy enters here

    return analyze(context, params)


@hookimpl
def auditbench_analyzers() -> Iterator[Analyzer]:
    """Register `performance`."""
    yield Analyzer(
        name="performance",
        topic="performance",
        summary="Standard metrics of the task with intervals, confusion matrix, curves and calibration",
        Params=Params,
        analyze=_analyze,
        metrics=METRICS,
        messages=load_messages("auditbench_performance"),
    )

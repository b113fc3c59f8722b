"""Performance: the metrics of the task with intervals, calibration, and what another threshold or temperature would do."""

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

_BINARY, _MULTICLASS = "binary-classification", "multiclass-classification"
_CLASSES = (_BINARY, _MULTICLASS)
_CHOICES = (*_CLASSES, "next-token")
_NEXT_TOKEN, _REGRESSION = ("next-token",), ("regression",)

METRIC_TASKS: dict[str, tuple[str, ...]] = {
    "accuracy": _CHOICES,
    "majority_class_accuracy": _CHOICES,
    "gain_over_majority": (_MULTICLASS,),
    "balanced_accuracy": _CLASSES,
    "precision": _CLASSES,
    "recall": _CLASSES,
    "specificity": (_BINARY,),
    "f1": (_BINARY,),
    "macro_f1": (_MULTICLASS,),
    "auc": (_BINARY,),
    "average_precision": (_BINARY,),
    "log_loss": _CHOICES,
    "brier": _CHOICES,
    "expected_calibration_error": _CHOICES,
    "equal_mass_calibration_error": _CHOICES,
    "calibration_error_by_chance": _CLASSES,
    "base_rate": _CLASSES,
    "positive_rate": (_BINARY,),
    "top_k_accuracy": (_MULTICLASS, "next-token"),
    "temperature": _CHOICES,
    "perplexity": _NEXT_TOKEN,
    "bigram_log_loss": _NEXT_TOKEN,
    "gain_over_bigram": _NEXT_TOKEN,
    "mse": _REGRESSION,
    "rmse": _REGRESSION,
    "mae": _REGRESSION,
    "r2": _REGRESSION,
    "mean_error": _REGRESSION,
    "absolute_error_correlation": _REGRESSION,
    "residual_percentile": _REGRESSION,
    "absolute_error_percentile": _REGRESSION,
}
METRICS = tuple(METRIC_TASKS)
SHARES = (
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
    "expected_calibration_error",
    "equal_mass_calibration_error",
    "calibration_error_by_chance",
    "base_rate",
    "positive_rate",
    "top_k_accuracy",
)


Threshold = Annotated[float, Field(gt=0, lt=1)]


class Params(BaseModel):
    """Parameters of `performance`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    replicates: Annotated[int, Field(ge=40, le=100_000)] = Field(
        1000, description="Bootstrap replicates of the intervals that have no closed form."
    )
    bins: Annotated[int, Field(ge=2, le=100)] = Field(
        10, description="Bins of the predicted probability, for calibration: of equal width, and of equally many rows."
    )
    thresholds: Annotated[tuple[Threshold, ...], Field(max_length=20, strict=False)] = Field(
        (0.1, 0.25, 0.5, 0.75, 0.9),
        description="Thresholds of a binary model that are shown beside the one in use; none for no table of them.",
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
        summary="Metrics of the task with intervals, curves, calibration, and what another threshold or temperature would do",
        Params=Params,
        analyze=_analyze,
        metrics=METRICS,
        metric_tasks=METRIC_TASKS,
        shares=SHARES,
        messages=load_messages("auditbench_performance"),
        cost="outputs",
    )

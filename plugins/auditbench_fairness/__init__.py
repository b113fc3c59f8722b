"""Fairness: rates and scores by group and intersection with intervals, and the differences and ratios between groups."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from auditbench.contracts import Analyzer, Needs
from auditbench.hookspecs import hookimpl
from auditbench.messages import load_messages

if TYPE_CHECKING:
    from auditbench.context import AuditContext
    from auditbench.results import AnalysisResult
    from auditbench_fairness.group_counts import GroupCounts, count_groups
    from auditbench_fairness.metrics_by_group import GroupMetrics, group_metrics, metrics_of_counts

__all__ = [
    "METRICS",
    "GroupCounts",
    "GroupMetrics",
    "Params",
    "auditbench_analyzers",
    "count_groups",
    "group_metrics",
    "metrics_of_counts",
]

_HOMES = {
    "GroupCounts": "group_counts",
    "GroupMetrics": "metrics_by_group",
    "count_groups": "group_counts",
    "group_metrics": "metrics_by_group",
    "metrics_of_counts": "metrics_by_group",
}

SHARES = (
    "selection_rate",
    "true_positive_rate",
    "false_positive_rate",
    "precision",
    "accuracy",
    "demographic_parity_difference",
    "demographic_parity_ratio",
    "equal_opportunity_difference",
    "equalized_odds_difference",
    "equalized_odds_ratio",
    "true_positive_rate_difference",
    "false_positive_rate_difference",
    "precision_difference",
    "precision_ratio",
    "accuracy_difference",
    "selection_rate_difference_to_overall",
    "true_positive_rate_difference_to_overall",
    "false_positive_rate_difference_to_overall",
    "precision_difference_to_overall",
    "accuracy_difference_to_overall",
)
_SCORES = (
    "auc",
    "mean_score",
    "calibration_error",
    "auc_difference",
    "mean_score_difference",
    "calibration_error_difference",
    "mean_score_difference_to_overall",
)
_GAPS = ("calibration_gap", "calibration_gap_difference", "calibration_gap_difference_to_overall")
_CONDITIONAL = ("conditional_demographic_parity_difference",)
_MEANS = (
    "mean_prediction",
    "mean_error",
    "mean_absolute_error",
    "mean_prediction_difference",
    "mean_error_difference",
    "mean_absolute_error_difference",
    "mean_prediction_difference_to_overall",
    "mean_error_difference_to_overall",
    "mean_absolute_error_difference_to_overall",
)
METRICS = (*SHARES, *_SCORES, *_GAPS, *_CONDITIONAL, *_MEANS)
_CLASSES = ("binary-classification", "multiclass-classification")
METRIC_TASKS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(SHARES, _CLASSES),
    **dict.fromkeys(("accuracy", "accuracy_difference", "accuracy_difference_to_overall"), (*_CLASSES, "next-token")),
    **dict.fromkeys((*_SCORES, *_GAPS), ("binary-classification",)),
    **dict.fromkeys(_CONDITIONAL, _CLASSES),
    **dict.fromkeys(_MEANS, ("regression",)),
}


class Params(BaseModel):
    """Parameters of `fairness`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    minimum_group: Annotated[int, Field(ge=1)] = Field(
        30, description="Groups with fewer rows are listed and not estimated."
    )
    minimum_outcomes: Annotated[int, Field(ge=1)] = Field(
        10, description="A rate that would be a share of fewer rows is not estimated."
    )
    intersections: Annotated[int, Field(ge=1, le=4)] = Field(
        2, description="Sensitive features combined at most: 1 for none, 2 for pairs."
    )
    reference: Literal["overall", "none"] = Field(
        "overall", description="Also give the largest difference of a group to all rows, or not."
    )
    reference_line: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.8, description="A selection-rate ratio whose interval lies below this is a finding."
    )
    difference_line: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.1, description="An equalized-odds difference whose interval lies above this is a finding."
    )
    mean_error_line: Annotated[float, Field(gt=0)] = Field(
        0.1,
        description="Regression: a mean-error difference whose interval lies above this many standard deviations of "
        "the labels is a finding.",
    )
    most_groups: Annotated[int, Field(ge=2)] = Field(
        50, description="Groups of one feature that are listed, the largest first."
    )
    most_classes: Annotated[int, Field(ge=1)] = Field(
        10, description="Classes that are compared with all others, the most frequent first."
    )


def _analyze(context: AuditContext, params: Params) -> AnalysisResult:
    from auditbench_fairness.analysis import analyze  # numpy enters here

    return analyze(context, params)


@hookimpl
def auditbench_analyzers() -> Iterator[Analyzer]:
    """Register `fairness`."""
    yield Analyzer(
        name="fairness",
        topic="fairness",
        summary="Rates and scores by group and intersection, their differences and ratios, with intervals",
        Params=Params,
        analyze=_analyze,
        needs=Needs(sensitive_features=True),
        metrics=METRICS,
        metric_tasks=METRIC_TASKS,
        shares=(*SHARES, *_SCORES, *_CONDITIONAL),
        messages=load_messages("auditbench_fairness"),
        cost="outputs",
    )


def __getattr__(name: str) -> Any:
    """Import what needs numpy and pandas when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module 'auditbench_fairness' has no attribute {name!r}")
    return getattr(import_module(f"auditbench_fairness.{_HOMES[name]}"), name)

"""The numbers that tell a run first: how well the model predicts, then one of each other analysis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from auditbench.results import AnalysisResult, Metric

    Named: TypeAlias = tuple[str, Metric]

MOST = 3
_QUALITY = "performance"
_CHOICES = {
    "perplexity": (("perplexity", "log_loss"), ("gain_over_bigram",)),
    "r2": (("r2", "rmse"),),
    "accuracy": (("accuracy", "auc"),),
}
"""What is told, by a metric that says which kind of task it is; a language model has an accuracy too, so order counts."""


def quality_metrics(results: Sequence[AnalysisResult]) -> tuple[tuple[Named, ...], ...]:
    """How well the model predicts: in each part, full names and metrics of which one tells enough, the best first.

    Metrics without a value, and parts without a metric, are left out.
    """
    found = {
        metric.name: metric
        for result in results
        if result.analyzer == _QUALITY
        for metric in result.metrics
        if not metric.where
    }
    parts = next((parts for name, parts in _CHOICES.items() if name in found), ())
    named = (
        tuple((f"{_QUALITY}.{name}", found[name]) for name in part if name in found and found[name].value is not None)
        for part in parts
    )
    return tuple(part for part in named if part)


def headline_metrics(results: Sequence[AnalysisResult]) -> tuple[Named, ...]:
    """At most `MOST` full names and metrics: those of quality, then the first with an interval of each other analyzer.

    Explainers are left out: their numbers are about the explanation, not about the model.
    """
    first = [part[0] for part in quality_metrics(results)]
    others = [
        (f"{result.analyzer}.{metric.name}", metric)
        for result in results
        if result.topic != "explanation" and not (first and result.analyzer == _QUALITY)
        for metric in [one for one in result.metrics if one.value is not None and one.interval is not None][:1]
    ]
    return tuple([*first, *others][:MOST])

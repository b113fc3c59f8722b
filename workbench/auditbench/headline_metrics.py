"""The numbers that tell a run first: how well the model predicts, then what else has a better and a worse side."""

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
_FURTHER = ("auc", "mae", "expected_calibration_error")
"""What else says how well a model predicts, where there is room: how it ranks, how far it is off, how far it is believed."""


def quality_metrics(results: Sequence[AnalysisResult]) -> tuple[tuple[Named, ...], ...]:
    """How well the model predicts: in each part, full names and metrics of which one tells enough, the best first.

    Metrics without a value, and parts without a metric, are left out.
    """
    results = [result for result in results if result.analyzer == _QUALITY]
    names = {metric.name for result in results for metric in result.metrics if not metric.where}
    parts = next((parts for name, parts in _CHOICES.items() if name in names), ())
    return tuple(part for part in (_known(results, names) for names in parts) if part)


def headline_metrics(results: Sequence[AnalysisResult]) -> tuple[Named, ...]:
    """At most `MOST` full names and metrics: of quality, then the first of each other analyzer, then further ones of quality.

    Of another analyzer the first that has an interval and a better side: what describes the inside of a model, such as
    the kurtosis of units or the entropy of its tokens, is neither good nor bad. Explainers are left out: their numbers are
    about the explanation, not about the model.
    """
    first = [part[0] for part in quality_metrics(results)]
    others = [
        (f"{result.analyzer}.{metric.name}", metric)
        for result in results
        if result.topic != "explanation" and not (first and result.analyzer == _QUALITY)
        for metric in [one for one in result.metrics if _can_tell(one)][:1]
    ]
    further = [named for named in _known(results, _FURTHER) if first and named not in first]
    return tuple([*first, *others, *further][:MOST])


def _known(results: Sequence[AnalysisResult], names: Sequence[str]) -> tuple[Named, ...]:
    """Metrics of quality over all rows that have a value, in the order of the names."""
    found = {
        metric.name: metric
        for result in results
        if result.analyzer == _QUALITY
        for metric in result.metrics
        if not metric.where and metric.value is not None
    }
    return tuple((f"{_QUALITY}.{name}", found[name]) for name in names if name in found)


def _can_tell(metric: Metric) -> bool:
    """Whether a number says how good something is, and how sure that is."""
    return metric.interval is not None and metric.higher_is_better is not None

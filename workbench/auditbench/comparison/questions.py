"""Whether two runs answer the same question, and whether their answer has anything in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditbench.comparison.record import Comparison, MetricChange
from auditbench.digests import digest_of
from auditbench.errors import ComparisonError
from auditbench.safe_text import LONGEST_NAME, shortened

if TYPE_CHECKING:
    from auditbench.run import AuditRun, ModelFacts


def refuse_incomparable(baseline: AuditRun, model: ModelFacts) -> None:
    """Refuse a baseline that answers another question than a candidate.

    Args:
        model: Of the candidate.

    Raises:
        ComparisonError: The task or the classes are others, or the baseline is not complete.
    """
    questions = (
        ("the baseline is of another task", "task", baseline.model.task, model.task),
        (
            "the baseline has other classes, or has them in another order",
            "classes",
            _classes(baseline.model),
            _classes(model),
        ),
    )
    for message, where, before, after in questions:
        if before != after:
            fix = "name a baseline that audited a model of the same question"
            found, allowed = (shortened(text, LONGEST_NAME) for text in (before, after))
            raise ComparisonError(message, where=where, found=found, allowed=allowed, fix=fix)
    if baseline.status != "complete":
        raise ComparisonError(
            "the baseline is an audit that was interrupted",
            where="baseline",
            found=f"status {baseline.status}",
            allowed="status complete",
            fix="let that audit come to its end, or name another baseline",
        )


def _classes(model: ModelFacts) -> str:
    """The classes as text; those of a language model by their number and digest."""
    if model.task != "next-token":
        return ", ".join(model.classes)
    digest = model.classes_digest or digest_of(model.classes)
    return f"{model.n_classes:,} tokens, sha256 {digest}"


def refuse_without_common_metric(comparison: Comparison) -> None:
    """Refuse a comparison in which not one metric could be set against another.

    Raises:
        ComparisonError: Every metric is in one run alone, undefined, or measured otherwise.
    """
    if any(change.difference is not None for change in comparison.metrics):
        return
    otherwise = [change for change in comparison.metrics if _is_measured_otherwise(change)]
    shown = f"{otherwise[0].metric}: {otherwise[0].reason.values['what']}" if otherwise and otherwise[0].reason else ""
    raise ComparisonError(
        "the two runs measure every metric otherwise" if otherwise else "the two runs have no metric in common",
        where="metrics",
        found=shown or f"{len(comparison.metrics):,} metrics, each of one run alone, undefined, or of a changed model",
        allowed="analyzers with the same parameters in both runs" if otherwise else "an analyzer with a result in both",
        fix="audit the baseline's model again with the configuration of the candidate",
    )


def _is_measured_otherwise(change: MetricChange) -> bool:
    return change.reason is not None and change.reason.key == "core.change_measured_otherwise"

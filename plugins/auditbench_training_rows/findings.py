"""What a reviewer should know at once: labels that every ranking points at, and rows far from the training rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditbench.findings import Finding, Message
from auditbench_training_rows.summary import FAR

if TYPE_CHECKING:
    from auditbench.results import Metric


def findings(metrics: tuple[Metric, ...], first: dict[str, list[int]]) -> tuple[Finding, ...]:
    """Rows at the head of every ranking, and an interval of `far_share` that lies above its usual value.

    Args:
        first: Heads of the rankings, empty where they have the same rows by construction.
    """
    found = []
    shared = set.intersection(*(set(head) for head in first.values())) if first else set()
    if shared:
        values = {"n": len(shared), "rankings": len(first), "first": max(map(len, first.values()))}
        found.append(
            Finding(
                rule="training-rows.labels_to_review",
                severity="info",
                title=Message(key="training-rows.labels_to_review", values=values),
                action=Message(key="training-rows.labels_to_review.action"),
            )
        )
    (far,) = (metric for metric in metrics if metric.name == "far_share")
    if far.value is not None and far.interval is not None and far.interval.low > 1 - FAR:
        found.append(
            Finding(
                rule="training-rows.far_rows",
                severity="low",
                title=Message(key="training-rows.far_rows", values={"share": far.value, "usual": 1 - FAR}),
                action=Message(key="training-rows.far_rows.action"),
                metrics=("training-rows.far_share",),
            )
        )
    return tuple(found)

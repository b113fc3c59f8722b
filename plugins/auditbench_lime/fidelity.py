"""How well local linear models follow the output."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from auditbench.findings import Finding, Message
from auditbench.results import Metric, estimated_metric
from auditbench.statistics import bootstrap_interval

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.context import AuditContext


def local_fidelity(
    context: AuditContext, fidelity: npt.NDArray[np.float64], targets: tuple[str, ...]
) -> tuple[Metric, ...]:
    """Median over rows of each target's R squared, shape `(rows, targets)`, over the rows where it is defined."""
    several = fidelity.shape[1] > 1
    return tuple(
        _median_fidelity(column, {"class": target} if several else {}, context.rng("fidelity"))
        for target, column in zip(targets, fidelity.T, strict=True)
    )


def _median_fidelity(fidelity: npt.NDArray[np.float64], where: dict[str, str], rng: np.random.Generator) -> Metric:
    scores = fidelity[~np.isnan(fidelity)]
    estimate = bootstrap_interval(lambda drawn: np.median(drawn, axis=1), [scores], rng=rng)
    return estimated_metric(
        "local_fidelity",
        estimate,
        n=len(scores),
        undefined=Message(key="lime.no_fidelity" if len(fidelity) else "lime.no_sampled_rows"),
        higher_is_better=True,
        where=where,
        method="lime.local_fidelity.formula",
    )


def fidelity_findings(fidelity: tuple[Metric, ...], limit: float, action: str) -> tuple[Finding, ...]:
    """Where the whole interval lies below the limit; the value alone counts where there is no interval.

    Args:
        action: Key of what to do about it.
    """
    return tuple(
        Finding(
            rule="lime.low_fidelity",
            severity="low",
            title=Message(key="lime.low_fidelity", values={"fidelity": metric.value, "limit": limit, "n": metric.n}),
            action=Message(key=action),
            metrics=("lime.local_fidelity",),
            where=metric.where,
        )
        for metric in fidelity
        if metric.value is not None and (metric.interval.high if metric.interval else metric.value) < limit
    )

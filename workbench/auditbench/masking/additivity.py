"""Whether base value and contributions of each row add up to its output: the gap as numbers, as a metric, as a finding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from auditbench.findings import Finding, Message, Severity
from auditbench.results import Metric

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


def additivity_gap(
    values: npt.NDArray[np.float64],
    base_values: npt.NDArray[np.float64],
    outputs: npt.NDArray[np.float64],
    output_range: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """|base + sum of contributions - output| as a share of the output's range, shape `(rows, targets)`.

    NaN where the range of a target, shape `(targets,)`, is 0: there is nothing to compare the gap with.
    """
    import numpy as np

    gap = np.abs(values.reshape(*values.shape[:2], -1).sum(axis=2) + base_values - outputs)
    return np.asarray(gap / np.where(output_range > 0, output_range, np.nan))


def largest_gap(
    analyzer: str,
    name: str,
    arrays: Mapping[str, npt.NDArray[Any]],
    output_range: npt.NDArray[np.float64],
    *,
    additive: bool = True,
) -> Metric:
    """The worst gap over rows and targets; undefined where the method promises no sum or the output is constant.

    Args:
        name: Of the metric. Reasons are the keys `<analyzer>.constant_output` and `<analyzer>.not_additive`.
        arrays: `values`, `base_values` and `outputs`, as a chunk of explained rows gives them.
        output_range: Shape `(targets,)`.
    """
    import numpy as np

    gaps = additivity_gap(arrays["values"], arrays["base_values"], arrays["outputs"], output_range)
    known = gaps[~np.isnan(gaps)] if additive else np.empty(0)
    undefined = Message(key=f"{analyzer}.{'constant_output' if additive else 'not_additive'}")
    return Metric(
        name=name,
        value=float(known.max()) if known.size else None,
        higher_is_better=False,
        no_interval="exact",
        n=len(gaps),
        method=f"{analyzer}.{name}.formula",
        reason=None if known.size else undefined,
    )


def gap_finding(analyzer: str, rule: str, gap: Metric, *, limit: float, severity: Severity) -> tuple[Finding, ...]:
    """Where the gap is above a limit; title and action are the keys `<analyzer>.<rule>` and `<analyzer>.<rule>.action`."""
    if gap.value is None or gap.value <= limit:
        return ()
    key = f"{analyzer}.{rule}"
    finding = Finding(
        rule=key,
        severity=severity,
        title=Message(key=key, values={"gap": gap.value, "limit": limit}),
        action=Message(key=f"{key}.action"),
        metrics=(f"{analyzer}.{gap.name}",),
    )
    return (finding,)

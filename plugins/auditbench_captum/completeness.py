"""Whether contributions add up to what the output changed by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from auditbench.findings import Finding, Message
from auditbench.masking import additivity_gap
from auditbench.results import Metric

if TYPE_CHECKING:
    import numpy.typing as npt

COMPLETENESS_LIMIT = 0.01
"""Completeness gap, as a share of the output range, above which there is a finding."""


def completeness(
    arrays: dict[str, npt.NDArray[np.float64]], output_range: npt.NDArray[np.float64], *, additive: bool
) -> Metric:
    """The worst gap over rows and targets; undefined where the method promises no sum or the output is constant."""
    gaps = additivity_gap(arrays["values"], arrays["base_values"], arrays["outputs"], output_range)
    known = gaps[~np.isnan(gaps)] if additive else np.empty(0)
    undefined = Message(key="captum.constant_output" if additive else "captum.not_additive")
    return Metric(
        name="completeness_gap",
        value=float(known.max()) if known.size else None,
        higher_is_better=False,
        no_interval="exact",
        n=len(gaps),
        method="captum.completeness_gap.formula",
        reason=None if known.size else undefined,
    )


def completeness_finding(gap: Metric) -> tuple[Finding, ...]:
    """Where the gap is above the limit."""
    if gap.value is None or gap.value <= COMPLETENESS_LIMIT:
        return ()
    finding = Finding(
        rule="captum.completeness_gap_above_limit",
        severity="medium",
        title=Message(
            key="captum.completeness_gap_above_limit", values={"gap": gap.value, "limit": COMPLETENESS_LIMIT}
        ),
        action=Message(key="captum.completeness_gap_above_limit.action"),
        metrics=("captum.completeness_gap",),
    )
    return (finding,)

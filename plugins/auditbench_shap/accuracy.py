"""Whether contributions add up to the output of each row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from auditbench.findings import Finding, Message
from auditbench.masking import additivity_gap
from auditbench.results import Metric

if TYPE_CHECKING:
    import numpy.typing as npt

LOCAL_ACCURACY_TOLERANCE = 1e-4
"""Largest share of the output range by which base value and contributions may miss the output."""


def local_accuracy(arrays: dict[str, npt.NDArray[np.float64]], output_range: npt.NDArray[np.float64]) -> Metric:
    """The worst gap over rows and targets, as a share of the output range; undefined where the output is constant."""
    gaps = additivity_gap(arrays["values"], arrays["base_values"], arrays["outputs"], output_range)
    known = gaps[~np.isnan(gaps)]
    return Metric(
        name="local_accuracy_gap",
        value=float(known.max()) if known.size else None,
        higher_is_better=False,
        no_interval="exact",
        n=len(gaps),
        method="shap.local_accuracy_gap.formula",
        reason=None if known.size else Message(key="shap.constant_output"),
    )


def accuracy_finding(gap: Metric) -> tuple[Finding, ...]:
    """Where the gap is more than rounding."""
    if gap.value is None or gap.value <= LOCAL_ACCURACY_TOLERANCE:
        return ()
    values = {"gap": gap.value, "limit": LOCAL_ACCURACY_TOLERANCE}
    finding = Finding(
        rule="shap.contributions_do_not_add_up",
        severity="high",
        title=Message(key="shap.contributions_do_not_add_up", values=values),
        action=Message(key="shap.contributions_do_not_add_up.action"),
        metrics=("shap.local_accuracy_gap",),
    )
    return (finding,)

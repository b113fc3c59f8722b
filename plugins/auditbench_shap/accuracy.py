"""Whether contributions add up to the output of each row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditbench.masking import gap_finding, largest_gap

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from auditbench.findings import Finding
    from auditbench.results import Metric

LOCAL_ACCURACY_TOLERANCE = 1e-4
"""Largest share of the output range by which base value and contributions may miss the output."""


def local_accuracy(arrays: dict[str, npt.NDArray[np.float64]], output_range: npt.NDArray[np.float64]) -> Metric:
    """The worst gap over rows and targets, as a share of the output range; undefined where the output is constant."""
    return largest_gap("shap", "local_accuracy_gap", arrays, output_range)


def accuracy_finding(gap: Metric) -> tuple[Finding, ...]:
    """Where the gap is more than rounding."""
    return gap_finding("shap", "contributions_do_not_add_up", gap, limit=LOCAL_ACCURACY_TOLERANCE, severity="high")

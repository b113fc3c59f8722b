"""Whether contributions add up to what the output changed by, and what a report says about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from auditbench.findings import Message
from auditbench.masking import gap_finding, largest_gap
from auditbench.results import Note

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.findings import Finding
    from auditbench.results import Metric
    from auditbench_captum.params import Params

COMPLETENESS_LIMIT = 0.01
"""Completeness gap, as a share of the output range, above which there is a finding."""


def completeness(
    arrays: dict[str, npt.NDArray[np.float64]], output_range: npt.NDArray[np.float64], *, additive: bool
) -> Metric:
    """The worst gap over rows and targets; undefined where the method promises no sum or the output is constant."""
    return largest_gap("captum", "completeness_gap", arrays, output_range, additive=additive)


def completeness_finding(gap: Metric) -> tuple[Finding, ...]:
    """Where the gap is above the limit."""
    return gap_finding("captum", "completeness_gap_above_limit", gap, limit=COMPLETENESS_LIMIT, severity="medium")


def completeness_notes(params: Params, steps: npt.NDArray[np.generic], gap: Metric) -> tuple[Note, ...]:
    """The gap, and how many rows took more nodes because of it."""
    notes = []
    if gap.value is not None:
        notes.append(Note(kind="method", text=Message(key="captum.completeness", values={"gap": gap.value})))
    refined = int((steps.astype(np.int64) > params.n_steps).sum())
    if refined:
        values = {"n": refined, "most_steps": int(steps.max()), "tolerance": params.tolerance}
        notes.append(Note(kind="method", text=Message(key="captum.refined", values=values)))
    return tuple(notes)

"""The Python interface to comparisons: two finished runs, or the folders they are in."""

from __future__ import annotations

from pathlib import Path

from auditbench.comparison import compare as compare_runs
from auditbench.comparison.questions import refuse_without_common_metric
from auditbench.comparison.record import LEVEL, Comparison
from auditbench.finished_run import read_finished
from auditbench.run import AuditRun


def compare(baseline: AuditRun | Path | str, candidate: AuditRun | Path | str, *, level: float = LEVEL) -> Comparison:
    """Compare a finished run with an earlier one, from their records alone.

    Args:
        baseline: A run, its folder, or its run.json; the same for `candidate`.
        level: One less the rate at which all verdicts together may find a change that is none.

    Raises:
        RecordError: There is no readable run, or its files are not those that were written.
        ComparisonError: The runs answer different questions, or no metric of theirs is measured alike.
    """
    comparison = compare_runs(_run_of(baseline), _run_of(candidate), level=level)
    refuse_without_common_metric(comparison)
    return comparison


def _run_of(run: AuditRun | Path | str) -> AuditRun:
    return run if isinstance(run, AuditRun) else read_finished(Path(run))

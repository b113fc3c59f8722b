"""Data sets for the search for slices, whose every row has a known chance of a wrong decision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from auditbench.context import AuditContext
from auditbench.results import AnalysisResult
from auditbench.testing import given_outputs_subject, toy_context
from auditbench_slices import Params
from auditbench_slices.analysis import analyze

LETTERS = np.array(list("abcdef"))
SHARES = np.array([0.3, 0.25, 0.17, 0.13, 0.1, 0.05])


def groups(rows: int, rng: np.random.Generator, columns: int = 8) -> dict[str, Any]:
    """Columns of six values each; a column says on a third of the rows what the one before it says."""
    drawn = [rng.choice(LETTERS, rows, p=SHARES)]
    for _ in range(columns - 1):
        drawn.append(np.where(rng.random(rows) < 1 / 3, drawn[-1], rng.choice(LETTERS, rows, p=SHARES)))
    return {f"column_{place}": values for place, values in enumerate(drawn)}


def wrong_with(chance: Any, columns: Mapping[str, Any], rng: np.random.Generator, **more: Any) -> AuditContext:
    """A binary model that always says yes, wrong on each row with the chance given."""
    wrong = rng.random(len(next(iter(columns.values())))) < chance
    return toy_context(
        given_outputs_subject(np.full(len(wrong), 0.9), 1 - wrong, sensitive_features=columns, **more),
        analyzer="slices",
        params=Params(),
        seed=int(rng.integers(1 << 30)),
    )


def off_by(errors: Any, columns: Mapping[str, Any], **more: Any) -> AuditContext:
    """A regression that is off by these errors."""
    subject = given_outputs_subject(
        np.zeros(len(errors)), errors, task="regression", output="value", sensitive_features=columns, **more
    )
    return toy_context(subject, analyzer="slices", params=Params())


def slices_of(context: AuditContext, **params: Any) -> AnalysisResult:
    return analyze(context, Params(**params))


def confirmed(result: AnalysisResult) -> list[dict[str, str]]:
    return [dict(finding.where) for finding in result.findings]

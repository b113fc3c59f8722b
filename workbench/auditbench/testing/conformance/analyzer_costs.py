"""Promises of an analyzer's cost: its class is stated, and kept by the rows that the model evaluates."""

from __future__ import annotations

from typing import get_args

from auditbench.contracts import Cost
from auditbench.errors import Problem
from auditbench.testing.conformance.analyzer_trials import Trial
from auditbench.testing.conformance.analyzer_tryout import Tryout
from auditbench.testing.conformance.promises import Promise
from auditbench.testing.conformance.trying import Check, NotTried

PASSES = 10
"""Evaluations of each row, training rows included, that are still `passes`."""
FEW_ROWS = 32
"""Rows that a `check` may evaluate."""


def _states(tryout: Tryout) -> Problem | None:
    if tryout.record.cost is not None:
        return None
    return Problem(
        message="its record does not state how much it evaluates",
        where="cost",
        found="None",
        allowed=", ".join(f'"{cost}"' for cost in get_args(Cost)),
        fix=f"state it in Analyzer(...){_fitting(tryout)}",
    )


def _fitting(tryout: Tryout) -> str:
    """The class that the counted rows speak for; empty where nothing was counted."""
    try:
        share = max(_share(trial) for trial in tryout.usual)
    except NotTried:
        return ""
    cost = "outputs" if not share else "passes" if share <= PASSES else "samples"
    return f'; by the rows that were counted, and where it fits no model: cost="{cost}"'


def _keeps(tryout: Tryout) -> Problem | None:
    cost = tryout.record.cost
    if cost is None:
        raise NotTried("its record states no cost")
    most = {"outputs": 0, "passes": PASSES}.get(cost)
    if most is None:
        if problem := _few_rows_for_check(tryout):
            return problem
        raise NotTried(f"the cost {cost!r} sets no limit")
    for trial in tryout.every:
        if _share(trial) > most:
            return Problem(
                message=f"it evaluates more than its cost {cost!r} says",
                where=trial.scene.name,
                found=f"{trial.rows:,} rows evaluated, of {_rows_of(trial):,} of the data",
                allowed=f"{most * _rows_of(trial):,} rows" if most else "no row: read context.outputs",
                fix=f'evaluate less, or state cost="{_next(cost)}"',
            )
    return _few_rows_for_check(tryout)


def _few_rows_for_check(tryout: Tryout) -> Problem | None:
    for trial in tryout.every:
        if trial.check_rows > FEW_ROWS:
            return Problem(
                message="its `check` evaluates many rows",
                where=trial.scene.name,
                found=f"{trial.check_rows:,} rows",
                allowed=f"{FEW_ROWS} rows",
                fix="leave to the analysis what takes time",
            )
    return None


def _counts_model_rows(tryout: Tryout) -> Problem | None:
    explained = [trial for trial in tryout.results if trial.result.attributions]
    if not explained:
        raise NotTried("it gives no attributions")
    for trial in explained:
        counted = sum(block.model_rows for block in trial.result.attributions)
        least = max(0, trial.rows - _rows_of(trial))
        if not least <= counted <= trial.rows:
            return Problem(
                message="`model_rows` are not the rows that the model evaluated",
                where=f"{trial.scene.name}, {trial.result.attributions[0].name}",
                found=f"{counted:,} in the attributions, {trial.rows:,} evaluated",
                allowed=f"{least:,} to {trial.rows:,}; one pass over the data may have been for other blocks",
                fix="add up the rows of every call of the model",
            )
    return None


def _rows_of(trial: Trial) -> int:
    data = trial.scene.subject.data
    return len(data) + data.background_rows


def _share(trial: Trial) -> float:
    return trial.rows / _rows_of(trial)


def _next(cost: Cost) -> Cost:
    return "passes" if cost == "outputs" else "samples"


CHECKS: tuple[Check[Tryout], ...] = (
    (Promise(key="states-its-cost", sentence="States how much it evaluates."), _states),
    (Promise(key="keeps-its-cost", sentence="Evaluates no more rows than its cost says."), _keeps),
    (
        Promise(key="counts-model-rows", sentence="Counts in its attributions the rows that the model evaluated."),
        _counts_model_rows,
    ),
)

"""What outputs that stand for a model say about the target: which columns they could be of, the task, and the order of classes."""

from __future__ import annotations

from collections.abc import Sequence

from auditbench.cli.data_profile import ColumnProfile
from auditbench.cli.derived_columns import named_as_output
from auditbench.cli.guesses import Candidate, positive_class, task_of
from auditbench.cli.predictions_profile import PredictionsProfile
from auditbench.errors import DataError
from auditbench.run import Task


def predicted_candidates(candidates: tuple[Candidate, ...], predictions: PredictionsProfile) -> tuple[Candidate, ...]:
    """Candidates for the target that these outputs could be of, and that do not follow from them; all where none is left."""
    count = len(predictions.columns)
    fitting = tuple(
        one
        for one in candidates
        if _fits(one.column, count)
        and not (one.column.name in predictions.derived and named_as_output(one.column.name))
    )
    return fitting or candidates


def predicted_task(target: ColumnProfile, predictions: PredictionsProfile) -> Task:
    """The task, by the target and the number of its outputs: one output for several numbers is a regression.

    Raises:
        DataError: The target asks for another number of outputs.
    """
    count = len(predictions.columns)
    if _fits(target, count):
        return "regression" if count == 1 and task_of(target) != "binary-classification" else task_of(target)
    raise DataError(
        "there are other predictions than this target has outputs",
        where="--predictions",
        found=f"{count}: {', '.join(map(repr, predictions.columns[:12]))}; {target.name!r} has {target.distinct} values",
        allowed=f"{'1 or 2' if target.distinct == 2 else 1 if target.kind == 'number' else target.distinct} columns",
        fix="repeat --predictions for each class, or name another --target",
    )


def class_order(target: ColumnProfile, task: Task, predictions: PredictionsProfile) -> list[str]:
    """Classes in the order of several predictions: by their names where these end with them; empty for one prediction."""
    if task == "regression" or len(predictions.columns) == 1:
        return []
    usual = sorted(
        target.values, key=lambda name: (task == "binary-classification" and name == positive_class(target), name)
    )
    named = [_named_by(column, usual) for column in predictions.columns]
    return named if sorted(named) == sorted(usual) else usual


def _fits(target: ColumnProfile, count: int) -> bool:
    if task_of(target) == "multiclass-classification":
        return count == target.distinct or (count == 1 and target.kind == "number")
    return count == 1 or (count == 2 and task_of(target) == "binary-classification")


def _named_by(column: str, classes: Sequence[str]) -> str:
    """The longest class that the name of a column ends with; empty where none does."""
    ends = [name for name in classes if column.lower().endswith(name.lower())]
    return max(ends, key=len, default="")

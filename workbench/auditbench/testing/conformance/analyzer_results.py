"""Promises of an analyzer's results as records: complete, finite, readable again, and of names that are known."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

from auditbench.errors import Problem, RecordError, ResultError
from auditbench.results import PREDICTED, RUNNER_UP, AnalysisResult, Table
from auditbench.run_file import decode_run, encode_run
from auditbench.testing.conformance.analyzer_trials import Trial, run_with
from auditbench.testing.conformance.analyzer_tryout import Tryout
from auditbench.testing.conformance.odd_subjects import NOT_FINITE
from auditbench.testing.conformance.promises import Promise
from auditbench.testing.conformance.trying import Check

_UNDEFINED = re.compile(r"finite|reason|undefined")


def tables_of(result: AnalysisResult) -> tuple[Table, ...]:
    """Its tables, those of custom blocks with them."""
    return (*result.tables, *(block.table for block in result.custom_blocks))


def _gives_a_result(tryout: Tryout) -> Problem | None:
    for trial in tryout.usual:
        if trial.returned is not None and not isinstance(trial.returned, AnalysisResult):
            return _no_result(trial, type(trial.returned).__name__)
        if trial.error is None and trial.returned is None:
            return _no_result(trial, "None")
    return None


def _no_result(trial: Trial, found: str) -> Problem:
    return Problem(
        message="it returns something that is no result",
        where=trial.scene.name,
        found=found,
        allowed="an AnalysisResult",
        fix="return auditbench.results.AnalysisResult(metrics=(...,), ...)",
    )


def _undefined_has_a_reason(tryout: Tryout) -> Problem | None:
    for trial, refused in _refused(tryout):
        if _UNDEFINED.search(refused):
            return Problem(
                message="a number is not finite, or undefined without a reason",
                where=trial.scene.name,
                found=refused,
                allowed="finite numbers; None with a `reason`",
                fix="give value=None and reason=Message(key=...) where nothing can be computed",
            )
    for trial in tryout.results:
        for table in tables_of(trial.result):
            texts = [place for place, column in enumerate(table.columns) if column.kind == "text"]
            for row in table.rows:
                if None in row and not any(row[place] for place in texts):
                    return Problem(
                        message="a line of a table has an empty cell and no words",
                        where=f"{trial.scene.name}, table {table.name}",
                        found=f"{row!r}"[:120],
                        allowed="a text column that says why",
                        fix="add a column of notes",
                    )
    return None


def _fits_the_record(tryout: Tryout) -> Problem | None:
    for trial, refused in _refused(tryout):
        if not _UNDEFINED.search(refused):
            return Problem(
                message="a block is not what its type says",
                where=trial.scene.name,
                found=refused,
                allowed="the types and shapes of auditbench.results",
                fix="give each block what its docstring says",
            )
    for trial in tryout.results:
        try:
            read = decode_run(encode_run(run_with(trial))).results[0]
        except (RecordError, TypeError, ValueError) as error:
            return _not_the_same(trial, f"{type(error).__name__}: {error}"[:200])
        for field in dataclasses.fields(AnalysisResult):
            written = getattr(trial.result, field.name)
            if getattr(read, field.name) != written:
                return _not_the_same(trial, f"{field.name} as {type(written).__name__}, read differently")
    return None


def _not_the_same(trial: Trial, found: str) -> Problem:
    return Problem(
        message="its result is another when it is read from the record",
        where=trial.scene.name,
        found=found,
        allowed="what JSON keeps: tuples of blocks, text as keys, numbers, text and None",
        fix="give tuples, and text where the type says text",
    )


def _refused(tryout: Tryout) -> Iterator[tuple[Trial, str]]:
    """Results that are none, by the sentence of the host or of the block that refused them."""
    for trial in tryout.every:
        if trial.scene.odd == NOT_FINITE:
            continue  # these it refuses itself, which is another promise
        returned = isinstance(trial.returned, AnalysisResult)
        if isinstance(trial.error, ResultError):
            problem = trial.error.problems[0]
            yield trial, "; ".join(part for part in (problem.where, problem.message, problem.found) if part)
        elif returned and trial.result.status == "failed" and trial.result.reason is not None:
            yield trial, str(trial.result.reason.values.get("error", trial.result.reason.key))


def _names_rows_and_targets(tryout: Tryout) -> Problem | None:
    for trial in tryout.results:
        subject = trial.scene.subject
        outputs = {*subject.model.target_names, PREDICTED, RUNNER_UP}
        ids = set(subject.data.row_ids)
        for block in trial.result.attributions:
            explains_outputs = block.unit == subject.model.facts.output
            for what, names, allowed in (
                ("rows", block.row_ids, ids),
                ("targets", block.target_names if explains_outputs else (), outputs),
            ):
                if strange := [name for name in names if name not in allowed]:
                    return Problem(
                        message=f"an attribution names {what} that are not there",
                        where=f"{trial.scene.name}, {block.name}",
                        found=", ".join(strange)[:120],
                        allowed=", ".join(sorted(allowed))[:120],
                        fix="take rows.row_ids, and model.target_names",
                    )
        for metric in trial.result.metrics:
            if metric.influence is not None and tuple(metric.influence.shape) != (len(subject.data),):
                return Problem(
                    message="an influence is not one number for each evaluated row",
                    where=f"{trial.scene.name}, {metric.name}",
                    found=f"shape {tuple(metric.influence.shape)}",
                    allowed=f"shape ({len(subject.data)},)",
                    fix="give 0 for rows that play no part",
                )
    return None


CHECKS: tuple[Check[Tryout], ...] = (
    (Promise(key="gives-a-result", sentence="Returns an AnalysisResult."), _gives_a_result),
    (
        Promise(key="undefined-has-a-reason", sentence="Gives finite numbers, and a reason for what is undefined."),
        _undefined_has_a_reason,
    ),
    (
        Promise(
            key="fits-the-record", sentence="Gives blocks that are what their types say, and the same when read again."
        ),
        _fits_the_record,
    ),
    (
        Promise(key="names-rows-and-targets", sentence="Names rows, outputs and influences as the data do."),
        _names_rows_and_targets,
    ),
)

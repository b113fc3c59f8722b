"""The text of a first audit.toml: what was found in a table, as comments beside the keys it led to."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from auditbench.cli.data_profile import ColumnProfile
from auditbench.cli.gates_draft import fitting_presets, own_gate
from auditbench.cli.guesses import (
    Candidate,
    Task,
    id_reason,
    is_split,
    positive_class,
    sensitive_reason,
    target_candidates,
    task_of,
    text_reason,
)
from auditbench.errors import DataError
from auditbench.safe_text import LONGEST_TEXT, safe_text

_SHOWN_TARGETS = 3
_FEW_VALUES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What `init` found and decided.

    Attributes:
        text: Of audit.toml.
        candidates: Columns that could be the target, the most likely first; the first is used unless one was named.
        open_questions: What the user has to see to before the audit can run, as instructions.
    """

    text: str
    target: str
    task: Task
    candidates: tuple[Candidate, ...]
    sensitive: tuple[str, ...]
    excluded: tuple[str, ...]
    open_questions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Paths as audit.toml will name them, relative to its folder; `train` is empty when there is no such file."""

    name: str
    test: str
    train: str
    model: str


def draft_config(
    columns: tuple[ColumnProfile, ...],
    sources: Sources,
    *,
    target: str | None,
    analyzers: Sequence[tuple[str, str]],
    gates: str = "",
) -> Draft:
    """Write the configuration for a table.

    Args:
        target: Column to predict; None takes the best candidate.
        analyzers: Name and one line on each, in the order of their tables.
        gates: File of gates to name; empty names none.

    Raises:
        DataError: The named target is no column, or no column could be a target.
    """
    candidates = tuple(target_candidates(columns))
    chosen = _chosen(columns, candidates, target)
    task = task_of(chosen)
    inputs = [column for column in columns if column is not chosen and not is_split(column)]
    split = next((column.name for column in columns if is_split(column) and column is not chosen), "")
    left_out = [(column, reason) for column in inputs if (reason := id_reason(column) or text_reason(column))]
    dropped = {column.name for column, _ in left_out}
    sensitive = [c for c in inputs if sensitive_reason(c) and c.name not in dropped]
    questions = tuple(_questions(sources, split, sensitive, ranked=target is None))
    test = safe_text(sources.test, LONGEST_TEXT)
    lines = [
        f"# A first configuration for {test}. What stands here was guessed from a sample of its rows:",
        "# read every line, then run `auditbench check audit.toml`. All keys: `auditbench schema config`.",
        *(f"# TO DO: {question}" for question in questions),
        "",
        *_audit_table(sources, gates),
        *_model_tables(sources, task),
        *_data_table(sources, chosen, candidates, task, split),
        *_column_lists(left_out, sensitive),
        *_columns_seen([column for column in inputs if column.name not in dropped]),
        *_analyzer_tables(analyzers),
        *_closing(task, sensitive=bool(sensitive), gates=gates),
    ]
    return Draft(
        text="\n".join(lines) + "\n",
        target=chosen.name,
        task=task,
        candidates=candidates,
        sensitive=tuple(column.name for column in sensitive),
        excluded=tuple(column.name for column, _ in left_out),
        open_questions=questions,
    )


def quoted(text: str) -> str:
    """Text as a TOML basic string, whatever it holds."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def key(name: str) -> str:
    """A name as a TOML key, quoted where it has to be."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else quoted(name)


def _chosen(columns: Sequence[ColumnProfile], candidates: Sequence[Candidate], target: str | None) -> ColumnProfile:
    names = ", ".join(repr(column.name) for column in columns[:20])
    if target is None:
        if not candidates:
            raise DataError(
                "no column could be the target", where="--data", found=names, fix="name one with --target COLUMN"
            )
        return candidates[0].column
    named = next((column for column in columns if column.name == target), None)
    if named is None:
        raise DataError("there is no such column", where="--target", found=repr(target), allowed=names)
    if named.distinct < 2:
        raise DataError(
            "this column cannot be the target",
            where="--target",
            found=f"{named.distinct} different values in the sample",
            allowed="at least 2",
        )
    return named


def _questions(sources: Sources, split: str, sensitive: Sequence[ColumnProfile], *, ranked: bool) -> Iterator[str]:
    if ranked:
        yield "check `target`: it was chosen by rank"
    if not sources.train and not split and not sources.model:
        yield "name a file with training rows in `train`; without it no model can be trained"
    if not sensitive:
        yield "name the columns whose groups are to be compared in `sensitive`; none was found by name"
    yield "say in `intended_use` what the model is for"


def _audit_table(sources: Sources, gates: str) -> list[str]:
    return [
        "[audit]",
        f"name = {quoted(sources.name[:120] or 'audit')}",
        "seed = 0",
        'intended_use = ""             # what the model decides or supports, and for whom',
        'not_for = ""                  # uses that this audit does not cover',
        'owner = ""                    # who answers for the model',
        *(
            [f"gates = {quoted(gates)}          # limits on metrics; the audit exits 1 when one is not met"]
            if gates
            else []
        ),
        "",
    ]


def _model_tables(sources: Sources, task: Task) -> list[str]:
    lines = [
        "[model]",
        f"path = {quoted(sources.model or 'model')}",
        f'task = "{task}"' + "   # binary-classification, multiclass-classification or regression",
    ]
    if task == "binary-classification":
        lines.append("threshold = 0.5               # probability from which a decision is positive")
    if sources.model:
        return [*lines, ""]
    return [
        *lines,
        "",
        "[train]                       # how the model is made when there is none at that path",
        'architecture = "mlp"          # or "linear"',
        "epochs = 30",
        "[train.parameters]",
        'hidden = [64, 32]             # widths of the hidden layers; leave this table out for "linear"',
        "",
    ]


def _data_table(
    sources: Sources, chosen: ColumnProfile, candidates: Sequence[Candidate], task: Task, split: str
) -> list[str]:
    lines = ["[data]", f"test = {quoted(sources.test)}"]
    if split:
        lines.append(f"split = {quoted(split)}              # says `train` or `test`")
    elif sources.train:
        lines.append(f"train = {quoted(sources.train)}")
    else:
        lines.append('# train = "train.parquet"     # training rows: for [train], and as background of explanations')
    lines.append("# The target. Candidates, the most likely first:")
    for candidate in candidates[:_SHOWN_TARGETS]:
        lines.append(
            f"#   {safe_text(candidate.column.name)}: {'; '.join(candidate.reasons) or 'nothing speaks for it'}"
        )
    lines.append(f"target = {quoted(chosen.name)}")
    if task == "binary-classification":
        values = ", ".join(safe_text(value) for value in chosen.values[:2])
        lines.append(f"positive = {quoted(positive_class(chosen))}   # the classes are {values}")
    return lines


def _column_lists(left_out: Sequence[tuple[ColumnProfile, str]], sensitive: Sequence[ColumnProfile]) -> list[str]:
    lines = ["# Columns whose groups are compared. The model sees them too, unless `exclude` names them."]
    lines += _list("sensitive", [(column, sensitive_reason(column)) for column in sensitive])
    if left_out:
        lines += ["# Columns the model does not see."]
        lines += _list("exclude", left_out)
    banded = [column for column in sensitive if column.kind == "number" and column.distinct > _FEW_VALUES]
    coded = [column for column in sensitive if column.kind == "number" and column.distinct <= _FEW_VALUES]
    if coded:
        lines += ["[data.types]                  # numbers that are codes of groups"]
        lines += [f'{key(column.name)} = "category"' for column in coded]
    if banded:
        lines += [
            "[data.bins]                   # numbers as groups: below the first bound, between bounds, from the last"
        ]
        lines += [f"{key(column.name)} = {list(column.quantiles)}" for column in banded]
    return lines


def _list(name: str, columns: Sequence[tuple[ColumnProfile, str]]) -> list[str]:
    if not columns:
        return [f"{name} = []"]
    return [f"{name} = [", *(f"    {quoted(column.name)},   # {reason}" for column, reason in columns), "]"]


def _columns_seen(inputs: Sequence[ColumnProfile]) -> list[str]:
    lines = ["", "# What the model sees:"]
    for column in inputs:
        missing = f", {column.missing:,} missing" if column.missing else ""
        values = ", ".join(safe_text(value) for value in column.values[:4])
        some = f": {values}" if column.kind == "category" else ""
        lines.append(f"#   {safe_text(column.name)}  {column.kind}, {column.distinct:,} different{missing}{some}"[:120])
    return [*lines, ""]


def _analyzer_tables(analyzers: Sequence[tuple[str, str]]) -> list[str]:
    lines = ["# One table an analyzer; an empty table means its defaults, see `auditbench plugins show NAME`."]
    lines += [f"[analyzers.{key(name)}]".ljust(30) + f"# {safe_text(summary)}" for name, summary in analyzers]
    return [*lines, ""]


def _closing(task: Task, *, sensitive: bool, gates: str) -> list[str]:
    lines = [] if gates else [*_about_gates(task, sensitive=sensitive), ""]
    return [*lines, "[report]", 'formats = ["html"]']


def _about_gates(task: Task, *, sensitive: bool) -> list[str]:
    presets = ", ".join(f"preset:{name}" for name in fitting_presets(task, sensitive=sensitive))
    return [
        *own_gate(task),
        '# Gates may stand in a file of their own, or come with Auditbench: in [audit], `gates = ["gates.toml", ...]` with',
        f"# {presets}.",
    ]

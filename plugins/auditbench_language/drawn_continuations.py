"""Explained continuations as blocks: by row and token, on the words of the chosen cases, and tokens by words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from auditbench.findings import Message
from auditbench.masking.drawn import MOST_CASES
from auditbench.models.following import text_input
from auditbench.results import Cell, Column, Matrix, Table, TokenAttribution
from auditbench_language.continuations import contexts, players_in, tokens_read
from auditbench_language.measures import message

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.context import AuditContext
    from auditbench.data import Rows
    from auditbench.data.words import Words
    from auditbench_language.params import Params

    Arrays = dict[str, npt.NDArray[np.generic]]

_MATRICES = 3
_WIDEST = 16


def continuation_table(context: AuditContext, rows: Rows, arrays: Arrays) -> Table:
    """Log-probability, rank and entropy of each token of each continuation; the tokens only where inputs are shown."""
    columns = [
        Column(name="row", label=message("language.column.row")),
        Column(name="place", label=message("language.column.place"), kind="count"),
        Column(name="log_probability", label=message("language.column.log_probability"), kind="number", unit="nat"),
        Column(name="rank", label=message("language.column.rank"), kind="count"),
        Column(name="entropy", label=message("language.column.entropy"), kind="number", unit="nat"),
    ]
    if context.raw_inputs:
        columns += [Column(name=name, label=message(f"language.column.{name}")) for name in ("token", "instead_of")]
    lines: list[tuple[Cell, ...]] = []
    for row, row_id in enumerate(rows.row_ids):
        for place in range(_tokens(arrays, row)):
            numbers = (_number(arrays[name][row, place]) for name in ("log_probability", "rank", "entropy"))
            first, rank, entropy = numbers
            lines.append((row_id, place + 1, first, int(rank), entropy))
            if context.raw_inputs:
                foil = _said(context, arrays["foil"][row]) if place == 0 else ""
                lines[-1] += (_said(context, arrays["classes"][row, place]), foil)
    return Table(
        name="continuations",
        title=message("language.continuations"),
        columns=tuple(columns),
        rows=tuple(lines),
        n=len(rows),
    )


def drawn_continuations(
    context: AuditContext, params: Params, rows: Rows, arrays: Arrays
) -> tuple[TokenAttribution, ...]:
    """Contributions of the words of the chosen cases: to the continuation, and to its first token against another."""
    blocks = []
    read = tokens_read(context.model, rows, params).tolist()
    for row in _cases(context, arrays):
        words, sums = _by_player(context, params, rows, arrays, row, "values")
        for target, what in enumerate(("continuation", "contrast")):
            blocks.append(
                TokenAttribution(
                    name=f"case-{row + 1}-{what}",
                    title=_title(context, rows.row_ids[row], arrays, row, what, *read[row]),
                    row_id=rows.row_ids[row],
                    tokens=words.said,
                    values=tuple(sums[target].tolist()),
                    unit="nat",
                )
            )
    return tuple(blocks)


def token_matrices(context: AuditContext, params: Params, rows: Rows, arrays: Arrays) -> tuple[Matrix, ...]:
    """Tokens of the continuation by words of the context, for the first cases; only where inputs are shown."""
    if not context.raw_inputs:
        return ()
    matrices = []
    for row in _cases(context, arrays)[:_MATRICES]:
        words, sums = _by_player(context, params, rows, arrays, row, "token_values")
        classes = np.asarray(arrays["classes"][row, : _tokens(arrays, row)]).tolist()
        first = max(0, len(words.said) - _WIDEST)
        matrices.append(
            Matrix(
                name=f"tokens-{row + 1}",
                title=message("language.tokens_by_words", case=row + 1),
                row_label=message("language.axis.tokens"),
                column_label=message(f"language.axis.{params.players}"),
                rows=tuple(f"{place} {_said(context, index)}" for place, index in enumerate(classes, start=1)),
                columns=tuple(f"{at + 1} {words.said[at].strip()}" for at in range(first, len(words.said))),
                values=tuple(tuple(sums[place, first:].tolist()) for place in range(len(classes))),
                unit="nat",
                n=1,
            )
        )
    return tuple(matrices)


def _cases(context: AuditContext, arrays: Arrays) -> list[int]:
    """The first chosen cases that have a word."""
    known = np.isfinite(np.asarray(arrays["outputs"], dtype=np.float64)[:, 1])
    return [row for row in range(min(len(context.case_indices), MOST_CASES, len(known))) if known[row]]


def _by_player(
    context: AuditContext, params: Params, rows: Rows, arrays: Arrays, row: int, name: str
) -> tuple[Words, npt.NDArray[np.float64]]:
    """The players of a row, and what was shared out over their tokens added up, shape `(..., players)`."""
    _, item = text_input(context.model)
    (ids,) = contexts(context.model, rows.take(np.array([row])), params)
    words = players_in(item, ids, params.players)
    owners = np.asarray([-1 if word is None else word for word in words.index])
    member = (owners[:, np.newaxis] == np.arange(len(words.said))).astype(np.float64)
    values = np.asarray(arrays[name][row], dtype=np.float64)[:, : len(ids)]
    return words, values @ member


def _title(context: AuditContext, row_id: str, arrays: Arrays, row: int, what: str, kept: int, total: int) -> Message:
    """What is explained, and by how many tokens of the context where these are not all."""
    count, short = _tokens(arrays, row), kept < total
    values: dict[str, Any] = {"row": row_id, "n": count, **({"kept": kept, "total": total} if short else {})}
    if context.raw_inputs:
        classes = arrays["classes"][row, :count]
        values |= {
            "continuation": "".join(_said(context, index) for index in classes),
            "token": _said(context, classes[0]),
            "foil": _said(context, arrays["foil"][row]),
        }
    return message(f"language.drawn_{what}{'_shown' if context.raw_inputs else ''}{'_last' if short else ''}", **values)


def _tokens(arrays: Arrays, row: int) -> int:
    """Tokens of the continuation of a row."""
    return int((~np.isnan(np.asarray(arrays["log_probability"][row], dtype=np.float64))).sum())


def _said(context: AuditContext, index: Any) -> str:
    """How a class reads."""
    _, item = text_input(context.model)
    return context.data.classes[int(index)] + (" " if item.unit == "words" else "")


def _number(value: Any) -> float:
    return float(value)

"""Matrices as shaded tables: confusion, agreement of methods, and any other numbers by row and column."""

from __future__ import annotations

import math

from auditbench.results import AnalysisResult, Matrix
from auditbench_html.view.block_findings import agreement_finding, confusion_finding
from auditbench_html.view.captions import caption, metrics_caption, result_caption
from auditbench_html.view.draft import TABLE_ROWS, Draft
from auditbench_html.view.figures import Cell, Figure, Grid, Heading, Heat, HeatCell, Key
from auditbench_html.view.numbers import DASH, fixed, short
from auditbench_html.view.text import EMPTY, Text, joined, name_text, words

LARGEST_MATRIX = 40
LARGEST_NUMBERED = 12
NARROW = 5
ROOMY = 3
"""Columns that cells of full width have room for in a figure beside another."""


def matrix_figure(draft: Draft, result: AnalysisResult, block: Matrix) -> Figure:
    """A shaded table; shades go by rows for confusion, by size otherwise. One without numbers in its cells lists the largest.

    What is above zero is orange and what is below it blue, as what raises and lowers an output is; counts are grey.
    """
    say, title, shown = draft.say, draft.title(block.title), LARGEST_MATRIX
    largest, names = _largest(block), tuple(_label(draft, block, name) for name in block.rows)
    rows = tuple(
        (name, tuple(_heat_cell(block, values, value, largest) for value in values[:shown]))
        for name, values in list(zip(names, block.values, strict=True))[:shown]
    )
    heat = Heat(
        caption=title,
        row_label=say.tell(block.row_label),
        column_label=say.tell(block.column_label),
        columns=tuple(_label(draft, block, name) for name in block.columns[:shown]),
        rows=rows,
        numbered=_is_numbered(block),
        dense=len(block.columns) > ROOMY,
        counts=block.kind == "confusion",
    )
    total = max(len(block.rows), len(block.columns))
    signed = block.kind != "confusion" and any((value or 0) < 0 for values in block.values for value in values)
    return draft.figure(
        "heat", confusion_finding(draft, block) or agreement_finding(draft, block, names) or title, _subtitle(draft, block, heat), heat, result=result, wide=total > NARROW, keys=_keys(draft) if signed else (),
        how=draft.how(result, block.name, "matrix_signed" if signed and block.kind == "matrix" else block.kind),
        data=None if heat.numbered else _list(draft, block, heat),
        note=joined(_rows(draft, result, block), draft.more(shown, total)),
    )  # fmt: skip


def _keys(draft: Draft) -> tuple[Key, ...]:
    return tuple(Key(mark=side, label=draft.say.say(f"matrix.{side}")) for side in ("above", "below"))


def _is_numbered(block: Matrix) -> bool:
    return len(block.columns) <= LARGEST_NUMBERED and len(block.rows) <= LARGEST_NUMBERED


def _largest(block: Matrix) -> float:
    return max((abs(cell) for cells in block.values for cell in cells if cell is not None), default=0.0) or 1.0


def _list(draft: Draft, block: Matrix, heat: Heat) -> Grid:
    """The largest numbers of a matrix, by size, with their row and column."""
    say = draft.say
    found = [
        (value, row, column)
        for row, values in zip(block.rows, block.values, strict=True)
        for column, value in zip(block.columns, values, strict=True)
        if value is not None
    ]
    found.sort(key=lambda cell: -abs(cell[0]))
    columns = (
        Heading(label=heat.row_label), Heading(label=heat.column_label), Heading(label=say.say("column.value"), number=True)
    )  # fmt: skip
    rows = tuple(
        (
            Cell(text=_label(draft, block, row)),
            Cell(text=_label(draft, block, column)),
            Cell(text=words(short(value)), value=value),
        )
        for value, row, column in found[:TABLE_ROWS]
    )
    title = say.say("matrix.largest", title=heat.caption)
    return Grid(caption=title, columns=columns, rows=rows, more=draft.more(TABLE_ROWS, len(found)))


def _rows(draft: Draft, result: AnalysisResult, block: Matrix) -> Text:
    """The rows that a confusion matrix holds, or that an agreement of methods was taken over."""
    if block.kind == "confusion":
        return caption(draft, [round(sum(value or 0.0 for row in block.values for value in row))])
    compared = [metric for metric in result.metrics if metric.name == "rank_agreement"]
    if block.kind == "agreement" and compared:
        return metrics_caption(draft, compared)
    return result_caption(draft, result, block.n)


def _label(draft: Draft, block: Matrix, name: str) -> Text:
    """A row or column of a matrix; methods go by their titles."""
    result = draft.run.result(name) if block.kind == "agreement" else None
    return draft.method_title(result) if result else name_text(name)


def _subtitle(draft: Draft, block: Matrix, heat: Heat) -> Text:
    if block.row_label == block.column_label:
        return EMPTY
    return draft.say.say("matrix.sub", rows=heat.row_label, columns=heat.column_label)


def _number(block: Matrix, value: float, largest: float) -> str:
    """Up to four digits; with many columns those places alone that the largest number has."""
    power = math.floor(math.log10(largest))
    whole = all(cell == int(cell) for cells in block.values for cell in cells if cell is not None)
    if whole or len(block.columns) <= ROOMY or abs(power) > 3:
        return short(value)
    return fixed(value, max(0, 3 - power - (power < 0)))


def _heat_cell(block: Matrix, row: tuple[float | None, ...], value: float | None, largest: float) -> HeatCell:
    if value is None:
        return HeatCell(text=DASH, value=None, shade=0)
    note, part = EMPTY, value / largest
    if block.kind == "confusion":
        total = sum(abs(cell) for cell in row if cell is not None)
        part = abs(value) / total if total else 0.0
        note = words(f"{100 * part:.1f}%")
    shade = 3 if abs(part) >= 0.7 else 2 if abs(part) >= 0.4 else 1 if abs(part) >= 0.1 else 0
    numbered = _is_numbered(block)
    text = words(fixed(value, 2) if block.kind == "agreement" else _number(block, value, largest))
    return HeatCell(
        text=text if numbered else EMPTY,
        value=value,
        shade=shade if part > 0 else -shade,
        note=note if numbered else EMPTY,
    )

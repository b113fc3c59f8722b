"""Blocks of a result as tables: those that are tables, and figures whose numbers read well as one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from auditbench.results import AnalysisResult, Matrix, PairedChange, Percentiles, Table
from auditbench.safe_text import safe_text
from auditbench_docx.words import Words

_ELSEWHERE = ("curves", "scatters", "attributions", "image_overlays", "token_attributions", "series_attributions")


@dataclass(frozen=True, slots=True)
class Grid:
    """A title, a head and lines of as many texts."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def block_grids(words: Words, result: AnalysisResult) -> Iterator[Grid]:
    """A table a block that can be read as one."""
    for table in result.tables:
        yield _table(words, table)
    for block in result.custom_blocks:
        yield _table(words, block.table)
    for matrix in result.matrices:
        yield _matrix(words, matrix)
    for percentiles in result.percentiles:
        yield _percentiles(words, percentiles)
    for changes in result.paired_changes:
        yield _paired(words, changes)


def drawn_elsewhere(result: AnalysisResult) -> int:
    """How many figures a result has that are drawn in the HTML report alone."""
    return sum(len(getattr(result, name)) for name in _ELSEWHERE)


def _table(words: Words, block: Table) -> Grid:
    of_groups = any(column.name == "group" for column in block.columns)
    head = tuple(
        f"{words.tell(column.label)} ({words.unit(column.unit)})"
        if column.unit not in ("", "1")
        else words.tell(column.label)
        for column in block.columns
    )
    rows = tuple(
        tuple(words.cell(cell, column, of_groups=of_groups) for cell, column in zip(row, block.columns, strict=True))
        for row in block.rows
    )
    return Grid(words.tell(block.title), head, rows)


def _matrix(words: Words, block: Matrix) -> Grid:
    corner = f"{words.tell(block.row_label)} / {words.tell(block.column_label)}"
    rows = tuple(
        (safe_text(name), *(words.value(value, block.unit) for value in values))
        for name, values in zip(block.rows, block.values, strict=True)
    )
    return Grid(words.tell(block.title), (corner, *map(safe_text, block.columns)), rows)


def _percentiles(words: Words, block: Percentiles) -> Grid:
    rows = tuple(
        (safe_text(row.label), *(words.value(value, block.unit) for value in (row.p50, row.p95, row.p99)), str(row.n))
        for row in block.rows
    )
    return Grid(words.tell(block.title), ("", "p50", "p95", "p99", words.say("column_repetitions")), rows)


def _paired(words: Words, block: PairedChange) -> Grid:
    rows = tuple(
        (
            safe_text(row.label),
            words.value(row.before, row.unit),
            words.value(row.after, row.unit),
            words.between(row.after - row.before, row.low, row.high),
            words.rows(row.n, {}),
        )
        for row in block.rows
    )
    head = ("column_before", "column_after", "column_change", "column_n")
    return Grid(words.tell(block.title), ("", *map(words.say, head)), rows)

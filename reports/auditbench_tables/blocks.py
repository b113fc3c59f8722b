"""Blocks of a result as sheets: tables, curves, points, percentiles, paired changes, matrices."""

from __future__ import annotations

from collections.abc import Iterator

from auditbench.findings import Message
from auditbench.results import (
    AnalysisResult,
    Axis,
    Cell,
    Column,
    Curve,
    Interval,
    Matrix,
    PairedChange,
    Percentiles,
    Scatter,
    Series,
    Table,
)
from auditbench.safe_text import LONGEST_TEXT, safe_text
from auditbench_html.view.blocks import axis_label, point_label
from auditbench_html.view.captions import SMALLEST_SHOWN
from auditbench_html.view.outline import Outline, one_line
from auditbench_tables.sheet import Sheet, Value


def block_sheets(told: Outline, result: AnalysisResult) -> Iterator[Sheet]:
    """A sheet a block, named after analyzer and block."""
    for table in (*result.tables, *(block.table for block in result.custom_blocks)):
        yield _table(told, result, table)
    for curve in result.curves:
        yield _curve(told, result, curve)
    for scatter in result.scatters:
        yield _scatter(told, result, scatter)
    for percentiles in result.percentiles:
        yield _percentiles(told, result, percentiles)
    for change in result.paired_changes:
        yield _changes(told, result, change)
    for matrix in result.matrices:
        yield _matrix(told, result, matrix)


def heads(told: Outline, *names: str) -> tuple[str, ...]:
    """Headings of columns from the catalogue."""
    return tuple(one_line(told.say.say(f"tables.column_{name}")) for name in names)


def group_size(told: Outline, size: int | None) -> Value:
    """Rows of a group; of a small one no more than that it is small, as in the report."""
    if size is None or size >= SMALLEST_SHOWN:
        return size
    return one_line(told.say.say("groups.under_ten"))


def _table(told: Outline, result: AnalysisResult, block: Table) -> Sheet:
    of_groups = any(column.name == "group" for column in block.columns)
    rows = tuple(
        tuple(_cell(told, cell, column, of_groups) for cell, column in zip(row, block.columns, strict=True))
        for row in block.rows
    )
    return _sheet(result, block.name, tuple(_label(told, column) for column in block.columns), rows)


def _cell(told: Outline, cell: Cell, column: Column, of_groups: bool) -> Value:
    if isinstance(cell, Message):
        return one_line(told.say.tell(cell))
    if isinstance(cell, bool):
        return one_line(told.say.say("cell.yes" if cell else "cell.no"))
    if isinstance(cell, str):
        return safe_text(cell, LONGEST_TEXT)
    if of_groups and column.name == "n" and cell is not None:
        return group_size(told, int(cell))
    return cell


def _label(told: Outline, column: Column) -> str:
    label = told.say.tell(column.label)
    if column.unit in ("", "1"):
        return one_line(label)
    return one_line(told.say.say("column.with_unit", name=label, unit=told.say.unit(column.unit)))


def _curve(told: Outline, result: AnalysisResult, block: Curve) -> Sheet:
    columns = (
        *heads(told, "series"), _axis(told, block.x), _axis(told, block.y), *heads(told, "low", "high", "n"),
    )  # fmt: skip
    rows = tuple(_point(told, series, index) for series in block.series for index in range(len(series.x)))
    return _sheet(result, block.name, columns, rows)


def _point(told: Outline, series: Series, index: int) -> tuple[Value, ...]:
    return (
        one_line(told.say.tell(series.label)) if isinstance(series.label, Message) else safe_text(series.label),
        series.x[index],
        series.y[index],
        series.low[index] if series.low else None,
        series.high[index] if series.high else None,
        group_size(told, series.n[index]) if series.n else None,
    )


def _scatter(told: Outline, result: AnalysisResult, block: Scatter) -> Sheet:
    axes = (axis_label(told.draft, block.x), axis_label(told.draft, block.y))
    ends = [told.say.say(f"tables.axis_{end}", axis=axis) for axis in axes for end in ("low", "high")]
    columns = (*heads(told, "point"), *(one_line(text) for text in (*axes, *ends)))
    rows = tuple(
        (one_line(point_label(told.draft, each)), each.x, each.y, *_ends(each.x_interval), *_ends(each.y_interval))
        for each in block.points
    )
    return _sheet(result, block.name, columns, rows)


def _ends(interval: Interval | None) -> tuple[Value, Value]:
    return (None, None) if interval is None else (interval.low, interval.high)


def _percentiles(told: Outline, result: AnalysisResult, block: Percentiles) -> Sheet:
    unit = one_line(told.say.unit(block.unit))
    columns = (*heads(told, "row"), *(f"{name} ({unit})" for name in ("p50", "p95", "p99")), *heads(told, "calls"))
    rows = tuple((safe_text(row.label), row.p50, row.p95, row.p99, row.n) for row in block.rows)
    return _sheet(result, block.name, columns, rows)


def _changes(told: Outline, result: AnalysisResult, block: PairedChange) -> Sheet:
    columns = heads(told, "row", "before", "after", "change_low", "change_high", "unit", "n")
    rows = tuple(
        (safe_text(row.label), row.before, row.after, row.low, row.high, safe_text(row.unit), group_size(told, row.n))
        for row in block.rows
    )
    return _sheet(result, block.name, columns, rows)


def _matrix(told: Outline, result: AnalysisResult, block: Matrix) -> Sheet:
    corner = one_line(told.say.tell(block.row_label)), one_line(told.say.tell(block.column_label))
    columns = (" / ".join(corner), *(safe_text(name) for name in block.columns))
    rows = tuple((safe_text(name), *values) for name, values in zip(block.rows, block.values, strict=True))
    return _sheet(result, block.name, columns, rows)


def _axis(told: Outline, axis: Axis) -> str:
    return one_line(axis_label(told.draft, axis))


def _sheet(result: AnalysisResult, block: str, columns: tuple[str, ...], rows: tuple[tuple[Value, ...], ...]) -> Sheet:
    return Sheet(name=f"{result.analyzer}.{block}", columns=columns, rows=rows)

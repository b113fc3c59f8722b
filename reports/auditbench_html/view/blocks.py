"""Blocks of a result as figures: scatters, percentiles, paired changes, tables."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable

from auditbench.findings import Message
from auditbench.results import (
    AnalysisResult,
    Axis,
    Change,
    Column,
    CustomBlock,
    Interval,
    PairedChange,
    Percentiles,
    Point,
    Scatter,
    Table,
)
from auditbench.results import (
    Cell as BlockCell,
)
from auditbench_html.view.captions import (
    SMALLEST_SHOWN,
    caption,
    group_count,
    n_words,
    result_caption,
)
from auditbench_html.view.draft import TABLE_ROWS, Draft
from auditbench_html.view.figures import (
    Cell,
    ChangeRow,
    ChangeRows,
    Chip,
    Figure,
    Grid,
    Heading,
    Key,
    PercentileLine,
    PercentileRows,
    PlacedPoint,
    ScatterChart,
)
from auditbench_html.view.gated import percentile_limits
from auditbench_html.view.numbers import DASH, Estimate, decimals, fixed, short, signed, spread, with_unit
from auditbench_html.view.scales import scale_for
from auditbench_html.view.text import EMPTY, Text, joined, name_text, words

FOLDED = 12
MANY_COLUMNS = 8
WIDE_ROWS = 12
SMALLEST_P = 0.001


def scatter_figure(draft: Draft, result: AnalysisResult, block: Scatter) -> Figure:
    """Points on two axes with the line of the best."""
    say = draft.say
    x_label, y_label = axis_label(draft, block.x), axis_label(draft, block.y)
    points = tuple(
        PlacedPoint(
            label=point_label(draft, point),
            x=point.x,
            y=point.y,
            highlighted=point.highlighted,
            across=_ends(point.x_interval),
            along=_ends(point.y_interval),
        )
        for point in block.points
    )
    places = {point.label: (point.x, point.y) for point in block.points}
    title = draft.title(block.title)
    chart = ScatterChart(
        summary=say.say("scatter.summary", title=title, n=len(points)),
        x_label=x_label,
        y_label=y_label,
        x=scale_for([end for point in points for end in (point.x, *(point.across or ()))], log=block.x.log),
        y=scale_for([end for point in points for end in (point.y, *(point.along or ()))], log=block.y.log),
        points=points,
        frontier=tuple(places[name] for name in block.frontier if name in places),
    )
    rows = [
        (
            Cell(text=point.label),
            _between(draft, point.x, point.across),
            _between(draft, point.y, point.along),
            Cell(text=_yes(draft, str(raw.label) in block.frontier)),
        )
        for point, raw in zip(points, block.points, strict=True)
    ]
    columns = (
        Heading(label=say.say("column.point")),
        Heading(label=x_label, number=True),
        Heading(label=y_label, number=True),
        Heading(label=say.say("column.frontier")),
    )
    data = Grid(caption=title, columns=columns, rows=tuple(rows[:TABLE_ROWS]), more=draft.more(TABLE_ROWS, len(rows)))
    how = draft.how(result, block.name, "scatter")
    return draft.figure("scatter", title, say.say("scatter.sub"), chart, result=result, how=how, data=data, wide=False,
        note=result_caption(draft, result),
    )  # fmt: skip


def point_label(draft: Draft, point: Point) -> Text:
    """What a point of a scatter is called: its title, or else its label."""
    return name_text(point.label) if point.title is None else draft.say.tell(point.title)


def percentiles_figure(draft: Draft, result: AnalysisResult, block: Percentiles) -> Figure:
    """Median to 95th percentile, and the 99th."""
    say = draft.say
    ends = [value for row in block.rows for value in (row.p50, row.p95, row.p99)]
    ends += [limit for row in block.rows for limit in percentile_limits(draft, result, block, row)]
    log = bool(ends) and min(ends) > 0 and max(ends) / min(ends) > 20
    unit = say.long_unit(block.unit)
    rows = tuple(
        PercentileLine(
            label=name_text(row.label),
            note=say.say("percentiles.runs", n=row.n),
            p50=_exact(row.p50),
            p95=_exact(row.p95),
            p99=_exact(row.p99),
            limits=percentile_limits(draft, result, block, row),
        )
        for row in block.rows[:TABLE_ROWS]
    )
    return draft.figure(
        "percentiles",
        draft.title(block.title),
        say.say("percentiles.sub_log" if log else "percentiles.sub", unit=unit),
        PercentileRows(
            heading=say.say("column.setting"),
            track=unit,
            rows=rows,
            scale=scale_for(ends, zero=not log, log=log),
        ),
        result=result,
        keys=_percentile_keys(draft, rows),
        how=draft.how(result, block.name, "percentiles"),
        note=joined(n_words(draft, [row.n for row in block.rows]), draft.more(TABLE_ROWS, len(block.rows))),
    )


def _percentile_keys(draft: Draft, rows: tuple[PercentileLine, ...]) -> tuple[Key, ...]:
    keys = [Key(mark=mark, label=words(mark)) for mark in ("p50", "p95", "p99")]
    if any(row.limits for row in rows):
        keys.append(Key(mark="reference", label=draft.say.say("measures.limit")))
    return tuple(keys)


def changes_figure(draft: Draft, result: AnalysisResult, block: PairedChange) -> Figure:
    """Before and after, each on its own scale around no change."""
    rows = tuple(_change(draft, change) for change in block.rows[:TABLE_ROWS])
    say = draft.say
    body = ChangeRows(heading=say.say("column.measure"), track=say.say("changes.track"), rows=rows)
    how = draft.how(result, block.name, "changes")
    return draft.figure(
        "changes", draft.title(block.title), say.say("changes.sub"), body, result=result, how=how,
        note=joined(
            caption(draft, [change.n for change in block.rows], drawn="bootstrap" in block.method),
            draft.more(TABLE_ROWS, len(block.rows)),
        ),
    )  # fmt: skip


def table_figure(draft: Draft, result: AnalysisResult, block: Table) -> Figure:
    """A table as the analyzer gave it, at most fifty rows."""
    grid = table_grid(draft, block)
    how = draft.say.first((f"{result.analyzer}.{block.name}.how",)) or EMPTY
    return draft.figure(
        "table",
        grid.caption,
        draft.say.say("table.sub_training") if block.sample == "training" else EMPTY,
        grid,
        result=result,
        how=how,
        wide=len(grid.columns) > 4 and len(grid.rows) <= FOLDED,
        folded=len(grid.rows) > FOLDED,
        note=result_caption(draft, result, block.n, block.sample),
    )


def custom_figure(draft: Draft, result: AnalysisResult, block: CustomBlock) -> Figure:
    """The table of a block of a kind that this page does not know, which its source line says."""
    figure = table_figure(draft, result, block.table)
    known = draft.say.say("figure.custom", kind=name_text(block.kind))
    return dataclasses.replace(figure, source=joined(figure.source, known))


def table_grid(draft: Draft, block: Table) -> Grid:
    """The cells of a table as text and numbers; a table of many columns shows fewer rows."""
    shown = TABLE_ROWS if len(block.columns) <= MANY_COLUMNS else WIDE_ROWS
    headings = tuple(
        Heading(label=_column_label(draft, column), number=column.kind != "text") for column in block.columns
    )
    of_groups = any(column.name == "group" for column in block.columns)
    digits = [_digits(row[place] for row in block.rows[:shown]) for place in range(len(block.columns))]
    rows = tuple(
        tuple(_cell(draft, *parts, of_groups=of_groups) for parts in zip(row, block.columns, digits, strict=True))
        for row in block.rows[:shown]
    )
    return Grid(caption=draft.title(block.title), columns=headings, rows=rows, more=draft.more(shown, len(block.rows)))


def axis_label(draft: Draft, axis: Axis) -> Text:
    """An axis with its unit, unless its label names that, and `log` where it is one."""
    label, unit = draft.say.tell(axis.label), draft.say.unit(axis.unit)
    named = re.search(rf"(?<![a-z]){re.escape(str(unit))}s?(?![a-z])", str(label), re.IGNORECASE)
    if axis.unit not in ("", "1") and named is None:
        label = draft.say.say("column.with_unit", name=label, unit=unit)
    return draft.say.say("axis.log", label=label) if axis.log else label


def _change(draft: Draft, change: Change) -> ChangeRow:
    say = draft.say
    difference = change.after - change.before
    sign = 1.0 if change.higher_is_better else -1.0
    low, high = change.low, change.high
    digits = decimals(difference, low, high)
    interval = spread(say, fixed(low, digits), fixed(high, digits)) if low is not None and high is not None else EMPTY
    better = [sign * end for end in (low, high) if end is not None]
    clear = len(better) == 2 and (min(better) > 0 or max(better) < 0)
    tone, key = (
        ("none", "changes.unclear")
        if not clear
        else ("pass", "changes.better")
        if better[0] > 0
        else ("fail", "changes.worse")
    )
    span = max([abs(difference), *(abs(end) for end in better)]) * 1.1 or 1.0
    return ChangeRow(
        label=name_text(change.label),
        before=Estimate(value=change.before, text=with_unit(say, short(change.before), change.unit)),
        after=Estimate(value=change.after, text=with_unit(say, short(change.after), change.unit)),
        change=Estimate(
            value=difference, text=words(signed(difference, digits)), low=low, high=high, interval=interval
        ),
        chip=Chip(tone=tone, label=say.say(key)),  # type: ignore[arg-type]
        better=sign * difference,
        low=min(better) if len(better) == 2 else None,
        high=max(better) if len(better) == 2 else None,
        span=span,
    )


def _column_label(draft: Draft, column: Column) -> Text:
    label = draft.say.tell(column.label)
    if column.unit and column.unit != "1":
        return draft.say.say("column.with_unit", name=label, unit=draft.say.unit(column.unit))
    return label


def _digits(cells: Iterable[BlockCell]) -> int | None:
    """Digits after the point that the numbers of a column share; None where they differ too much in size for that."""
    numbers = [float(cell) for cell in cells if isinstance(cell, (int, float)) and not isinstance(cell, bool)]
    sizes = [abs(number) for number in numbers if number]
    if not sizes or min(sizes) < 1e-4 or max(sizes) >= 1000 or all(size == int(size) for size in sizes):
        return None
    return min(4, max(decimals(number, None, None) for number in numbers))


def _cell(draft: Draft, cell: BlockCell, column: Column, digits: int | None, *, of_groups: bool) -> Cell:
    if cell is None:
        return Cell(text=DASH)
    if isinstance(cell, Message):
        return Cell(text=draft.say.tell(cell))
    if isinstance(cell, bool):
        return Cell(text=_yes(draft, cell))
    if isinstance(cell, str):
        group = draft.say.group
        told = {"feature": draft.say.feature, "group": group, "other_group": group}.get(column.name, name_text)
        return Cell(text=told(cell))
    if of_groups and column.name == "n" and cell < SMALLEST_SHOWN:
        return Cell(text=group_count(draft, int(cell)))
    if column.kind == "percent":
        return Cell(text=words(f"{short(100 * cell)}%"), value=float(cell))
    if column.name.endswith("p_value"):
        text = f"< {SMALLEST_P:g}" if cell < SMALLEST_P else f"{cell:.2g}"
        return Cell(text=words(text), value=float(cell))
    return _number(float(cell), digits)


def _number(value: float, digits: int | None = None) -> Cell:
    return Cell(text=words(short(value) if digits is None else fixed(value, digits)), value=value)


def _between(draft: Draft, value: float, ends: tuple[float, float] | None) -> Cell:
    """A number, with its interval below it where it has one."""
    if ends is None:
        return _number(value)
    digits = decimals(value, *ends)
    note = spread(draft.say, *(fixed(end, digits) for end in ends))
    return Cell(text=words(fixed(value, digits)), value=value, note=note)


def _ends(interval: Interval | None) -> tuple[float, float] | None:
    return None if interval is None else (interval.low, interval.high)


def _exact(value: float) -> Estimate:
    return Estimate(value=value, text=words(f"{value:#.3g}".rstrip(".") if value < 999.5 else f"{value:,.0f}"))


def _yes(draft: Draft, value: bool) -> Text:
    return draft.say.say("cell.yes" if value else "cell.no")

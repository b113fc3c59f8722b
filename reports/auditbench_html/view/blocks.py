"""Blocks of a result as figures: curves, scatters, percentiles, paired changes, matrices, tables, marked text."""

from __future__ import annotations

from auditbench.findings import Message
from auditbench.results import (
    AnalysisResult,
    Axis,
    Change,
    Column,
    ImageOverlay,
    Matrix,
    PairedChange,
    Percentiles,
    Scatter,
    Table,
    TokenAttribution,
)
from auditbench.results import (
    Cell as BlockCell,
)
from auditbench_html.view.captions import (
    SMALLEST_SHOWN,
    caption,
    group_count,
    metrics_caption,
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
    Heat,
    HeatCell,
    Key,
    MarkedText,
    PercentileLine,
    PercentileRows,
    PlacedPoint,
    ScatterChart,
    Token,
)
from auditbench_html.view.numbers import DASH, Estimate, decimals, fixed, short, signed, spread, with_unit
from auditbench_html.view.scales import scale_for
from auditbench_html.view.text import EMPTY, Text, joined, name_text, words

LARGEST_MATRIX = 40
LARGEST_NUMBERED = 12
FOLDED = 12
MANY_COLUMNS = 8
WIDE_ROWS = 12


def scatter_figure(draft: Draft, result: AnalysisResult, block: Scatter) -> Figure:
    """Points on two axes with the line of the best."""
    say = draft.say
    x_label, y_label = axis_label(draft, block.x), axis_label(draft, block.y)
    points = tuple(PlacedPoint(label=name_text(p.label), x=p.x, y=p.y, highlighted=p.highlighted) for p in block.points)
    places = {point.label: (point.x, point.y) for point in block.points}
    title = draft.title(block.title)
    chart = ScatterChart(
        summary=say.say("scatter.summary", title=title, n=len(points)),
        x_label=x_label,
        y_label=y_label,
        x=scale_for([point.x for point in points], log=block.x.log),
        y=scale_for([point.y for point in points], log=block.y.log),
        points=points,
        frontier=tuple(places[name] for name in block.frontier if name in places),
    )
    rows = [
        (
            Cell(text=point.label),
            _number(point.x),
            _number(point.y),
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


def percentiles_figure(draft: Draft, result: AnalysisResult, block: Percentiles) -> Figure:
    """Median to 95th percentile, and the 99th."""
    say = draft.say
    ends = [value for row in block.rows for value in (row.p50, row.p95, row.p99)]
    log = bool(ends) and min(ends) > 0 and max(ends) / min(ends) > 20
    unit = say.first((f"unit_long.{block.unit}", f"unit.{block.unit}")) or name_text(block.unit)
    rows = tuple(
        PercentileLine(
            label=name_text(row.label),
            note=say.say("percentiles.runs", n=row.n),
            p50=_exact(row.p50),
            p95=_exact(row.p95),
            p99=_exact(row.p99),
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
        keys=tuple(Key(mark=mark, label=words(mark)) for mark in ("p50", "p95", "p99")),
        how=draft.how(result, block.name, "percentiles"),
        note=joined(n_words(draft, [row.n for row in block.rows]), draft.more(TABLE_ROWS, len(block.rows))),
    )


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


def matrix_figure(draft: Draft, result: AnalysisResult, block: Matrix) -> Figure:
    """A shaded table; shades go by rows for confusion, by value for agreement, by size otherwise."""
    say = draft.say
    title = draft.title(block.title)
    shown = LARGEST_MATRIX
    rows = []
    for name, values in list(zip(block.rows, block.values, strict=True))[:shown]:
        cells = tuple(_heat_cell(draft, block, values, value) for value in values[:shown])
        rows.append((_matrix_label(draft, block, name), cells))
    heat = Heat(
        caption=title,
        row_label=say.tell(block.row_label),
        column_label=say.tell(block.column_label),
        columns=tuple(_matrix_label(draft, block, name) for name in block.columns[:shown]),
        rows=tuple(rows),
    )
    total = max(len(block.rows), len(block.columns))
    return draft.figure(
        "heat", title, _matrix_subtitle(draft, heat), heat, result=result,
        how=draft.how(result, block.name, block.kind), wide=total > 5, note=joined(_matrix_rows(draft, result, block), draft.more(shown, total)),
    )  # fmt: skip


def table_figure(draft: Draft, result: AnalysisResult, block: Table) -> Figure:
    """A table as the analyzer gave it, at most fifty rows."""
    grid = table_grid(draft, block)
    how = draft.say.first((f"{result.analyzer}.{block.name}.how",)) or EMPTY
    return draft.figure(
        "table",
        grid.caption,
        EMPTY,
        grid,
        result=result,
        how=how,
        wide=len(grid.columns) > 4 and len(grid.rows) <= FOLDED,
        folded=len(grid.rows) > FOLDED,
        note=result_caption(draft, result),
    )


def table_grid(draft: Draft, block: Table) -> Grid:
    """The cells of a table as text and numbers; a table of many columns shows fewer rows."""
    shown = TABLE_ROWS if len(block.columns) <= MANY_COLUMNS else WIDE_ROWS
    headings = tuple(
        Heading(label=_column_label(draft, column), number=column.kind != "text") for column in block.columns
    )
    of_groups = any(column.name == "group" for column in block.columns)
    rows = tuple(
        tuple(_cell(draft, cell, column, of_groups) for cell, column in zip(row, block.columns, strict=True))
        for row in block.rows[:shown]
    )
    return Grid(caption=draft.title(block.title), columns=headings, rows=rows, more=draft.more(shown, len(block.rows)))


def tokens_figure(draft: Draft, result: AnalysisResult, block: TokenAttribution) -> Figure:
    """The text with the words that raise or lower the output marked in three depths."""
    say = draft.say
    largest = max((abs(value) for value in block.values), default=0.0) or 1.0
    tokens = tuple(
        Token(text=token, depth=_depth(value / largest))
        for token, value in zip(block.tokens, block.values, strict=True)
    )
    columns = (Heading(label=say.say("column.word")), Heading(label=say.say("column.effect"), number=True))
    order = sorted(range(len(tokens)), key=lambda index: -abs(block.values[index]))[:TABLE_ROWS]
    rows = tuple(
        (Cell(text=name_text(block.tokens[i])), Cell(text=words(signed(block.values[i], 3)), value=block.values[i]))
        for i in order
    )
    title = draft.title(block.title)
    data = Grid(caption=title, columns=columns, rows=rows, more=draft.more(TABLE_ROWS, len(tokens)))
    keys = (Key(mark="raises", label=say.say("tokens.raises")), Key(mark="lowers", label=say.say("tokens.lowers")))
    return draft.figure(
        "tokens",
        title,
        say.say("tokens.sub"),
        MarkedText(tokens=tokens),
        result=result,
        keys=keys,
        data=data,
        note=n_words(draft, [1]),
    )


def overlay_figure(draft: Draft, result: AnalysisResult, block: ImageOverlay) -> Figure:
    """What an image attribution holds, in numbers; the arrays stand in the run folder."""
    import numpy as np

    say = draft.say
    values = np.asarray(block.values, dtype=float)
    stats = (("overlay.smallest", values.min()), ("overlay.mean", values.mean()), ("overlay.largest", values.max()))
    rows = tuple((Cell(text=say.say(key)), _number(float(value))) for key, value in stats)
    columns = (Heading(label=say.say("column.measure")), Heading(label=say.say("column.value"), number=True))
    grid = Grid(caption=draft.title(block.title), columns=columns, rows=rows)
    height, width = values.shape[:2]
    sub = say.say("overlay.sub", height=int(height), width=int(width))
    note = n_words(draft, [1])
    return draft.figure("table", grid.caption, sub, grid, result=result, wide=False, how=EMPTY, note=note)


def axis_label(draft: Draft, axis: Axis) -> Text:
    """An axis with its unit, and `log` where it is one."""
    label = draft.say.tell(axis.label)
    if axis.unit not in ("", "1"):
        unit = draft.say.first((f"unit.{axis.unit}",)) or name_text(axis.unit)
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


def _matrix_rows(draft: Draft, result: AnalysisResult, block: Matrix) -> Text:
    """The rows that a confusion matrix holds, or that an agreement of methods was taken over."""
    if block.kind == "confusion":
        return caption(draft, [round(sum(value or 0.0 for row in block.values for value in row))])
    compared = [metric for metric in result.metrics if metric.name == "rank_agreement"]
    return metrics_caption(draft, compared) if block.kind == "agreement" and compared else result_caption(draft, result)


def _matrix_label(draft: Draft, block: Matrix, name: str) -> Text:
    """A row or column of a matrix; methods go by their titles."""
    result = draft.run.result(name) if block.kind == "agreement" else None
    return draft.method_title(result) if result else name_text(name)


def _matrix_subtitle(draft: Draft, heat: Heat) -> Text:
    if str(heat.row_label) == str(heat.column_label):
        return EMPTY
    return draft.say.say("matrix.sub", rows=heat.row_label, columns=heat.column_label)


def _heat_cell(draft: Draft, block: Matrix, row: tuple[float | None, ...], value: float | None) -> HeatCell:
    if value is None:
        return HeatCell(text=DASH, value=None, shade=0)
    note = EMPTY
    if block.kind == "confusion":
        total = sum(abs(cell) for cell in row if cell is not None)
        part = abs(value) / total if total else 0.0
        note = words(f"{100 * part:.1f}%")
    else:
        largest = max(abs(cell) for cells in block.values for cell in cells if cell is not None) or 1.0
        part = abs(value) / largest
    shade = 3 if part >= 0.7 else 2 if part >= 0.4 else 1 if part >= 0.1 else 0
    numbered = len(block.columns) <= LARGEST_NUMBERED and len(block.rows) <= LARGEST_NUMBERED
    digits = 2 if block.kind == "agreement" else decimals(value, None, None)
    text = words(fixed(value, digits))
    return HeatCell(text=text if numbered else EMPTY, value=value, shade=shade, note=note if numbered else EMPTY)


def _column_label(draft: Draft, column: Column) -> Text:
    label = draft.say.tell(column.label)
    if column.unit and column.unit != "1":
        unit = draft.say.first((f"unit.{column.unit}",)) or name_text(column.unit)
        return draft.say.say("column.with_unit", name=label, unit=unit)
    return label


def _cell(draft: Draft, cell: BlockCell, column: Column, of_groups: bool) -> Cell:
    if cell is None:
        return Cell(text=DASH)
    if isinstance(cell, Message):
        return Cell(text=draft.say.tell(cell))
    if isinstance(cell, bool):
        return Cell(text=_yes(draft, cell))
    if isinstance(cell, str):
        return Cell(text=name_text(cell))
    if of_groups and column.name == "n" and cell < SMALLEST_SHOWN:
        return Cell(text=group_count(draft, int(cell)))
    if column.kind == "percent":
        return Cell(text=words(f"{short(100 * cell)}%"), value=float(cell))
    return _number(float(cell))


def _number(value: float) -> Cell:
    return Cell(text=words(short(value)), value=value)


def _exact(value: float) -> Estimate:
    return Estimate(value=value, text=words(f"{value:.3g}" if value < 1000 else f"{value:,.0f}"))


def _yes(draft: Draft, value: bool) -> Text:
    return draft.say.say("cell.yes" if value else "cell.no")


def _depth(part: float) -> int:
    size = abs(part)
    depth = 3 if size >= 0.66 else 2 if size >= 0.33 else 1 if size >= 0.1 else 0
    return depth if part > 0 else -depth

"""Curves as charts: at most four lines, thinned to what can be seen, with the numbers in a table."""

from __future__ import annotations

from auditbench.findings import Message
from auditbench.results import AnalysisResult, Curve, Series
from auditbench_html.view.block_findings import curve_finding
from auditbench_html.view.blocks import axis_label
from auditbench_html.view.captions import caption, result_caption
from auditbench_html.view.draft import TABLE_ROWS, Draft
from auditbench_html.view.figures import Cell, Chart, Figure, Grid, Heading, Key, Line
from auditbench_html.view.gated import curve_limits
from auditbench_html.view.numbers import DASH, count, percentage, share, short
from auditbench_html.view.scales import scale_for, unit_scale
from auditbench_html.view.text import EMPTY, Text, humanize, words

MOST_LINES = 4
MOST_POINTS = 120
TABLE_POINTS = 21
SQUARE = ("roc", "precision_recall", "reliability")


def curve_figure(
    draft: Draft, result: AnalysisResult | None, curve: Curve, *, note: Text = EMPTY, event: float | None = None
) -> Figure:
    """One chart a curve; which drawing follows from its kind.

    Args:
        note: Stands in the caption, else the rows behind it.
        event: A place of the x axis to mark; `curve.event` says what it is.
    """
    say = draft.say
    title, finding = draft.title(curve.title), curve_finding(draft, result, curve)
    points = curve.kind == "reliability"
    square = curve.kind in SQUARE
    lines = tuple(_line(draft, series, points=points) for series in curve.series[:MOST_LINES])
    limits = curve_limits(draft, result, curve) if result and not square else ()
    xs = [x for line in lines for x, _ in line.points]
    ys = [y for line in lines for _, y in line.points] + [
        end for line in lines for _, *band in line.band for end in band
    ]
    ys += [limit.value for limit in limits]
    chart = Chart(
        summary=_summary(draft, curve, finding or title, lines),
        x_label=axis_label(draft, curve.x),
        y_label=axis_label(draft, curve.y),
        x=unit_scale(percent=points) if square else scale_for(xs, log=curve.x.log, whole=curve.kind == "learning"),
        y=unit_scale(percent=points) if square else scale_for(ys, log=curve.y.log),
        lines=lines,
        diagonal=curve.kind in ("roc", "reliability"),
        marks=points,
        intervals=points,
        limits=limits,
        event=event,
    )
    subtitle = title if finding else say.first((f"curve.{curve.kind}",)) or EMPTY
    if len(curve.series) > MOST_LINES:
        cut = say.say("curve.cut", shown=MOST_LINES, total=len(curve.series))
        first = subtitle + words(say.mark("stop")) if subtitle else EMPTY
        subtitle = say.sentences((first, cut))
    how = draft.how(result, curve.name, curve.kind) if result else say.first((f"how.{curve.kind}",)) or EMPTY
    if not note:
        sizes = [n for series in curve.series for n in series.n] if not points else [sum(curve.series[0].n)]
        note = caption(draft, sizes) or (result_caption(draft, result) if result else EMPTY)
    return draft.figure(
        "chart",
        finding or title,
        subtitle,
        chart,
        result=result,
        keys=_keys(draft, curve, chart),
        how=how,
        data=_table(draft, result, curve, title),
        note=note,
        wide=False,
    )


def _keys(draft: Draft, curve: Curve, chart: Chart) -> tuple[Key, ...]:
    """Lines where there are several, and what else is drawn."""
    say = draft.say
    lines = enumerate(chart.lines, 1) if len(chart.lines) > 1 else ()
    keys = [Key(mark=f"line-{index}", label=line.label) for index, line in lines]
    if curve.kind == "reliability":
        keys.append(Key(mark="diagonal", label=say.say("reliability.diagonal")))
        keys.append(Key(mark="bins", label=say.say("reliability.bins")))
    if chart.limits:
        keys.append(Key(mark="limit", label=say.say("measures.limit")))
    if chart.event is not None:
        keys.append(Key(mark="reference", label=say.say("curve.event")))
    return tuple(keys)


def thin(size: int, most: int) -> list[int]:
    """Places of at most `most` of `size` points, evenly spread, with the first and the last."""
    if size <= most:
        return list(range(size))
    return sorted({round(index * (size - 1) / (most - 1)) for index in range(most)})


def _line(draft: Draft, series: Series, *, points: bool) -> Line:
    kept = thin(len(series.x), MOST_POINTS)
    places = tuple((series.x[i], y) for i in kept if (y := series.y[i]) is not None)
    band: tuple[tuple[float, float, float], ...] = ()
    if series.low and series.high:
        ends = ((series.x[i], series.low[i], series.high[i]) for i in kept if series.y[i] is not None)
        band = tuple((x, low, high) for x, low, high in ends if low is not None and high is not None)
    n = tuple(series.n[i] for i in kept if series.y[i] is not None) if series.n and points else ()
    return Line(label=_label(draft, series.label), points=places, band=band, n=n)


def _label(draft: Draft, label: str | Message) -> Text:
    if isinstance(label, Message):
        return draft.say.tell(label)
    return draft.say.first((f"series.{label}",)) or humanize(label) if label else EMPTY


def _summary(draft: Draft, curve: Curve, title: Text, lines: tuple[Line, ...]) -> Text:
    say = draft.say
    text = say.say(
        "chart.summary", title=title, x=axis_label(draft, curve.x), y=axis_label(draft, curve.y), n=len(lines)
    )
    for line in lines[:1]:
        if line.points:
            first, last = line.points[0], line.points[-1]
            ends = say.say("chart.ends", first=words(short(first[1])), last=words(short(last[1])))
            text = say.say("series.sentences", first=text, second=ends)
    return text


def _table(draft: Draft, result: AnalysisResult | None, curve: Curve, title: Text) -> Grid:
    """One column a line, rows by x; reliability shows counts and intervals."""
    say = draft.say
    if curve.kind == "reliability" and curve.series:
        return _reliability_table(draft, result, curve, title)
    columns = [Heading(label=axis_label(draft, curve.x))]
    columns += [Heading(label=_label(draft, s.label) or axis_label(draft, curve.y), number=True) for s in curve.series]
    values = [dict(zip(series.x, series.y, strict=True)) for series in curve.series]
    xs = list(dict.fromkeys(x for series in curve.series for x in series.x))
    kept = [xs[i] for i in thin(len(xs), TABLE_POINTS)]
    rows = []
    for x in kept:
        cells = [Cell(text=words(short(x)), value=x)]
        for line in values:
            y = line.get(x)
            cells.append(Cell(text=DASH if y is None else words(short(y)), value=y))
        rows.append(tuple(cells))
    more = say.say("table.thinned", shown=len(kept), total=len(xs)) if len(kept) < len(xs) else EMPTY
    return Grid(caption=title, columns=tuple(columns), rows=tuple(rows), more=more)


def _reliability_table(draft: Draft, result: AnalysisResult | None, curve: Curve, title: Text) -> Grid:
    say = draft.say
    several = len(curve.series) > 1
    columns = [Heading(label=say.say("column.series"))] if several else []
    labels = [say.say(f"column.{name}") for name in ("predicted", "rows", "observed")]
    labels.append(_interval_label(draft, result))
    columns += [Heading(label=label, number=bool(index) or several) for index, label in enumerate(labels)]
    rows = []
    for series in curve.series:
        for index, x in enumerate(series.x):
            y = series.y[index]
            low = series.low[index] if series.low else None
            high = series.high[index] if series.high else None
            predicted, observed = share(say, x), share(say, y, low=low, high=high)
            size = count(say, series.n[index]) if series.n else None
            row = [Cell(text=_label(draft, series.label))] if several else []
            row += [
                Cell(text=predicted.text, value=x),
                Cell(text=size.text if size else DASH, value=size.value if size else None),
                Cell(text=observed.text, value=y),
                Cell(text=observed.interval + words("%") if observed.interval else DASH),
            ]
            rows.append(tuple(row))
    return Grid(
        caption=title, columns=tuple(columns), rows=tuple(rows[:TABLE_ROWS]), more=draft.more(TABLE_ROWS, len(rows))
    )


def _interval_label(draft: Draft, result: AnalysisResult | None) -> Text:
    """With the level of the intervals of the analyzer, where it has one level; a curve does not say its own."""
    levels = {metric.interval.level for metric in result.metrics if metric.interval is not None} if result else set()
    if len(levels) != 1:
        return draft.say.say("column.interval_bare")
    return draft.say.say("column.interval", level=percentage(levels.pop()))

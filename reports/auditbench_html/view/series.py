"""Values of the steps of one series: its channels as lines, with the steps that matter marked."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from auditbench.results import AnalysisResult, SeriesAttribution
from auditbench_html.view.captions import n_words
from auditbench_html.view.draft import TABLE_ROWS, Draft
from auditbench_html.view.figures import Cell, Figure, Grid, Heading
from auditbench_html.view.marked import MarkedLine, MarkedSeries, Span, Sparkline, depth_of
from auditbench_html.view.numbers import signed
from auditbench_html.view.sparklines import MOST_POINTS, SPARK_WIDTH, sparkline
from auditbench_html.view.text import EMPTY, Text, joined, name_text, words
from auditbench_html.view.value_keys import value_heading, value_keys

if TYPE_CHECKING:
    import numpy.typing as npt

MOST_CHANNELS = 8
_SAME = 1e-9


def series_figure(draft: Draft, result: AnalysisResult, block: SeriesAttribution) -> Figure:
    """The lines of the series on their marks; the marks alone where inputs are not to be shown as they are."""
    import numpy as np

    say = draft.say
    values = np.asarray(block.values, dtype=np.float64)
    series = np.asarray(block.series, dtype=np.float64) if draft.raw_inputs and block.series is not None else None
    largest = float(np.abs(values).max(initial=0.0)) or 1.0
    lines = tuple(
        MarkedLine(
            line=_line(draft, block, series, channel),
            spans=tuple(_spans(values[channel] / largest)),
        )
        for channel in range(min(len(values), MOST_CHANNELS))
    )
    title = draft.title(block.title)
    hidden = EMPTY if series is not None else say.say("series.hidden")
    parts = [say.say(f"series.{block.shows}", n=values.shape[1]), hidden]
    return draft.figure(
        "series", title, say.sentences(parts), MarkedSeries(lines=lines), result=result,
        keys=value_keys(draft, block.shows, float(values.min(initial=0.0))),
        how=draft.how(result, block.name, f"series_{block.shows}"), data=_table(draft, block, values, title), wide=False,
        note=joined(n_words(draft, [1]), draft.more(MOST_CHANNELS, len(values))),
    )  # fmt: skip


def _line(draft: Draft, block: SeriesAttribution, series: npt.NDArray[Any] | None, channel: int) -> Sparkline:
    number = channel + 1 if len(block.channels) > 1 else 0
    each = 1 if series is None else max(1, -(-series.shape[1] // MOST_POINTS))
    line = None if series is None else sparkline(draft, series[channel], number, each)
    if line is not None and line.points:
        return line
    label = draft.say.say("series.channel", name=block.channels[channel]) if number else EMPTY
    return Sparkline(label=label, alt=draft.say.say("series.alt"), points=())


def _spans(parts: npt.NDArray[Any]) -> list[Span]:
    """Neighbouring steps of one depth as one span."""
    width, spans, place = SPARK_WIDTH / len(parts), [], 0
    for depth, group in groupby(map(depth_of, parts.tolist())):
        steps = len(list(group))
        if depth:
            spans.append(Span(start=round(place * width), stop=round((place + steps) * width), depth=depth))
        place += steps
    return spans


def _table(draft: Draft, block: SeriesAttribution, values: npt.NDArray[Any], title: Text) -> Grid:
    """The strongest runs of steps with one value, with their values added up."""
    say = draft.say
    runs = [(channel, *run) for channel, row in enumerate(values) for run in _runs(row)]
    runs.sort(key=lambda run: -abs(run[3]))
    columns = (
        Heading(label=say.say("series.channels")),
        Heading(label=say.say("series.steps")),
        value_heading(draft, block.shows, block.unit),
    )
    rows = tuple(
        (
            Cell(text=name_text(block.channels[channel])),
            Cell(text=words(f"{start}–{stop}" if stop > start else str(start))),
            Cell(text=words(signed(total, 3)), value=total),
        )
        for channel, start, stop, total in runs[:TABLE_ROWS]
    )
    return Grid(caption=title, columns=columns, rows=rows, more=draft.more(TABLE_ROWS, len(runs)))


def _runs(row: npt.NDArray[Any]) -> list[tuple[int, int, float]]:
    """First and last step of each run of equal values, and their sum; runs of 0 are left out."""
    import numpy as np

    edges = np.flatnonzero(np.abs(np.diff(row)) > _SAME * (np.abs(row).max(initial=0.0) or 1.0)) + 1
    starts = [0, *edges.tolist()]
    stops = [*edges.tolist(), len(row)]
    found = [(start, stop - 1, float(row[start:stop].sum())) for start, stop in zip(starts, stops, strict=True)]
    return [run for run in found if run[2]]

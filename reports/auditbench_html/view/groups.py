"""Rates of groups: paired dots for two of them, and a table of all."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from auditbench.results import AnalysisResult, Metric, Table
from auditbench_html.view.captions import SMALLEST_SHOWN, caption, group_count, group_n, resampled, rows_behind
from auditbench_html.view.draft import TABLE_ROWS, Draft
from auditbench_html.view.figures import Cell, Figure, Grid, GroupRates, GroupRow, Heading, Key
from auditbench_html.view.numbers import DASH, PLAIN_UNITS, Estimate, estimate, share
from auditbench_html.view.scales import scale_for
from auditbench_html.view.text import EMPTY, Text, bare, humanize, joined, name_text

RATES = ("selection_rate", "true_positive_rate", "false_positive_rate", "precision", "accuracy")
DRAWN_ROWS = 24
MOST_FIGURES = 9


def group_metrics(result: AnalysisResult) -> list[Metric]:
    """Metrics of one group of one feature."""
    return [metric for metric in result.metrics if "feature" in metric.where and "group" in metric.where]


def group_figures(draft: Draft, result: AnalysisResult) -> list[Figure]:
    """One figure a feature, each with the table of every rate."""
    parts: dict[tuple[str, str], list[Metric]] = {}
    for metric in group_metrics(result):
        parts.setdefault((metric.where["feature"], str(_rest(draft, metric))), []).append(metric)
    return [_figure(draft, result, key[0], metrics) for key, metrics in list(parts.items())[:MOST_FIGURES]]


def repeats_groups(result: AnalysisResult, table: Table) -> bool:
    """Whether a table says only what the figures of groups and their tables say."""
    names = {metric.name for metric in group_metrics(result)}
    columns = {column.name for column in table.columns}
    return (
        {"feature", "group"} <= columns
        and bool(names)
        and columns <= names | {"feature", "group", "class", "n", "note"}
    )


def _figure(draft: Draft, result: AnalysisResult, feature: str, metrics: list[Metric]) -> Figure:
    say = draft.say
    cells = {(metric.where["group"], metric.name): metric for metric in metrics}
    names = _ordered(metric.name for metric in metrics)
    drawn = _drawn(names)
    groups = _groups(metrics)
    titles = [_rate_title(draft, result, name) for name in drawn]
    rows = tuple(_row(draft, cells, group, drawn) for group in groups[:DRAWN_ROWS])
    reference = groups[0]
    references = tuple(_value(cells.get((reference, name))) for name in drawn)
    ends = [end for row in rows for rate in row.rates for end in (rate.value, rate.low, rate.high)]
    keys = [
        Key(mark=mark, label=title) for mark, title in zip(("disc-interval", "square-interval"), titles, strict=False)
    ]
    keys.append(Key(mark="reference", label=say.say("groups.reference", group=reference)))
    body = GroupRates(
        heading=name_text(feature),
        rates=tuple(titles),
        track=say.say("groups.track" if _are_shares(metrics) else "groups.track_value"),
        rows=rows,
        references=references,
        scale=scale_for(ends, percent=_are_shares(metrics)),
    )
    subtitle = say.say("groups.sub", feature=feature)
    if rest := _rest(draft, metrics[0]):
        subtitle = say.say("series.sentences", first=say.say("groups.class", of_class=rest), second=subtitle)
    if len(groups) > DRAWN_ROWS:
        subtitle = say.say(
            "series.sentences", first=subtitle, second=say.say("groups.cut", shown=DRAWN_ROWS, total=len(groups))
        )
    return draft.figure(
        "groups",
        _title(draft, result, feature, drawn[0], cells, groups),
        subtitle,
        body,
        result=result,
        keys=tuple(keys),
        how=draft.say.first((f"{result.analyzer}.groups.how", "how.groups")) or EMPTY,
        data=_table(draft, result, feature, cells, groups, names),
        note=caption(draft, [sum(_size(cells, group) for group in groups)], drawn=resampled(metrics)),
    )


def _title(
    draft: Draft,
    result: AnalysisResult,
    feature: str,
    rate: str,
    cells: dict[tuple[str, str], Metric],
    groups: list[str],
) -> Text:
    """The lowest and the highest rate; neutral where fewer than two groups could be estimated."""
    known = [
        (metric.value, group, metric)
        for group in groups
        if (metric := cells.get((group, rate))) is not None and metric.value is not None
    ]
    name = bare(_rate_title(draft, result, rate))
    if len(known) < 2:
        return draft.say.say("groups.title_neutral", rate=name, feature=feature)
    (_, low_group, low), (_, high_group, high) = min(known, key=_place), max(known, key=_place)
    return draft.say.say(
        "groups.title",
        rate=name,
        low_group=low_group,
        low=_estimate(draft, low).text,
        low_n=group_n(draft, rows_behind(low)),
        high_group=high_group,
        high=_estimate(draft, high).text,
        high_n=group_n(draft, rows_behind(high)),
    )


def _place(known: tuple[float, str, Metric]) -> tuple[float, str]:
    return known[:2]


def _row(draft: Draft, cells: dict[tuple[str, str], Metric], group: str, drawn: list[str]) -> GroupRow:
    say = draft.say
    found = [cells.get((group, name)) for name in drawn]
    size = _size(cells, group)
    rates = tuple(_with_rows(draft, metric, size) for metric in found)
    text = say.say("groups.size_small") if size < SMALLEST_SHOWN else say.say("groups.size", n=size)
    reason = EMPTY
    if all(rate.value is None for rate in rates):
        reason = next((_reason(draft, metric) for metric in found if metric is not None and metric.reason), EMPTY)
        reason = reason or say.say("groups.not_estimated")
    return GroupRow(label=name_text(group), size=text, rates=rates, reason=reason)


def _estimate(draft: Draft, metric: Metric | None) -> Estimate:
    if metric is None or metric.value is None:
        return Estimate(value=None, text=DASH, reason=EMPTY if metric is None else _reason(draft, metric))
    low, high = (metric.interval.low, metric.interval.high) if metric.interval else (None, None)
    if not _are_shares([metric]):
        return estimate(draft.say, metric.value, low=low, high=high)
    return share(draft.say, metric.value, low=low, high=high)


def _with_rows(draft: Draft, metric: Metric | None, size: int) -> Estimate:
    """A rate with the rows it is a share of below it, where these are not all rows of the group."""
    shown = _estimate(draft, metric)
    if metric is None or shown.value is None or rows_behind(metric) == size or size < SMALLEST_SHOWN:
        return shown
    of = draft.say.say("groups.of", n=group_count(draft, rows_behind(metric)))
    return dataclasses.replace(shown, interval=joined(shown.interval, of))


def _reason(draft: Draft, metric: Metric) -> Text:
    """Why a group has no value; numbers of rows that are small enough to point at people are not told."""
    reason = metric.reason
    if reason is None:
        return EMPTY
    n = reason.values.get("n")
    if isinstance(n, int) and 0 < n < SMALLEST_SHOWN and draft.say.has(reason.key):
        return draft.say.say(reason.key, **{**reason.values, "n": group_count(draft, n)})
    return draft.say.tell(reason)


def _are_shares(metrics: list[Metric]) -> bool:
    return all(metric.unit in PLAIN_UNITS for metric in metrics)


def _table(
    draft: Draft,
    result: AnalysisResult,
    feature: str,
    cells: dict[tuple[str, str], Metric],
    groups: list[str],
    names: list[str],
) -> Grid:
    say = draft.say
    columns = [Heading(label=name_text(feature)), Heading(label=say.say("column.rows"), number=True)]
    columns += [Heading(label=_rate_title(draft, result, name), number=True) for name in names]
    columns.append(Heading(label=say.say("column.note")))
    rows = []
    for group in groups[:TABLE_ROWS]:
        row = [Cell(text=name_text(group)), _size_cell(draft, _size(cells, group))]
        reasons = []
        for name in names:
            metric = cells.get((group, name))
            shown = _with_rows(draft, metric, _size(cells, group))
            row.append(Cell(text=shown.text, value=shown.value, note=shown.interval))
            if shown.reason and shown.reason not in reasons:
                reasons.append(shown.reason)
        row.append(Cell(text=reasons[0] if reasons else EMPTY))
        rows.append(tuple(row))
    caption = say.say("groups.caption", feature=feature)
    return Grid(caption=caption, columns=tuple(columns), rows=tuple(rows), more=draft.more(TABLE_ROWS, len(groups)))


def _size_cell(draft: Draft, size: int) -> Cell:
    return Cell(text=group_count(draft, size), value=None if size < SMALLEST_SHOWN else float(size))


def _rest(draft: Draft, metric: Metric) -> Text:
    """Labels besides feature and group, such as the class."""
    values = [name_text(value) for key, value in sorted(metric.where.items()) if key not in ("feature", "group")]
    return draft.say.series(values)


def _ordered(names: Iterable[str]) -> list[str]:
    found = set(names)
    return [name for name in RATES if name in found] + sorted(found.difference(RATES))


def _drawn(names: list[str]) -> list[str]:
    known: list[str] = [name for name in ("selection_rate", "true_positive_rate") if name in names]
    return [*known, *(name for name in names if name not in known)][:2]


def _groups(metrics: list[Metric]) -> list[str]:
    """Groups by size, largest first."""
    sizes: dict[str, int] = {}
    for metric in metrics:
        sizes[metric.where["group"]] = max(metric.n, sizes.get(metric.where["group"], 0))
    return sorted(sizes, key=lambda group: (-sizes[group], group))


def _size(cells: dict[tuple[str, str], Metric], group: str) -> int:
    return max((metric.n for (name, _), metric in cells.items() if name == group), default=0)


def _value(metric: Metric | None) -> float | None:
    return None if metric is None else metric.value


def _rate_title(draft: Draft, result: AnalysisResult, name: str) -> Text:
    return draft.say.first((f"{result.analyzer}.{name}", f"rate.{name}")) or humanize(name)

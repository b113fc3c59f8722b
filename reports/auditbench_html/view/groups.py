"""Rates of groups: paired dots for two of them, and a table of all; in words where groups are too small to compare."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from auditbench.bands import in_order
from auditbench.results import AnalysisResult, Metric, Table
from auditbench_html.view.captions import SMALLEST_SHOWN, caption, group_count, group_n, resampled, rows_behind
from auditbench_html.view.draft import TABLE_ROWS, Draft
from auditbench_html.view.figures import Cell, Figure, Grid, GroupRates, GroupRow, Heading, Key
from auditbench_html.view.numbers import DASH, PLAIN_UNITS, Estimate, estimate, share, short
from auditbench_html.view.scales import scale_for
from auditbench_html.view.scores import positive_class
from auditbench_html.view.text import EMPTY, Text, bare, humanize, joined, name_text, words

RATES = ("selection_rate", "true_positive_rate", "false_positive_rate", "precision", "accuracy")
DRAWN_ROWS = 24


def group_metrics(result: AnalysisResult) -> list[Metric]:
    """Metrics of one group of one feature."""
    return [metric for metric in result.metrics if "feature" in metric.where and "group" in metric.where]


def group_figures(draft: Draft, result: AnalysisResult) -> list[Figure]:
    """One figure a feature, each with the table of every rate; none where fewer than two groups have a value."""
    return [
        dataclasses.replace(_figure(draft, result, feature, metrics), aside=bool(rest))
        for (feature, rest), metrics in group_parts(draft, result).items()
        if comparable(metrics)
    ]


def repeats_groups(result: AnalysisResult, table: Table) -> bool:
    """Whether a table says only what the figures of groups and their tables say."""
    names = {metric.name for metric in group_metrics(result)}
    columns = {column.name for column in table.columns}
    return (
        {"feature", "group"} <= columns
        and bool(names)
        and columns <= names | {"feature", "group", "class", "n", "note"}
    )


def group_parts(draft: Draft, result: AnalysisResult) -> dict[tuple[str, str], list[Metric]]:
    """Metrics of groups by feature, and by what else tells them apart, such as the class."""
    parts: dict[tuple[str, str], list[Metric]] = {}
    for metric in group_metrics(result):
        parts.setdefault((metric.where["feature"], str(rest_of(draft, metric))), []).append(metric)
    return parts


def comparable(metrics: list[Metric]) -> bool:
    """Whether two groups or more have a value."""
    return len({metric.where["group"] for metric in metrics if metric.value is not None}) > 1


def group_sizes(metrics: list[Metric]) -> dict[str, int]:
    """Rows by group."""
    sizes: dict[str, int] = {}
    for metric in metrics:
        sizes[metric.where["group"]] = max(metric.n, sizes.get(metric.where["group"], 0))
    return sizes


def reference_keys(draft: Draft, metrics: Iterable[Metric]) -> tuple[Key, ...]:
    """What the lines are that others read these metrics against, each once."""
    labels = [draft.say.tell(metric.reference.label) for metric in metrics if metric.reference is not None]
    return tuple(Key(mark="reference-line", label=label) for label in {str(label): label for label in labels}.values())


def naturally(groups: list[str]) -> list[str]:
    """Bands of numbers from low to high, alone or with other features; other groups as they are."""
    split = [group.split(" & ") for group in groups]
    if len({len(parts) for parts in split}) != 1:
        return groups
    columns = [list(dict.fromkeys(column)) for column in zip(*split, strict=True)]
    ordered = [in_order(column) for column in columns]
    if not any(ordered):
        return groups
    ranks = [
        dict(zip(found or column, range(len(column)), strict=True))
        for column, found in zip(columns, ordered, strict=True)
    ]
    return sorted(groups, key=lambda group: [rank[part] for rank, part in zip(ranks, group.split(" & "), strict=True)])


def rest_of(draft: Draft, metric: Metric) -> Text:
    """Labels besides feature and group, such as the class."""
    values = [name_text(value) for key, value in sorted(metric.where.items()) if key not in ("feature", "group")]
    return draft.say.series(values)


def size_words(draft: Draft, size: int) -> Text:
    """`12 rows`, or `fewer than 10 rows`."""
    return draft.say.say("groups.size_small") if size < SMALLEST_SHOWN else draft.say.say("groups.size", n=size)


def _figure(draft: Draft, result: AnalysisResult, feature: str, metrics: list[Metric]) -> Figure:
    say = draft.say
    cells = {(metric.where["group"], metric.name): metric for metric in metrics}
    names = _ordered(metric.name for metric in metrics)
    drawn = _drawn(_ordered(metric.name for metric in metrics if metric.value is not None))
    groups = _groups(metrics)
    titles = [_rate_title(draft, result, name) for name in drawn]
    rows = tuple(_row(draft, cells, group, drawn) for group in naturally(groups[:DRAWN_ROWS]))
    reference = groups[0]
    known = [metric for metric in metrics if metric.name in drawn]
    lines = {metric.name: metric.reference.value for metric in known if metric.reference is not None}
    references = tuple(lines.get(name, _value(cells.get((reference, name)))) for name in drawn)
    ends = [*lines.values(), *(end for row in rows for rate in row.rates for end in (rate.value, rate.low, rate.high))]
    keys = [
        Key(mark=mark, label=title) for mark, title in zip(("disc-interval", "square-interval"), titles, strict=False)
    ]
    if any(value is not None and name not in lines for name, value in zip(drawn, references, strict=True)):
        keys.append(Key(mark="reference", label=say.say("groups.reference", group=reference)))
    keys += reference_keys(draft, known)
    body = GroupRates(
        heading=say.feature(feature),
        rates=tuple(titles),
        track=say.say("groups.track" if _are_shares(metrics) else "groups.track_value"),
        rows=rows,
        references=references,
        scale=scale_for(ends, percent=_are_shares(metrics)),
    )
    subtitle = say.say("groups.sub_lines" if lines else "groups.sub", feature=feature)
    model = draft.run.model
    if model.task == "binary-classification" and model.threshold is not None:
        decided = say.say("groups.decided", positive=positive_class(draft.run), threshold=words(short(model.threshold)))
        subtitle = say.say("series.sentences", first=decided, second=subtitle)
    if rest := rest_of(draft, metrics[0]):
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
        low_group=_in_title(draft, feature, low_group),
        low=_estimate(draft, low).text,
        low_n=group_n(draft, rows_behind(low)),
        high_group=_in_title(draft, feature, high_group),
        high=_estimate(draft, high).text,
        high_n=group_n(draft, rows_behind(high)),
    )


def _in_title(draft: Draft, feature: str, group: str) -> Text:
    """A group within a sentence; a band of numbers needs its feature to be understood."""
    band = draft.say.band(group)
    return draft.say.say("label.entry", name=draft.say.feature(feature), value=band) if band else draft.say.group(group)


def _place(known: tuple[float, str, Metric]) -> tuple[float, str]:
    return known[:2]


def _row(draft: Draft, cells: dict[tuple[str, str], Metric], group: str, drawn: list[str]) -> GroupRow:
    say = draft.say
    found = [cells.get((group, name)) for name in drawn]
    size = _size(cells, group)
    rates = tuple(_with_rows(draft, metric, size) for metric in found)
    reason = EMPTY
    if all(rate.value is None for rate in rates):
        reason = next((_reason(draft, metric) for metric in found if metric is not None and metric.reason), EMPTY)
        reason = reason or say.say("groups.not_estimated")
    else:
        empty = say.say("groups.not_estimated")
        rates = tuple(dataclasses.replace(rate, interval=empty) if rate.value is None else rate for rate in rates)
    return GroupRow(label=say.group(group), size=size_words(draft, size), rates=rates, reason=reason)


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
    columns = [Heading(label=say.feature(feature)), Heading(label=say.say("column.rows"), number=True)]
    columns += [Heading(label=_rate_title(draft, result, name), number=True) for name in names]
    columns.append(Heading(label=say.say("column.note")))
    rows = []
    for group in naturally(groups[:TABLE_ROWS]):
        row = [Cell(text=say.group(group)), _size_cell(draft, _size(cells, group))]
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


def _ordered(names: Iterable[str]) -> list[str]:
    found = set(names)
    return [name for name in RATES if name in found] + sorted(found.difference(RATES))


def _drawn(names: list[str]) -> list[str]:
    known: list[str] = [name for name in ("selection_rate", "true_positive_rate") if name in names]
    return [*known, *(name for name in names if name not in known)][:2]


def _groups(metrics: list[Metric]) -> list[str]:
    """Groups by size, largest first."""
    sizes = group_sizes(metrics)
    return sorted(sizes, key=lambda group: (-sizes[group], group))


def _size(cells: dict[tuple[str, str], Metric], group: str) -> int:
    return max((metric.n for (name, _), metric in cells.items() if name == group), default=0)


def _value(metric: Metric | None) -> float | None:
    return None if metric is None else metric.value


def _rate_title(draft: Draft, result: AnalysisResult, name: str) -> Text:
    return draft.say.first((f"{result.analyzer}.{name}", f"rate.{name}")) or humanize(name)

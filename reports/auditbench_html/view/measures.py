"""Metrics of a section: dots with intervals where they share a scale, else a list of values."""

from __future__ import annotations

from collections.abc import Iterable

from auditbench.results import AnalysisResult, Metric, Sample
from auditbench_html.view.captions import metrics_caption, rows_behind
from auditbench_html.view.draft import TABLE_ROWS, Draft
from auditbench_html.view.figures import Cell, Figure, Grid, Heading, IntervalRow, IntervalRows, Key
from auditbench_html.view.groups import group_metrics, reference_keys
from auditbench_html.view.importance import METRIC
from auditbench_html.view.numbers import Bound, Estimate, estimate, percentage, value_bounds
from auditbench_html.view.page import Fact, FactList
from auditbench_html.view.scales import scale_for
from auditbench_html.view.text import EMPTY, Text, bare, words

MOST_ROWS = 16
PART_ROWS = 6
LONG_NAME = 18


def measure_figures(draft: Draft, result: AnalysisResult) -> list[Figure]:
    """Metrics with an interval, in one figure a unit and range; many of them become a table."""
    figures: list[Figure] = []
    told: set[str] = set()
    for metrics in _by_scale(_plain_metrics(result)):
        if all(metric.value is None for metric in metrics):
            continue
        if _differs_by_feature(metrics):
            features = dict.fromkeys(metric.where["feature"] for metric in metrics)
            parts = [[m for m in metrics if m.where["feature"] == name] for name in features]
            known = [part for part in parts if any(metric.value is not None for metric in part)]
            figures += [_rows(draft, result, part, told, most=PART_ROWS) for part in known]
        elif len(metrics) > TABLE_ROWS:
            figures.append(_table(draft, result, metrics))
        elif len(metrics) > 1 or metrics[0].interval is not None:
            figures.append(_rows(draft, result, metrics, told, most=MOST_ROWS))
    return figures


def undrawn_measures(draft: Draft, result: AnalysisResult) -> list[Metric]:
    """Measures of a figure that is not drawn, since none of them has a value."""
    alone = {id(metric) for metric in _alone(result)}
    parts = _by_scale(_plain_metrics(result))
    return [m for part in parts if all(m.value is None for m in part) for m in part if id(m) not in alone]


def value_list(draft: Draft, result: AnalysisResult) -> FactList | None:
    """Metrics that stand alone: exact numbers, counts, and values without an interval in a unit of their own."""
    facts: list[Fact] = []
    told: set[str] = set()
    for metric in _alone(result):
        title = draft.metric_title(f"{result.analyzer}.{metric.name}", metric.where)
        shown = _estimate(draft, metric)
        help_text = _help(draft, f"{result.analyzer}.{metric.name}", told)
        note = shown.reason or (shown.interval if shown.low is not None else help_text)
        facts.append(Fact(label=title, value=shown.text, note=note))
    if not facts:
        return None
    return FactList(
        title=draft.say.say("values.title", analyzer=draft.analyzer_title(result.analyzer)), facts=tuple(facts)
    )


def _plain_metrics(result: AnalysisResult) -> list[Metric]:
    grouped = {id(metric) for metric in group_metrics(result)}
    return [m for m in result.metrics if m.name != METRIC and id(m) not in grouped]


def _drawable(metric: Metric) -> bool:
    return (
        metric.unit in ("", "1")
        and (metric.value is None or -1.0 <= metric.value <= 1.5)
        and metric.no_interval != "count"
    )


def _by_scale(metrics: list[Metric]) -> list[list[Metric]]:
    """Shares and ratios on one scale, apart by what their rows are, and by metric name where a name has many labels."""
    samples = dict.fromkeys(metric.sample for metric in metrics)
    return [part for sample in samples for part in _of_sample([m for m in metrics if m.sample == sample])]


def _of_sample(metrics: list[Metric]) -> list[list[Metric]]:
    shares = [metric for metric in metrics if _drawable(metric)]
    names: dict[str, list[Metric]] = {}
    for metric in shares:
        names.setdefault(metric.name, []).append(metric)
    small = [metric for metric in shares if len(names[metric.name]) <= 4]
    large = [group for group in names.values() if len(group) > 4]
    return [group for group in (small, *large) if group]


def _alone(result: AnalysisResult) -> list[Metric]:
    plain = _plain_metrics(result)
    drawn = {id(m) for group in _by_scale(plain) if len(group) > 1 or group[0].interval is not None for m in group}
    return [metric for metric in plain if id(metric) not in drawn]


def _differs_by_feature(metrics: list[Metric]) -> bool:
    """Whether many measures are given for each of several features, and nothing else tells them apart."""
    return len(metrics) > MOST_ROWS and all(set(metric.where) == {"feature"} for metric in metrics)


def _first(draft: Draft, result: AnalysisResult, metrics: list[Metric], most: int) -> list[Metric]:
    """At most so many, gated ones before others, each part in its order."""

    def rank(metric: Metric) -> bool:
        return draft.gate_on(f"{result.analyzer}.{metric.name}", metric.where) is None

    chosen = sorted(metrics, key=rank)[:most]
    return [metric for metric in metrics if metric in chosen]


def _rows(draft: Draft, result: AnalysisResult, metrics: list[Metric], told: set[str], *, most: int) -> Figure:
    """What a measure is stands at its first row; `told` are those whose help has been given."""
    say, total = draft.say, len(metrics)
    metrics = _first(draft, result, metrics, most)
    directions = {metric.higher_is_better for metric in metrics}
    mixed = len(directions) > 1
    labels = _row_labels(draft, result, metrics)
    rows = tuple(
        _row(draft, result, metric, label, told, mixed=mixed) for metric, label in zip(metrics, labels, strict=True)
    )
    ends: list[float | None] = []
    for row in rows:
        ends += [row.estimate.value, row.estimate.low, row.estimate.high, row.reference, *row.limits]
    track = say.say(
        "measures.higher" if directions == {True} else "measures.lower" if directions == {False} else "measures.scale"
    )
    level = next((metric.interval.level for metric in metrics if metric.interval is not None), None)
    sub = _subtitle(draft, metrics[0].sample, level)
    if total > len(metrics):
        cut = say.say("measures.cut", shown=len(metrics), total=total)
        sub = say.say("series.sentences", first=sub + words(say.mark("stop")), second=cut)
    keys = [Key(mark="dot-interval", label=say.say("measures.key"))] if level else []
    if any(row.limits for row in rows):
        keys.append(Key(mark="reference", label=say.say("measures.limit")))
    lines = reference_keys(draft, metrics)
    return draft.figure(
        "intervals",
        _title(draft, result, metrics, rows),
        sub,
        IntervalRows(heading=say.say("column.measure"), track=track, rows=rows, scale=scale_for(ends)),
        result=result,
        keys=(*keys, *lines) if lines or any(row.limits for row in rows) else (),
        how=draft.how(result, "metrics", "intervals"),
        note=metrics_caption(draft, metrics),
        wide=len(metrics) > 5 or any(_is_long(metric) for metric in metrics),
        aside=_is_aside(metrics) and not any(row.tone for row in rows),
    )


def _subtitle(draft: Draft, sample: Sample, level: float | None) -> Text:
    """What is drawn, and on which rows."""
    if level is None:
        return draft.say.say(f"measures.sub_{sample}")
    return draft.say.say(f"measures.sub_interval_{sample}", level=percentage(level))


def _is_long(metric: Metric) -> bool:
    """Whether a measure needs the width of the page; by its own name and labels, so that every language has one layout."""
    return len(" ".join((metric.name, *metric.where.values()))) > LONG_NAME


def _shared(metrics: list[Metric]) -> dict[str, str]:
    """Labels that all of several measures have."""
    return dict(set.intersection(*(set(metric.where.items()) for metric in metrics)))


def _is_aside(metrics: list[Metric]) -> bool:
    """Whether measures between groups are told apart by more than the feature, such as the class."""
    labels = set().union(*(metric.where for metric in metrics))
    return "feature" in labels and bool(labels - _shared(metrics).keys() - {"feature"})


def _row_labels(draft: Draft, result: AnalysisResult, metrics: list[Metric]) -> list[Text]:
    """What tells each measure from the others: its labels, its name or both; what all share stands in the title."""
    shared = _shared(metrics) if len(metrics) > 1 else {}
    labels = []
    one_name = len({metric.name for metric in metrics}) == 1
    for metric in metrics:
        own = {name: value for name, value in metric.where.items() if name not in shared}
        full_name = f"{result.analyzer}.{metric.name}"
        if _one_feature(metrics):
            labels.append(draft.metric_name(full_name))
        elif one_name and own:
            labels.append(draft.say.labels(own))
        else:
            labels.append(draft.metric_title(full_name, metric.where))
    return labels


def _row(
    draft: Draft, result: AnalysisResult, metric: Metric, label: Text, told: set[str], *, mixed: bool
) -> IntervalRow:
    full_name = f"{result.analyzer}.{metric.name}"
    gate = draft.gate_on(full_name, metric.where)
    row = next((row for row in draft.gates if gate is not None and row.gate == gate.id), None)
    bounds = value_bounds(gate) if gate else ()
    shown, limits = _estimate(draft, metric, bounds), tuple(limit for limit, _ in bounds)
    note = _help(draft, full_name, told)
    if mixed and metric.higher_is_better is False:
        lower = draft.say.say("measures.lower_note")
        note = draft.say.say("series.sentences", first=note, second=lower) if note else lower
    if row is not None:
        note = draft.say.say("measures.gate", code=words(row.code), limit=row.limit)
    tone = row.tone if row is not None and row.tone in ("fail", "warn", "pass") else None
    line = None if metric.reference is None else metric.reference.value
    return IntervalRow(label=label, note=shown.reason or note, estimate=shown, tone=tone, limits=limits, reference=line)


def _help(draft: Draft, full_name: str, told: set[str]) -> Text:
    """What a measure is, once on the page."""
    known = full_name in told
    told.add(full_name)
    return EMPTY if known else draft.metric_help(full_name)


def _title(draft: Draft, result: AnalysisResult, metrics: list[Metric], rows: tuple[IntervalRow, ...]) -> Text:
    say = draft.say
    if feature := _one_feature(metrics):
        return say.say("measures.title_feature", feature=feature)
    analyzer = draft.analyzer_title(result.analyzer)
    if len({metric.name for metric in metrics}) == 1 < len(metrics):
        return draft.metric_title(f"{result.analyzer}.{metrics[0].name}", _shared(metrics))
    gated = [row for row in rows if row.tone is not None]
    outside = [row for row in gated if row.tone == "fail"]
    crossing = [row for row in gated if row.tone == "warn" and row.estimate.low is not None]
    unbounded = [row for row in gated if row.tone == "warn" and row.estimate.low is None]
    if outside:
        return say.say("measures.title_fail", titles=say.series(bare(row.label) for row in outside[:2]), n=len(outside))
    if crossing:
        return say.say(
            "measures.title_open", titles=say.series(bare(row.label) for row in crossing[:2]), n=len(crossing)
        )
    if unbounded:
        return say.say(
            "measures.title_unbounded", titles=say.series(bare(row.label) for row in unbounded[:2]), n=len(unbounded)
        )
    if gated:
        return say.say("measures.title_pass", n=len(gated), analyzer=analyzer)
    if len(metrics) == 1:
        return draft.metric_name(f"{result.analyzer}.{metrics[0].name}")
    return say.say("measures.title", analyzer=analyzer)


def _one_feature(metrics: list[Metric]) -> str:
    """The feature that all of several measures are by; empty when there is no such one."""
    features = {metric.where.get("feature", "") for metric in metrics if set(metric.where) == {"feature"}}
    alike = len(metrics) > 2 and len(features) == 1 and all(set(metric.where) == {"feature"} for metric in metrics)
    return features.pop() if alike else ""


def _table(draft: Draft, result: AnalysisResult, metrics: list[Metric]) -> Figure:
    say = draft.say
    columns = (
        Heading(label=say.say("column.measure")),
        Heading(label=say.say("column.value"), number=True),
        Heading(label=say.say("column.rows"), number=True),
    )
    ordered = sorted(metrics, key=lambda metric: -abs(metric.value or 0.0))[:TABLE_ROWS]
    rows = []
    for metric in ordered:
        shown = _estimate(draft, metric)
        rows.append(
            (
                Cell(text=say.labels(metric.where) or draft.metric_name(f"{result.analyzer}.{metric.name}")),
                Cell(text=shown.text, value=shown.value, note=shown.interval or shown.reason),
                Cell(text=say.say("count", n=rows_behind(metric)), value=float(rows_behind(metric))),
            )
        )
    grid = Grid(
        caption=draft.metric_name(f"{result.analyzer}.{metrics[0].name}"),
        columns=columns,
        rows=tuple(rows),
        more=draft.more(len(ordered), len(metrics)),
    )
    return draft.figure("table", grid.caption, _subtitle(draft, metrics[0].sample, None), grid, result=result, how=EMPTY,
        note=metrics_caption(draft, ordered),
    )  # fmt: skip


def _estimate(draft: Draft, metric: Metric, bounds: Iterable[Bound] = ()) -> Estimate:
    interval = metric.interval
    return estimate(
        draft.say,
        metric.value,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        unit=metric.unit,
        reason=draft.say.tell(metric.reason) if metric.reason else EMPTY,
        without_interval=metric.no_interval,
        rows=metric.n,
        bounds=bounds,
    )

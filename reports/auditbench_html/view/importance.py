"""Importance of inputs by several methods, the distribution of contributions, and how far the methods agree."""

from __future__ import annotations

from dataclasses import dataclass

from auditbench.results import AnalysisResult, Metric
from auditbench_html.view.draft import Draft
from auditbench_html.view.figures import (
    Cell,
    Figure,
    Grid,
    Heading,
    Heat,
    HeatCell,
    ImportanceRow,
    ImportanceRows,
    Key,
)
from auditbench_html.view.numbers import DASH, Estimate, estimate, short, with_unit
from auditbench_html.view.scales import scale_for
from auditbench_html.view.text import EMPTY, Text, labels, name_text, words

METRIC = "mean_absolute_attribution"
SHOWN = 15
MARKS = 3
TOP = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One method's importance of each input, in its own unit."""

    result: AnalysisResult
    title: Text
    unit: str
    metrics: dict[str, Metric]

    def values(self) -> dict[str, float]:
        """Defined values by input."""
        return {name: metric.value for name, metric in self.metrics.items() if metric.value is not None}


def importance_figures(draft: Draft, *, own_agreement: bool) -> list[Figure]:
    """One figure a target (at most three), then the agreement of methods where no analyzer gives it."""
    figures = []
    for target, methods in list(_by_target(draft).items())[:3]:
        figures.append(_importance(draft, target, methods))
        if own_agreement and len([method for method in methods if len(method.values()) >= 3]) > 1:
            figures.append(_agreement(draft, methods))
    return figures


def strongest_inputs(draft: Draft) -> tuple[list[Text], float] | None:
    """The three strongest inputs of the first method and their share of all importance."""
    methods = next(iter(_by_target(draft).values()), [])
    values = methods[0].values() if methods else {}
    total = sum(values.values())
    if len(values) < 2 or total <= 0:
        return None
    top = _ordered(values)[:TOP]
    return [name_text(name) for name in top], sum(values[name] for name in top) / total


def agree_on_top(draft: Draft) -> tuple[int, int] | None:
    """How many of the first three inputs all methods name, and the number of methods; None with one method."""
    methods = [method for method in next(iter(_by_target(draft).values()), []) if len(method.values()) >= TOP]
    if len(methods) < 2:
        return None
    tops = [set(_ordered(method.values())[:TOP]) for method in methods]
    return len(set.intersection(*tops)), len(methods)


def rank_correlation(first: dict[str, float], second: dict[str, float]) -> float | None:
    """Spearman's rank correlation over the common inputs, ties at their mean rank; None where it is undefined."""
    names = sorted(first.keys() & second.keys())
    ranks = [_ranks([values[name] for name in names]) for values in (first, second)]
    n = len(names)
    if n < 3:
        return None
    mean = (n + 1) / 2
    covariance = sum((a - mean) * (b - mean) for a, b in zip(*ranks, strict=True))
    spreads = [sum((rank - mean) ** 2 for rank in part) for part in ranks]
    return covariance / (spreads[0] * spreads[1]) ** 0.5 if all(spreads) else None


def _by_target(draft: Draft) -> dict[str, list[Method]]:
    grouped: dict[str, dict[tuple[str, str], Method]] = {}
    for result in draft.run.results:
        if result.topic != "explanation" or result.status != "ok":
            continue
        for metric in result.metrics:
            if metric.name != METRIC or "feature" not in metric.where:
                continue
            rest = {key: value for key, value in metric.where.items() if key not in ("feature", "target", "class")}
            target = metric.where.get("target", metric.where.get("class", ""))
            key = (result.analyzer, repr(sorted(rest.items())))
            method = grouped.setdefault(target, {}).setdefault(key, _method(draft, result, metric, rest))
            method.metrics[metric.where["feature"]] = metric
    # The method with an interval is the bar; SHAP before others.
    order = {"shap": 0}
    return {
        target: sorted(
            methods.values(),
            key=lambda m: (order.get(m.result.analyzer, 1), all(x.interval is None for x in m.metrics.values())),
        )
        for target, methods in grouped.items()
    }


def _method(draft: Draft, result: AnalysisResult, metric: Metric, rest: dict[str, str]) -> Method:
    title = draft.analyzer_title(result.analyzer)
    if rest:
        named = rest.get("method")
        title = draft.say.first((f"method.{named}",)) or labels(rest) if named else title + words(", ") + labels(rest)
    return Method(result=result, title=title, unit=metric.unit, metrics={})


def _ordered(values: dict[str, float]) -> list[str]:
    return sorted(values, key=lambda name: (-values[name], name))


def _importance(draft: Draft, target: str, methods: list[Method]) -> Figure:
    say = draft.say
    first, others = methods[0], methods[1 : 1 + MARKS]
    order = _ordered(first.values()) or list(first.metrics)
    shown, rest = order[:SHOWN], order[SHOWN:]
    factors = [_factor(first, method) for method in others]
    rows = [_row(draft, first, others, factors, name) for name in shown]
    if rest:
        rows.append(_rest_row(draft, first, others, factors, rest))
    ends = [value for row in rows for value in (row.estimate.value, row.estimate.high, *row.marks)]
    scaled = any(factor != 1.0 for factor in factors)
    subtitle = say.say("importance.sub", method=first.title, unit=_unit(draft, first.unit), n=_n(first))
    if scaled:
        subtitle = say.say("series.sentences", first=subtitle, second=say.say("importance.scaled", method=first.title))
    top, part = strongest_inputs(draft) or ([name_text(name) for name in shown[:TOP]], 0.0)
    title = say.say("importance.title", names=say.series(top), part=words(f"{100 * part:.0f}%"))
    if target:
        title = say.say("importance.title_target", target=target)
    return draft.figure(
        "importance",
        title,
        subtitle,
        ImportanceRows(
            method=first.title,
            track=say.say("importance.track", unit=_unit(draft, first.unit)),
            rows=tuple(rows),
            scale=scale_for(ends, zero=True),
        ),
        result=first.result,
        how=_how(draft, first),
        keys=_keys(draft, first, others),
        data=_table(draft, methods, order),
        note=say.say("figure.n", n=_n(first)),
    )


def _how(draft: Draft, first: Method) -> Text:
    """How to read the figure, and what the first method adds to that."""
    say = draft.say
    own = say.first((f"{first.result.analyzer}.{METRIC}.how",))
    general = say.say("how.importance")
    return say.say("series.sentences", first=general, second=own) if own else general


def _factor(first: Method, other: Method) -> float:
    """Methods in another unit are drawn so that their sum equals the first method's."""
    if other.unit == first.unit:
        return 1.0
    total = sum(other.values().values())
    return sum(first.values().values()) / total if total else 1.0


def _row(draft: Draft, first: Method, others: list[Method], factors: list[float], name: str) -> ImportanceRow:
    metric = first.metrics[name]
    bounds = metric.interval
    marks = []
    for method, factor in zip(others, factors, strict=True):
        value = method.values().get(name)
        marks.append(None if value is None else value * factor)
    shown = estimate(
        draft.say, metric.value, low=bounds.low if bounds else None, high=bounds.high if bounds else None, unit="1"
    )
    return ImportanceRow(label=name_text(name), estimate=shown, marks=tuple(marks))


def _rest_row(
    draft: Draft, first: Method, others: list[Method], factors: list[float], rest: list[str]
) -> ImportanceRow:
    def total(method: Method) -> float:
        values = method.values()
        return sum(values.get(name, 0.0) for name in rest)

    marks = tuple(total(method) * factor for method, factor in zip(others, factors, strict=True))
    value = total(first)
    shown = Estimate(value=value, text=words(short(value)))
    return ImportanceRow(label=draft.say.say("importance.rest", n=len(rest)), estimate=shown, marks=marks)


def _keys(draft: Draft, first: Method, others: list[Method]) -> tuple[Key, ...]:
    say = draft.say
    bounded = any(metric.interval is not None for metric in first.metrics.values())
    bar = say.say("importance.key_interval" if bounded else "importance.key", method=first.title)
    marks = ("triangle", "square", "disc")
    keys = [Key(mark="bar-interval" if bounded else "bar", label=bar)]
    keys += [Key(mark=mark, label=method.title) for mark, method in zip(marks, others, strict=False)]
    return tuple(keys)


def _table(draft: Draft, methods: list[Method], order: list[str]) -> Grid:
    say = draft.say
    columns = [Heading(label=say.say("column.input"))]
    for method in methods:
        unit = _unit(draft, method.unit)
        label = say.say("column.with_unit", name=method.title, unit=unit) if unit else method.title
        columns.append(Heading(label=label, number=True))
    rows = []
    for name in order[:50]:
        cells = [Cell(text=name_text(name))]
        for method in methods:
            value = method.values().get(name)
            cells.append(Cell(text=DASH if value is None else words(short(value)), value=value))
        rows.append(tuple(cells))
    caption = say.say("importance.caption")
    return Grid(caption=caption, columns=tuple(columns), rows=tuple(rows), more=draft.more(50, len(order)))


def _agreement(draft: Draft, methods: list[Method]) -> Figure:
    say = draft.say
    used = [method for method in methods if len(method.values()) >= 3]
    rows, weakest = [], 1.0
    for first in used:
        cells = []
        for second in used:
            value = None if first is second else rank_correlation(first.values(), second.values())
            weakest = min(weakest, value if value is not None else 1.0)
            shade = 0 if value is None else 3 if value >= 0.85 else 2 if value >= 0.7 else 1
            cells.append(
                HeatCell(
                    text=DASH if value is None else words(f"{value:.2f}".replace("-", "−")), value=value, shade=shade
                )
            )
        rows.append((first.title, tuple(cells)))
    heat = Heat(
        caption=say.say("agreement.caption"),
        row_label=say.say("agreement.method"),
        column_label=say.say("agreement.method"),
        columns=tuple(method.title for method in used),
        rows=tuple(rows),
    )
    key = (
        "agreement.title_high"
        if weakest >= 0.85
        else "agreement.title_some"
        if weakest >= 0.5
        else "agreement.title_low"
    )
    n = len(used[0].values())
    return draft.figure(
        "heat",
        say.say(key),
        say.say("agreement.sub", n=n),
        heat,
        how=say.say("how.agreement"),
        note=say.say("agreement.source"),
        wide=False,
    )


def _ranks(values: list[float]) -> list[float]:
    ordered = sorted(values)
    places: dict[float, float] = {}
    for value in set(values):
        first = ordered.index(value) + 1
        places[value] = first + (ordered.count(value) - 1) / 2
    return [places[value] for value in values]


def _unit(draft: Draft, unit: str) -> Text:
    if unit in ("", "1"):
        return EMPTY
    return draft.say.first((f"unit_long.{unit}", f"unit.{unit}")) or with_unit(draft.say, "", unit)


def _n(method: Method) -> int:
    return max((metric.n for metric in method.metrics.values()), default=0)

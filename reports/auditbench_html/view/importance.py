"""Importance of inputs by several methods, and which inputs stand out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from auditbench.results import AnalysisResult, Metric
from auditbench_html.view.attributions import counted_rows
from auditbench_html.view.captions import caption, n_words
from auditbench_html.view.draft import Draft
from auditbench_html.view.figures import Cell, Figure, Grid, Heading, ImportanceRow, ImportanceRows, Key
from auditbench_html.view.numbers import DASH, Estimate, estimate, short
from auditbench_html.view.part_names import Kind, kind_of, noun, part_label, part_text
from auditbench_html.view.scales import scale_for
from auditbench_html.view.text import EMPTY, OF_SLOPE, Text, capital, words

METRIC = "mean_absolute_attribution"
Measure: TypeAlias = Literal["contribution", "slope"]
SHOWN = 15
MARKS = 3
TOP = 3
MOST_NAMED = 6
LEAST_ROWS, MOST_WORDS = 10, 30
"""Which words a run has means of: rows that have the word, and words; as `auditbench.masking.summaries` has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One method's importance of each input, in its own unit."""

    result: AnalysisResult
    title: Text
    unit: str
    kind: Kind
    metrics: dict[str, Metric]

    @property
    def measure(self) -> Measure:
        """What its numbers are."""
        return "slope" if self.unit.endswith(OF_SLOPE) else "contribution"

    def values(self) -> dict[str, float]:
        """Defined values by input."""
        return {name: metric.value for name, metric in self.metrics.items() if metric.value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Strongest:
    """The inputs that account for most of the first method's importance, for the first target.

    Attributes:
        names: Up to three, or a few more where no fewer can be set apart: the interval of each lies above those of all
            inputs that are not named. Empty where intervals overlap too much for that.
        part: Their share of the sum over all inputs.
        n: Explained rows.
        target: The explained class; empty where there is one output.
        kind: What is named.
        total: Of how many.
        measure: By what.
    """

    names: tuple[str, ...]
    part: float
    n: int
    target: str
    kind: Kind
    total: int
    measure: Measure

    def sentence(self, draft: Draft) -> Text:
        """Which inputs account for how much over how many rows, or that none can be set apart."""
        if not self.names:
            one, many = noun(draft.say, self.kind), noun(draft.say, self.kind, 2)
            return draft.say.say("lead.inputs_unclear", part=one, parts=many)
        if self.kind == "word":
            return self._said(draft, "lead.words_target", "lead.words")
        return self._said(draft, "lead.inputs_target", "lead.inputs")

    def title(self, draft: Draft) -> Text:
        """The same as the title of a figure."""
        if self.kind == "word":
            return self._said(draft, "importance.title_words_target", "importance.title_words")
        return self._said(draft, "importance.title_target", "importance.title")

    def _said(self, draft: Draft, of_target: str, bare: str) -> Text:
        """Means of words are over rows of their own each, so that a share of their sum would say nothing."""
        names = draft.say.series(part_text(draft.say, self.kind, name) for name in self.names)
        text = draft.say.say(
            of_target if self.target else bare, target=self.target, names=names,
            part=words(f"{100 * self.part:.0f}%"), rows=self.n, n=len(self.names), total=self.total,
            measure=draft.say.say(f"measure.{self.measure}"),
        )  # fmt: skip
        return capital(text)


def importance_figures(draft: Draft) -> list[Figure]:
    """One figure a target, at most three."""
    return [_importance(draft, target, methods) for target, methods in list(_by_target(draft).items())[:3]]


def strongest_inputs(draft: Draft) -> Strongest | None:
    """The strongest inputs by the first method; None with fewer than two inputs or nothing to share out."""
    target, methods = next(iter(_by_target(draft).items()), ("", []))
    return _strongest(target, methods[0]) if methods else None


def inputs_by_importance(draft: Draft, result: AnalysisResult) -> list[str]:
    """Inputs in the order of the first figure, where it is this result's; empty where it is not."""
    methods = next(iter(_by_target(draft).values()), [])
    return _ordered(methods[0].values()) if methods and methods[0].result is result else []


def agreement_on_top(draft: Draft) -> Text:
    """How many of the first three inputs all methods name that measure the same; empty with one method."""
    say, every = draft.say, next(iter(_by_target(draft).values()), [])
    methods = [method for method in every if len(method.values()) >= TOP and method.measure == every[0].measure]
    if len(methods) < 2:
        return EMPTY
    common = len(set.intersection(*(set(_ordered(method.values())[:TOP]) for method in methods)))
    key = "lead.agree_all" if common == TOP else "lead.agree_none" if common == 0 else "lead.agree_some"
    n = common if key == "lead.agree_some" else len(methods)
    return say.say(key, n=n, methods=len(methods), parts=noun(say, methods[0].kind, TOP))


def _strongest(target: str, method: Method) -> Strongest | None:
    values = method.values()
    total = sum(values.values())
    if len(values) < 2 or total <= 0:
        return None
    order = _ordered(values)
    most = min(MOST_NAMED, len(order) // 2)
    sizes = [k for k in (*range(TOP, 0, -1), *range(TOP + 1, most + 1)) if k < len(order)]
    named = next((k for k in sizes if _set_apart(method, order[:k], order[k:])), 0)
    part = sum(values[name] for name in order[:named]) / total
    return Strongest(
        names=tuple(order[:named]), part=part, n=_n(method), target=target, kind=method.kind, total=len(order),
        measure=method.measure,
    )  # fmt: skip


def _set_apart(method: Method, named: list[str], others: list[str]) -> bool:
    """Whether every interval of the named inputs lies above every interval of the others."""
    lows = [bounds.low if (bounds := method.metrics[name].interval) else None for name in named]
    highs = [bounds.high if (bounds := method.metrics[name].interval) else None for name in others]
    known = [low for low in lows if low is not None], [high for high in highs if high is not None]
    return len(known[0]) == len(named) and len(known[1]) == len(others) and min(known[0]) > max(known[1])


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
    title = draft.method_title(result)
    if rest:
        named = rest.get("method")
        others = draft.say.labels(rest)
        known = draft.say.first((f"method.{named}",)) or others
        title = known if named else draft.say.say("label.other", title=title, labels=others)
    return Method(result=result, title=title, unit=metric.unit, kind=kind_of(draft, metric), metrics={})


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
    unit = _unit(draft, first.unit)
    return draft.figure(
        "importance",
        _title(draft, target, first),
        _subtitle(draft, first, unit, several=bool(others)),
        ImportanceRows(
            heading=say.say(f"column.{first.kind}"),
            caption=say.say("importance.caption", parts=noun(say, first.kind, 2)),
            method=first.title,
            track=_track(draft, first, unit),
            rows=tuple(rows),
            scale=scale_for(ends, zero=True),
        ),
        result=first.result,
        how=_how(draft, first),
        keys=_keys(draft, first, others),
        data=_table(draft, methods, order),
        note=caption(draft, [metric.n for metric in first.metrics.values()], drawn=True),
    )


def _subtitle(draft: Draft, first: Method, unit: Text, *, several: bool) -> Text:
    """Over which rows means are taken, which words are listed at all, and what marks of other methods are."""
    say, of_words = draft.say, first.kind == "word"
    values: dict[str, Text | int] = {
        "measure": say.say(f"measure.{first.measure}"),
        "part": noun(say, first.kind),
        "method": first.title,
        "unit": unit,
        "n": _rows(draft, first),
    }
    key, bare = "importance.sub", "importance.sub_bare"
    if of_words:
        key, bare = "importance.words", "importance.words_bare"
    cases = _uncounted(draft, first)
    parts = [
        capital(say.say(key if unit else bare, least=LEAST_ROWS, **values)),
        say.say("importance.words_most", n=MOST_WORDS) if of_words and len(first.metrics) == MOST_WORDS else EMPTY,
        say.say("importance.uncounted", n=cases) if cases else EMPTY,
        say.say("importance.scaled", method=first.title) if several else EMPTY,
    ]
    return say.sentences(parts)


def _rows(draft: Draft, first: Method) -> int:
    """Explained rows that means may count; each of those of words counts the ones that have the word."""
    blocks = first.result.attributions[:1] if first.kind == "word" else ()
    return next((len(counted_rows(draft, block)) for block in blocks), _n(first))


def _uncounted(draft: Draft, first: Method) -> int:
    """Chosen cases that the method explained and that its means leave out."""
    for block in first.result.attributions[:1]:
        counted = len(counted_rows(draft, block))
        return len(block.row_ids) - counted if counted == _rows(draft, first) else 0
    return 0


def _how(draft: Draft, first: Method) -> Text:
    """How to read the figure, and what the first method adds to that."""
    say = draft.say
    own = say.first((f"{first.result.analyzer}.{METRIC}.how",))
    general = say.say("how.importance_slope" if first.measure == "slope" else "how.importance")
    return say.say("series.sentences", first=general, second=own) if own else general


def _title(draft: Draft, target: str, first: Method) -> Text:
    """The inputs that stand out, as far as intervals tell; else only what is drawn."""
    found = _strongest(target, first)
    if found is not None and found.names:
        return found.title(draft)
    return _neutral(draft, first, target)


def _neutral(draft: Draft, first: Method, target: str = "") -> Text:
    say, key = draft.say, "importance.neutral_target" if target else "importance.neutral"
    return capital(say.say(key, target=target, part=noun(say, first.kind), measure=say.say(f"measure.{first.measure}")))


def _track(draft: Draft, first: Method, unit: Text) -> Text:
    if not unit:
        return _neutral(draft, first)
    return capital(draft.say.say("importance.track", unit=unit, measure=draft.say.say(f"measure.{first.measure}")))


def _factor(first: Method, other: Method) -> float:
    """What makes the other method's sum over the inputs of both as long as the first one's."""
    common = first.values().keys() & other.values().keys()
    total = sum(other.values()[name] for name in common)
    return sum(first.values()[name] for name in common) / total if total else 1.0


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
    size = n_words(draft, [metric.n]) if first.kind == "word" else EMPTY
    return ImportanceRow(label=part_label(draft.say, first.kind, name), estimate=shown, marks=tuple(marks), size=size)


def _rest_row(
    draft: Draft, first: Method, others: list[Method], factors: list[float], rest: list[str]
) -> ImportanceRow:
    def total(method: Method) -> float:
        values = method.values()
        return sum(values.get(name, 0.0) for name in rest)

    marks = tuple(total(method) * factor for method, factor in zip(others, factors, strict=True))
    value = total(first)
    shown = Estimate(value=value, text=words(short(value)))
    key = "importance.rest_words" if first.kind == "word" else "importance.rest"
    label = draft.say.say(key, n=len(rest), part=noun(draft.say, first.kind, len(rest)))
    return ImportanceRow(label=label, estimate=shown, marks=marks)


def _keys(draft: Draft, first: Method, others: list[Method]) -> tuple[Key, ...]:
    say = draft.say
    bounded = any(metric.interval is not None for metric in first.metrics.values())
    key = "importance.key_interval" if bounded else "importance.key"
    bar = say.say(key, method=first.title, measure=say.say(f"measure.{first.measure}"))
    marks = ("triangle", "square", "disc")
    keys = [Key(mark="bar-interval" if bounded else "bar", label=bar)]
    keys += [Key(mark=mark, label=method.title) for mark, method in zip(marks, others, strict=False)]
    return tuple(keys)


def _table(draft: Draft, methods: list[Method], order: list[str]) -> Grid:
    say = draft.say
    kind = methods[0].kind
    columns = [Heading(label=say.say(f"column.{kind}"))]
    for method in methods:
        unit = _unit(draft, method.unit)
        label = say.say("column.with_unit", name=method.title, unit=unit) if unit else method.title
        columns.append(Heading(label=label, number=True))
    rows = []
    for name in order[:50]:
        cells = [Cell(text=part_label(say, kind, name))]
        for method in methods:
            value = method.values().get(name)
            size = n_words(draft, [method.metrics[name].n]) if kind == "word" and value is not None else EMPTY
            cells.append(Cell(text=DASH if value is None else words(short(value)), value=value, note=size))
        rows.append(tuple(cells))
    return Grid(
        caption=say.say("importance.caption", parts=noun(say, kind, 2)),
        columns=tuple(columns),
        rows=tuple(rows),
        more=draft.more(50, len(order)),
    )


def _unit(draft: Draft, unit: str) -> Text:
    if unit in ("", "1"):
        return EMPTY
    return draft.say.long_unit(unit)


def _n(method: Method) -> int:
    return max((metric.n for metric in method.metrics.values()), default=0)

"""Promises of what an analyzer declares: its results hold the metrics, ranges, methods and units that it names."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

from auditbench.config_problems import nearest
from auditbench.contracts import Analyzer
from auditbench.errors import Problem
from auditbench.messages import LANGUAGES, shipped_messages
from auditbench.results import AnalysisResult, Metric
from auditbench.testing.conformance.analyzer_results import tables_of
from auditbench.testing.conformance.analyzer_trials import Trial
from auditbench.testing.conformance.analyzer_tryout import Tryout
from auditbench.testing.conformance.promises import Promise
from auditbench.testing.conformance.trying import Check, NotTried
from auditbench.testing.wording import missing_words

_REPORT = "auditbench_html"
"""Its catalogue names units."""
_PLAIN_UNITS = frozenset({"", "1"})
_SIZES = frozenset({"KiB", "MiB", "GiB"})
_OF_SLOPE = " per encoded unit"
_ROUNDING = 1e-9


def _gives_declared_metrics(tryout: Tryout) -> Problem | None:
    analyzer = tryout.record
    for trial, metric in _metrics(tryout):
        task = trial.scene.subject.model.facts.task
        allowed = [name for name in analyzer.metrics if task in analyzer.metric_tasks.get(name, (task,))]
        if metric.name not in allowed:
            return _about(
                trial,
                metric,
                message="a metric is not among those that its record declares for this task",
                found=metric.name,
                allowed=", ".join(allowed) or "none is declared",
                fix=_way_to_declare(metric.name, allowed),
            )
        if not metric.name or "." in metric.name:
            return _about(
                trial,
                metric,
                message="the name of a metric cannot stand in a gate",
                found=repr(metric.name),
                allowed="a name without a dot, as in `analyzer.name`",
                fix="rename it",
            )
    return _told_apart(tryout)


def _way_to_declare(name: str, declared: list[str]) -> str:
    way = "name it in Analyzer(metrics=...), so that gates can be set on it"
    near = nearest(name, declared)
    return f"{near} Otherwise {way}" if near else way


def _gives_every_metric(tryout: Tryout) -> Problem | None:
    if not tryout.record.metrics:
        raise NotTried("it declares no metric")
    given = {metric.name for _, metric in _metrics(tryout)}
    if never := [name for name in tryout.record.metrics if name not in given]:
        raise NotTried(
            f"no toy subject gives {', '.join(never)}: try what does in a test of your own, or declare no such metric, since "
            "a gate on a metric that is never given decides nothing"
        )
    return None


def _told_apart(tryout: Tryout) -> Problem | None:
    for trial in tryout.results:
        places = [(metric.name, *sorted(metric.where.items())) for metric in trial.result.metrics]
        if twice := [place for place in places if places.count(place) > 1]:
            return Problem(
                message="two metrics have one name and the same labels",
                where=f"{trial.scene.name}, {twice[0][0]}",
                found=f"{twice[0]!r}"[:120],
                allowed="labels that tell them apart",
                fix='give them where={"feature": ..., "group": ...}',
            )
    return None


def _shares_are_shares(tryout: Tryout) -> Problem | None:
    if not tryout.record.shares:
        raise NotTried("it declares no shares")
    if not any(metric.name in tryout.record.shares for _, metric in _metrics(tryout)):
        raise NotTried("it gives no metric that it declares a share")
    for trial, metric in _metrics(tryout):
        ends = [] if metric.interval is None else [metric.interval.low, metric.interval.high]
        values = [*ends, *([] if metric.value is None else [metric.value])]
        if metric.name in tryout.record.shares and not all(0 <= value <= 1 for value in values):
            return _about(
                trial,
                metric,
                message="what is declared a share does not lie between 0 and 1",
                found=", ".join(f"{value:g}" for value in values),
                allowed="0 to 1, its interval too",
                fix="correct it, or take it out of Analyzer(shares=...)",
            )
    return None


def _intervals_hold_their_value(tryout: Tryout) -> Problem | None:
    with_interval = [(trial, metric) for trial, metric in _metrics(tryout) if metric.interval is not None]
    if not with_interval:
        raise NotTried("it gives no interval")
    for trial, metric in with_interval:
        low, high, value = metric.interval.low, metric.interval.high, metric.value  # type: ignore[union-attr]
        if value is not None and not low - _ROUNDING <= value <= high + _ROUNDING:
            return _about(
                trial,
                metric,
                message="an interval does not hold its own value",
                found=f"{value:g} beside [{low:g}, {high:g}]",
                allowed="low <= value <= high",
                fix="compute value and interval from the same rows",
            )
    return None


def _units_have_words(tryout: Tryout) -> Problem | None:
    known = _known_units(tryout.record)
    for trial in tryout.results:
        for name, unit in _units(trial.result):
            if unit.removesuffix(_OF_SLOPE) not in known:
                return Problem(
                    message="a unit has no words",
                    where=f"{trial.scene.name}, {name}",
                    found=repr(unit),
                    allowed=", ".join(sorted(unit for unit in known if unit)),
                    fix=f'add "unit.{unit}" to the catalogue of each language',
                )
    return None


def _methods_are_declared(tryout: Tryout) -> Problem | None:
    used = [(trial, block) for trial in tryout.results for block in trial.result.attributions]
    if not used:
        raise NotTried("it gives no attributions")
    known = {method.name for method in tryout.record.methods}
    for trial, block in used:
        if block.method not in known:
            return Problem(
                message="an attribution is of a method that its record does not declare",
                where=f"{trial.scene.name}, {block.name}",
                found=block.method,
                allowed=", ".join(sorted(known)) or "none is declared",
                fix="describe it in Analyzer(methods=(MethodFacts(...),))",
            )
    return None


def _says_it_in(language: str) -> Callable[[Tryout], Problem | None]:
    def find(tryout: Tryout) -> Problem | None:
        for trial in tryout.results:
            if missing := missing_words(tryout.record, trial.result, language):
                return Problem(
                    message="something has no words",
                    where=f"{trial.scene.name}, messages/{language}.toml",
                    found=", ".join(missing)[:300],
                    allowed="a template for each key, whose placeholders its values fill",
                    fix=f"add them to messages/{language}.toml, and give Analyzer(messages=load_messages(...))",
                )
        return None

    return find


def _metrics(tryout: Tryout) -> Iterator[tuple[Trial, Metric]]:
    for trial in tryout.results:
        for metric in trial.result.metrics:
            yield trial, metric


def _about(trial: Trial, metric: Metric, *, message: str, found: str, allowed: str, fix: str) -> Problem:
    labels = ", ".join(f"{key} {value}" for key, value in metric.where.items())
    where = f"{trial.scene.name}, {metric.name}{f' ({labels})' if labels else ''}"
    return Problem(message=message, where=where, found=found, allowed=allowed, fix=fix)


def _units(result: AnalysisResult) -> Iterator[tuple[str, str]]:
    """Every unit of a result, with the name of its block."""
    for kind in ("metrics", "percentiles", "matrices", "attributions", "image_overlays", "token_attributions"):
        yield from ((block.name, block.unit) for block in getattr(result, kind))
    yield from ((block.name, block.unit) for block in result.series_attributions)
    yield from ((table.name, column.unit) for table in tables_of(result) for column in table.columns)
    yield from ((block.name, change.unit) for block in result.paired_changes for change in block.rows)
    for name, axes in (
        *((curve.name, (curve.x, curve.y)) for curve in result.curves),
        *((scatter.name, (scatter.x, scatter.y)) for scatter in result.scatters),
    ):
        yield from ((name, axis.unit) for axis in axes)


def _known_units(analyzer: Analyzer) -> frozenset[str]:
    own = [
        {key.removeprefix("unit.") for key in analyzer.messages.get(language, {}) if key.startswith("unit.")}
        for language in LANGUAGES
    ]
    return _named_by_the_report() | frozenset.intersection(*map(frozenset, own))


@functools.cache
def _named_by_the_report() -> frozenset[str]:
    keys = shipped_messages(_REPORT).get("en", {})
    named = {key.removeprefix("unit.") for key in keys if key.startswith("unit.")}
    return _PLAIN_UNITS | _SIZES | {unit for unit in named if not unit.endswith(("_class", "ib"))}


CHECKS: tuple[Check[Tryout], ...] = (
    (
        Promise(key="gives-declared-metrics", sentence="Gives no metric but those that its record declares."),
        _gives_declared_metrics,
    ),
    (
        Promise(key="gives-every-metric", sentence="Gives each metric that its record declares on some toy subject."),
        _gives_every_metric,
    ),
    (
        Promise(key="shares-are-shares", sentence="Keeps what it declares a share between 0 and 1."),
        _shares_are_shares,
    ),
    (
        Promise(key="intervals-hold-their-value", sentence="Gives intervals that hold their own value."),
        _intervals_hold_their_value,
    ),
    (Promise(key="units-have-words", sentence="Gives units that a catalogue names."), _units_have_words),
    (
        Promise(key="methods-are-declared", sentence="Describes the methods of its attributions in its record."),
        _methods_are_declared,
    ),
    (Promise(key="says-it-in-english", sentence="Has words in English for all that it says."), _says_it_in("en")),
    (
        Promise(key="says-it-in-chinese", sentence="Has words in simplified Chinese for all that it says."),
        _says_it_in("zh-CN"),
    ),
)

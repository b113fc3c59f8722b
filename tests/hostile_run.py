"""A run with one text in every slot that holds text: a whole audit, and beside it one of each record that there is."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Mapping
from typing import Any

from auditbench.findings import GateDecision, Message
from auditbench.results import AnalysisResult, Column, Interval, Metric
from auditbench.run import AuditRun, Case, ModelFacts, TrainingFacts
from auditbench.testing.filled_records import filled
from tests.html_fixture import income_run
from tests.html_results import robustness_result

LANGUAGES = ("en", "zh-CN")
# Names that the pages look for to choose what they draw; `filled` fills them, too, in the results that stand beside.
_KEPT = {
    (AnalysisResult, "analyzer"),
    (AnalysisResult, "topic"),
    (Case, "rule"),
    (Column, "name"),
    (GateDecision, "metric"),
    (GateDecision, "topic"),
    (Interval, "method"),
    (Message, "key"),
    (Metric, "method"),
    (Metric, "name"),
}


def hostile_run(text: str, *, told: bool = True, arrays: bool = True) -> AuditRun:
    """A run whose texts are all `text`: those of a whole audit, and beside them one of each record that there is.

    Args:
        told: Whether the run brings templates for its messages, which are hostile as well, else keys and values show;
            and whether its report tells all that it can: inputs as they are, a summary in a second language.
        arrays: Without them there are no attributions and images, so that the run can be written as it is.
    """
    whole = income_run()
    whole = dataclasses.replace(whole, results=(*whole.results, robustness_result()))
    once = filled(AuditRun, text, arrays=arrays)
    run: AuditRun = _refilled(whole, AuditRun, _Names(text))
    templates = {text: f"{text} {{name}} {text}", "core.hostile": {"other": text, text: text}} if told else {}
    own = whole.messages["en"]
    shown = {"raw_inputs": True, "second_language": "zh-CN"} if told else {}
    analyzers = {text: {"time_limit": 1.0, text: text}, "shap": {text: [text]}}
    run = dataclasses.replace(
        once,
        config={**once.config, "analyzers": analyzers, "report": {text: text, **shown}},
        model=dataclasses.replace(_completed(run.model, once.model), training=_told(run.model, once.model)),
        data=dataclasses.replace(_completed(run.data, once.data), features=(*run.data.features, *once.data.features)),
        cases=(*run.cases, *once.cases),
        results=(*run.results, *once.results),
        gates=(*run.gates, *once.gates),
        waivers=(*run.waivers, *once.waivers),
        messages={language: {**own, **templates} for language in (*LANGUAGES, text)},
    )
    return run if arrays else _without_arrays(run)


class _Names(dict[str, str]):
    """A text for each name: equal names stay equal, and different ones different."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def __missing__(self, name: str) -> str:
        self[name] = f"{self._text}//{len(self)}"
        return self[name]


def _refilled(value: Any, kind: Any, names: _Names) -> Any:
    """The value with another text for each of its texts, but for the names that choose what is drawn."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if value is None or origin is typing.Literal:
        return value
    if isinstance(value, str):
        return names[value]
    if origin in (typing.Union, types.UnionType):
        return _refilled(value, type(value), names)
    if isinstance(value, tuple):
        inner = arguments[0] if arguments and arguments[-1] is Ellipsis else Any
        return tuple(_refilled(item, type(item) if inner is Any else inner, names) for item in value)
    if isinstance(value, Mapping):
        labels = {"feature", "group"} & set(value)
        return {(key if labels else names[key]): _refilled(item, type(item), names) for key, item in value.items()}
    if dataclasses.is_dataclass(value):
        changes = {
            name: _refilled(getattr(value, name), hint, names)
            for name, hint in _hints(type(value)).items()
            if (type(value), name) not in _KEPT
        }
        return dataclasses.replace(value, **changes)
    return value


def _completed(record: Any, other: Any) -> Any:
    """The record with what is empty in it taken from the other."""
    empty = [field.name for field in dataclasses.fields(record) if getattr(record, field.name) in (None, "", (), {})]
    return dataclasses.replace(record, **{name: getattr(other, name) for name in empty})


def _told(model: ModelFacts, other: ModelFacts) -> TrainingFacts | None:
    """The training of one model, with what the other's has in texts: parameters, first weights, rows held out."""
    if model.training is None or other.training is None:
        return model.training
    texts = {name: getattr(other.training, name) for name in ("parameters", "initial", "held_out")}
    return dataclasses.replace(model.training, **texts)


def _without_arrays(run: AuditRun) -> AuditRun:
    def bare(result: AnalysisResult) -> AnalysisResult:
        metrics = tuple(dataclasses.replace(metric, influence=None) for metric in result.metrics)
        return dataclasses.replace(result, attributions=(), image_overlays=(), series_attributions=(), metrics=metrics)

    volatile = dataclasses.replace(run.volatile, results=tuple(map(bare, run.volatile.results)))
    return dataclasses.replace(run, results=tuple(map(bare, run.results)), volatile=volatile)


_hints = functools.cache(typing.get_type_hints)

"""A run with one text in every slot that holds text: found by walking the types, so that a new field is filled by itself."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, TypeAlias

import numpy as np

from auditbench.arrays import StoredArray
from auditbench.comparison import MetricChange
from auditbench.errors import ResultError
from auditbench.findings import GateDecision, Message
from auditbench.results import AnalysisResult, Column, Interval, Metric, Table
from auditbench.run import SCHEMA_VERSION, AuditRun, Case, ModelFacts, TrainingFacts
from tests.html_fixture import income_run
from tests.html_results import robustness_result

LANGUAGES = ("en", "zh-CN")
Part: TypeAlias = Literal["key", "text"]
Slot: TypeAlias = tuple[type, str, Part]
"""A record, a field of it, and whether the text is a key of a mapping in it or stands otherwise."""
_SHAPES = ((1, 1), (1,), None)
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


def filled(kind: Any, text: str, nth: int = 0, *, arrays: bool = True) -> Any:
    """A value of a type with `text` wherever text may stand, and one of each thing that may stand in it.

    Args:
        nth: Which choice of a `Literal` is taken; a tuple of records has one for each choice.
    """
    fill = functools.partial(filled, text=text, arrays=arrays)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return arguments[nth % len(arguments)]
    if origin in (typing.Union, types.UnionType):
        return fill(_chosen(arguments), nth=nth)
    if origin is tuple and arguments[-1] is Ellipsis:
        return tuple(fill(arguments[0], nth=index) for index in range(_choices(arguments[0])))
    if origin is tuple:
        return tuple(fill(argument) for argument in arguments)
    if origin is not None and issubclass(origin, Mapping):
        return {fill(arguments[0]): fill(arguments[1])}
    if dataclasses.is_dataclass(kind):
        return _record(kind, text, nth, arrays=arrays)
    simple: dict[Any, Any] = {str: text, bool: True, int: 2, float: 0.5, type(None): None, Any: [text]}
    return simple[kind]


def slots_of(kind: Any) -> set[Slot]:
    """Every place below a type in which text may stand."""
    return {
        (record, name, part)
        for record in _records(kind, set())
        for name, hint in _hints(record).items()
        for part in _text_parts(hint)
    }


def slots_with(value: Any, text: str) -> set[Slot]:
    """Every place below a value that holds the text."""
    if isinstance(value, (Mapping, tuple)):
        return set().union(*(slots_with(item, text) for item in _items(value)))
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return set()
    found: set[Slot] = set()
    for field in dataclasses.fields(value):
        item = getattr(value, field.name)
        found |= slots_with(item, text)
        found |= {(type(value), field.name, part) for part, leaf in _texts(item) if text in leaf}
    return found


class _Names(dict[str, str]):
    """A text for each name: equal names stay equal, and different ones different."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def __missing__(self, name: str) -> str:
        self[name] = f"{self._text}//{len(self)}"
        return self[name]


def _record(kind: Any, text: str, nth: int, *, arrays: bool) -> Any:
    held = _arrays_of(kind)
    values = {name: filled(hint, text, nth, arrays=arrays) for name, hint in _hints(kind).items() if name not in held}
    for name, special in _SPECIAL.get(kind, {}).items():
        values[name] = special(text, nth)
    # An array of one number has one of two shapes, and some records take none where there is no value.
    for shapes in itertools.product(_SHAPES if arrays else _SHAPES[::-1], repeat=len(held)):
        given = {name: None if shape is None else np.full(shape, 0.5) for name, shape in zip(held, shapes, strict=True)}
        try:
            return kind(**values, **given)
        except (ResultError, AttributeError):
            if set(shapes) == {_SHAPES[-1] if arrays else _SHAPES[0]}:
                raise
    raise ValueError(f"expected a way to fill {kind.__name__}")


def _verdict(nth: int) -> str:
    verdicts: tuple[str, ...] = typing.get_args(_hints(MetricChange)["verdict"])
    return verdicts[nth % len(verdicts)]


def _message(text: str, _: int = 0) -> Message:
    return Message(key=text, values={"name": text, text: text, "n": 1})


_SPECIAL: dict[type, dict[str, Callable[[str, int], Any]]] = {
    Message: {"values": lambda text, _: {"name": text, text: text, "n": 1}},
    MetricChange: {"difference": lambda _, nth: None if _verdict(nth) == "not_compared" else 0.5},
    GateDecision: {"id": lambda text, nth: f"{text}//{nth}"},  # a config gives each gate another
    AuditRun: {"schema": lambda *_: SCHEMA_VERSION, "exit_code": lambda *_: 1},
    Metric: {
        "value": lambda _, nth: None if nth else 0.5,
        "reason": lambda text, nth: _message(text) if nth else None,
    },
    AnalysisResult: {"reason": lambda text, nth: _message(text) if nth else None},
    Table: {"rows": lambda text, _: tuple((cell,) * _choices(Column) for cell in (text, _message(text), 0.5, None))},
}
_MORE = {Metric: 2}


@functools.cache
def _choices(kind: Any) -> int:
    """How many different ones of a record there are: one for each choice of a `Literal` in it."""
    if not dataclasses.is_dataclass(kind):
        return 1
    literals = [hint for hint in _hints(kind).values() if typing.get_origin(hint) is typing.Literal]
    return max(_MORE.get(kind, 1), *(len(typing.get_args(hint)) for hint in literals), 1)  # type: ignore[call-overload]


def _chosen(arguments: tuple[Any, ...]) -> Any:
    if str in arguments:
        return str
    return next(argument for argument in arguments if argument is not type(None))


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


@functools.cache
def _hints(record: type) -> dict[str, Any]:
    return typing.get_type_hints(record)


@functools.cache
def _arrays_of(record: type) -> tuple[str, ...]:
    return tuple(name for name, hint in _hints(record).items() if StoredArray in _parts(hint))


def _records(kind: Any, seen: set[type]) -> set[type]:
    """Record types that may stand below a type; those of arrays name files of ours."""
    for part in _parts(kind):
        if dataclasses.is_dataclass(part) and part not in seen and part is not StoredArray:
            seen.add(part)
            for hint in _hints(part).values():
                _records(hint, seen)
    return seen


def _parts(kind: Any) -> Iterator[Any]:
    """A type and those it is made of."""
    arguments = typing.get_args(kind)
    if typing.get_origin(kind) is typing.Literal:
        return
    if not arguments:
        yield kind
    for argument in arguments:
        yield from _parts(argument)


def _text_parts(hint: Any) -> set[Part]:
    """Whether text may stand in a field as a key of a mapping, or otherwise; not in the records below it."""
    arguments = typing.get_args(hint)
    if hint in (str, Any):
        return {"text"}
    if typing.get_origin(hint) is typing.Literal:
        return set()
    if isinstance(origin := typing.get_origin(hint), type) and issubclass(origin, Mapping):
        key, item = map(_text_parts, arguments)
        return item | ({"key"} if key else set())
    return set().union(*map(_text_parts, arguments))


def _texts(value: Any) -> Iterator[tuple[Part, str]]:
    """Texts in a field itself, not in the records below it."""
    if isinstance(value, str):
        yield "text", value
    elif isinstance(value, (Mapping, tuple, list)):
        yield from (("key", key) for key in value if isinstance(value, Mapping))
        yield from itertools.chain.from_iterable(map(_texts, _items(value)))


def _items(value: Any) -> Iterator[Any]:
    return iter(value.values() if isinstance(value, Mapping) else value)

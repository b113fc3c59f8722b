"""Records with one text in every slot that holds text: found by walking the types, so that a new field is filled by itself."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, TypeAlias

from auditbench.arrays import StoredArray
from auditbench.comparison import MetricChange
from auditbench.errors import ResultError
from auditbench.findings import GateDecision, Message
from auditbench.results import AnalysisResult, Column, Metric, Table
from auditbench.run import SCHEMA_VERSION, AuditRun

Part: TypeAlias = Literal["key", "text"]
Slot: TypeAlias = tuple[type, str, Part]
"""A record, a field of it, and whether the text is a key of a mapping in it or stands otherwise."""

_SHAPES = ((1, 1), (1,), None)


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
    if _is_record(kind):
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


def _record(kind: Any, text: str, nth: int, *, arrays: bool) -> Any:
    import numpy as np

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
_MORE: dict[type[Any], int] = {Metric: 2}


def _choices(kind: Any) -> int:
    """How many different ones of a record there are: one for each choice of a `Literal` in it."""
    if not _is_record(kind):
        return 1
    literals = [hint for hint in _hints(kind).values() if typing.get_origin(hint) is typing.Literal]
    return max(_MORE.get(kind, 1), *(len(typing.get_args(hint)) for hint in literals), 1)


def _is_record(kind: Any) -> bool:
    return dataclasses.is_dataclass(kind)


def _chosen(arguments: tuple[Any, ...]) -> Any:
    if str in arguments:
        return str
    return next(argument for argument in arguments if argument is not type(None))


@functools.cache
def _hints(record: type) -> dict[str, Any]:
    return typing.get_type_hints(record)


@functools.cache
def _arrays_of(record: type) -> tuple[str, ...]:
    return tuple(name for name, hint in _hints(record).items() if StoredArray in _parts(hint))


def _records(kind: Any, seen: set[type]) -> set[type]:
    """Record types that may stand below a type; those of arrays name files of ours."""
    for part in _parts(kind):
        if _is_record(part) and part not in seen and part is not StoredArray:
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

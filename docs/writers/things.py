"""Records, functions and classes as sections of a page: signature, what it is, fields or arguments, errors, source."""

from __future__ import annotations

import dataclasses
import inspect
import re
import typing
from collections.abc import Iterator
from typing import Any

from writers.docstrings import Docstring, read_docstring
from writers.markdown import code, fence, heading, prose, table


def section(name: str, thing: Any, *, level: int = 2, anchor: str = "") -> str:
    """A thing under a heading of its name."""
    parts = [heading(level, code(name), anchor=anchor or name), *_body(name, thing, level)]
    return "\n\n".join(part for part in parts if part)


def signature(name: str, function: Any) -> str:
    """`name(argument: type = default, ...) -> type`, with one argument a line where one line is too long."""
    found = inspect.signature(function)
    result = "" if found.return_annotation is found.empty else f" -> {_type(found.return_annotation)}"
    arguments = [str(part) for part in _arguments(found)]
    short = f"{name}({', '.join(arguments)}){result}"
    if len(short) <= 100:
        return short
    return "\n".join([f"{name}(", *(f"    {argument}," for argument in arguments), f"){result}"])


def fields_table(thing: Any, *, said: Docstring | None = None) -> str:
    """The fields of a dataclass: name, type, default, and what is said of each."""
    said = said or read_docstring(thing)
    own = [field for field in dataclasses.fields(thing) if not field.name.startswith("_")]
    rows = [
        (code(field.name), code(_type(field.type)), code(_default(field)), prose(_shared(said, field.name)))
        for field in own
    ]
    titles = ("field", "type", "default", "what it is")
    return table(titles, rows)


def is_record(thing: Any) -> bool:
    """Whether it is a dataclass, and no object of one."""
    return isinstance(thing, type) and dataclasses.is_dataclass(thing)


def _body(name: str, thing: Any, level: int) -> Iterator[str]:
    said = read_docstring(thing)
    if inspect.isroutine(thing) or (callable(thing) and not isinstance(thing, type)):
        yield fence("python", signature(name, thing))
        yield said.text
        yield _arguments_table(said)
        yield _errors(said)
    elif isinstance(thing, type):
        yield said.text
        if is_record(thing):
            yield fields_table(thing, said=said)
        yield _errors(said)
        yield from _members(name, thing, level)
    else:
        yield fence("python", f"{name} = {_type(thing)}")
    yield f"*Source:* {prose(said.source)}" if said.source else ""


def _members(name: str, thing: type, level: int) -> Iterator[str]:
    """Public properties and methods that the class itself defines."""
    for member, value in vars(thing).items():
        if member.startswith("_"):
            continue
        if isinstance(value, property):
            said, result = read_docstring(value), inspect.signature(value.fget).return_annotation  # type: ignore[arg-type]
            yield heading(level + 1, code(f"{name}.{member}"), anchor=f"{name}.{member}")
            yield fence("python", f"{member}: {_type(result)}")
            yield said.text
            yield _errors(said)
        elif inspect.isroutine(value) or isinstance(value, staticmethod | classmethod):
            yield section(f"{name}.{member}", getattr(thing, member), level=level + 1)


def _shared(said: Docstring, name: str) -> str:
    """What is said of a field; one that is explained beside another says so."""
    if text := said.said(name):
        return text
    beside = [other for other, text in said.items.get("Attributes", {}).items() if f"`{name}`" in text]
    return f"see `{beside[0]}`" if beside else ""


def _arguments_table(said: Docstring) -> str:
    rows = [(code(name), prose(text)) for name, text in said.items.get("Args", {}).items()]
    return table(("argument", "what it is"), rows)


def _errors(said: Docstring) -> str:
    rows = [(code(name), prose(text)) for name, text in said.raises().items()]
    return table(("raises", "when"), rows)


def _arguments(found: inspect.Signature) -> Iterator[str]:
    """Arguments as written, with the stars that stand alone."""
    keyword_only = False
    for argument in found.parameters.values():
        if argument.name in ("self", "cls"):
            continue
        if argument.kind is argument.KEYWORD_ONLY and not keyword_only:
            keyword_only = True
            yield "*"
        keyword_only = keyword_only or argument.kind is argument.VAR_POSITIONAL
        star = {argument.VAR_POSITIONAL: "*", argument.VAR_KEYWORD: "**"}.get(argument.kind, "")
        typed = "" if argument.annotation is argument.empty else f": {_type(argument.annotation)}"
        default = "" if argument.default is argument.empty else f"{' = ' if typed else '='}{_value(argument.default)}"
        yield f"{star}{argument.name}{typed}{default}"


def _type(annotation: Any) -> str:
    text = annotation if isinstance(annotation, str) else typing.cast("str", _written(annotation))
    return re.sub(r"\b(?:auditbench|collections|typing|pathlib|pandas|numpy)(?:\.\w+)*\.(?=[A-Za-z_]+)", "", text)


def _written(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) and not typing.get_args(annotation) else repr(annotation)


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default is not dataclasses.MISSING:
        return _value(field.default)
    if field.default_factory is not dataclasses.MISSING:
        return _value(made) if (made := field.default_factory()) in ((), {}, []) else "made anew"
    return "required"


def _value(value: Any) -> str:
    shown = repr(value)
    if shown.startswith("mappingproxy("):
        return shown.removeprefix("mappingproxy(").removesuffix(")")
    return f"{type(value).__name__}(...)" if "object at 0x" in shown else shown

"""What pydantic found wrong with a table, in the words of the file: key path, found, allowed, and the nearest name."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, get_args

from pydantic import AliasChoices, AliasPath, BaseModel

from auditbench.config import AuditConfig, GateTable
from auditbench.errors import Problem
from auditbench.safe_text import shortened

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

_SHOWN = 80
_PATTERNS = {
    r"^[a-z][a-z0-9_.-]{0,63}$": "lower-case letters, digits, `_`, `.` and `-`, beginning with a letter",
    r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$": "letters, digits, `_`, `.` and `-`, beginning with a letter",
    r"^[a-z0-9_-]+\.[a-z0-9_.-]+$": "`analyzer.metric`, such as `performance.accuracy`",
    r"^\d{4}-\d{2}-\d{2}$": "a day as YYYY-MM-DD",
    r"^[0-9a-f]{64}$": "a sha256: 64 hexadecimal digits in lower case",
    r"^[A-Za-z_][A-Za-z0-9_]{0,127}$": "the name of a variable: letters, digits and `_`",
    r"^[^:]+\.py:[A-Za-z_][A-Za-z0-9_]*$": "`file.py:function`",
}
_TYPES = {
    "bool_type": "true or false",
    "float_type": "a number",
    "finite_number": "a finite number",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "string_type": "text in quotes",
    "tuple_type": "a list in square brackets",
    "list_type": "a list in square brackets",
    "dict_type": "a table",
    "mapping_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}
_FIXES = {
    "bool_type": "write `true` or `false`, without quotes",
    "float_type": "write the number, without quotes",
    "finite_number": "write a number, or remove the key",
    "int_type": "write the whole number, without quotes",
    "int_from_float": "write a whole number",
    "string_type": "put it in quotes",
    "dict_type": "write it as `{ key = value }`",
    "mapping_type": "write it as `{ key = value }`",
    "model_type": "write it as `{ key = value }`",
    "model_attributes_type": "write it as `{ key = value }`",
}


_OTHER_WORDS = {
    "hflip": "flip", "horizontal": "flip", "mirror": "flip", "translate": "shift", "move": "shift", "turn": "rotate",
    "zoom": "crop", "scale": "crop", "blur": "noise", "jitter": "noise", "gaussian": "noise",
    "gd": "gradient-descent", "batch": "gradient-descent", "momentum": "sgd",
    "bce": "cross-entropy", "ce": "cross-entropy", "nll": "cross-entropy", "l2": "mse", "half": "float16", "amp": "bfloat16",
    "picture": "image", "table": "tabular", "sequence": "series", "time-series": "series", "signal": "series",
}  # fmt: skip
"""What values are called elsewhere."""


_OF_PRESETS = {"each": "this key is for presets alone: write one gate for each feature, with `where = { feature = … }`"}
"""Keys of a gate that only a preset has."""


def problems_of(error: ValidationError, model: type[BaseModel], prefix: str = "") -> list[Problem]:
    """Every error of a pydantic validation as a problem.

    Args:
        model: What was validated.
        prefix: Key path of the validated table within the file, such as `analyzers.shap`.
    """
    return [_problem(item, model, prefix) for item in error.errors(include_url=False)]


def unknown_keys(model: type[BaseModel], table: Mapping[str, Any], prefix: str) -> list[Problem]:
    """The keys of a table that its model would pass over: pydantic ignores them unless the model says otherwise."""
    if model.model_config.get("extra") == "allow":
        return []
    names = {name for field in model.model_fields.values() for name in (field.alias, *_aliases(field.validation_alias))}
    return [
        Problem(
            message="unknown key",
            where=key_path([name], prefix),
            found=shown(value),
            allowed=", ".join(sorted(model.model_fields)) or "no keys",
            fix=nearest(name, model.model_fields) or "remove it",
        )
        for name, value in table.items()
        if name not in model.model_fields and name not in names
    ]


def nearest(name: str, names: Iterable[str]) -> str:
    """A suggestion of the most similar name, or nothing when none is similar."""
    known = list(names)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    begun = [one for one in known if len(name) > 2 and one.startswith(name)]
    return f"did you mean `{(close or begun)[0]}`?" if close or begun else ""


def key_path(parts: Sequence[str | int], prefix: str = "") -> str:
    """`("gates", 2, "min")` as `gates[2].min`."""
    path = prefix
    for part in parts:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path


def shown(value: Any) -> str:
    """A value as TOML would write it, shortened."""
    if isinstance(value, Mapping):
        return "a table"
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = str(value)
    return shortened(text, _SHOWN)


def _table(value: Any) -> str:
    """A value, of a table the keys that stand there."""
    if not isinstance(value, Mapping):
        return shown(value)
    keys = ", ".join(f"{name} = {shown(one)}" for name, one in value.items())
    return shortened(f"{{ {keys} }}" if keys else "an empty table", _SHOWN)


def _problem(item: ErrorDetails, model: type[BaseModel], prefix: str) -> Problem:
    path = [part for part in item["loc"] if part != "parameters" or prefix]
    where = key_path(path, prefix)
    kind, field = item["type"], _field_at(model, item["loc"])
    if kind == "extra_forbidden":
        return _unknown_key(item, model, where)
    if kind == "missing":
        described = field.description if field and field.description else ""
        words = [shown(choice) for choice in _choices(field)]
        return Problem(
            message="this key is missing",
            where=where,
            allowed=", ".join(words) or described,
            fix=f"add `{path[-1]} = {words[0] if words else '…'}`" + (", or another of these" if words[1:] else ""),
        )
    if kind == "value_error":
        told = item.get("ctx", {})
        return Problem(
            message=str(told.get("error", item["msg"])),
            where=where or "audit.toml",
            found=_table(item["input"]) if where else shown(item["input"]),
            allowed=str(told.get("allowed", "")),
            fix=str(told.get("fix", "")),
        )
    allowed = _allowed(field) or _TYPES.get(kind, "")
    message = f"expected {_TYPES[kind]}" if kind in _TYPES else "this value is not allowed"
    if kind == "too_short":
        allowed = f"at least {item['ctx']['min_length']} entries"
    elif not allowed and kind not in _TYPES:
        message = item["msg"].lower()
    return Problem(
        message=message,
        where=where,
        found=shown(item["input"]),
        allowed=allowed,
        fix=_way_on(kind, where, field, item["input"]),
    )


def _way_on(kind: str, where: str, field: FieldInfo | None, value: Any) -> str:
    """The choice that is meant, or how to write a value of the type that a key takes."""
    if kind in ("tuple_type", "list_type"):
        tables = field is not None and _model_in(field.annotation) is not None
        if tables:
            return f"begin each table with `[[{where}]]`"
        return "put it in square brackets" + (f": `[{shown(value)}]`" if isinstance(value, str) else "")
    if kind == "string_type" and isinstance(value, list):
        return (
            "name one column; a model has one target" if where == "data.target" else "write one text in quotes, no list"
        )
    if where == "data.inputs":
        way = f"set model.inputs = {shown(value)}, in [model]" if value in ("raw", "standardized") else ""
        return way or "declare each image, text or series in a table `[data.inputs.NAME]`"
    choices = [str(choice) for choice in _choices(field)]
    other = _OTHER_WORDS.get(str(value).lower(), "")
    return nearest(str(value), choices) or (f"did you mean `{other}`?" if other in choices else _FIXES.get(kind, ""))


def _unknown_key(item: ErrorDetails, model: type[BaseModel], where: str) -> Problem:
    name, table = str(item["loc"][-1]), _model_at(model, item["loc"][:-1])
    names = sorted(table.model_fields) if table else []
    fix = nearest(name, names)
    if not fix and model is AuditConfig:
        homes = [home for home, keys in _tables() if name in keys]
        fix = f"it belongs in [{homes[0]}]" if homes else ""
    return Problem(
        message="unknown key" if len(item["loc"]) > 1 or not isinstance(item["input"], dict) else "unknown table",
        where=where,
        found=shown(item["input"]),
        allowed=", ".join(names) or "no keys",
        fix=fix or (_OF_PRESETS.get(name, "") if table is GateTable else "") or "remove it",
    )


def _aliases(alias: str | AliasPath | AliasChoices | None) -> tuple[Any, ...]:
    """The names that an alias of pydantic accepts."""
    if isinstance(alias, AliasChoices):
        return tuple(name for choice in alias.choices for name in _aliases(choice))
    return (alias.path[0],) if isinstance(alias, AliasPath) else (alias,)


def _tables() -> Iterator[tuple[str, set[str]]]:
    for name, field in AuditConfig.model_fields.items():
        table = _model_in(field.annotation)
        if table and name not in {"analyzers", "gates", "waivers"}:
            yield name, set(table.model_fields)


def _model_at(model: type[BaseModel], path: Sequence[str | int]) -> type[BaseModel] | None:
    current: type[BaseModel] | None = model
    skip = False
    for part in path:
        if isinstance(part, int) or skip:
            skip = False
            continue
        field = current.model_fields.get(part) if current else None
        current = _model_in(field.annotation) if field else None
        skip = bool(field) and _is_mapping(field)
    return current


def _field_at(model: type[BaseModel], path: Sequence[str | int]) -> FieldInfo | None:
    names = list(path)
    while names and isinstance(names[-1], int):
        names.pop()
    table = _model_at(model, names[:-1]) if names else None
    return table.model_fields.get(str(names[-1])) if table else None


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)


def _is_mapping(field: FieldInfo | None) -> bool:
    origin = getattr(field.annotation, "__origin__", None) if field else None
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _choices(field: FieldInfo | None) -> tuple[Any, ...]:
    return _literals(field.annotation) if field else ()


def _literals(annotation: Any) -> tuple[Any, ...]:
    found: tuple[Any, ...] = ()
    for part in get_args(annotation):
        if part is type(None) or isinstance(part, type):
            continue
        found += _literals(part) if get_args(part) else (part,) if isinstance(part, (str, int)) else ()
    return found


def _allowed(field: FieldInfo | None) -> str:
    """What a field takes, in words: its choices, its range, its length or its pattern."""
    if field is None:
        return ""
    if choices := _choices(field):
        return ", ".join(shown(choice) for choice in choices)
    parts = [text for rule in _rules(field) if (text := _rule_text(rule))]
    return " and ".join(dict.fromkeys(parts))


def _rules(field: FieldInfo) -> Iterator[Any]:
    pending = [*field.metadata, *_annotated(field.annotation)]
    for rule in pending:
        yield from getattr(rule, "metadata", None) or [rule]


def _annotated(annotation: Any) -> list[Any]:
    own = list(getattr(annotation, "__metadata__", ()))
    return own + [rule for part in get_args(annotation) for rule in _annotated(part)]


def _rule_text(rule: Any) -> str:
    words = {
        "gt": "greater than {}",
        "ge": "at least {}",
        "lt": "less than {}",
        "le": "at most {}",
        "min_length": "at least {} long",
        "max_length": "at most {} long",
    }
    for name, text in words.items():
        limit = getattr(rule, name, None)
        if limit is not None:
            return text.format(limit)
    pattern = getattr(rule, "pattern", None)
    return _PATTERNS.get(pattern, f"text like {pattern}") if isinstance(pattern, str) else ""

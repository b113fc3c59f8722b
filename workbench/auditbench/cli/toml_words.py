"""Names, values and tables as TOML writes them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any


def quoted(text: str) -> str:
    """Text as a TOML basic string, whatever it holds."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def key(name: str) -> str:
    """A name as a TOML key, quoted where it has to be."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else quoted(name)


def entries(table: Mapping[str, Any]) -> Iterator[str]:
    """A line for each key of a table, tables in it inline; a key without a value is left out."""
    return (f"{key(name)} = {value(item)}" for name, item in table.items() if item is not None)


def value(item: Any) -> str:
    """A value, a table inline."""
    if isinstance(item, str):
        return quoted(item)
    if isinstance(item, Mapping):
        return "{" + ", ".join(entries(item)) + "}"
    if isinstance(item, list | tuple):
        return "[" + ", ".join(map(value, item)) + "]"
    return str(item).lower() if isinstance(item, bool) else repr(item)


def tables(path: str, table: Mapping[str, Any], *, brackets: str = "[]") -> Iterator[str]:
    """A table under its heading, and the tables in it under theirs.

    Args:
        path: Its key path, as TOML writes it.
        brackets: `[[]]` where it is one of a list.
    """
    half = len(brackets) // 2
    inner = {name: item for name, item in table.items() if isinstance(item, Mapping)}
    listed = {name: item for name, item in table.items() if _is_list_of_tables(item)}
    plain = {name: item for name, item in table.items() if name not in inner and name not in listed}
    if plain or half > 1 or not (inner or listed):
        yield f"{brackets[:half]}{path}{brackets[half:]}"
    yield from entries(plain)
    for name, item in inner.items():
        yield from tables(f"{path}.{key(name)}", item)
    for name, items in listed.items():
        for item in items:
            yield from tables(f"{path}.{key(name)}", item, brackets="[[]]")


def _is_list_of_tables(item: Any) -> bool:
    return isinstance(item, list | tuple) and bool(item) and all(isinstance(part, Mapping) for part in item)

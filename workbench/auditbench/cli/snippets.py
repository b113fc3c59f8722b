"""The table of an analyzer to begin with in an audit.toml, made of the JSON Schema of its parameters."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from auditbench.cli.schema_tables import Schema, SchemaKey, SchemaTable, options, root_table
from auditbench.cli.toml_words import tables
from auditbench.descriptions import AnalyzerDescription

_FURTHER_MODEL = "# and [models.NAME], with the keys of [model]: what to compare with"
_TRAINING = "# and [train], which says how the audited model was made, with its training rows in [data]"


def snippet(analyzer: AnalyzerDescription) -> Iterator[str]:
    """Lines of a table: the keys that must be set or have an example in the schema, and the first key and the first choice.

    What must be set and has neither example nor choices gets a value of its type and limits; a text is `…`.
    """
    root = root_table(analyzer.name, analyzer.schema)
    yield from tables(root.path, _shown(root, whole=True))
    if analyzer.needs.further_models:
        yield _FURTHER_MODEL
    if analyzer.needs.training:
        yield _TRAINING


def _shown(table: SchemaTable, *, whole: bool) -> dict[str, Any]:
    """The keys of a table to begin with, with their values.

    Args:
        whole: Also show the first key and the first choice, as they are by default.
    """
    found: dict[str, Any] = dict([table.tag]) if table.tag else {}
    first = choice = whole
    for item in table.contents():
        default, chosen = item.schema.get("default"), _is_choice(item)
        if item.required or item.schema.get("examples"):
            found[item.name] = _made(item)
        elif item.inner is not None:
            found |= {item.name: inner} if (inner := _shown(item.inner, whole=False)) else {}
        elif item.plain and default not in (None, "", [], {}) and (first or (choice and chosen)):
            found[item.name] = default
            first, choice = False, choice and not chosen
    return found


def _is_choice(item: SchemaKey) -> bool:
    parts = options(item.schema, item.definitions)
    return any(len(part.get("enum") or part.get("items", {}).get("enum", ())) > 1 for part in parts)


def _made(item: SchemaKey) -> Any:
    """An example of a key."""
    if examples := item.schema.get("examples"):
        return examples[0]
    if item.plain:
        return _value(item.schema, item.definitions)
    form = item.tables[0]
    table = _shown(form, whole=False)
    return [table] if form.listed else {"name": table} if form.named else table


def _value(schema: Schema, definitions: Schema) -> Any:
    """A value of the first type that a schema allows."""
    schema = next(iter(options(schema, definitions)), {})
    if "const" in schema or schema.get("enum"):
        return schema.get("const", (schema.get("enum") or [None])[0])
    kind = schema.get("type")
    if kind in ("integer", "number"):
        return _number(schema, whole=kind == "integer")
    if kind == "array":
        parts = schema.get("prefixItems") or [schema.get("items", {})] * schema.get("minItems", 0)
        return [_value(part, definitions) for part in parts]
    return {"boolean": False, "object": {}}.get(str(kind), "…" * schema.get("minLength", 1))


def _number(schema: Schema, *, whole: bool) -> float:
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    if low is not None and high is not None:
        found = (low + high) / 2
    else:
        found = low + 1 if low is not None else high - 1 if high is not None else 1
    step = schema.get("multipleOf", 1 if whole else 0)
    found = math.ceil(found / step) * step if step else found
    return int(found) if whole else float(found)

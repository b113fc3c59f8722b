"""JSON Schema of parameters, read as TOML tables: its keys, the tables in it, and what each key takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from auditbench.cli.toml_words import key, value

Schema: TypeAlias = Mapping[str, Any]

_LIMITS = {
    "minimum": "at least {}", "exclusiveMinimum": "above {}", "maximum": "at most {}", "exclusiveMaximum": "below {}",
    "multipleOf": "a multiple of {}", "minLength": "at least {} long", "maxLength": "at most {} long",
    "pattern": "like {}", "minItems": "at least {} long", "maxItems": "at most {} long",
}  # fmt: skip
_YOURS = "NAME"  # in a heading, a key that the reader names
_ALONE: Mapping[str, Any] = {"listed": False, "named": False, "tag": ()}
_DEEPEST = 4  # types within types that are put into words


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaTable:
    """A table that a key takes, or one of several forms of it.

    Attributes:
        path: Its key path, as TOML writes it; a name that the reader gives is `NAME`.
        listed: Whether it is one of a list of tables; `named`, whether one of several under names that the reader gives.
        schema: Of the table itself.
        tag: The key and the value that tell this form from the others; empty without such a key.
        seen: Definitions on the way to it, so that a table that holds itself ends.
    """

    path: str
    schema: Schema
    definitions: Schema
    listed: bool = False
    named: bool = False
    tag: tuple[str, str] | tuple[()] = ()
    seen: frozenset[str] = frozenset()

    @property
    def heading(self) -> str:
        """As a line of TOML."""
        return f"[[{self.path}]]" if self.listed else f"[{self.path}]"

    def contents(self) -> list[SchemaKey]:
        """Its keys, in the order of the schema, without the one that tells forms apart."""
        required = self.schema.get("required", ())
        return [
            SchemaKey(
                name=name,
                schema=resolved(schema, self.definitions)[0],
                definitions=self.definitions,
                required=name in required,
                tables=tuple(_forms(schema, replace(self, path=self._below(name), **_ALONE))),
            )
            for name, schema in self.schema.get("properties", {}).items()
            if name not in self.tag[:1]
        ]

    def _below(self, name: str) -> str:
        return f"{self.path}.{key(name)}" if self.path else key(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaKey:
    """A key of a table.

    Attributes:
        tables: The forms of the tables that it takes; empty where it takes plain values alone.
    """

    name: str
    schema: Schema
    definitions: Schema
    required: bool
    tables: tuple[SchemaTable, ...]

    @property
    def plain(self) -> bool:
        """Whether it can be written in one line, as something else than a table."""
        return len(options(self.schema, self.definitions)) > len(self.tables)

    @property
    def inner(self) -> SchemaTable | None:
        """The one table that it is, where it is always there."""
        if self.plain or len(self.tables) != 1 or self.unset or self.tables[0].listed or self.tables[0].named:
            return None
        return self.tables[0]

    @property
    def unset(self) -> bool:
        """Whether it is left out by default."""
        return "default" in self.schema and self.schema["default"] is None

    @property
    def help(self) -> str:
        """What its author says about it."""
        return str(self.schema.get("description", ""))

    def helps(self, form: SchemaTable) -> list[str]:
        """What is said above one of its tables: about the key above the first, about the form where there are several."""
        own = str(form.schema.get("description", "")) if len(self.tables) > 1 else ""
        first = self.help if form is self.tables[0] and not self.plain else ""
        return [text for text in (first, own) if text]

    def words(self) -> str:
        """The key, its default and what it takes, in one line."""
        default, start = self.schema.get("default"), key(self.name)
        if self.required:
            start += " = … (required)"
        elif default is not None:
            start += f" = {value(default)}"
        elif self.unset:
            start += ", not set"
        allowed = allowed_words(self.schema, self.definitions)
        return f"{start}  ({allowed})" if allowed else start

    def note(self, form: SchemaTable) -> str:
        """What a reader has to know of one of its tables before the keys of it."""
        parts = (
            "required" if self.required else "",
            "not set" if self.unset else "",
            f"{_YOURS} is yours" if form.named else "",
            "any number" if form.listed or form.named else "",
            f"with {form.tag[0]} = {value(form.tag[1])}" if form.tag else "",
            f"one of {len(self.tables)} forms" if len(self.tables) > 1 else "",
        )
        return ", ".join(filter(None, parts))


def root_table(name: str, schema: Schema) -> SchemaTable:
    """The table `[analyzers.NAME]`."""
    return SchemaTable(path=f"analyzers.{key(name)}", schema=schema, definitions=schema.get("$defs", {}))


def architecture_table(schema: Schema) -> SchemaTable:
    """The table `[train.parameters]`, of one architecture."""
    return SchemaTable(path="train.parameters", schema=schema, definitions=schema.get("$defs", {}))


def document_table(schema: Schema) -> SchemaTable:
    """A whole file, whose keys have no table around them."""
    return SchemaTable(path="", schema=schema, definitions=schema.get("$defs", {}))


def options(schema: Schema, definitions: Schema) -> list[Schema]:
    """What a value may be: the schema itself, or each of its alternatives but for null."""
    parts = schema.get("anyOf") or schema.get("oneOf") or (schema,)
    return [found for part in parts if (found := resolved(part, definitions)[0]).get("type") != "null"]


def allowed_words(schema: Schema, definitions: Schema, depth: int = 0) -> str:
    """What a value may be, in words: its type, its choices or its limits."""
    found = options(schema, definitions)
    if len(found) != 1 or found[0] is not schema:
        return " or ".join(
            dict.fromkeys(text for option in found if (text := allowed_words(option, definitions, depth)))
        )
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    if "const" in schema:
        return value(schema["const"])
    limits = [text.format(_limit(schema[name])) for name, text in _LIMITS.items() if name in schema]
    return ", ".join(part for part in (_type_words(schema, definitions, depth), *limits) if part)


def resolved(schema: Schema, definitions: Schema) -> tuple[Schema, str]:
    """The schema that a reference stands for, with what stands beside the reference, and the name it goes by."""
    name = ""
    while reference := schema.get("$ref") or (len(parts := schema.get("allOf", ())) == 1 and parts[0].get("$ref")):
        name = str(reference).rpartition("/")[2]
        beside = {part: item for part, item in schema.items() if part not in ("$ref", "allOf")}
        schema = {**definitions.get(name, {}), **beside}
    return schema, name


def _by_name(schema: Schema) -> Any:
    """What stands under names that the reader gives; names that have to look alike stand there by a pattern."""
    return next(iter(schema.get("patternProperties", {}).values()), schema.get("additionalProperties"))


def _limit(limit: Any) -> Any:
    return int(limit) if isinstance(limit, float) and limit.is_integer() else limit


def _type_words(schema: Schema, definitions: Schema, depth: int) -> str:
    kind = str(schema.get("type", ""))
    inner = _by_name(schema) if kind == "object" else schema.get("items") if kind == "array" else None
    parts = schema.get("prefixItems") or ([inner] if isinstance(inner, Mapping) else [])
    said = [text for part in parts if depth < _DEEPEST and (text := allowed_words(part, definitions, depth + 1))]
    words = {"array": "list", "object": "table", "boolean": "true or false"}.get(kind, kind)
    return f"{words} of {' and '.join(said)}" if said else words


def _forms(schema: Schema, table: SchemaTable) -> Iterator[SchemaTable]:
    """The tables that a key takes: one, one of several forms, a list of them, or several by name.

    Args:
        table: Of the key, with its path, and what was seen on the way to it.
    """
    schema, name = resolved(schema, table.definitions)
    if name in table.seen:
        return
    table = replace(table, schema=schema, seen=table.seen | {name} if name else table.seen)
    tag = str(schema.get("discriminator", {}).get("propertyName", ""))
    for part in schema.get("anyOf") or schema.get("oneOf") or ():
        for form in _forms(part, table):
            own = form.schema["properties"].get(tag, {}).get("const", "")
            yield replace(form, tag=(tag, str(own))) if own else form
    if schema.get("properties"):
        yield table
    elif isinstance(items := schema.get("items"), Mapping):
        yield from _forms(items, replace(table, listed=True))
    elif isinstance(named := _by_name(schema), Mapping):
        yield from _forms(named, replace(table, path=f"{table.path}.{_YOURS}", listed=False, named=True))

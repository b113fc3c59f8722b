"""The keys of audit.toml and of gates.toml: table by table, with type, default and help."""

from __future__ import annotations

from collections.abc import Iterator

from auditbench.cli.schema_tables import SchemaKey, SchemaTable, allowed_words, architecture_table, document_table
from auditbench.cli.toml_words import value
from auditbench.config import AuditConfig
from auditbench.gate_file import GateFile
from auditbench.models.architectures import BUILT_IN
from writers.markdown import anchor_of, code, heading, page, prose, table

_AUDIT = (
    "Every key of an audit.toml, table by table. Paths are relative to the file. A key that is not listed is refused, with "
    "the nearest one that there is. `auditbench init` writes a file to begin with, `auditbench check` says what is wrong with "
    "one, and `--set KEY=VALUE` replaces a key for one command."
)
_ANALYZERS = (
    "A table a name: `[analyzers.shap]`. Beside the keys below, which are the same for all, it holds the parameters of that "
    "analyzer: see [its page](analyzers/index.md)."
)
_NETWORKS = (
    "What `train.architecture` may name, or `model.architecture` where weights are loaded, with the keys of `[train.parameters]` and of "
    "`model.parameters`. Others come from [plugins](../how-to/plugins/models-and-data.md)."
)
_GATES = "A gates.toml holds gates and waivers apart from an audit; the keys are those of an audit.toml, and `preset`."
_SAME = {"models.NAME": "The keys are those of [`[model]`](#model)."}
_MOVED = {"analyzers.NAME": ("parameters",)}  # in the file these are keys of the table itself


def config_page() -> str:
    """The reference of audit.toml."""
    return page("audit.toml", _AUDIT, *_tables(document_table(AuditConfig.model_json_schema())))


def gates_page() -> str:
    """The reference of gates.toml."""
    return page("gates.toml", _GATES, *_tables(document_table(GateFile.model_json_schema())))


def network_page() -> str:
    """Every network that `train` can build without a plugin, with its parameters."""
    parts = []
    for item in BUILT_IN:
        root = architecture_table(item.Params.model_json_schema() if item.Params else {})
        tables = [keys_table(root), *inner_tables(root, 3)]
        inputs = f"*Inputs:* {', '.join(map(code, item.modalities))}"
        parts += [heading(2, code(item.name), anchor=item.name), prose(f"{item.summary}."), inputs, *tables]
    return page("Networks", _NETWORKS, *parts)


def keys_table(item: SchemaTable) -> str:
    """The keys of a table that are written in one line."""
    left_out = _MOVED.get(item.path, ())
    rows = [_key(each) for each in item.contents() if each.plain and each.name not in left_out]
    return table(("key", "takes", "default", "what it is"), rows)


def inner_tables(item: SchemaTable, level: int) -> Iterator[str]:
    """The tables in a table, each under its heading."""
    for each in item.contents():
        if each.name in _MOVED.get(item.path, ()):
            continue
        for form in each.tables:
            yield heading(level, code(form.heading), anchor=anchor_of(f"{form.path}-{'-'.join(form.tag)}"))
            yield f"*{note}*" if (note := each.note(form)) else ""
            yield _ANALYZERS if form.path == "analyzers.NAME" else ""
            said = [*each.helps(form), str(form.schema.get("description", "")) if len(each.tables) == 1 else ""]
            yield "\n\n".join(dict.fromkeys(prose(text) for text in said if text))
            if form.path in _SAME:
                yield _SAME[form.path]
                continue
            yield keys_table(form)
            yield from inner_tables(form, min(level + 1, 5))


def _tables(root: SchemaTable) -> Iterator[str]:
    if own := keys_table(root):
        yield heading(2, "Keys of the file itself")
        yield own
    yield from inner_tables(root, 2)


def _key(item: SchemaKey) -> tuple[str, str, str, str]:
    default = item.schema.get("default")
    shown = "*required*" if item.required else "not set" if default is None else code(value(default))
    return code(item.name), prose(allowed_words(item.schema, item.definitions)), shown, prose(item.help)

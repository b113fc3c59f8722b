"""Gates that come with the product, by name: a TOML file each, and one sentence a gate in every language.

A preset states limits for metrics; whether they are right for a model is for its team to say. A gate with
`each = "sensitive"` stands for one gate a sensitive feature.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from auditbench.config import GateTable
from auditbench.config_problems import nearest
from auditbench.errors import ConfigError
from auditbench.messages import Templates, load_messages

PREFIX = "preset:"
_MOST_LETTERS, _MOST_DIGITS = 64, 6
_NUMBERED = re.compile(r"(^|-)[0-9]+$")


@dataclass(frozen=True, slots=True, kw_only=True)
class PresetGate:
    """One gate of a preset, or one a sensitive feature.

    Attributes:
        table: With an `id` that begins with the preset's name, and the key of its sentence as `explanation`.
        each_sensitive: Whether it stands for a gate on each sensitive feature.
    """

    table: GateTable
    each_sensitive: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """Limits under one name.

    Attributes:
        tasks: Of the models that have these metrics.
    """

    name: str
    tasks: tuple[str, ...]
    gates: tuple[PresetGate, ...]

    @property
    def needs_sensitive(self) -> bool:
        """Whether a gate stands for one a sensitive feature."""
        return any(gate.each_sensitive for gate in self.gates)

    def tables(self, sensitive: Sequence[str]) -> tuple[GateTable, ...]:
        """The gates as a config would hold them.

        Args:
            sensitive: Names of the sensitive features.
        """
        return tuple(
            table
            for gate in self.gates
            for table in (_of_features(gate.table, sensitive) if gate.each_sensitive else (gate.table,))
        )


def preset_names() -> tuple[str, ...]:
    """Every preset there is, sorted."""
    files = resources.files("auditbench.presets").iterdir()
    return tuple(sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml")))


def load_preset(name: str) -> Preset:
    """Read a preset.

    Raises:
        ConfigError: There is none of this name.
    """
    names = preset_names()
    if name not in names:
        raise ConfigError(
            "there is no such preset",
            where=f"{PREFIX}{name}",
            found=name,
            allowed=", ".join(names),
            fix=nearest(name, names),
        )
    file = resources.files("auditbench.presets") / f"{name}.toml"
    document = tomllib.loads(file.read_text("utf-8"))
    gates = tuple(_gate(name, table) for table in document["gates"])
    return Preset(name=name, tasks=tuple(document["tasks"]), gates=gates)


def preset_messages() -> Mapping[str, Templates]:
    """The sentences of presets and their gates, by language."""
    return load_messages("auditbench.presets")


def explanation_messages(gates: Sequence[GateTable]) -> dict[str, dict[str, Any]]:
    """The sentences that these gates name as their explanation, by language."""
    keys = {gate.explanation for gate in gates}
    return {
        language: {key: templates[key] for key in sorted(keys & set(templates))}
        for language, templates in preset_messages().items()
        if keys & set(templates)
    }


def _gate(preset: str, table: Mapping[str, Any]) -> PresetGate:
    fields = {key: value for key, value in table.items() if key != "each"}
    identity = f"{preset}.{table['id']}"
    gate = GateTable.model_validate({**fields, "id": identity, "explanation": f"preset.{identity}"})
    return PresetGate(table=gate, each_sensitive=table.get("each") == "sensitive")


def _of_features(gate: GateTable, features: Sequence[str]) -> tuple[GateTable, ...]:
    """The gate on each feature. Ids end in the feature's name, with its number where the name alone would not do."""
    room = _MOST_LETTERS - len(gate.id or "") - 1
    slugs = [re.sub(r"[^a-z0-9]+", "-", feature.lower()).strip("-") for feature in features]
    tables = []
    for number, (feature, slug) in enumerate(zip(features, slugs, strict=True), start=1):
        plain = slug and len(slug) <= room and slugs.count(slug) == 1 and not _NUMBERED.search(slug)
        ending = slug if plain else f"{slug[: room - _MOST_DIGITS]}-{number}".strip("-")
        tables.append(
            gate.model_copy(update={"id": f"{gate.id}.{ending}", "where": {**gate.where, "feature": feature}})
        )
    return tuple(tables)

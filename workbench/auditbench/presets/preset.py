"""A preset as it was read: gates under one name, some of them one a sensitive feature."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from auditbench.config import GateTable

MOST_LETTERS = 64
"""Of the id of a gate."""
_MOST_DIGITS = 6
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
        sentences: By language and key: `preset.NAME`, and the explanation of each gate.
        owner: Distribution and version that it comes with; empty for the product itself.
    """

    name: str
    tasks: tuple[str, ...]
    gates: tuple[PresetGate, ...]
    sentences: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    owner: str = ""

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


def _of_features(gate: GateTable, features: Sequence[str]) -> tuple[GateTable, ...]:
    """The gate on each feature. Ids end in the feature's name, with its number where the name alone would not do."""
    room = MOST_LETTERS - len(gate.id or "") - 1
    slugs = [re.sub(r"[^a-z0-9]+", "-", feature.lower()).strip("-") for feature in features]
    tables = []
    for number, (feature, slug) in enumerate(zip(features, slugs, strict=True), start=1):
        plain = slug and len(slug) <= room and slugs.count(slug) == 1 and not _NUMBERED.search(slug)
        ending = slug if plain else f"{slug[: room - _MOST_DIGITS]}-{number}".strip("-")
        tables.append(
            gate.model_copy(update={"id": f"{gate.id}.{ending}", "where": {**gate.where, "feature": feature}})
        )
    return tuple(tables)

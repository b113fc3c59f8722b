"""What presets and single gates are for, as `auditbench explain` tells it."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from auditbench.cli.explanation import Explanation

if TYPE_CHECKING:
    from auditbench.config import GateTable
    from auditbench.messages import Catalogue
    from auditbench.presets import PresetGate


def explain_preset(name: str) -> list[Explanation]:
    """A preset, and then each of its gates.

    Raises:
        ConfigError: There is no such preset.
    """
    from auditbench.presets import PREFIX, load_preset

    preset, say = load_preset(name), _catalogue()
    origin = f", from {preset.owner}" if preset.owner else ""
    purpose = Explanation(
        name=f"{PREFIX}{name}", title=f"for {', '.join(preset.tasks)}{origin}", text=say.say(f"preset.{name}")
    )
    return [purpose, *(_explained(gate.table, say, each_sensitive=gate.each_sensitive) for gate in preset.gates)]


def explain_gate(identity: str, files: Sequence[str] = ()) -> list[Explanation]:
    """A gate of a preset or of a file by its id; empty where there is none.

    Args:
        files: Paths of gate files, or `preset:NAME`.

    Raises:
        ConfigError: A file cannot be read.
    """
    own, say = [table for table in _of_files(files) if _identity(table) == identity], _catalogue()
    if own:
        return [_explained(table, say) for table in own]
    return [
        _explained(gate.table, say, each_sensitive=gate.each_sensitive)
        for gate in _shipped()
        if identity == gate.table.id or (gate.each_sensitive and identity.startswith(f"{gate.table.id}."))
    ]


def nearest_gates(identity: str, files: Sequence[str] = ()) -> list[str]:
    """Up to three ids of gates that are most like this one."""
    ids = [*(str(gate.table.id) for gate in _shipped()), *map(_identity, _of_files(files))]
    return difflib.get_close_matches(identity, ids, n=3, cutoff=0.5)


def _shipped() -> list[PresetGate]:
    from auditbench.presets import readable_presets

    return [gate for preset in readable_presets() for gate in preset.gates]


def _of_files(files: Sequence[str]) -> tuple[GateTable, ...]:
    """The gates that files write out; presets in them are known without."""
    from auditbench.errors import ConfigError
    from auditbench.gate_file import GateSource, read_gates

    given = read_gates([GateSource(text=file, base=Path.cwd()) for file in files], task="", sensitive=())
    if given.problems:
        raise ConfigError(f"{', '.join(files)} is not valid", problems=given.problems)
    return tuple(given.gates.values())


def _identity(table: GateTable) -> str:
    from auditbench.gates import gate_ids

    return gate_ids([table])[0]


def _explained(table: GateTable, say: Catalogue, *, each_sensitive: bool = False) -> Explanation:
    from auditbench.cli.words import labels, number

    limits = [f"{key} = {number(value)}" for key, value in table.model_dump().items() if isinstance(value, float)]
    rule = "the whole interval has to be inside" if table.decide == "interval" else "the value alone decides"
    each = ", one gate for each sensitive feature" if each_sensitive else ""
    advisory = ", advisory" if table.on_fail == "warn" else ""
    return Explanation(
        name=_identity(table),
        title=f"a gate on {table.metric}{labels(table.where)}",
        text=say.say(table.explanation) if table.explanation else "",
        limit=f"{', '.join(limits)}; {rule}{each}{advisory}",
    )


def _catalogue() -> Catalogue:
    from auditbench.messages import merge_catalogues
    from auditbench.presets import preset_messages

    return merge_catalogues("en", preset_messages().get("en", {}))

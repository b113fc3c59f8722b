"""Gates by name, of the product and of plugins: a TOML file each, and one sentence a gate in every language.

A preset states limits for metrics; whether they are right for a model is for its team to say. A gate with
`each = "sensitive"` stands for one gate a sensitive feature.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from auditbench.config import GateTable
from auditbench.config_problems import nearest
from auditbench.errors import ConfigError
from auditbench.hookspecs import PROJECT
from auditbench.messages import LANGUAGES, Templates
from auditbench.plugin_entries import covers, list_entry_points
from auditbench.presets.preset import Preset, PresetGate
from auditbench.presets.reading import read_preset
from auditbench.presets.sources import PresetSource, preset_sources

__all__ = [
    "PREFIX",
    "Preset",
    "PresetGate",
    "explanation_messages",
    "load_preset",
    "preset_messages",
    "preset_names",
    "presets_of",
    "readable_presets",
]

PREFIX = "preset:"


def preset_names() -> tuple[str, ...]:
    """Every preset there is, sorted; no file is opened."""
    return tuple(sorted({source.name for source in preset_sources() if source.own}))


def load_preset(name: str) -> Preset:
    """Read a preset.

    Raises:
        ConfigError: There is none of this name, two distributions have one, or its files are not as they must be.
    """
    return _read(name, preset_sources())


def readable_presets() -> tuple[Preset, ...]:
    """Every preset that can be used, sorted by name; `load_preset` says what is wrong with another."""
    sources = preset_sources()
    found = []
    for name in sorted({source.name for source in sources if source.own}):
        try:
            found.append(_read(name, sources))
        except ConfigError:
            continue
    return tuple(found)


def presets_of(distribution: str, plugin: str) -> dict[str, Preset | ConfigError]:
    """What a plugin ships as presets, by name: each as it was read, or why it cannot be used."""
    sources = preset_sources()
    found: dict[str, Preset | ConfigError] = {}
    for source in sources:
        if (source.distribution, source.plugin) == (distribution, plugin):
            try:
                found[source.name] = _read(source.name, sources if source.own else [source])
            except ConfigError as error:
                found[source.name] = error
    return found


def preset_messages() -> Mapping[str, Templates]:
    """The sentences of presets and their gates, by language."""
    found = readable_presets()
    return {
        language: {key: text for preset in found for key, text in preset.sentences[language].items()}
        for language in LANGUAGES
    }


def explanation_messages(gates: Sequence[GateTable]) -> dict[str, dict[str, Any]]:
    """The sentences that these gates name as their explanation, by language."""
    keys = {gate.explanation for gate in gates if gate.explanation.startswith("preset.")}
    return {
        language: {key: templates[key] for key in sorted(keys & set(templates))}
        for language, templates in (preset_messages() if keys else {}).items()
        if keys & set(templates)
    }


def _read(name: str, sources: Sequence[PresetSource]) -> Preset:
    where = f"{PREFIX}{name}"
    found = [source for source in sources if source.name == name]
    own = [source for source in found if source.own]
    if len(own) > 1:
        raise ConfigError(
            f"two distributions provide the preset {name!r}",
            where=where,
            found=" and ".join(source.owner or PROJECT for source in own),
            fix="uninstall one of them",
        )
    if own:
        return read_preset(own[0])
    if found:
        nearer = ", unless it begins with the longer name of another plugin" if covers(found[0].plugin, name) else ""
        raise ConfigError(
            "this preset has a name that is not its plugin's own",
            where=found[0].called(found[0].file),
            found=name,
            allowed=f"`{found[0].plugin}`, or `{found[0].plugin}-` and more{nearer}",
            fix="rename the file, and the keys of its sentences",
        )
    names = sorted({source.name for source in sources if source.own})
    raise ConfigError(
        "there is no such preset",
        where=where,
        found=name,
        allowed=", ".join(names),
        fix=_plugin_without_module(name) or nearest(name, names),
    )


def _plugin_without_module(preset: str) -> str:
    """What to do where the plugin that a preset is named for has no module; empty where it has one, or there is none."""
    lost = (entry for entry in list_entry_points() if covers(entry.name, preset) and not entry.module_found)
    return next(
        (
            f"the plugin {entry.name} ({entry.distribution} {entry.version}) may ship it, but its module `{entry.module}` is "
            "not there: correct its entry point, and install it again"
            for entry in lost
        ),
        "",
    )

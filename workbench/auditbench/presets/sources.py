"""Where presets lie: in this package, and in the packages of installed plugins, none of which is imported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from auditbench.hookspecs import PROJECT
from auditbench.plugin_entries import PluginEntry, covers, list_entry_points
from auditbench.plugin_folder import preset_files

_OURS = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class PresetSource:
    """The files of one preset.

    Attributes:
        file: `NAME.toml`.
        words: Folder of the catalogues with its sentences.
        distribution: What it comes with; `version` is that of the distribution. Both are empty for the product itself.
        plugin: Whose package holds it; empty for the product itself.
        own: Whether it is called like that plugin, or like it with a hyphen and more.
    """

    name: str
    file: Path
    words: Path
    distribution: str = ""
    version: str = ""
    plugin: str = ""
    own: bool = True

    @property
    def owner(self) -> str:
        """Distribution and version; empty for the product itself."""
        return f"{self.distribution} {self.version}".strip()

    def called(self, file: Path) -> str:
        """What an error calls one of its files."""
        return f"{self.owner or PROJECT}: {file.parent.name}/{file.name}"


def preset_sources() -> tuple[PresetSource, ...]:
    """Every preset that is installed; a name may stand there several times. No file is opened."""
    ours = (PresetSource(name=file.stem, file=file, words=_OURS / "messages") for file in sorted(_OURS.glob("*.toml")))
    return (*ours, *_of_plugins(list_entry_points()))


def _of_plugins(entries: Sequence[PluginEntry]) -> Iterator[PresetSource]:
    sharing: dict[tuple[str, Path], list[PluginEntry]] = {}
    for entry in entries:
        for file in _files(entry):
            sharing.setdefault((entry.distribution, file), []).append(entry)
    for (_, file), plugins in sharing.items():
        covering = [plugin for plugin in plugins if covers(plugin.name, file.stem)]
        plugin = max(covering or plugins, key=lambda entry: len(entry.name))
        longer = any(covers(other.name, file.stem) and len(other.name) > len(plugin.name) for other in entries)
        yield PresetSource(
            name=file.stem,
            file=file,
            words=file.parents[1] / "messages",
            distribution=plugin.distribution,
            version=plugin.version,
            plugin=plugin.name,
            own=bool(covering) and not longer,
        )


def _files(entry: PluginEntry) -> tuple[Path, ...]:
    try:
        return preset_files(entry.module)
    except (ImportError, ValueError):
        return ()

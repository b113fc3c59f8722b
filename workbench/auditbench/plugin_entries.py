"""Installed plugins, from their metadata alone: nothing of them is imported.

A plugin is an entry point of group `auditbench.plugins`. It may provide its own name, and names that begin with it and
a hyphen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from auditbench.config_problems import nearest
from auditbench.errors import PluginConflictError, UnknownPluginError
from auditbench.hookspecs import ENTRY_POINT_GROUP, PROJECT
from auditbench.plugin_folder import has_module, top_of
from auditbench.run import PluginFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginEntry:
    """An installed plugin, from its metadata alone.

    Attributes:
        module: What the entry point names.
        first_party: Whether it comes with Auditbench itself.
    """

    name: str
    module: str
    distribution: str
    version: str

    @property
    def first_party(self) -> bool:
        """Whether it comes with Auditbench itself."""
        return re.sub(r"[-_.]+", "-", self.distribution).lower() == PROJECT

    @property
    def package(self) -> str:
        """The package or module at the top of its code."""
        return top_of(self.module)

    @property
    def module_found(self) -> bool:
        """Whether there is a file of that module; nothing is imported, so that it may still raise."""
        return has_module(self.module.partition(":")[0].strip())

    def facts(self) -> PluginFacts:
        """The part of it that stands in a record."""
        return PluginFacts(name=self.name, distribution=self.distribution, version=self.version)


def list_entry_points() -> tuple[PluginEntry, ...]:
    """Every installed plugin by name; imports none of them. Two that claim one name are both listed."""
    return tuple(
        sorted((entry_of(point) for point in plugin_points()), key=lambda entry: (entry.name, entry.distribution))
    )


def find_entry(name: str, entries: Sequence[PluginEntry] | None = None, *, where: str = "") -> PluginEntry:
    """The plugin that may provide `name`: of that name, or of the longest name it continues with a hyphen.

    Raises:
        UnknownPluginError: No installed plugin may provide it.
        PluginConflictError: Two distributions claim the plugin's name.
    """
    entries = list_entry_points() if entries is None else entries
    covering = [entry for entry in entries if covers(entry.name, name)]
    if not covering:
        names = sorted({entry.name for entry in entries})
        raise UnknownPluginError(
            f"no installed plugin provides {name!r}",
            where=where,
            found=name,
            allowed=", ".join(names) or "no plugins are installed",
            fix=nearest(name, names) or "install the plugin that provides it",
        )
    longest = max(len(entry.name) for entry in covering)
    best = [entry for entry in covering if len(entry.name) == longest]
    if len(best) > 1:
        raise conflict(best[0].name, best, where)
    return best[0]


def find_exact(name: str, entries: Sequence[PluginEntry] | None = None, *, where: str = "") -> PluginEntry:
    """The plugin whose entry point has this very name; raises as `find_entry`."""
    entry = find_entry(name, entries, where=where)
    if entry.name != name:
        raise UnknownPluginError(
            f"no installed plugin is called {name!r}", where=where, found=name, fix=f"did you mean `{entry.name}`?"
        )
    return entry


def covers(plugin: str, name: str) -> bool:
    """Whether a plugin of this name may provide something called `name`."""
    return name == plugin or name.startswith(f"{plugin}-")


def plugin_points() -> tuple[EntryPoint, ...]:
    """The entry points of every installed plugin."""
    return tuple(entry_points(group=ENTRY_POINT_GROUP))


def entry_of(point: EntryPoint) -> PluginEntry:
    """The plugin behind an entry point."""
    dist = point.dist
    return PluginEntry(
        name=point.name,
        module=point.value,
        distribution=str(dist.name) if dist else "unknown",
        version=str(dist.version) if dist else "unknown",
    )


def conflict(name: str, entries: Iterable[PluginEntry], where: str) -> PluginConflictError:
    """The error about two distributions that provide one name."""
    claims = " and ".join(f"{entry.distribution} {entry.version}" for entry in entries)
    return PluginConflictError(
        f"two distributions provide {name!r}", where=where, found=claims, fix="uninstall one of them"
    )

"""`PluginProject`: a folder with a pyproject.toml, read without running its code, and what such a project promises."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from auditbench.config_problems import nearest
from auditbench.errors import ConfigError, Problem
from auditbench.hookspecs import ENTRY_POINT_GROUP
from auditbench.plugin_entries import PluginEntry, list_entry_points
from auditbench.plugin_folder import plugin_folders
from auditbench.registry import NAME
from auditbench.testing.conformance.promises import Conformance, Promise
from auditbench.testing.conformance.settings import Settings, settings_in
from auditbench.testing.conformance.trying import Check, NotTried, conformance_of
from auditbench.toml_file import read_toml

KIND = "project"
_DISTRIBUTION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginProject:
    """The project of a plugin, whichever tool builds it.

    Attributes:
        name: Of the distribution.
        version: Empty where it does not say one; `dynamic` where its tool finds it out.
        entry_points: Module by name of the plugin.
        requires: What it asks for, as requirements.
        roots: Folders that modules are imported from: those that hold a module of an entry point.
        settings: What its author gives to the checks.
    """

    folder: Path
    name: str
    version: str
    entry_points: Mapping[str, str]
    requires: tuple[str, ...]
    roots: tuple[Path, ...]
    settings: Settings = field(default_factory=Settings)


def read_project(folder: Path) -> PluginProject:
    """Read the pyproject.toml of a folder.

    Raises:
        ConfigError: There is none, it has no table `[project]`, or a key that is read holds something else.
    """
    path = folder / "pyproject.toml"
    document = read_toml(path, fix="name the folder of a plugin's project, or an installed plugin")
    project = document.get("project")
    if not isinstance(project, dict):
        raise ConfigError(
            "this file does not describe a project",
            where=str(path),
            found="no table [project]",
            allowed='[project] with name, version, dependencies and [project.entry-points."auditbench.plugins"]',
            fix="write these; setuptools, hatch, flit and poetry all read them",
        )
    points = _mapping(_mapping(project.get("entry-points")).get(ENTRY_POINT_GROUP))
    modules = {str(name): str(value) for name, value in points.items()}
    return PluginProject(
        folder=folder,
        name=_text(project, "name"),
        version="dynamic" if "version" in _texts(project, "dynamic") else _text(project, "version"),
        entry_points=modules,
        requires=_texts(project, "dependencies"),
        roots=tuple(dict.fromkeys(root for module in modules.values() if (root := _root(folder, module)))),
        settings=settings_in(document, folder=folder.absolute()),
    )


def project_conformance(project: PluginProject) -> Conformance:
    """Which promises a project keeps; raises nothing."""
    return conformance_of(KIND, project.name or project.folder.name, project, CHECKS)


def module_file(roots: tuple[Path, ...], module: str) -> Path | None:
    """The file of a module below one of the folders; None where there is none."""
    parts = re.split(r"[:\[ ]", module, maxsplit=1)[0].split(".")
    if not all(map(str.isidentifier, parts)):
        return None  # a path is no module
    for root in roots:
        for path in (root.joinpath(*parts, "__init__.py"), root.joinpath(*parts).with_suffix(".py")):
            if path.is_file():
                return path
    return None


def installed_roots(entry: PluginEntry) -> tuple[Path, ...]:
    """Folders that the module of an installed plugin is imported from; nothing of it is imported."""
    from importlib.util import find_spec

    spec = find_spec(entry.package)
    places = [*plugin_folders(entry.module), *([Path(spec.origin)] if spec and spec.origin else [])]
    return tuple(dict.fromkeys(place.parent for place in places))


def _says_its_version(project: PluginProject) -> Problem | None:
    if _DISTRIBUTION.fullmatch(project.name) and project.version:
        return None
    return Problem(
        message="the project has no name that a distribution may have, or no version",
        where="project",
        found=f"name {project.name!r}, version {project.version!r}",
        allowed="both, the name of letters, digits, `.`, `_` and `-`; a report names them",
        fix='write `name = "auditbench-gap"` and `version = "0.1.0"`, or name the version in `dynamic`',
    )


def _requires_auditbench(project: PluginProject) -> Problem | None:
    if any(re.match(r"auditbench(?![\w.-])", requirement, re.IGNORECASE) for requirement in project.requires):
        return None
    return Problem(
        message="the project does not ask for auditbench",
        where="project.dependencies",
        found=", ".join(project.requires) or "nothing",
        allowed="auditbench, from the version that it was written for",
        fix='add "auditbench>=0.1"',
    )


def _names_its_plugins(project: PluginProject) -> Problem | None:
    ours = {entry.name for entry in list_entry_points() if entry.first_party}
    where = f'project.entry-points."{ENTRY_POINT_GROUP}"'
    if not project.entry_points:
        return Problem(
            message="the project has no entry point, so that nobody finds its plugin",
            where=where,
            found="nothing",
            allowed="name = module",
            fix='write `gap = "auditbench_gap"`, with names of your own',
        )
    for name in project.entry_points:
        if not NAME.fullmatch(name) or name in ours:
            return Problem(
                message="a plugin may not be called so",
                where=where,
                found=name,
                allowed="lower-case letters, digits, `_`, `.` and `-`, beginning with a letter; no name of Auditbench's own",
                fix="choose another name; all that the plugin provides begins with it",
            )
    return None


def _has_its_modules(project: PluginProject) -> Problem | None:
    if not project.entry_points:
        raise NotTried("there is no entry point")
    for name, module in project.entry_points.items():
        if module_file(project.roots, module) is None:
            return Problem(
                message="the module of an entry point is not in the project",
                where=f"plugin {name}",
                found=module,
                allowed="a module or package in `src/`, in the folder itself, or in a folder of it",
                fix=nearest(module, _modules(project.folder)) or "correct the name of the module",
            )
    return None


def _root(folder: Path, module: str) -> Path | None:
    """The folder below a project that a module is imported from."""
    return next((root.absolute() for root in _roots(folder) if module_file((root,), module)), None)


def _roots(folder: Path) -> tuple[Path, ...]:
    """Where a module of a project may be: `src`, the project itself, or another folder in it."""
    others = sorted(path for path in folder.iterdir() if path.is_dir() and path.name != "src")
    return (folder / "src", folder, *others)


def _modules(folder: Path) -> list[str]:
    """The modules and packages at the top of a project's folders."""
    files = [file for root in _roots(folder) for file in (*root.glob("*.py"), *root.glob("*/__init__.py"))]
    return [file.parent.name if file.name == "__init__.py" else file.stem for file in files]


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(project: Mapping[str, Any], key: str) -> str:
    value = project.get(key, "")
    if not isinstance(value, str):
        raise _other_type(key, value, "text")
    return value


def _texts(project: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = project.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _other_type(key, value, "a list of texts")
    return tuple(value)


def _other_type(key: str, value: Any, allowed: str) -> ConfigError:
    return ConfigError(
        f"expected {allowed}", where=f"project.{key}", found=repr(value)[:80], allowed=allowed, fix="correct it"
    )


CHECKS: tuple[Check[PluginProject], ...] = (
    (Promise(key="says-its-version", sentence="Says its name and its version."), _says_its_version),
    (Promise(key="requires-auditbench", sentence="Asks for auditbench."), _requires_auditbench),
    (Promise(key="names-its-plugins", sentence="Names its plugins as entry points."), _names_its_plugins),
    (Promise(key="has-its-modules", sentence="Holds the module of each entry point."), _has_its_modules),
)
"""Every promise of a project with what tries it."""

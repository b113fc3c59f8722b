"""Where the files of a plugin lie, found without running its code."""

from __future__ import annotations

import re
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path


def plugin_folders(module: str) -> tuple[Path, ...]:
    """Folders of the package that holds a plugin; empty where it is a single module, or is not there.

    Args:
        module: What the entry point names.
    """
    spec = find_spec(top_of(module))
    return tuple(map(Path, (spec.submodule_search_locations if spec else None) or ()))


def top_of(module: str) -> str:
    """The package or module at the top of what an entry point names."""
    return re.split(r"\W", module, maxsplit=1)[0]


def has_module(name: str) -> bool:
    """Whether there is a module of this dotted name; `find_spec` alone would import the packages around it."""
    top, *parts = name.split(".")
    try:
        spec = find_spec(top)
        for depth in range(len(parts)):
            around = spec.submodule_search_locations if spec else None
            spec = PathFinder.find_spec(".".join([top, *parts[: depth + 1]]), list(around or ()))
    except (ImportError, ValueError):
        return False
    return spec is not None


def preset_files(module: str) -> tuple[Path, ...]:
    """The files `presets/NAME.toml` of that package, sorted."""
    return tuple(file for folder in plugin_folders(module) for file in sorted((folder / "presets").glob("*.toml")))

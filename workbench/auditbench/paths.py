"""A path that a person wrote: whether something stands there, and how it is written for a person."""

from __future__ import annotations

import shlex
from pathlib import Path


def is_there(path: Path) -> bool:
    """As `Path.exists`, and False for what cannot be looked at: a name too long, a folder that may not be entered."""
    try:
        return path.exists()
    except OSError:
        return False


def is_folder_there(path: Path) -> bool:
    """As `Path.is_dir`, and False for what cannot be looked at."""
    try:
        return path.is_dir()
    except OSError:
        return False


def is_file_there(path: Path) -> bool:
    """As `Path.is_file`, and False for what cannot be looked at."""
    try:
        return path.is_file()
    except OSError:
        return False


def without_turns(path: Path) -> Path:
    """The same file or folder without `..` on the way; a link at its end stays one."""
    if ".." not in path.parts:
        return path
    try:
        return path.resolve() if path.name == ".." else path.parent.resolve() / path.name
    except (OSError, RuntimeError, ValueError):  # no file can have this name, or links lead in a circle
        return path


def as_argument(path: Path) -> str:
    """The path for a command that is given in the working folder, in quotes where a shell needs them."""
    try:
        found, here = without_turns(path.absolute()), Path.cwd()
    except OSError:  # the working folder is gone
        return shlex.quote(str(path))
    name = str(found.relative_to(here) if found.is_relative_to(here) else found)
    return shlex.quote(f"./{name}" if name.startswith("-") else name)

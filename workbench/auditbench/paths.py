"""Whether something stands at a path that a person wrote."""

from __future__ import annotations

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

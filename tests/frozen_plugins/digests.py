"""What the files of frozen plugins are, and what they were when they were frozen.

As a program it prints the digests of folders that have none, as tables for digests.toml.
"""

from __future__ import annotations

import hashlib
import sys
import tomllib
from pathlib import Path

FOLDER = Path(__file__).parent


def recorded() -> dict[str, dict[str, str]]:
    """sha256 by plugin and file, as it was frozen."""
    file = FOLDER / "digests.toml"
    return tomllib.loads(file.read_text("utf-8"))


def digests_of(folder: Path) -> dict[str, str]:
    """sha256 of every file of a plugin, by its path in the folder; what Python leaves beside modules does not count."""
    files = (file for file in sorted(folder.rglob("*")) if file.is_file() and "__pycache__" not in file.parts)
    return {file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


if __name__ == "__main__":
    for path in sorted(FOLDER.glob("api_*")):
        if path.name not in recorded():
            lines = [f"[{path.name}]", *(f'"{name}" = "{digest}"' for name, digest in digests_of(path).items())]
            sys.stdout.write("\n".join(lines) + "\n")

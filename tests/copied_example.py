"""A copy of an example with other analyzers and without gates, where nothing is trained yet."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"
_ANALYZERS = re.compile(r"^\[+(?:analyzers|gates)\b.*?(?=^\[(?!analyzers\b|\[gates\b)|\Z)", re.DOTALL | re.MULTILINE)


def copied_example(config: str, tables: str, home: Path) -> Path:
    """The config in a copy of all examples, with tables in place of its analyzers and gates.

    Args:
        config: Such as `02-image/explained.toml`.
        home: An empty folder for the copy.
    """
    shutil.copytree(EXAMPLES, home / "examples", ignore=shutil.ignore_patterns("model", ".*", "auditbench-out"))
    path = home / "examples" / config
    path.write_text(f"{_ANALYZERS.sub('', path.read_text())}\n{tables}")
    return path

"""Names and texts as TOML writes them."""

from __future__ import annotations

import json
import re


def quoted(text: str) -> str:
    """Text as a TOML basic string, whatever it holds."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def key(name: str) -> str:
    """A name as a TOML key, quoted where it has to be."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else quoted(name)

"""Our own style and scripts without what only their readers need: comments, indentation, blanks."""

from __future__ import annotations

import re

_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_STRING = re.compile(r'("[^"]*")')
_BLANKS = re.compile(r"\s+")
_MARKS = re.compile(r"\s*([{};>,])\s*|(:) ")


def short_style(style: str) -> str:
    """A style sheet in one line; what stands in quotes stays as it is.

    Blanks around `+` and `-` stay (`calc` needs them), and so does one before a colon, which is a descendant.
    """
    parts = _STRING.split(_COMMENT.sub("", style))
    parts[::2] = [_MARKS.sub(r"\1\2", _BLANKS.sub(" ", part)).replace(";}", "}") for part in parts[::2]]
    return "".join(parts).strip()


def short_script(script: str) -> str:
    """A script without indentation, blank lines and lines of comment; line ends stay, as they may end statements."""
    lines = (line.strip() for line in script.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//"))

"""From text of the view model to Markdown in one line, in which no name and no word acts.

Names stand in code spans, where GitHub and GitLab read no mention, reference, link, entity or mark. Words are escaped;
what a site would turn into a mention, reference, link or picture after Markdown was read is parted by a word joiner.
"""

from __future__ import annotations

import re

from auditbench.safe_text import LONGEST_NAME, code_of, safe_text
from auditbench_html.view.text import Text

LONGEST = 800
_JOINER = "\N{WORD JOINER}"
_CODE = re.compile(r"`([^`]+)`")
_ESCAPED = re.compile(r"[\\*_{}\[\]#!~^$=]")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;"}
# What begins a mention, a reference (of GitLab too), a picture by name or an address.
_REFERENCE = re.compile(r"@|[#$!%~^&](?=\w|$)|:(?=\w|/)|\bGH-(?=\d)|\bwww(?=\.)|[0-9a-f]{6}(?=[0-9a-f])", re.IGNORECASE)
_DECIMAL = re.compile(r"((?<![\w.])[0-9][0-9,]*\.[0-9]+(?!\w|\.\w))")
_LIST = re.compile(r"^(\s*)([-+]|\d+(?=[.)](?:\s|$)))")


def to_markdown(text: Text, longest: int = LONGEST) -> str:
    """Text as one line of Markdown; from `longest` characters on, before escaping, it is cut."""
    parts: list[str] = []
    for index, run in enumerate(text.runs):
        shown = safe_text(run.text, longest)
        longest -= len(shown)
        if longest < 1 and any(later.text for later in text.runs[index + 1 :]):
            shown = f"{shown[:-1]}…"
        parts.append(code(shown, LONGEST) if run.kind == "name" else _words(shown))
        if longest < 1:
            break
    parted = "".join(parts).replace("``", f"`{_JOINER}`")  # spans of code side by side would be one
    return _LIST.sub(_not_a_list, parted)


def strong(text: Text) -> str:
    """Text in bold."""
    return _between("**", text)


def emphasis(text: Text) -> str:
    """Text in italics."""
    return _between("*", text)


def code(name: str, longest: int = LONGEST_NAME) -> str:
    """A name as a code span; the two characters that could end it or its cell of a table show as codes."""
    shown = safe_text(name, longest).replace("`", code_of("`")).replace("|", code_of("|"))
    return f"`{shown}`" if shown.strip() else shown


def _between(mark: str, text: Text) -> str:
    """Text between two marks, which would not act beside blanks or with nothing between them."""
    shown = to_markdown(text).strip()
    return f"{mark}{shown}{mark}" if shown else ""


def _words(text: str) -> str:
    """Words, escaped; what stands between backticks in them is code."""
    pieces = _CODE.split(text)
    return "".join(
        code(piece, LONGEST) if index % 2 else _escaped(piece.replace("`", "")) for index, piece in enumerate(pieces)
    )


def _escaped(text: str) -> str:
    parts = _DECIMAL.split(text)
    parts[::2] = [_REFERENCE.sub(lambda match: match[0] + _JOINER, part) for part in parts[::2]]
    parted = "".join(parts)
    marked = _ESCAPED.sub(lambda match: f"\\{match[0]}", parted)
    return "".join(_ENTITIES.get(character, character) for character in marked)


def _not_a_list(match: re.Match[str]) -> str:
    mark = match[2]
    return f"{match[1]}{_JOINER}{mark}" if mark.isdigit() else f"{match[1]}\\{mark}"

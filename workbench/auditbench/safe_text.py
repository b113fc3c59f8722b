"""Text from outside as text and nothing else: names of columns, groups, classes and files, values, and what errors say.

Whatever is shown to a person passes `safe_text`: reports of every format, and the terminal. What one format needs beyond
that, such as escaped marks of Markdown or a command of a continuous integration service, is that format's own.
"""

from __future__ import annotations

import unicodedata

LONGEST_NAME = 120
"""Characters of a name or a short value; what is longer loses its end."""
LONGEST_TEXT = 4096
"""Characters of a sentence, a path or a line of a trace: a bound on what one line may hold, which no honest one meets."""

# Control, format (marks of direction among them), private use, surrogate, unassigned; separators of lines, paragraphs.
_UNSEEN = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"})
# Letters and signs by their category that draw nothing: a name that ends in one looks like the name without it.
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")
_SIGNS = {"\n": "↵", "\r": "↵", "\t": "⇥"}


def safe_text(text: str, longest: int = LONGEST_NAME) -> str:
    """Text in one line, with every character visible, and no longer than `longest`.

    A line end (LF, CR or both) becomes `↵` and a tab `⇥`, so that two names that differ in them look different; every
    other character of the categories Cc, Cf, Co, Cs, Cn, Zl and Zp, and five that draw nothing, becomes a code such as
    `⟨U+202E⟩`. Which characters are assigned follows the Unicode version of the running Python. Text that is too long
    loses its end, never half a code, and closes with `…`. Safe text is left as it is.

    Args:
        longest: Most characters of the result, 1 or more.
    """
    if longest < 1:
        raise ValueError(f"expected longest >= 1, got {longest}")
    if len(text) <= longest and text.isprintable() and _BLANK.isdisjoint(text):
        return text
    # No character becomes shorter, but for CR LF: what lies beyond cannot be shown.
    units = [_shown(character) for character in text[: 2 * longest + 2].replace("\r\n", "\n")]
    if sum(map(len, units)) <= longest:
        return "".join(units)
    kept, length = 0, 0
    while length + len(units[kept]) < longest:
        length += len(units[kept])
        kept += 1
    return "".join(units[:kept]) + "…"


def code_of(character: str) -> str:
    """A character as a visible code: `⟨U+001B⟩`."""
    return f"⟨U+{ord(character):04X}⟩"


def _shown(character: str) -> str:
    if character in _SIGNS:
        return _SIGNS[character]
    if character in _BLANK or unicodedata.category(character) in _UNSEEN:
        return code_of(character)
    return character

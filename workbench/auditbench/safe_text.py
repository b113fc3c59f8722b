"""Text from outside as text and nothing else: names of columns, groups, classes and files, values, and what errors say.

Whatever is shown to a person passes `safe_text`: reports of every format, and the terminal. What one format needs
beyond that, such as escaped marks of Markdown or a command of a continuous integration service, is that format's own.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

LONGEST_NAME = 120
"""Characters of a name or a short value; what is longer loses its end."""
LONGEST_TEXT = 4096
"""Characters of a sentence, a path or a line of a trace: a bound on one line, which no honest one meets."""

# Control, format (marks of direction among them), private use, surrogate, unassigned; separators of lines, paragraphs
# and words, but for the space.
_UNSEEN = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp", "Zs"})
# Letters, signs and marks by their category that draw nothing: a name that ends in one looks like the name without it.
_BLANK = frozenset(
    map(
        chr,
        (
            *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0),
            *range(0x180B, 0x1810),
            *range(0xFE00, 0xFE10),
            *range(0xE0100, 0xE01F0),
        ),
    )
)
_MARKS = frozenset({"Mn", "Me"})
_MOST_MARKS = 4  # on one letter, which no script that is written has more of; a pile of them covers the lines around
_SIGNS = {"\n": "↵", "\r": "↵", "\t": "⇥"}


def safe_text(text: str, longest: int = LONGEST_NAME) -> str:
    """Text in one line, with every character visible, and no longer than `longest`.

    A line end (LF, CR or both) becomes `↵` and a tab `⇥`, so that two names that differ in them look different. A code
    such as `⟨U+202E⟩` stands for every other character of the categories Cc, Cf, Co, Cs, Cn, Zl, Zp and Zs but the
    space, for letters and marks that draw nothing, such as selectors of variants, and for the fifth and further marks
    on one letter. Which characters are assigned follows the Unicode version of the running Python. Text that is too
    long loses its end, never half a code, and closes with `…`. Safe text is left as it is.

    Args:
        longest: Most characters of the result, 1 or more.
    """
    if longest < 1:
        raise ValueError(f"expected longest >= 1, got {longest}")
    if len(text) <= longest and text.isascii() and text.isprintable():
        return text
    # No character becomes shorter, but for CR LF: what lies beyond cannot be shown.
    units = list(_units(text[: 2 * longest + 2].replace("\r\n", "\n")))
    if sum(map(len, units)) <= longest:
        return "".join(units)
    kept, length = 0, 0
    while length + len(units[kept]) < longest:
        length += len(units[kept])
        kept += 1
    return "".join(units[:kept]) + "…"


def shortened(text: str, longest: int) -> str:
    """Text no longer than `longest`, 1 or more; what loses its end closes with `…`."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def code_of(character: str) -> str:
    """A character as a visible code: `⟨U+001B⟩`."""
    return f"⟨U+{ord(character):04X}⟩"


def _units(text: str) -> Iterator[str]:
    """Each character as it is shown."""
    marks = 0
    for character in text:
        category = unicodedata.category(character)
        marks = marks + 1 if category in _MARKS else 0
        unseen = category in _UNSEEN and character != " "
        if character in _SIGNS:
            yield _SIGNS[character]
        else:
            yield code_of(character) if unseen or character in _BLANK or marks > _MOST_MARKS else character

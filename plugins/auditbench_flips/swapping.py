"""Words of a text exchanged for their counterparts, all else left as it is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from auditbench.data.texts import tokens_of


@dataclass(frozen=True, slots=True, kw_only=True)
class SwappedText:
    """A text with its words exchanged.

    Attributes:
        first: Words of the first side that were found; `second` of the other one.
    """

    text: str
    first: int
    second: int


class WordSwap:
    """Exchanges the words of pairs for each other, in both directions at once.

    A word is found by itself, in any case, and inside of what hyphens and apostrophes join: `he's`, `ex-husband`; not inside
    of another word. Its counterpart is written as it is: `SHE`, `She` or `she`.
    """

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Fix the pairs; where a word stands in several, the first one counts."""
        self._other: dict[str, str] = {}
        self._first: set[str] = set()
        for one, other in pairs:
            self._first.add(one.lower())
            self._other.setdefault(one.lower(), other.lower())
            self._other.setdefault(other.lower(), one.lower())
        longest_first = sorted(self._other, key=lambda word: (-len(word), word))
        self._pattern = re.compile("|".join(map(_by_itself, longest_first)), re.IGNORECASE)

    def __call__(self, text: str) -> SwappedText:
        """The text with every word of a pair exchanged."""
        sides = [0, 0]

        def exchanged(found: re.Match[str]) -> str:
            word = found[0].lower()
            if word not in self._other:  # a letter that equals another in some alphabets only, such as a dotless i
                return found[0]
            sides[word not in self._first] += 1
            return _written_as(found[0], self._other[word])

        swapped = self._pattern.sub(exchanged, text)
        return SwappedText(text=swapped, first=sides[0], second=sides[1])


def _by_itself(word: str) -> str:
    """A pattern of the word where no letter or digit stands beside it, unless its script has no blanks between words."""
    before = "" if _stands_alone(word[0]) else r"(?<![^\W_])"
    behind = "" if _stands_alone(word[-1]) else r"(?![^\W_])"
    return f"{before}{re.escape(word)}{behind}"


def _stands_alone(sign: str) -> bool:
    """Whether a sign is a word beside any letter, as in Chinese."""
    return len(tokens_of(f"a{sign}", "words")) > 1


def _written_as(found: str, word: str) -> str:
    if found.isupper() and len(found) > 1:
        return word.upper()
    return word[:1].upper() + word[1:] if found[:1].isupper() else word

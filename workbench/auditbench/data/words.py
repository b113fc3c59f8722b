"""The words of a text, whatever its tokens are: what an explanation of a text is about.

A word is what the unit `words` cuts, so that summaries by word are alike for words, characters and subwords. White space
and marks behind a word belong to it, so that the words of a text join to the text.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TypeAlias

from auditbench.data.inputs import PADDING, TextInput
from auditbench.data.subwords import subwords_of
from auditbench.data.texts import word_spans

Span: TypeAlias = tuple[int, int]
"""Where a token begins in a text, and where it ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The words that a model sees of a text.

    Attributes:
        index: For each token, padding among them, which word it is part of, None for padding and special tokens.
        said: Each word as it stands in the text, with what stands behind it up to the next one.
    """

    index: tuple[int | None, ...]
    said: tuple[str, ...]


def words_of(item: TextInput, token_ids: Iterable[Sequence[int]], texts: Sequence[str] | None) -> list[Words]:
    """The words of each text.

    Args:
        token_ids: Of each text, `item.length` of them.
        texts: The texts themselves; None where only their tokens are known.
    """
    rows = [[int(token) for token in row] for row in token_ids]
    places = [[] for _ in rows] if texts is None else _places(item, texts)
    shown = [""] * len(rows) if texts is None else texts
    return [_words(item, *each) for each in zip(rows, shown, places, strict=True)]


def _places(item: TextInput, texts: Sequence[str]) -> list[list[Span]]:
    """Where each token that the model sees stands in its text; special ones nowhere."""
    if item.unit == "subwords":
        return subwords_of(item.tokenizer).spans(texts, length=item.length, kept=item.kept)
    every = [word_spans(text) if item.unit == "words" else _characters(text) for text in texts]
    return [spans[: item.length] if item.kept == "first" else spans[-item.length :] for spans in every]


def _characters(text: str) -> list[Span]:
    return [(place, place + 1) for place in range(len(text))]


def _words(item: TextInput, row: list[int], text: str, places: list[Span]) -> Words:
    seen = [token for token in row if token != PADDING]
    if len(places) != len(seen):
        pieces = _pieces(seen, item)
        ends = list(accumulate(map(len, pieces), initial=0))
        text, places = "".join(pieces), list(pairwise(ends))
    index, said = _grouped(text, places)
    found = iter(index)
    return Words(index=tuple(None if token == PADDING else next(found) for token in row), said=said)


def _pieces(seen: list[int], item: TextInput) -> list[str]:
    """What each token reads as, where the text itself is not known."""
    known = ("", "\N{REPLACEMENT CHARACTER}", *item.vocabulary)
    blank = " " if item.unit == "words" else ""
    return [known[token] + blank for token in seen]


def _grouped(text: str, places: list[Span]) -> tuple[list[int | None], tuple[str, ...]]:
    """Which word each token is part of, and the words; a word that no token ends in joins the next one."""
    starts = [start for start, _ in word_spans(text)] or [0]
    word_of = [max(bisect_right(starts, stop - 1) - 1, 0) if stop > start else None for start, stop in places]
    numbers = {word: number for number, word in enumerate(sorted({word for word in word_of if word is not None}))}
    index = [None if word is None else numbers[word] for word in word_of]
    begins = [len(text)] * len(numbers)
    for (start, stop), number in zip(places, index, strict=True):
        if number is not None:
            blanks = stop - start - len(text[start:stop].lstrip()) if number else 0
            begins[number] = min(begins[number], start + blanks)
    end = max((stop for _, stop in places), default=0)
    return index, tuple(text[start:stop] for start, stop in pairwise([*begins, end]))

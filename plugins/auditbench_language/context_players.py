"""The players of a context: its words, or its sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

from auditbench.data.words import Words, words_of
from auditbench.masking.text_levels import text_levels

if TYPE_CHECKING:
    from auditbench.data import TextInput

PlayerUnit: TypeAlias = Literal["words", "sentences"]


def context_players(item: TextInput, token_ids: Sequence[int], unit: PlayerUnit) -> Words:
    """The words of a context, or its sentences: which of them each token is part of, and what each says.

    Sentences are those of `text_levels`.
    """
    (words,) = words_of(item, [token_ids], None)
    if unit == "words" or not words.said:
        return words
    sentence_of: list[int] = text_levels(words.said)[1].tolist()
    said = ["" for _ in range(sentence_of[-1] + 1)]
    for word, sentence in zip(words.said, sentence_of, strict=True):
        said[sentence] += word
    index = tuple(None if word is None else sentence_of[word] for word in words.index)
    return Words(index=index, said=tuple(said))

"""The players of a context: its words, or its sentences."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

from auditbench.data.words import Words, words_of

if TYPE_CHECKING:
    from auditbench.data import TextInput

PlayerUnit: TypeAlias = Literal["words", "sentences"]

_ENDS = re.compile(r"[.!?\u2026\u3002\uff01\uff1f]['\")\]\u2019\u201d\u00bb\u300d\u300f\uff09]*\s*$|\n\s*\n\s*$")
"""How the last word of a sentence ends, with what stands behind it up to the next word."""


def context_players(item: TextInput, token_ids: Sequence[int], unit: PlayerUnit) -> Words:
    """The words of a context, or its sentences: which of them each token is part of, and what each says.

    A sentence ends with a word behind which a full stop, a question or an exclamation mark stands, or an empty line. An
    abbreviation ends one as well: no list of them is kept.
    """
    (words,) = words_of(item, [token_ids], None)
    if unit == "words" or not words.said:
        return words
    number, sentence_of = 0, []
    for word_said in words.said:
        sentence_of.append(number)
        number += bool(_ENDS.search(word_said))
    said = ["" for _ in range(sentence_of[-1] + 1)]
    for word, sentence in zip(words.said, sentence_of, strict=True):
        said[sentence] += word
    index = tuple(None if word is None else sentence_of[word] for word in words.index)
    return Words(index=index, said=tuple(said))

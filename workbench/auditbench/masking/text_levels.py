"""How the words of a text stand together: in clauses, sentences and passages, by the marks and blanks between them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

MOST_WORDS = 12
"""Words of a clause: a longer run without a mark is cut into even pieces."""
MOST_PASSAGES = 32
"""Passages of a text: runs of as many sentences each, where there are more sentences."""

_SENTENCE_END = re.compile(r"[.!?\u2026][\"'\u201d\u2019\u00bb)\]]*\s|[\u3002\uff01\uff1f]|\n\s*\n")
_CLAUSE_END = re.compile(r"[,;:]\s|[\uff0c\uff1b\uff1a\u3001()\[\]\u2014]|\s-+\s|\n")


def text_levels(words: Sequence[str]) -> npt.NDArray[np.int64]:
    """The passage, the sentence and the clause of each word, shape `(3, words)`, each numbered from 0.

    A clause lies within a sentence, a sentence within a passage. Marks tell where they end, not grammar: an
    abbreviation with a stop ends a sentence here.

    Args:
        words: As they stand in the text, each with the marks and blanks behind it.
    """
    import numpy as np

    sentences = _numbers([bool(_SENTENCE_END.search(word)) for word in words])
    clauses = _numbers([bool(_SENTENCE_END.search(word) or _CLAUSE_END.search(word)) for word in words])
    sizes = np.bincount(clauses, minlength=1)
    pieces = -(-sizes // MOST_WORDS)
    place = np.arange(len(words)) - (np.cumsum(sizes) - sizes)[clauses]
    clauses = (np.cumsum(pieces) - pieces)[clauses] + place * pieces[clauses] // np.maximum(sizes, 1)[clauses]
    count = int(sentences.max(initial=-1)) + 1
    passages = sentences if count <= MOST_PASSAGES else sentences * MOST_PASSAGES // count
    return np.stack([passages, sentences, clauses])


def _numbers(ends: Sequence[bool]) -> npt.NDArray[np.int64]:
    """Which run each word is in, where a run goes up to a word that ends it."""
    import numpy as np

    ended = np.asarray(ends, dtype=np.int64)
    return np.asarray(np.cumsum(ended) - ended)

"""Texts: a vocabulary from the training rows, and texts as ids of its tokens."""

from __future__ import annotations

import re
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from auditbench.data.inputs import PADDING, UNKNOWN, TextInput
from auditbench.data.stored import StoredArray
from auditbench.errors import DataError

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.config import InputTable

Unit: TypeAlias = Literal["words", "characters"]

USUAL_LENGTH = 512
"""Most tokens of a text that a model sees when the config does not say how many."""
_AT_ONCE = 4096
# A character of scripts that are written without blanks, or a run of letters and digits with marks inside.
_WORD = re.compile(r"[぀-ヿ㐀-䶿一-鿿豈-﫿]|[^\W_぀-ヿ㐀-䶿一-鿿豈-﫿]+(?:['’-][^\W_]+)*")


def tokens_of(text: str, unit: Unit) -> list[str]:
    """The tokens of a text: its words in lower case, or its characters."""
    return list(text) if unit == "characters" else _WORD.findall(text.lower())


def fit_texts(raw: StoredArray, table: InputTable, *, where: str) -> TextInput:
    """The most frequent tokens, ties in alphabetical order, and the length of the longest text.

    Args:
        raw: Texts, shape `(rows,)`.

    Raises:
        DataError: No text has a token.
    """
    counts: Counter[str] = Counter()
    longest = 0
    for start in range(0, len(raw), _AT_ONCE):
        for text in raw[start : start + _AT_ONCE]:
            tokens = tokens_of(text, table.unit)
            counts.update(tokens)
            longest = max(longest, len(tokens))
    if not counts:
        raise DataError(
            "the texts have no token",
            where=where,
            found=f"{len(raw):,} texts without {table.unit}",
            allowed="texts with letters or digits",
            fix=f'set {where}.column to the column of texts, or {where}.unit = "characters"',
        )
    ranked = sorted(counts, key=lambda token: (-counts[token], token))
    return TextInput(
        unit=table.unit,
        vocabulary=tuple(ranked[: table.vocabulary]),
        length=table.length or min(longest, USUAL_LENGTH),
        kept=table.kept,
    )


def code_texts(raw: StoredArray, item: TextInput) -> StoredArray:
    """Token ids of the texts, shape `(rows, length)`, int64."""
    known = {token: index for index, token in enumerate(item.vocabulary, start=2)}
    return raw.map(partial(_ids, item=item, known=known), (item.length,), np.int64)


def kept_tokens(text: str, item: TextInput) -> list[str]:
    """The tokens of a text that the model sees, one for each id that is no padding."""
    tokens = tokens_of(text, item.unit)
    return tokens[: item.length] if item.kept == "first" else tokens[-item.length :]


def _ids(texts: npt.NDArray[Any], *, item: TextInput, known: dict[str, int]) -> npt.NDArray[np.int64]:
    ids = np.full((len(texts), item.length), PADDING, dtype=np.int64)
    for row, text in enumerate(texts):
        tokens = kept_tokens(text, item)
        ids[row, : len(tokens)] = [known.get(token, UNKNOWN) for token in tokens]
    return ids

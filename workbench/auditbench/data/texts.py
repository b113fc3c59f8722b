"""Texts: a vocabulary from the training rows, and texts as ids of its tokens."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from auditbench.data.inputs import PADDING, UNKNOWN, TextInput
from auditbench.data.stored import StoredArray
from auditbench.data.subwords import kept_ids, subword_input, subwords_of
from auditbench.data.tokenizer_files import is_tokenizer, listed_tokens
from auditbench.errors import DataError

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.config import InputTable

USUAL_LENGTH = 512
"""Most tokens of a text that a model sees when the config does not say how many."""

# Scripts that are written without blanks between words: Chinese, Japanese, Thai, Lao, Burmese, Khmer.
_UNSPACED = (
    "\u0e01-\u0e4e\u0e81-\u0ece\u1000-\u103f\u1780-\u17d3\u3040-\u30ff\u3100-\u312f\u31f0-\u31ff\u3400-\u4dbf"
    "\u3005\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
# Marks that stand above, below or behind a letter, and vowel signs of the scripts of India.
_MARKS = (
    "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670"
    "\u0900-\u0963\u0971-\u0dff\u1ab0-\u1aff\u1dc0-\u1dff"
)
_LETTERS = rf"(?:[^\W_{_UNSPACED}]++[{_MARKS}]*+)++"
_WORD = re.compile(rf"[{_UNSPACED}]|{_LETTERS}(?:['’-]{_LETTERS})*+")


def tokens_of(text: str, unit: str) -> list[str]:
    """The tokens of a text: its words in lower case, or its characters.

    A word is a run of letters and digits, with the apostrophes and hyphens inside; of a script that is written without
    blanks, such as Chinese, each character.
    """
    return list(text) if unit == "characters" else _WORD.findall(text.lower())


def word_spans(text: str) -> list[tuple[int, int]]:
    """Where each word of a text begins and ends; words are those of `tokens_of`."""
    return [match.span() for match in _WORD.finditer(text)]


def texts_in(cells: Any, *, name: str, shown: str, where: str, refuse_missing: bool) -> StoredArray:
    """The texts of an Arrow column, shape `(rows,)`, kept as Arrow does until they are asked for.

    A missing cell is an empty text, which has no token.

    Raises:
        DataError: The column holds no text, or text that is not UTF-8; or a cell is missing and that is refused.
    """
    if pa.types.is_dictionary(cells.type):
        cells = cells.cast(cells.type.value_type)
    if not _is_text(cells.type):
        raise DataError(
            f"column {name!r} of {shown} is no text",
            where=where,
            found=f"type {cells.type}",
            allowed="text",
            fix="name a column of texts in `column`, or correct `modality`",
        )
    if refuse_missing and cells.null_count:
        rows = np.flatnonzero(np.asarray(pc.is_null(cells)))
        raise DataError(
            f"column {name!r} of {shown} has missing texts",
            where="data.missing_categories",
            found=f"{len(rows):,} missing, the first in row {int(rows[0]) + 1}",
            allowed="no missing cell, by the rule `refuse`",
            fix='fill them, or set data.missing_categories = "own-category", which takes them as empty texts',
        )
    try:
        texts = pc.fill_null(cells.cast(pa.large_string()), "").combine_chunks()
        texts.validate(full=True)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise DataError(
            f"column {name!r} of {shown} cannot be read as text",
            where=where,
            found=str(error).splitlines()[0][:160],
            allowed="text in UTF-8",
            fix="save the file in UTF-8",
        ) from error
    return StoredArray(
        read=lambda rows: _objects(texts.take(pa.array(rows)).to_pylist()),
        positions=np.arange(len(texts)),
        row_shape=(),
        dtype=np.dtype(object),
    )


def fit_texts(raw: StoredArray, table: InputTable, *, where: str, tokens: str = "") -> TextInput:
    """The most frequent tokens, ties in alphabetical order, and the length of the longest text.

    Args:
        raw: Texts, shape `(rows,)`.
        tokens: What the file `table.tokenizer` says instead: a checked tokenizer.json, or a token in each line.

    Raises:
        DataError: No text has a token, or what the file says cannot be used.
    """
    if tokens:
        return _declared_texts(raw, table, tokens, where=where)
    counts: Counter[str] = Counter()
    longest = 0
    for block in raw.blocks():
        for text in block:
            found = tokens_of(text, table.unit)
            counts.update(found)
            longest = max(longest, len(found))
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
    """Token ids of the texts, shape `(rows, length)`, int64.

    A text is cut into tokens when it is first asked for; ids are kept from then on, in as few bytes as they need.
    """
    small = np.min_scalar_type(item.tokens - 1)
    ids = raw.map(partial(_ids, item=item, coded=coder_of(item), dtype=small), item.shape, small).kept()
    return ids.map(_as_int64, item.shape, np.int64)


def coder_of(item: TextInput) -> Callable[[Iterable[str]], list[list[int]]]:
    """From texts to the ids that the model sees of each, without padding."""
    if item.unit == "subwords":
        return partial(kept_ids, item=item)
    known = {token: index for index, token in enumerate(item.vocabulary, start=2)}
    return lambda texts: [[known.get(token, UNKNOWN) for token in kept_tokens(text, item)] for text in texts]


def kept_tokens(text: str, item: TextInput) -> list[str]:
    """The tokens of a text that the model sees, one for each id that is no padding; subwords as their tokenizer writes them."""
    if item.unit == "subwords":
        return subwords_of(item.tokenizer).tokens(kept_ids([text], item)[0])
    tokens = tokens_of(text, item.unit)
    return tokens[: item.length] if item.kept == "first" else tokens[-item.length :]


def _is_text(kind: Any) -> bool:
    known = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_null)
    return any(is_kind(kind) for is_kind in (*known, pa.types.is_binary, pa.types.is_large_binary))


def _objects(texts: list[str]) -> npt.NDArray[np.object_]:
    array = np.empty(len(texts), dtype=np.object_)
    array[:] = texts
    return array


def _declared_texts(raw: StoredArray, table: InputTable, tokens: str, *, where: str) -> TextInput:
    """As the file of tokens says; the length is that of the longest text where the config gives none."""
    if is_tokenizer(tokens):
        encode = subwords_of(tokens).encode
        length = table.length or min(
            max((len(ids) for block in raw.blocks() for ids in encode(block)), default=1), USUAL_LENGTH
        )
        return subword_input(tokens, length=max(length, 1), kept=table.kept)
    longest = max((len(tokens_of(text, table.unit)) for block in raw.blocks() for text in block), default=1)
    return TextInput(
        unit=table.unit,
        vocabulary=listed_tokens(tokens, where=f"{where}.tokenizer"),
        length=table.length or min(max(longest, 1), USUAL_LENGTH),
        kept=table.kept,
    )


def _ids(
    texts: npt.NDArray[Any],
    *,
    item: TextInput,
    coded: Callable[[Iterable[str]], list[list[int]]],
    dtype: np.dtype[Any],
) -> npt.NDArray[np.unsignedinteger[Any]]:
    ids = np.full((len(texts), item.length), PADDING, dtype=dtype)
    for row, found in enumerate(coded(texts)):
        ids[row, : len(found)] = found
    return ids


def _as_int64(ids: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    return ids.astype(np.int64)

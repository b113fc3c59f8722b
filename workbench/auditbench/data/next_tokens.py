"""Rows of a language model: some tokens of a text, and the token that follows them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from auditbench.data.inputs import PADDING, UNKNOWN, ModelInput, TextInput
from auditbench.data.stored import StoredArray
from auditbench.data.subwords import decoded, subwords_of
from auditbench.data.table import TablePart
from auditbench.data.texts import tokens_of
from auditbench.errors import DataError

if TYPE_CHECKING:
    import numpy.typing as npt


FIRST_TOKEN = 2
"""Token id of the first class: classes are the vocabulary, in its order, without padding and unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRows:
    """Rows cut from texts.

    Attributes:
        part: The text that each row is from, with the shown tokens as its input.
        inputs: Token ids, shape `(rows, length)`, `PADDING` behind the end.
        y_true: Class of the token that follows, shape `(rows,)`.
        texts: Place in its file of the text that each row is from, shape `(rows,)`.
        unknown: Rows left out since no token that they would predict is in the vocabulary.
    """

    part: TablePart
    inputs: StoredArray
    y_true: npt.NDArray[np.int64]
    texts: npt.NDArray[np.int64]
    unknown: int


def text_input(item: ModelInput | None, name: str) -> TextInput:
    """The input as one of texts.

    Raises:
        DataError: It is none.
    """
    if not isinstance(item, TextInput):
        raise DataError(
            "a next token is predicted from texts, and the target is none",
            where="data.target",
            found=f"the input {name!r}" if name else "a column that is no input",
            allowed="the column of an input of the modality `text`",
            fix='add [data.inputs.text] with modality = "text", and set data.target to its column',
        )
    return item


def token_rows(part: TablePart, name: str, item: TextInput, *, overlapping: bool) -> TokenRows:
    """Cut the texts of a part into rows.

    A row of subwords begins with what their tokenizer puts in front of every text, so that a model sees each as one.

    Args:
        name: Of the text input.
        overlapping: Whether every token but the first of a text is predicted once, from the tokens before it, and the first
            too where something stands in front of a text; otherwise
            rows follow each other, as training needs them, which predicts every token of a row from those before it; such
            a row ends before the last token of the vocabulary that it predicts.
    """
    ids, bounds = _all_ids(part.inputs[name], item)
    front = _in_front(item)
    room, least = item.length - len(front), 0 if len(front) else 1
    spans = [_spans(start, stop, room, least, overlapping=overlapping) for start, stop in pairwise(bounds.tolist())]
    texts = np.repeat(np.arange(len(part)), [len(found) for found in spans])
    begin, end = np.concatenate([np.empty((0, 2), dtype=np.int64), *spans]).T
    cut = len(end)
    if not overlapping:
        end = np.maximum.accumulate(np.where(ids == UNKNOWN, -1, np.arange(len(ids))))[end]
    known = np.flatnonzero((end >= begin + least) & (ids[end] != UNKNOWN))
    begin, end, texts = begin[known], end[known], texts[known]
    inputs = StoredArray(
        read=partial(_windows, ids=ids, begin=begin, end=end, length=item.length, front=front),
        positions=np.arange(len(known)),
        row_shape=item.shape,
        dtype=np.dtype(np.int64),
    )
    shown = inputs.map(partial(_as_text, item=item), (), object)
    rows = part.take(texts)
    names = rows.row_numbers if rows.ids is None else rows.ids
    offsets = end - bounds[texts]
    rows = replace(
        rows,
        ids=np.asarray([f"{text}, token {at + 1}" for text, at in zip(names, offsets, strict=True)], dtype=object),
        inputs={**rows.inputs, name: shown},
    )
    return TokenRows(
        part=rows,
        inputs=inputs,
        y_true=ids[end].astype(np.int64) - FIRST_TOKEN,
        texts=rows.row_numbers.astype(np.int64),
        unknown=cut - len(known),
    )


def _all_ids(texts: StoredArray, item: TextInput) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Ids of all tokens of all texts, one behind the other, and where each text begins and the last one ends."""
    if item.unit == "subwords":
        encoded = [ids for block in texts.blocks() for ids in subwords_of(item.tokenizer).encode(block, special=False)]
        return _joined([np.asarray(ids, dtype=np.int32) for ids in encoded])
    known = {token: index for index, token in enumerate(item.vocabulary, start=FIRST_TOKEN)}
    parts = [
        np.asarray([known.get(token, UNKNOWN) for token in tokens_of(text, item.unit)], dtype=np.int32)
        for text in texts[:]
    ]
    return _joined(parts)


def _joined(parts: list[npt.NDArray[np.int32]]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    bounds = np.cumsum([0, *(len(part) for part in parts)], dtype=np.int64)
    return np.concatenate([np.empty(0, dtype=np.int32), *parts]), bounds


def _spans(start: int, stop: int, length: int, least: int, *, overlapping: bool) -> npt.NDArray[np.int64]:
    """First token of each row, and the token that follows its last one; shape `(rows, 2)`.

    Args:
        least: Tokens of the shortest row.
    """
    if overlapping:
        end = np.arange(start + least, stop)
        return np.stack([np.maximum(start, end - length), end], axis=1)
    begin = np.arange(start, stop - 1, length)
    return np.stack([begin, np.minimum(begin + length, stop - 1)], axis=1)


def _windows(
    rows: npt.NDArray[np.intp],
    *,
    ids: npt.NDArray[np.int32],
    begin: npt.NDArray[np.int64],
    end: npt.NDArray[np.int64],
    length: int,
    front: npt.NDArray[np.int64],
) -> npt.NDArray[np.int64]:
    places = begin[rows, None] + np.arange(length - len(front))
    inside = places < end[rows, None]
    shown = np.where(inside, ids[np.where(inside, places, 0)], PADDING).astype(np.int64)
    return np.concatenate([np.broadcast_to(front, (len(shown), len(front))), shown], axis=1)


def _in_front(item: TextInput) -> npt.NDArray[np.int64]:
    """Ids that stand before the tokens of every row."""
    return np.asarray(subwords_of(item.tokenizer).leading if item.unit == "subwords" else (), dtype=np.int64)


def _as_text(ids: npt.NDArray[np.int64], *, item: TextInput) -> npt.NDArray[Any]:
    if item.unit == "subwords":
        return np.asarray(decoded(ids.tolist(), item), dtype=object)
    tokens = np.asarray(["", "\ufffd", *item.vocabulary], dtype=object)
    between = "" if item.unit == "characters" else " "
    return np.asarray([between.join(tokens[row[row != PADDING]]) for row in ids], dtype=object)

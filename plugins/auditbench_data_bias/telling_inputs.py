"""The inputs of the model as what a small model can learn a group from: columns of a table, and the tokens of a text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from auditbench.data import ImageInput, SeriesInput, TableInput, TextInput
from auditbench.data.inputs import PADDING, UNKNOWN
from auditbench_data_bias.association import banded

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.data import Rows
    from auditbench.data.inputs import ModelInput

    Numbers: TypeAlias = npt.NDArray[np.float64]

MOST_CATEGORIES = 250
"""Categories of a column that are told apart, the most frequent ones: gradient boosting knows no more than 255."""
MOST_TOKENS = 5000
"""Tokens of texts that are looked at, those in the most rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One input column, or one token.

    Attributes:
        codes: Category, band of the number, or whether the token is there, from 0, shape `(rows,)`.
    """

    name: str
    codes: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class TellingInput:
    """One input of the model for some rows.

    Attributes:
        matrix: Shape `(rows, columns)`: dense with NaN where missing for a table, sparse for tokens of texts.
        names: Of the columns; `categories` which of them are categories, shape `(columns,)`. Both empty for texts.
    """

    name: str
    matrix: Any
    names: tuple[str, ...] = ()
    categories: npt.NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, dtype=np.bool_))
    vocabulary: tuple[str, ...] = ()

    @property
    def of_text(self) -> bool:
        """Whether its columns are tokens."""
        return not self.names

    def without(self, name: str) -> TellingInput:
        """The same input without the column of that name."""
        kept = np.asarray([each != name for each in self.names], dtype=np.bool_)
        if self.of_text or kept.all():
            return self
        names = tuple(each for each in self.names if each != name)
        return TellingInput(name=self.name, matrix=self.matrix[:, kept], names=names, categories=self.categories[kept])

    def columns(self) -> Iterator[Column]:
        """Each column by itself."""
        for place, name in enumerate(self.names):
            values = self.matrix[:, place]
            if self.categories[place]:
                missing = int(np.nanmax(values, initial=-1)) + 1
                yield Column(name=name, codes=np.where(np.isnan(values), missing, values).astype(np.int64))
            else:
                yield Column(name=name, codes=banded(values))
        if self.of_text:
            for place, token in enumerate(self.vocabulary):
                yield Column(
                    name=token, codes=np.asarray(self.matrix[:, [place]].todense() > 0, dtype=np.int64).ravel()
                )


def telling_input(name: str, item: ModelInput, rows: Rows) -> TellingInput | None:
    """What can be learnt from one input; None where it is an image or a series, from which no small model learns."""
    if isinstance(item, TableInput):
        return _table(name, item, rows.inputs[name])
    if isinstance(item, TextInput):
        return _tokens(name, item, rows.inputs[name])
    if not isinstance(item, ImageInput | SeriesInput):
        raise TypeError(f"expected an input of a known kind, got {type(item).__name__}")
    return None


def _table(name: str, item: TableInput, raw: Numbers) -> TellingInput:
    matrix = np.array(raw, dtype=np.float64)
    categories = np.asarray([feature.kind == "category" for feature in item.features], dtype=np.bool_)
    for place, feature in enumerate(item.features):
        if categories[place]:
            matrix[:, place] = _frequent(matrix[:, place], len(feature.categories))
    return TellingInput(
        name=name, matrix=matrix, names=tuple(feature.name for feature in item.features), categories=categories
    )


def _frequent(codes: Numbers, known: int) -> Numbers:
    """Codes of the most frequent categories from 0, all others as one more; NaN where missing or unknown."""
    present = (codes >= 0) & (codes < known)
    whole = np.where(present, codes, 0).astype(np.int64)
    counts = np.bincount(whole[present], minlength=known)
    order = np.argsort(-counts, kind="stable")
    place = np.minimum(np.argsort(order, kind="stable"), MOST_CATEGORIES)
    return np.where(present, place[whole] if known else 0, np.nan)


def _tokens(name: str, item: TextInput, ids: npt.NDArray[np.int64]) -> TellingInput:
    """Whether each token is in each text, every text scaled to length 1."""
    from scipy import sparse

    places = np.arange(len(ids))[:, np.newaxis] * item.tokens + ids
    found = np.unique(places[(ids != PADDING) & (ids != UNKNOWN)])
    texts, tokens = np.divmod(found, item.tokens)
    counts = np.bincount(tokens, minlength=item.tokens)
    kept = np.sort(np.argsort(-counts, kind="stable")[:MOST_TOKENS])
    there = sparse.csr_matrix((np.ones(len(found)), (texts, tokens)), shape=(len(ids), item.tokens))[:, kept]
    lengths = np.sqrt(np.asarray(there.sum(axis=1)).ravel())
    matrix = sparse.diags(1 / np.maximum(lengths, 1)) @ there
    words = ("", "", *item.vocabulary)
    return TellingInput(name=name, matrix=sparse.csc_matrix(matrix), vocabulary=tuple(words[i] for i in kept.tolist()))

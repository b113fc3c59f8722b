"""Sensitive features that follow from an input, such as the brightness of images, where no column says them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from auditbench.data.images import BRIGHTEST
from auditbench.data.series import code_series, fit_series
from auditbench.data.stored import StoredArray
from auditbench.data.table import NumberColumn, TablePart
from auditbench.data.texts import tokens_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.config import DataTable, InputTable

    Numbers = npt.NDArray[np.float64]

_QUARTILES = (0.25, 0.5, 0.75)
_ALPHA_CHANNEL = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """One number a row that follows from an input.

    Attributes:
        whole: Whether it is a whole number.
        of_block: From stored rows and the table of their input to the numbers, shape `(rows,)`, NaN where undefined.
        standardized: Whether the rows are series less the mean and divided by the deviation of the training rows.
    """

    whole: bool
    of_block: Callable[[npt.NDArray[Any], InputTable], Numbers]
    standardized: bool = False


def _brightness(images: npt.NDArray[Any], table: InputTable) -> Numbers:
    return np.asarray(_colours(images).mean(axis=1))


def _contrast(images: npt.NDArray[Any], table: InputTable) -> Numbers:
    return np.asarray(_colours(images).std(axis=1))


def _tokens(texts: npt.NDArray[Any], table: InputTable) -> Numbers:
    return np.asarray([len(tokens_of(text, table.unit)) for text in texts], dtype=np.float64)


def _steps(series: npt.NDArray[Any], table: InputTable) -> Numbers:
    return np.asarray(np.count_nonzero(~np.isnan(series).any(axis=1), axis=1), dtype=np.float64)


def _energy(series: npt.NDArray[Any], table: InputTable) -> Numbers:
    present = ~np.isnan(series)
    squares = np.where(present, np.square(series), 0.0).sum(axis=(1, 2))
    count = present.sum(axis=(1, 2))
    return np.asarray(np.where(count > 0, squares / np.maximum(count, 1), np.nan))


ATTRIBUTES: Mapping[str, Mapping[str, Attribute]] = {
    "image": {
        "brightness": Attribute(whole=False, of_block=_brightness),
        "contrast": Attribute(whole=False, of_block=_contrast),
    },
    "text": {"tokens": Attribute(whole=True, of_block=_tokens)},
    "series": {
        "steps": Attribute(whole=True, of_block=_steps),
        "energy": Attribute(whole=False, of_block=_energy, standardized=True),
    },
}
"""What can be computed of each modality: `brightness`, the mean of all pixels between 0 and 1, and `contrast`, their
standard deviation; `tokens` of a text, before it is cut; `steps` of a series that are missing in no channel, and
`energy`, the mean square of the standardised series as long as the model sees it."""


def computed_names(table: DataTable) -> dict[str, tuple[str, ...]]:
    """Every name of a computed attribute, and the inputs that it could come from.

    `INPUT.ATTRIBUTE` has one; `ATTRIBUTE` alone has several where several inputs have it.
    """
    found: dict[str, tuple[str, ...]] = {}
    for name, item in table.inputs.items():
        for attribute in ATTRIBUTES.get(item.modality, {}):
            found[attribute] = (*found.get(attribute, ()), name)
            found[f"{name}.{attribute}"] = (name,)
    return found


def add_computed(
    table: DataTable, test: TablePart, train: TablePart | None
) -> tuple[DataTable, TablePart, TablePart | None]:
    """The sensitive and control features that no column holds, as columns of numbers, and bins that make groups of them.

    Bins that the config does not name are quartiles of the training rows, or of the evaluated rows without them, rounded
    to two digits of the distance between the outer two.
    """
    bins = dict(table.bins)
    sources = computed_names(table)
    for name in (*table.sensitive, *table.control):
        if name in test.columns or name not in sources:
            continue
        (source,) = sources[name]
        attribute = ATTRIBUTES[table.inputs[source].modality][name.rpartition(".")[2]]
        fitted = train if train is not None and len(train) else test
        column = _Column(table=table, name=name, source=source, attribute=attribute, fitted=fitted)
        test, train = column.added(test), None if train is None else column.added(train)
        fitted = train if train is not None and len(train) else test
        bins.setdefault(name, _quartiles(fitted.columns[name], whole=attribute.whole))
    return table.model_copy(update={"bins": bins}), test, train


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    table: DataTable
    name: str
    source: str
    attribute: Attribute
    fitted: TablePart

    def added(self, part: TablePart) -> TablePart:
        item = self.table.inputs[self.source]
        rows = self._rows(part, item)
        values = [self.attribute.of_block(block, item) for block in rows.blocks()]
        column = NumberColumn(values=np.concatenate([np.empty(0), *values]), whole=self.attribute.whole)
        return replace(part, columns={**part.columns, self.name: column})

    def _rows(self, part: TablePart, item: InputTable) -> StoredArray:
        rows = part.inputs[self.source]
        if not self.attribute.standardized:
            return rows
        fitted = fit_series(self.fitted.inputs[self.source], item, where=f"data.inputs.{self.source}")
        mean, scale = np.asarray(fitted.mean)[:, None], np.asarray(fitted.scale)[:, None]
        series = code_series(rows, fitted, shown=part.file)
        return series.map(lambda block: (block - mean) / scale, series.row_shape, np.float64)


def _quartiles(column: Any, *, whole: bool) -> tuple[float, ...]:
    present = column.values[~column.missing]
    if not len(present):
        return (0.0,)
    exact = np.quantile(present, _QUARTILES)
    spread = float(exact[-1] - exact[0]) or abs(float(exact[0])) or 1.0
    digits = 0 if whole else 1 - math.floor(math.log10(spread))
    # Adding zero turns -0.0 into 0.0.
    return tuple(sorted({round(float(bound), digits) + 0.0 for bound in exact}))


def _colours(images: npt.NDArray[Any]) -> Numbers:
    """Pixels of each image in one row, between 0 and 1 where they are whole numbers; without transparency."""
    if images.shape[1] == _ALPHA_CHANNEL + 1:
        images = images[:, :_ALPHA_CHANNEL]
    largest = BRIGHTEST if images.dtype == np.uint8 else 1.0
    return images.reshape(len(images), -1).astype(np.float64) / largest

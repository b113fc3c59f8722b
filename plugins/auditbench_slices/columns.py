"""What slices are made of: every column of the data in a few levels, numbers in quartiles of the first half."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from auditbench.bands import MISSING_GROUP
from auditbench.data import FeatureSpec, TableInput

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.data import EvaluationData

    Numbers = npt.NDArray[np.float64]
    Rows = npt.NDArray[np.bool_]
    Codes = npt.NDArray[np.intp]

OTHER = "other values"
_QUARTILES = (0.0, 0.25, 0.5, 0.75, 1.0)
_BATCH_ROWS = 16_384


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Column:
    """One column in levels.

    Attributes:
        levels: Their names; one of numbers is a band.
        codes: Level of each evaluated row, shape `(rows,)`.
    """

    name: str
    levels: tuple[str, ...]
    codes: Codes

    def among(self, rows: Rows) -> Column:
        """The column of some of the rows."""
        return Column(name=self.name, levels=self.levels, codes=self.codes[rows])


def columns_of(data: EvaluationData, first: Rows, *, minimum: int, most: int) -> tuple[Column, ...]:
    """Sensitive and control features, then the other inputs of tables, each in levels.

    Missing is a level. Categories of fewer rows than `minimum` in the first half are joined, and so are all but the `most`
    frequent ones. Columns of one level are left out.

    Args:
        first: Rows of the first half, which alone decide on levels.
    """
    groups = {**data.control_features, **data.sensitive_features}
    found = [_of_text(name, values, first, minimum, most) for name, values in groups.items()]
    for feature, values in _table_columns(data):
        if feature.name in groups:
            continue
        if feature.kind == "number":
            found.append(of_numbers(feature.name, values, first))
        else:
            names = (*feature.categories, MISSING_GROUP)
            found.append(of_categories(feature.name, values.astype(np.intp), names, first, minimum=minimum, most=most))
    return tuple(column for column in found if len(np.unique(column.codes[first])) > 1)


def has_columns(data: EvaluationData) -> bool:
    """Whether there is anything to make slices of."""
    tables = any(isinstance(item, TableInput) and item.features for item in data.inputs.values())
    return tables or bool(data.control_features) or bool(data.sensitive_features)


def of_categories(name: str, codes: Codes, names: tuple[str, ...], first: Rows, *, minimum: int, most: int) -> Column:
    """Categories as levels, the rare ones joined to one; missing stays a level of its own."""
    counts = np.bincount(codes[first], minlength=len(names))
    frequent = set(np.argsort(-counts, kind="stable")[:most].tolist())
    kept = [
        place
        for place, label in enumerate(names)
        if label == MISSING_GROUP or (counts[place] >= minimum and place in frequent)
    ]
    table = np.full(len(names), len(kept), dtype=np.intp)
    table[kept] = np.arange(len(kept))
    return Column(name=name, levels=(*(names[place] for place in kept), OTHER), codes=table[codes])


def of_numbers(name: str, values: Numbers, first: Rows) -> Column:
    """Numbers in quartiles of the first half; a number of about a quarter of its rows or more stands alone.

    Quartiles are rounded to two significant digits of their spread, so that no row's own number shows.
    """
    missing = np.isnan(values)
    present = values[first & ~missing]
    if not len(present):
        return Column(name=name, levels=(MISSING_GROUP,), codes=np.zeros(len(values), dtype=np.intp))
    quartiles, repeats = np.unique(np.quantile(present, _QUARTILES, method="nearest"), return_counts=True)
    alone = quartiles[repeats > 1]
    bounds = _bounds(present, set(alone.tolist()))
    codes = np.searchsorted(bounds, values, side="right")
    for place, number in enumerate(alone):
        codes[values == number] = len(bounds) + 1 + place
    codes[missing] = len(bounds) + 1 + len(alone)
    whole = bool(np.all(present == np.floor(present)))
    bands = _bands(bounds.tolist(), set(alone.tolist()), whole=whole)
    levels = (*bands, *map(_text, alone.tolist()), MISSING_GROUP)
    return Column(name=name, levels=levels, codes=codes.astype(np.intp))


def _bounds(present: Numbers, alone: set[float]) -> Numbers:
    """Rising bounds between bands."""
    exact = np.unique(np.quantile(present, _QUARTILES[1:-1], method="nearest"))
    spread = float(exact[-1] - exact[0]) or abs(float(exact[0])) or 1.0
    digits = 1 - int(np.floor(np.log10(spread)))
    # Adding zero turns -0.0 into 0.0.
    return np.unique([bound if bound in alone else round(bound, digits) + 0.0 for bound in exact.tolist()])


def _bands(bounds: list[float], alone: set[float], *, whole: bool) -> list[str]:
    """Names of the bands between bounds; the number at which one begins may stand alone, and is not in the band then."""
    names = [f"under {_text(bounds[0])}"]
    for low, high in itertools.pairwise(bounds):
        if whole and low.is_integer() and high.is_integer():
            first, last = low + (low in alone), high - 1
            names.append(f"{_text(first)} to {_text(last)}" if first < last else _text(first))
        else:
            names.append(f"{_text(low)} to under {_text(high)}")
    return [*names, f"over {_text(bounds[-1])}" if bounds[-1] in alone else f"{_text(bounds[-1])} and over"]


def _of_text(name: str, values: npt.NDArray[np.str_], first: Rows, minimum: int, most: int) -> Column:
    names, codes = np.unique(values, return_inverse=True)
    return of_categories(name, codes.astype(np.intp), tuple(map(str, names)), first, minimum=minimum, most=most)


def _table_columns(data: EvaluationData) -> list[tuple[FeatureSpec, Numbers]]:
    """Each feature of a table that the model takes, with the raw number of each evaluated row."""
    tables = {name: item for name, item in data.inputs.items() if isinstance(item, TableInput) and item.features}
    if not tables:
        return []
    batches: list[dict[str, Any]] = [{name: rows.inputs[name] for name in tables} for rows in data.batches(_BATCH_ROWS)]
    found = []
    for name, item in tables.items():
        matrix = np.concatenate([batch[name] for batch in batches])
        found += [(feature, matrix[:, place]) for place, feature in enumerate(item.features)]
    return found


def _text(number: float) -> str:
    return f"{number:,.10g}"

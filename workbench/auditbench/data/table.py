"""A table as read: typed columns of the test and of the training rows, before any model has a say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.config import DataTable
    from auditbench.data.stored import StoredArray
    from auditbench.run import HeldOutRows


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberColumn:
    """Numbers, float64; NaN where a cell is missing.

    Attributes:
        whole: Whether the file stores whole numbers.
    """

    values: npt.NDArray[np.float64]
    whole: bool = False

    @property
    def missing(self) -> npt.NDArray[np.bool_]:
        """Where a cell is missing, shape `(rows,)`."""
        return np.isnan(self.values)

    def take(self, indices: npt.NDArray[np.intp]) -> NumberColumn:
        """The cells at these positions."""
        return NumberColumn(values=self.values[indices], whole=self.whole)


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryColumn:
    """Categories as indices into `names`; -1 where a cell is missing.

    Attributes:
        names: Sorted; a name may have no row.
    """

    codes: npt.NDArray[np.int64]
    names: tuple[str, ...]

    @property
    def missing(self) -> npt.NDArray[np.bool_]:
        """Where a cell is missing, shape `(rows,)`."""
        return self.codes < 0

    def take(self, indices: npt.NDArray[np.intp]) -> CategoryColumn:
        """The cells at these positions."""
        return CategoryColumn(codes=self.codes[indices], names=self.names)


Column: TypeAlias = NumberColumn | CategoryColumn


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePart:
    """The test or the training rows of a table.

    Attributes:
        file: The file as the config names it, for messages.
        row_numbers: Position of each row in its file, from 1, shape `(rows,)`.
        clusters: Which rows depend on each other, shape `(rows,)`; -1 where the cell is missing. None where the config names
            no column of them, and in training rows of another file.
        inputs: Images, texts and series as read, by name of the input.
    """

    file: str
    columns: Mapping[str, Column]
    row_numbers: npt.NDArray[np.intp]
    ids: npt.NDArray[Any] | None = None
    clusters: npt.NDArray[np.int64] | None = None
    inputs: Mapping[str, StoredArray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.row_numbers)

    def take(self, indices: npt.NDArray[np.intp]) -> TablePart:
        """The rows at these positions."""
        return TablePart(
            file=self.file,
            columns={name: column.take(indices) for name, column in self.columns.items()},
            row_numbers=self.row_numbers[indices],
            ids=None if self.ids is None else self.ids[indices],
            clusters=None if self.clusters is None else self.clusters[indices],
            inputs={name: stored.take(indices) for name, stored in self.inputs.items()},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSource:
    """The columns that the config names, as read.

    Attributes:
        table: The `[data]` table of the config.
        name: Name of the data set, or of the file with the evaluated rows.
        feature_names: Columns the model may see, in the order of the config or of the file.
        train: None when there are no training rows.
        digests: sha256 of each file, by the path that the config gives.
        train_digest: sha256 of the file with the training rows; empty without them.
        left_out: Rows that belong to neither part, by rule.
        computed: Sensitive and control features that no column holds and that were computed from an input.
        held_out: The rows that `data.held_out` drew to be evaluated, if it did.
        tokens: What the file says that an input of texts names as its `tokenizer`, by name of the input.
    """

    table: DataTable
    name: str
    feature_names: tuple[str, ...]
    test: TablePart
    train: TablePart | None
    digests: Mapping[str, str]
    train_digest: str
    left_out: Mapping[str, int]
    licence: str
    computed: tuple[str, ...] = ()
    held_out: HeldOutRows | None = None
    tokens: Mapping[str, str] = field(default_factory=dict)


def text_of(column: Column) -> CategoryColumn:
    """The column as text: whole numbers without a decimal point, categories as they are."""
    if isinstance(column, CategoryColumn):
        return column
    present = ~column.missing
    values, inverse = np.unique(column.values[present], return_inverse=True)
    texts = [str(int(value)) if value.is_integer() else repr(value) for value in values.tolist()]
    order = sorted(range(len(texts)), key=texts.__getitem__)
    position = np.empty(len(texts), dtype=np.int64)
    position[order] = np.arange(len(texts))
    codes = np.full(len(column.values), -1, dtype=np.int64)
    codes[present] = position[inverse]
    return CategoryColumn(codes=codes, names=tuple(texts[i] for i in order))


def named_rows(mask: npt.NDArray[np.bool_], row_numbers: npt.NDArray[np.intp], limit: int = 5) -> str:
    """The first rows where the mask is true, as text: `rows 3, 17 and 40 more`."""
    rows = row_numbers[mask]
    first = ", ".join(str(int(row)) for row in rows[:limit])
    more = f" and {len(rows) - limit:,} more" if len(rows) > limit else ""
    return f"row{'s' if len(rows) > 1 else ''} {first}{more}"

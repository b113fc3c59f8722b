"""Tables and figures: curves, points, percentiles, changes, matrices."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from auditbench.errors import ResultError
from auditbench.findings import Message
from auditbench.record import LEFT_OUT_WHEN_EMPTY
from auditbench.results.finite import require_finite
from auditbench.results.metrics import Interval, Sample

Cell: TypeAlias = bool | int | float | str | Message | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One axis of a figure: what it shows and in which unit."""

    label: Message
    unit: str = "1"
    log: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a table.

    Attributes:
        name: `feature` and `group` where cells name those, so that reports show them as such.
        kind: What cells hold; None is allowed in all. `percent` ones hold fractions, 0.125 for 12.5%.
        unit: Of a number.
    """

    name: str
    label: Message
    kind: Literal["text", "number", "count", "percent"] = "text"
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Lines of cells. Undefined cells are None; `notes` on why stand in a text column.

    Attributes:
        n: Rows of the data that were looked at for it; None where its result has nothing on fewer or other rows.
        sample: What these rows are.
    """

    name: str
    title: Message
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    n: int | None = None
    sample: Sample = "evaluated"
    repeatable: bool = True

    def __post_init__(self) -> None:
        for index, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                raise ResultError(f"expected {len(self.columns)} cells, got {len(row)}", where=f"{self.name}[{index}]")
            require_finite(f"{self.name}[{index}]", *(cell for cell in row if isinstance(cell, float)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One line or set of points of a curve; `low`, `high` and `n`, the rows behind each point, are empty or as long as `x`.

    Its label is a name of the data or the model, or words by their key.
    """

    label: str | Message
    x: tuple[float, ...]
    y: tuple[float | None, ...]
    low: tuple[float | None, ...] = ()
    high: tuple[float | None, ...] = ()
    n: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        where = self.label.key if isinstance(self.label, Message) else self.label
        require_finite(where, *self.x, *self.y, *self.low, *self.high)
        sizes = {len(self.y), *(len(part) for part in (self.low, self.high, self.n) if part)}
        if sizes != {len(self.x)}:
            raise ResultError(f"expected {len(self.x)} points in every part, got {sorted(sizes)}", where=where)


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Lines over a continuous axis. `kind` chooses the figure; an unknown one is drawn as lines."""

    name: str
    title: Message
    kind: Literal["roc", "precision_recall", "reliability", "learning", "dose", "line"] = "line"
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    repeatable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One labelled point; `highlighted` marks the audited model.

    Attributes:
        label: Tells it from the others of its block, and is shown where there is no `title`.
        x_interval: Of `x`, drawn as a line through the point; so `y_interval`.
    """

    label: str
    x: float
    y: float
    highlighted: bool = False
    title: Message | None = field(default=None, metadata=LEFT_OUT_WHEN_EMPTY)
    x_interval: Interval | None = field(default=None, metadata=LEFT_OUT_WHEN_EMPTY)
    y_interval: Interval | None = field(default=None, metadata=LEFT_OUT_WHEN_EMPTY)

    def __post_init__(self) -> None:
        require_finite(self.label, self.x, self.y)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scatter:
    """Points on two axes, such as cost against quality; `frontier` names the points on the best line, in order."""

    name: str
    title: Message
    x: Axis
    y: Axis
    points: tuple[Point, ...]
    frontier: tuple[str, ...] = ()
    repeatable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PercentileRow:
    """Percentiles of one repeated measurement; `n` is the number of repetitions."""

    label: str
    p50: float
    p95: float
    p99: float
    n: int

    def __post_init__(self) -> None:
        require_finite(self.label, self.p50, self.p95, self.p99)


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentiles:
    """Percentile rows on one shared axis, such as latency by batch size."""

    name: str
    title: Message
    unit: str
    rows: tuple[PercentileRow, ...]
    repeatable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One quantity before and after, with the interval of the paired difference (after - before)."""

    label: str
    before: float
    after: float
    low: float | None
    high: float | None
    higher_is_better: bool
    n: int
    unit: str = "1"

    def __post_init__(self) -> None:
        require_finite(self.label, self.before, self.after, self.low, self.high)


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedChange:
    """Changes measured on the same rows, each drawn on its own scale around no change."""

    name: str
    title: Message
    rows: tuple[Change, ...]
    method: str
    repeatable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """Numbers by row and column label, such as a confusion matrix or the agreement of methods; `n` as of a table."""

    name: str
    title: Message
    kind: Literal["confusion", "agreement", "matrix"] = "matrix"
    row_label: Message
    column_label: Message
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    unit: str = "1"
    n: int | None = None

    def __post_init__(self) -> None:
        require_finite(self.name, *(value for row in self.values for value in row))
        if len(self.values) != len(self.rows) or any(len(row) != len(self.columns) for row in self.values):
            raise ResultError(f"expected {len(self.rows)} x {len(self.columns)} values", where=self.name)

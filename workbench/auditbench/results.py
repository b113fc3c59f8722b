"""What an analyzer returns: typed blocks that every renderer can draw and every gate can read.

Numbers in blocks are finite; what is undefined is `None` with a reason. Text is a `Message`, never prose.
Arrays are numpy arrays in the process that made them, and `StoredArray` once a run is written.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from auditbench.arrays import Array
from auditbench.errors import ResultError
from auditbench.findings import Finding, Message

Status: TypeAlias = Literal["ok", "not_applicable", "skipped", "failed", "timed_out"]
Cell: TypeAlias = bool | int | float | str | Message | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """An interval estimate; `method` names it (`wilson`, `bootstrap-percentile`, `delong`, ...)."""

    low: float
    high: float
    level: float = 0.95
    method: str

    def __post_init__(self) -> None:
        require_finite("interval", self.low, self.high)
        if self.low > self.high:
            raise ResultError(f"expected low <= high, got {self.low} > {self.high}", where="interval")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One number with what is needed to rely on it.

    Attributes:
        name: Without the analyzer's name; a gate writes `analyzer.name`.
        value: Absent exactly when `reason` says why it is undefined.
        unit: `1` for a ratio or share, else a unit such as `ms`, `MiB`, `logit`.
        interval: Absent when `no_interval` says why: `exact` for its rows, `count`, `not_estimated`,
            `few_clusters`, `few_replicates`, `dependent_rows`. A count with an `n` of 1 is of the model and rests on no row.
        n: Rows the value rests on; `denominator` the rows it is a share of, where that is fewer. Neither is 0 unless
            the value is undefined.
        clusters: Groups of rows that depend on each other, such as texts, among these rows; None without such groups.
        where: Labels that tell apart the metrics of one name: `{"feature": "sex", "group": "Female"}`.
        method: How the value was computed, as a catalogue key; renderers and `explain` resolve it.
        repeatable: False when a clock or a meter produced it.
        influence: Shape `(evaluated rows,)`, finite, float32: how far each evaluated row moves the value, in its unit
            (the empirical influence function, of mean 0; 0 for rows that play no part). Standard errors of the value
            and of differences follow from it; see `auditbench.statistics.influence`. Two metrics are equal without it.

    References: Hampel (1974), J. American Statistical Association 69:383.
    """

    name: str
    value: float | None
    unit: str = "1"
    higher_is_better: bool | None = None
    interval: Interval | None = None
    no_interval: str = ""
    n: int
    denominator: int | None = None
    clusters: int | None = None
    where: Mapping[str, str] = field(default_factory=dict)
    method: str = ""
    repeatable: bool = True
    reason: Message | None = None
    influence: Array | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        require_finite(self.name, self.value)
        if (self.value is None) != (self.reason is not None):
            raise ResultError("expected a reason exactly when the value is undefined", where=self.name)
        if self.interval is None and not self.no_interval and self.value is not None:
            raise ResultError("expected an interval or `no_interval` saying why not", where=self.name)
        for name, rows in (("n", self.n), ("denominator", self.denominator)):
            if self.value is not None and rows is not None and rows < 1:
                raise ResultError(f"expected `{name}` >= 1 where there is a value", where=self.name, found=str(rows))
        if self.influence is not None:
            shape = tuple(getattr(self.influence, "shape", ()))
            if len(shape) != 1 or self.value is None:
                raise ResultError(
                    "expected `influence` of shape (rows,), and only where there is a value",
                    where=self.name,
                    found=f"shape {shape}, value {self.value}",
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One axis of a figure: what it shows and in which unit."""

    label: Message
    unit: str = "1"
    log: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a table. `number` columns hold numbers or None; `interval` ones hold text by `low`/`high` pairs."""

    name: str
    label: Message
    kind: Literal["text", "number", "count", "percent"] = "text"
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of cells. Undefined cells are None; `notes` on why stand in a text column."""

    name: str
    title: Message
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    repeatable: bool = True

    def __post_init__(self) -> None:
        for index, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                raise ResultError(f"expected {len(self.columns)} cells, got {len(row)}", where=f"{self.name}[{index}]")
            require_finite(f"{self.name}[{index}]", *(cell for cell in row if isinstance(cell, float)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One line or set of points of a curve; `low`, `high` and `n` are empty or as long as `x`."""

    label: str
    x: tuple[float, ...]
    y: tuple[float | None, ...]
    low: tuple[float | None, ...] = ()
    high: tuple[float | None, ...] = ()
    n: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        require_finite(self.label, *self.x, *self.y, *self.low, *self.high)
        sizes = {len(self.y), *(len(part) for part in (self.low, self.high, self.n) if part)}
        if sizes != {len(self.x)}:
            raise ResultError(f"expected {len(self.x)} points in every part, got {sorted(sizes)}", where=self.label)


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
    """One labelled point; `highlighted` marks the audited model."""

    label: str
    x: float
    y: float
    highlighted: bool = False

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
    """Numbers by row and column label, such as a confusion matrix or the agreement of methods."""

    name: str
    title: Message
    kind: Literal["confusion", "agreement", "matrix"] = "matrix"
    row_label: Message
    column_label: Message
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    unit: str = "1"

    def __post_init__(self) -> None:
        require_finite(self.name, *(value for row in self.values for value in row))
        if len(self.values) != len(self.rows) or any(len(row) != len(self.columns) for row in self.values):
            raise ResultError(f"expected {len(self.rows)} x {len(self.columns)} values", where=self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """Contributions of players (features, superpixels, tokens, segments) to outputs of the model, for some rows.

    Attributes:
        method: The field's name of the method, such as `shap.permutation` or `integrated_gradients`.
        values: Shape `(rows, targets, *player_shape)`, in the unit of the explained output.
        player_names: One name a player, in the order of the flattened player shape; empty for large shapes.
        target_names: One name a target.
        base_values: Shape `(rows, targets)`: what the contributions start from, same unit.
        outputs: Shape `(rows, targets)`: the explained output itself.
        standard_error: Shape of `values`, or absent when the method has no sampling error.
        player_values: Shape `(rows, players)`: rank of the row's own input within the data in [0, 1], NaN where an
            input has no order. For colour only; it does not give the input away.
        row_ids: Ids of the explained rows, in order.
        additive: Whether base value plus contributions should give the output; LIME's weights need not.
        unit: Unit of the explained output: `logit`, `probability` or `value`.
        model_rows: Rows the model evaluated to make this block.

    References: arXiv:1705.07874, eq. 5 (local accuracy).
    """

    name: str
    method: str
    values: Array
    player_names: tuple[str, ...]
    target_names: tuple[str, ...]
    base_values: Array
    outputs: Array
    standard_error: Array | None = None
    player_values: Array | None = None
    row_ids: tuple[str, ...]
    additive: bool = True
    unit: str
    model_rows: int

    def __post_init__(self) -> None:
        leading = (len(self.row_ids), len(self.target_names))
        for part in ("values", "base_values", "outputs", "standard_error"):
            array = getattr(self, part)
            if array is not None and tuple(array.shape[:2]) != leading:
                raise ResultError(
                    f"expected `{part}` to begin with (rows, targets) = {leading}, got {tuple(array.shape)}",
                    where=self.name,
                )
        shape = tuple(self.values.shape)
        players = math.prod(shape[2:])
        if self.player_names and len(self.player_names) != players:
            raise ResultError(f"expected {players} player names, got {len(self.player_names)}", where=self.name)
        for part, wanted in (("standard_error", shape), ("player_values", (leading[0], players))):
            array = getattr(self, part)
            if array is not None and tuple(array.shape) != wanted:
                raise ResultError(f"expected `{part}` of shape {wanted}, got {tuple(array.shape)}", where=self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageOverlay:
    """An attribution drawn on the image it explains.

    Attributes:
        image: Shape `(height, width)` or `(height, width, 3)`, in [0, 1].
        values: Shape `(height, width)`, in the unit of the explained output.
    """

    name: str
    title: Message
    row_id: str
    image: Array
    values: Array
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenAttribution:
    """Contributions of the words of one text; white space belongs to the tokens, so that they join to the text."""

    name: str
    title: Message
    row_id: str
    tokens: tuple[str, ...]
    values: tuple[float, ...]
    unit: str

    def __post_init__(self) -> None:
        require_finite(self.name, *self.values)
        if len(self.tokens) != len(self.values):
            raise ResultError(f"expected {len(self.tokens)} values, got {len(self.values)}", where=self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Method, assumption, limit or reading help of a section, shown where the numbers are."""

    kind: Literal["method", "assumption", "limit", "how_to_read"]
    text: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisResult:
    """All that one analyzer has to say.

    Attributes:
        status: `ok` has no reason; every other status has one.
        parameters: The analyzer's parameters with defaults written out; the host fills it in.
    """

    analyzer: str = ""
    topic: str = ""
    status: Status = "ok"
    reason: Message | None = None
    required: bool = True
    version: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    metrics: tuple[Metric, ...] = ()
    tables: tuple[Table, ...] = ()
    curves: tuple[Curve, ...] = ()
    scatters: tuple[Scatter, ...] = ()
    percentiles: tuple[Percentiles, ...] = ()
    paired_changes: tuple[PairedChange, ...] = ()
    matrices: tuple[Matrix, ...] = ()
    attributions: tuple[Attribution, ...] = ()
    image_overlays: tuple[ImageOverlay, ...] = ()
    token_attributions: tuple[TokenAttribution, ...] = ()
    notes: tuple[Note, ...] = ()
    findings: tuple[Finding, ...] = ()

    def __post_init__(self) -> None:
        if (self.status == "ok") != (self.reason is None):
            raise ResultError("expected a reason exactly when the status is not ok", where=self.analyzer)

    @property
    def is_missing(self) -> bool:
        """Whether it is required and there is none. One that does not apply is not missing."""
        return self.required and self.status in ("failed", "timed_out", "skipped")


def require_finite(where: str, *values: float | None) -> None:
    """Raise ResultError when a value is NaN or infinite; None is undefined and allowed."""
    for value in values:
        if value is not None and not math.isfinite(value):
            raise ResultError("expected a finite number, or None with a reason", where=where, found=str(value))

"""Numbers with what is needed to rely on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from auditbench.arrays import Array
from auditbench.errors import ResultError
from auditbench.findings import Message
from auditbench.record import LEFT_OUT_WHEN_EMPTY
from auditbench.results.finite import require_finite

Sample: TypeAlias = Literal["evaluated", "training", "own"]
"""What the rows behind a number are: evaluated ones, rows that the model was trained on, or what an analyzer brings along."""


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
class ReferenceLine:
    """A value that others read such a number against, drawn beside it; no limit, and nothing is decided by it.

    Attributes:
        label: What it is, and of whom.
    """

    value: float
    label: Message

    def __post_init__(self) -> None:
        require_finite("reference", self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One number with what is needed to rely on it.

    Attributes:
        name: Without the analyzer's name; a gate writes `analyzer.name`.
        value: Absent exactly when `reason` says why it is undefined.
        unit: `1` for a ratio or a share, which is a fraction of 1, else a unit such as `ms`, `MiB`, `logit`.
        higher_is_better: None where neither direction is, and a gate on its change then is an error.
        interval: Absent when `no_interval` says why: `exact` for its rows, `count`, `not_estimated`,
            `few_clusters`, `few_replicates`, `dependent_rows`. A count with an `n` of 1 is of the model and rests on no row.
        n: Rows the value rests on; `denominator` the rows it is a share of, where that is fewer. Neither is 0 unless
            the value is undefined.
        sample: What these rows are.
        clusters: Groups of rows that depend on each other, such as texts, among these rows; None without such groups.
        where: Labels that tell apart the metrics of one name: `{"feature": "sex", "group": "Female"}`.
        method: How the value was computed, as a catalogue key; renderers and `explain` resolve it.
        repeatable: False when a clock or a meter produced it.
        influence: Shape `(evaluated rows,)`, finite, float32: how far each evaluated row moves the value, in its unit
            (the empirical influence function, of mean 0; 0 for rows that play no part). Standard errors of the value
            and of differences follow from it; see `auditbench.statistics.influence`. Two metrics are equal without it.
        reference: A line to draw beside it.

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
    sample: Sample = "evaluated"
    clusters: int | None = None
    where: Mapping[str, str] = field(default_factory=dict)
    method: str = ""
    repeatable: bool = True
    reason: Message | None = None
    influence: Array | None = field(default=None, compare=False)
    reference: ReferenceLine | None = field(default=None, metadata=LEFT_OUT_WHEN_EMPTY)

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

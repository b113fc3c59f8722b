"""Figures as data: what is drawn, on which scales, with which numbers beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from auditbench_html.view.marked import MarkedSeries, MarkedText, Overlay
from auditbench_html.view.numbers import Estimate
from auditbench_html.view.scales import Scale
from auditbench_html.view.text import EMPTY, Text

Tone: TypeAlias = Literal["pass", "warn", "fail", "error", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """A state in one or two words; the tone gives shape and colour."""

    tone: Tone
    label: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """The head of a table column."""

    label: Text
    number: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cell: text, the number behind it, a smaller second line, or a chip instead of text."""

    text: Text
    value: float | None = None
    note: Text = EMPTY
    chip: Chip | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A plain table; the first column heads its rows. `more` says what was left out and where it is."""

    caption: Text
    columns: tuple[Heading, ...]
    rows: tuple[tuple[Cell, ...], ...]
    more: Text = EMPTY


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One entry of a figure's key: the name of a mark and what it stands for."""

    mark: str
    label: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalRow:
    """A measure with its interval; `limits` are those of its gate and `tone` is the gate's state.

    `reference` is a line that others read it against.
    """

    label: Text
    note: Text
    estimate: Estimate
    tone: Tone | None = None
    limits: tuple[float, ...] = ()
    reference: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalRows:
    """Dots with intervals on one scale."""

    heading: Text
    track: Text
    rows: tuple[IntervalRow, ...]
    scale: Scale


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportanceRow:
    """One input: the first method's value as a bar, the other methods' as marks (None: not given).

    `size` tells the rows behind it, where others rest on more or fewer.
    """

    label: Text
    estimate: Estimate
    marks: tuple[float | None, ...]
    size: Text = EMPTY


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportanceRows:
    """Importance of inputs by several methods on one scale."""

    heading: Text
    caption: Text
    method: Text
    track: Text
    rows: tuple[ImportanceRow, ...]
    scale: Scale


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """One explained row: its contribution, and the step of its own input on the ramp (0: without order, else 1 to 5)."""

    value: float
    level: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SwarmRow:
    """The contributions of one input over many rows."""

    label: Text
    dots: tuple[Dot, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Swarm:
    """Contributions of inputs, one dot an explained row."""

    track: Text
    rows: tuple[SwarmRow, ...]
    scale: Scale
    unit: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class WaterfallRow:
    """One step from the base value to the output; `others` are the values of other methods for the same input."""

    kind: Literal["base", "step", "rest", "output"]
    label: Text
    note: Text
    estimate: Estimate
    start: float
    end: float
    others: tuple[Cell, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Waterfall:
    """Contributions of inputs to one output, in order, on an axis labelled in the natural unit."""

    track: Text
    effect: Text
    others: tuple[Text, ...]
    rows: tuple[WaterfallRow, ...]
    scale: Scale
    threshold: float | None
    how: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRow:
    """One group: its size and one or two rates; `reason` says why there are none."""

    label: Text
    size: Text
    rates: tuple[Estimate, ...]
    reason: Text = EMPTY


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRates:
    """Rates of groups as paired dots; `references` are what dashed lines mark: a line of the rate, or the largest group's."""

    heading: Text
    rates: tuple[Text, ...]
    track: Text
    rows: tuple[GroupRow, ...]
    references: tuple[float | None, ...]
    scale: Scale


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a chart; `band` holds `(x, low, high)` and `n` the rows behind each point."""

    label: Text
    points: tuple[tuple[float, float], ...]
    band: tuple[tuple[float, float, float], ...] = ()
    n: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartLimit:
    """The limit of a gate on a chart; it holds at `x`, or along the whole axis where that is None."""

    value: float
    x: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Lines or points on two axes; `summary` is the figure in one sentence for those who do not see it.

    Attributes:
        limits: Limits of gates: across the chart, or at one place of the x axis.
        event: A place of the x axis to mark, such as the epoch whose weights were kept.
    """

    summary: Text
    x_label: Text
    y_label: Text
    x: Scale
    y: Scale
    lines: tuple[Line, ...]
    diagonal: bool = False
    marks: bool = False
    intervals: bool = False
    limits: tuple[ChartLimit, ...] = ()
    event: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedPoint:
    """A labelled point; the highlighted one is the audited model.

    Attributes:
        across: Ends of the interval of `x`, where it has one; `along` of `y`.
    """

    label: Text
    x: float
    y: float
    highlighted: bool
    across: tuple[float, float] | None = None
    along: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScatterChart:
    """Points on two axes with the line of those that no other beats."""

    summary: Text
    x_label: Text
    y_label: Text
    x: Scale
    y: Scale
    points: tuple[PlacedPoint, ...]
    frontier: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PercentileLine:
    """Percentiles of one measurement; `limits` are those of gates on any of them."""

    label: Text
    note: Text
    p50: Estimate
    p95: Estimate
    p99: Estimate
    limits: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PercentileRows:
    """Percentiles of repeated measurements on one scale."""

    heading: Text
    track: Text
    rows: tuple[PercentileLine, ...]
    scale: Scale


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRow:
    """One quantity before and after; `low` and `high` are signed so that better is positive, on the row's own scale."""

    label: Text
    before: Estimate
    after: Estimate
    change: Estimate
    chip: Chip
    better: float
    low: float | None
    high: float | None
    span: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRows:
    """Paired changes around no change."""

    heading: Text
    track: Text
    rows: tuple[ChangeRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatCell:
    """A number and its shade: 0 (none) to 3, or -3 for the largest below zero."""

    text: Text
    value: float | None
    shade: int
    note: Text = EMPTY


@dataclass(frozen=True, slots=True, kw_only=True)
class Heat:
    """A shaded table, not `numbered` with too many cells for numbers in them, `dense` with many columns.

    Cells that are `counts` lie on no side of zero.
    """

    caption: Text
    row_label: Text
    column_label: Text
    columns: tuple[Text, ...]
    rows: tuple[tuple[Text, tuple[HeatCell, ...]], ...]
    numbered: bool = True
    dense: bool = False
    counts: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Hundred:
    """One group of the picture of a hundred people."""

    label: Text
    filled: int
    interval: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class HundredPeople:
    """A share of people in two groups, as dots out of a hundred, and the gate that compares them."""

    groups: tuple[Hundred, ...]
    gate: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class BarRow:
    """An amount that begins at zero."""

    label: Text
    estimate: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class BarRows:
    """Amounts as bars on one scale."""

    heading: Text
    value: Text
    track: Text
    rows: tuple[BarRow, ...]
    scale: Scale


Body: TypeAlias = (
    IntervalRows
    | ImportanceRows
    | Swarm
    | Waterfall
    | GroupRates
    | Chart
    | ScatterChart
    | PercentileRows
    | ChangeRows
    | Heat
    | HundredPeople
    | MarkedText
    | MarkedSeries
    | Overlay
    | BarRows
    | Grid
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure or table with everything that stands around it.

    Attributes:
        how_first: Number of the figure that gave the same reading help before, 0 for none: this one refers to it.
        folded: Whether a table is long enough to be closed at first.
        aside: Whether it is one of several alike, such as one a class, of which many are closed at first.
        number: In the order of the page, from 1; `fig-4` is its place.
        kind: Name of the drawing; a renderer that has none for it shows `data`.
        wide: Whether it needs the whole width of the page.
        data: The numbers, where the drawing does not already show them all.
    """

    kind: str
    title: Text
    subtitle: Text
    body: Body
    keys: tuple[Key, ...] = ()
    how: Text = EMPTY
    source: Text = EMPTY
    data: Grid | None = None
    wide: bool = True
    number: int = 0
    how_first: int = 0
    folded: bool = False
    aside: bool = False

"""The tables: rates and ratios by category as Local Law 144 lists them, and comparisons with the highest category."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from auditbench.findings import Message
from auditbench.results import Cell, Column, Table
from auditbench.statistics import IntervalEstimate, benjamini_hochberg
from auditbench_impact_ratios.measures import (
    FOUR_FIFTHS,
    RATE,
    RATIO,
    SMALL_SHARE,
    SMALLEST_SHOWN,
    message,
    why_undefined,
)
from auditbench_impact_ratios.rates import Rates, exact_p_values, shortfall

if TYPE_CHECKING:
    from auditbench_impact_ratios import Params
    from auditbench_impact_ratios.rule import Rule


def rate_table(rates: Rates, name: str, rule: Rule, params: Params) -> Table:
    """Every category with its rows, those that are selected or score above the median, its rate and its ratio."""
    categories, mode = rates.categories, rule.mode
    reference = {} if rates.highest is None else {"reference": categories.names[rates.highest]}
    ending = "" if reference else "_without_ratio"
    return Table(
        name=f"{mode}_{name}",
        title=message(f"{rule.told_as}.title{ending}", feature=categories.feature, **reference, **rule.words),
        columns=(
            Column(name="group", label=message("column.category")),
            Column(name="n", label=message("column.n"), kind="count"),
            Column(name="hits", label=message(f"column.{mode}"), kind="count"),
            *_estimate_columns(RATE[mode], "rate"),
            *_estimate_columns(RATIO[mode], "ratio"),
            Column(name="note", label=message("column.note")),
        ),
        rows=tuple(_rate_row(rates, place, params) for place in range(len(categories.names))),
        n=len(categories.of_row),
    )


def four_fifths_table(selected: Sequence[Rates], rule: Rule) -> Table | None:
    """Each lower category against the highest: ratio, exact test and shortfall; None without any.

    P-values are adjusted over all comparisons of the table.
    """
    lower = [(rates, place) for rates in selected for place in rates.lower]
    if not lower:
        return None
    p_values = [value for rates in selected for value in exact_p_values(rates)]
    tested = ("p_value", "adjusted_p_value") if p_values else ()
    tests: list[tuple[float, ...]] = list(zip(p_values, benjamini_hochberg(p_values).tolist(), strict=True))
    return Table(
        name="four_fifths",
        title=message("four_fifths.title", n=len(lower), **rule.words),
        columns=(
            Column(name="feature", label=message("column.feature")),
            Column(name="group", label=message("column.category")),
            Column(name="reference", label=message("column.reference")),
            *_estimate_columns("impact_ratio", "ratio"),
            Column(name="line", label=message("column.line")),
            *(Column(name=column, label=message(f"column.{column}"), kind="number") for column in tested),
            Column(name="shortfall", label=message("column.shortfall"), kind="count"),
        ),
        rows=tuple(
            (*_four_fifths_row(*part), *test, _shortfall(*part))
            for part, test in zip(lower, tests or [()] * len(lower), strict=True)
        ),
    )


def _estimate_columns(name: str, part: str) -> tuple[Column, ...]:
    return (
        Column(name=part, label=message(name), kind="number"),
        Column(name=f"{part}_low", label=message(f"column.{part}_low"), kind="number"),
        Column(name=f"{part}_high", label=message(f"column.{part}_high"), kind="number"),
    )


def _rate_row(rates: Rates, place: int, params: Params) -> tuple[Cell, ...]:
    categories, size = rates.categories, int(rates.categories.sizes[place])
    rate = rates.rate[place]
    counts: tuple[Cell, ...] = (size, int(rates.hits[place]))
    if rate is None:
        counts = (None if 0 < size < SMALLEST_SHOWN else size, None)
    return (
        categories.names[place],
        *counts,
        *_numbers(rate),
        *_numbers(rates.ratio[place]),
        why_undefined(rates, place, params) or _small_share(rates, place),
    )


def _small_share(rates: Rates, place: int) -> Message | None:
    """That a category could be left out of the ratios, and is not."""
    categories = rates.categories
    return message("note.small_share") if categories.sizes[place] < SMALL_SHARE * len(categories.of_row) else None


def _four_fifths_row(rates: Rates, place: int) -> tuple[Cell, ...]:
    names, ratio = rates.categories.names, rates.ratio[place]
    highest = names[rates.highest] if rates.highest is not None else None
    return (rates.categories.feature, names[place], highest, *_numbers(ratio), _line(ratio))


def _line(ratio: IntervalEstimate | None) -> Message | None:
    """Where the interval lies."""
    if ratio is None or ratio.low is None or ratio.high is None:
        return None
    if ratio.high < FOUR_FIFTHS:
        return message("line.below")
    return message("line.above") if ratio.low >= FOUR_FIFTHS else message("line.across")


def _shortfall(rates: Rates, place: int) -> int:
    hits, sizes = rates.hits, rates.categories.sizes
    highest = place if rates.highest is None else rates.highest
    return shortfall(int(hits[place]), int(sizes[place]), int(hits[highest]), int(sizes[highest]))


def _numbers(estimate: IntervalEstimate | None) -> tuple[Cell, ...]:
    return (None, None, None) if estimate is None else (estimate.estimate, estimate.low, estimate.high)

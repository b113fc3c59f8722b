"""Groups in the data against the shares that they have in a population, which the config names."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from auditbench.bands import MISSING_GROUP
from auditbench.errors import ConfigError, Problem
from auditbench.results import Cell, Column, Metric, Table
from auditbench.statistics import benjamini_hochberg, sidak_level
from auditbench_data_bias.estimates import LEVEL, nothing, share_estimates
from auditbench_data_bias.measures import ANALYZER, SMALLEST_SHOWN, Part, message, metric_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.data import EvaluationData
    from auditbench.statistics import IntervalEstimate
    from auditbench_data_bias.groups import Grouping, PartRows
    from auditbench_data_bias.params import Params

FEWEST_EXPECTED = 5.0
"""Expected rows of a group below which the test draws from the multinomial distribution instead of taking chi-square's."""
DRAWS = 9999
SMALLEST_P = sys.float_info.min
"""What stands for a p-value that is 0 by rounding alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PopulationComparison:
    """The groups of one feature in one part of the data, against a population.

    Attributes:
        ratios: Share in the data over share in the population, of each group.
        n: Rows whose group is named; `left_out` rows of other groups, missing values among them.
        statistic: Pearson's chi-square, on one degree of freedom less than there are groups.
        p_value: NaN where rows depend on each other or count unequally, or there are none. `adjusted` over all comparisons.
        exact: Whether the p-value comes from drawn tables.
    """

    feature: str
    part: Part
    ratios: tuple[Metric, ...]
    n: int
    left_out: int
    statistic: float
    p_value: float
    exact: bool
    adjusted: float = math.nan


def check_population(data: EvaluationData, params: Params) -> None:
    """Refuse a population of features or groups that the data do not have.

    A named group without a row is a finding, not a mistake, unless the data have groups that are not named.

    Raises:
        ConfigError: With every such feature and group.
    """
    problems = []
    for feature, shares in params.population.items():
        names = feature.split(" & ")
        absent = [name for name in names if name not in data.sensitive_features]
        if absent or len(names) > params.intersections:
            problems.append(
                Problem(
                    message="a population is given for what is no sensitive feature",
                    where=f"analyzers.{ANALYZER}.population",
                    found=repr(feature),
                    allowed=", ".join(data.sensitive_features)
                    + f", and up to {params.intersections} of them with ` & `",
                    fix="name a sensitive feature, or features in the order of data.sensitive",
                )
            )
        elif len(names) == 1:
            known = [group for group in data.groups(feature) if group != MISSING_GROUP]
            strange, unnamed = ([n for n in shares if n not in known], [n for n in known if n not in shares])
            if strange and unnamed:
                problems.append(
                    Problem(
                        message="a population names a group that the data do not have, and does not name one that they have",
                        where=f"analyzers.{ANALYZER}.population.{feature}",
                        found=", ".join(map(repr, strange)),
                        allowed=", ".join(map(repr, known)),
                        fix="write groups as the data do",
                    )
                )
    if problems:
        raise ConfigError("the population does not fit the data", problems=tuple(problems))


def compare(
    parts: Sequence[PartRows],
    groupings: Sequence[Grouping],
    population: Mapping[str, Mapping[str, float]],
    rng: np.random.Generator,
) -> list[PopulationComparison]:
    """Each population against each part of the data, p-values adjusted over all of them by Benjamini and Hochberg."""
    found = [
        _compared(rows, grouping, population[grouping.feature], rng)
        for grouping in groupings
        if grouping.feature in population
        for rows in parts
        if rows.part in grouping.codes
    ]
    adjusted = benjamini_hochberg([each.p_value for each in found]).tolist()
    return [replace(each, adjusted=value) for each, value in zip(found, adjusted, strict=True)]


def goodness_of_fit(
    counts: npt.NDArray[np.int64], shares: npt.NDArray[np.float64], rng: np.random.Generator
) -> tuple[float, float, bool]:
    """Pearson's statistic of counts against shares that add up to 1, its p-value, and whether that came from drawn tables.

    Where a count is expected to be below `FEWEST_EXPECTED`, `DRAWS` tables are drawn from the multinomial distribution.

    Source: Pearson (1900), Philosophical Magazine 50:157; Phipson and Smyth (2010), arXiv:1603.05766, eq. 2 (drawn tables).
    """
    n = int(counts.sum())
    expected = n * shares
    statistic = float(np.sum((counts - expected) ** 2 / expected))
    if expected.min() >= FEWEST_EXPECTED:
        return statistic, max(SMALLEST_P, float(special.chdtrc(len(counts) - 1, statistic))), False
    drawn = np.sum((rng.multinomial(n, shares, size=DRAWS) - expected) ** 2 / expected, axis=1)
    extreme = int(np.count_nonzero(drawn >= statistic * (1 - 1e-12)))  # equal tables may differ by rounding
    return statistic, (extreme + 1) / (DRAWS + 1), True


def population_table(comparisons: Sequence[PopulationComparison]) -> Table:
    """A line for each comparison."""
    columns = (
        Column(name="feature", label=message("column.feature")),
        Column(name="rows", label=message("column.rows")),
        Column(name="groups", label=message("column.groups"), kind="count"),
        Column(name="n", label=message("column.n"), kind="count"),
        Column(name="left_out", label=message("column.left_out"), kind="count"),
        *(
            Column(name=name, label=message(f"column.{name}"), kind="number")
            for name in ("statistic", "p_value", "adjusted_p_value")
        ),
        Column(name="note", label=message("column.note")),
    )
    return Table(
        name="population",
        title=message("population", n=len(comparisons)),
        columns=columns,
        rows=tuple(_line(each) for each in comparisons),
    )


def _compared(
    rows: PartRows, grouping: Grouping, population: Mapping[str, float], rng: np.random.Generator
) -> PopulationComparison:
    expected = np.asarray([*population.values()])
    expected = expected / expected.sum()
    codes = _places(grouping, [*population])[grouping.codes[rows.part]]
    named = np.arange(len(population))
    counts = np.bincount(codes[codes >= 0], minlength=len(named)).astype(np.int64)
    n = int(counts.sum())
    statistic, p_value, exact = (math.nan, math.nan, False)
    if n and rows.clusters is None and rows.weights is None:
        statistic, p_value, exact = goodness_of_fit(counts, expected, rng)
    level = sidak_level(LEVEL, len(named) if len(named) > 2 else 1)  # of two groups each is the other's mirror image
    found = share_estimates(rows.shares_of(codes, named), rows, level=level)
    return PopulationComparison(
        feature=grouping.feature,
        part=rows.part,
        ratios=tuple(
            _ratio(rows, {"feature": grouping.feature, "value": name}, estimate, share, int(count), n)
            for name, estimate, share, count in zip(population, found, expected.tolist(), counts, strict=True)
        ),
        n=n,
        left_out=len(rows) - n,
        statistic=statistic,
        p_value=p_value,
        exact=exact,
    )


def _places(grouping: Grouping, names: Sequence[str]) -> npt.NDArray[np.int64]:
    """Place of each group among the named ones, -1 for another group, shape `(groups,)`."""
    place = {name: index for index, name in enumerate(names)}
    return np.asarray([place.get(name, -1) for name in grouping.groups], dtype=np.int64)


def _ratio(
    rows: PartRows, where: Mapping[str, str], found: IntervalEstimate, share: float, count: int, n: int
) -> Metric:
    hidden = 0 < count < SMALLEST_SHOWN
    if hidden:
        found = nothing()
    estimate, low, high = (None if end is None else end / share for end in (found.estimate, found.low, found.high))
    return metric_of(
        "representation_ratio",
        replace(found, estimate=estimate, low=low, high=high, method=f"simultaneous-{found.method}"),
        n=n,
        part=rows.part,
        clusters=rows.clusters if n else None,
        where=where,
        undefined=message("undefined.share_hidden", shown_from=SMALLEST_SHOWN) if hidden else None,
    )


def _line(comparison: PopulationComparison) -> tuple[Cell, ...]:
    numbers = (comparison.statistic, comparison.p_value, comparison.adjusted)
    note: Cell = message("note.drawn_tables", n=DRAWS) if comparison.exact else ""
    if math.isnan(comparison.p_value):
        note = message("undefined.dependent_rows" if comparison.n else "undefined.no_rows")
    return (
        comparison.feature,
        message(f"rows.{comparison.part}"),
        len(comparison.ratios),
        comparison.n,
        comparison.left_out if comparison.left_out == 0 or comparison.left_out >= SMALLEST_SHOWN else None,
        *(None if math.isnan(number) else number for number in numbers),
        note or message("note.chi_square"),
    )

"""Messages of this plugin, and rates and ratios as metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from auditbench.findings import Message
from auditbench.results import Metric, ReferenceLine, estimated_metric, interval_of
from auditbench.statistics import Clusters, IntervalEstimate, share_interval

if TYPE_CHECKING:
    from auditbench_impact_ratios import Mode, Params
    from auditbench_impact_ratios.categories import Categories
    from auditbench_impact_ratios.rates import Rates

ANALYZER = "impact-ratios"
SMALLEST_SHOWN = 10
"""Rows below which no text gives their number: it could point at persons."""

RATE: dict[Mode, str] = {"selection": "selection_rate", "scoring": "scoring_rate"}
RATIO: dict[Mode, str] = {"selection": "impact_ratio", "scoring": "scoring_impact_ratio"}
SMALLEST: dict[Mode, str] = {"selection": "smallest_impact_ratio", "scoring": "smallest_scoring_impact_ratio"}

FOUR_FIFTHS = 0.8
"""Source: 29 CFR 1607.4 D (Uniform Guidelines on Employee Selection Procedures, 1978), of selection rates."""
SMALL_SHARE = 0.02
"""Share of the rows below which a category may be left out of ratios. Source: 6 RCNY 5-301 (d)."""


def message(key: str, **values: bool | float | str | None) -> Message:
    """A message of this plugin's catalogue."""
    return Message(key=f"{ANALYZER}.{key}", values=values)


_LINE = ReferenceLine(value=FOUR_FIFTHS, label=message("reference.four_fifths"))


def rate_metrics(rates: Rates, mode: Mode, params: Params) -> Iterator[Metric]:
    """The smallest ratio, then rate and ratio of each category."""
    categories = rates.categories
    without_ratio = message(f"undefined.{rates.smallest.reason}")
    rows = int(categories.sizes[categories.of("compared")].sum())
    where = {"feature": categories.feature}
    yield _metric(SMALLEST[mode], rates.smallest, rows, where, rates.compared_clusters, without_ratio)
    for place, name in enumerate(categories.names):
        where = {"feature": categories.feature, "group": name}
        size, reason = int(categories.sizes[place]), why_undefined(rates, place, params) or without_ratio
        n = size if size >= SMALLEST_SHOWN or rates.rate[place] is not None else 0
        clusters = None if rates.clusters is None else int(rates.clusters[place])
        for kind, estimate in ((RATE, rates.rate[place]), (RATIO, rates.ratio[place])):
            yield _metric(kind[mode], estimate, n, where, clusters, reason)


def unknown_metric(categories: Categories, clusters: Clusters | None) -> Metric:
    """Share of the rows that are of an unknown category."""
    return estimated_metric(
        "unknown_category",
        share_interval(~categories.known, clusters),
        n=len(categories.known),
        undefined=message("undefined.empty"),
        higher_is_better=False,
        clusters=clusters,
        where={"feature": categories.feature},
        method=f"{ANALYZER}.unknown_category.formula",
    )


def why_undefined(rates: Rates, place: int, params: Params) -> Message | None:
    """Why a category has no ratio, where that is for its size."""
    size = int(rates.categories.sizes[place])
    standing = rates.categories.standing[place]
    if standing == "empty":
        return message("undefined.empty")
    if standing == "left_out":
        return message("undefined.left_out", share=params.smallest_category)
    if standing == "small" and size < SMALLEST_SHOWN:
        return message("undefined.small_hidden", shown_from=SMALLEST_SHOWN, minimum=params.minimum_group)
    if standing == "small":
        return message("undefined.small", n=size, minimum=params.minimum_group)
    return None


def _metric(
    name: str,
    estimate: IntervalEstimate | None,
    n: int,
    where: Mapping[str, str],
    clusters: int | None,
    reason: Message,
) -> Metric:
    value = None if estimate is None else estimate.estimate
    interval = None if estimate is None else interval_of(estimate)
    return Metric(
        name=name,
        value=value,
        higher_is_better=None if name in RATE.values() else True,
        interval=interval,
        no_interval="few_clusters" if value is not None and interval is None else "",
        n=n,
        clusters=clusters,
        where=where,
        method=f"{ANALYZER}.{name}.formula",
        reason=reason if value is None else None,
        reference=_LINE if name in (RATIO["selection"], SMALLEST["selection"]) else None,
    )

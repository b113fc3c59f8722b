"""How often each group has the label, or which label on average, and how far groups differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from auditbench.results import Metric
from auditbench.statistics import IntervalEstimate, largest_difference, largest_mean_difference_of
from auditbench_data_bias.estimates import mean_estimates, nothing, share_estimates
from auditbench_data_bias.measures import few_rows, message, metric_of, shown_size

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench_data_bias.groups import Grouping, PartRows
    from auditbench_data_bias.params import Params

    Mask: TypeAlias = npt.NDArray[np.bool_]


def base_rates(
    parts: Sequence[PartRows], groupings: Sequence[Grouping], classes: Sequence[str], params: Params
) -> list[Metric]:
    """Share of each group that has the label, with Wilson's interval, and the largest difference between two groups.

    Of two classes the second is the positive one and alone; of more, each of the most frequent is compared with the rest.
    """
    metrics: list[Metric] = []
    for label, of_class in _compared(parts, classes, params.most_classes):
        for rows in parts:
            hit = rows.y_true == label
            for grouping in groupings:
                if rows.part in grouping.codes:
                    metrics += _rates(rows, grouping, hit, of_class, params)
    return metrics


def mean_labels(parts: Sequence[PartRows], groupings: Sequence[Grouping], params: Params) -> list[Metric]:
    """Mean label of each group of a regression, with Student's interval, and the largest difference between two groups."""
    return [
        metric
        for rows in parts
        for grouping in groupings
        if rows.part in grouping.codes
        for metric in _means(rows, grouping, params)
    ]


def _compared(parts: Sequence[PartRows], classes: Sequence[str], most: int) -> Iterator[tuple[int, dict[str, str]]]:
    """Index of each compared class, and what tells its metrics from those of others."""
    if len(classes) == 2:
        yield 1, {}
        return
    counts = np.bincount(parts[0].y_true.astype(np.int64), minlength=len(classes))
    for label in sorted(np.argsort(-counts, kind="stable")[:most].tolist()):
        yield label, {"class": classes[label]}


def _rates(rows: PartRows, grouping: Grouping, hit: Mask, of_class: dict[str, str], params: Params) -> list[Metric]:
    grouped = rows.grouped(grouping.codes[rows.part], len(grouping.groups))
    shares = grouped.shares(hit, np.ones(len(rows), dtype=np.bool_))
    large = grouping.sizes(rows.part) >= params.minimum_group
    found = share_estimates(shares, rows)
    difference = largest_difference([shares.among(large & ~np.isnan(shares.share))])
    return [
        *_by_group("base_rate", found, rows, grouping, of_class, params),
        _difference("base_rate_difference", difference, rows, grouping, large, of_class),
    ]


def _means(rows: PartRows, grouping: Grouping, params: Params) -> list[Metric]:
    grouped = rows.grouped(grouping.codes[rows.part], len(grouping.groups))
    means = grouped.means(np.asarray(rows.y_true, dtype=np.float64))
    large = grouping.sizes(rows.part) >= params.minimum_group
    found = mean_estimates(means, rows)
    difference = largest_mean_difference_of(means.among(large & ~np.isnan(means.mean)))
    return [
        *_by_group("mean_label", found, rows, grouping, {}, params, unit="value"),
        _difference("mean_label_difference", difference, rows, grouping, large, {}, unit="value"),
    ]


def _by_group(
    name: str,
    found: Sequence[IntervalEstimate],
    rows: PartRows,
    grouping: Grouping,
    of_class: dict[str, str],
    params: Params,
    *,
    unit: str = "1",
) -> Iterator[Metric]:
    """The number of each listed group that has a row; of a few rows the reason why there is none, without their number."""
    sizes = grouping.sizes(rows.part)
    for group in grouping.listed(params.most_groups):
        n = int(sizes[group])
        if n:
            own = None if rows.clusters is None else rows.clusters.among(grouping.codes[rows.part] == group)
            yield metric_of(
                name,
                found[group] if n >= params.minimum_group else nothing(),
                n=shown_size(n) or 0,
                part=rows.part,
                unit=unit,
                clusters=own if n >= params.minimum_group else None,
                where={"feature": grouping.feature, "group": grouping.groups[group], **of_class},
                undefined=few_rows(n, params.minimum_group),
            )


def _difference(
    name: str,
    found: IntervalEstimate,
    rows: PartRows,
    grouping: Grouping,
    large: Mask,
    of_class: dict[str, str],
    *,
    unit: str = "1",
) -> Metric:
    return metric_of(
        name,
        found,
        n=int(grouping.sizes(rows.part)[large].sum()),
        part=rows.part,
        unit=unit,
        clusters=rows.clusters,
        higher_is_better=False,
        where={"feature": grouping.feature, **of_class},
        undefined=message("undefined.one_group"),
    )

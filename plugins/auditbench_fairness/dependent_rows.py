"""What is left of a measurement where rows depend on each other: the values, and nothing that takes rows as independent."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from auditbench.results import Metric
from auditbench.statistics import Clusters
from auditbench_fairness.groups import Grouping
from auditbench_fairness.summary import Measured, Summary

if TYPE_CHECKING:
    import numpy.typing as npt


def without_intervals(
    measured: Measured, clusters: Clusters, groupings: Iterable[Grouping], row_cells: npt.NDArray[np.int64]
) -> Measured:
    """The same values with the clusters of the rows of their groups, without intervals and without tests of groups.

    These would be too narrow and too sure: rows of one cluster, such as the tokens of one text, tell less than as many
    independent ones.

    Args:
        groupings: Those that were measured.
        row_cells: Cell of each row, shape `(rows,)`.
    """
    met = {item.feature: _groups_and_clusters(item, clusters, row_cells) for item in groupings}

    def counted(metric: Metric, compared: Collection[str]) -> Metric:
        if metric.value is None:
            return metric
        groups, of_group = met[metric.where["feature"]]
        own = np.array([name in compared for name in groups], dtype=np.bool_)
        among = len(np.unique(of_group[own[of_group[:, 0]], 1]))
        return replace(metric, interval=None, no_interval="dependent_rows", clusters=among)

    def summarised(summary: Summary) -> Summary:
        return replace(summary, metric=counted(summary.metric, set(summary.compared)))

    summaries = [summarised(summary) for summary in measured.summaries]
    return Measured(
        group_metrics=[counted(metric, (metric.where["group"],)) for metric in measured.group_metrics],
        disparity_metrics=[summary.metric for summary in summaries],
        summaries=summaries,
        lines=measured.lines,
    )


def _groups_and_clusters(
    grouping: Grouping, clusters: Clusters, row_cells: npt.NDArray[np.int64]
) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    """Names of the groups, and each group and cluster that have a row in common, shape `(pairs, 2)`."""
    pairs = np.unique(grouping.cell_groups[row_cells] * clusters.count + clusters.of_row)
    return grouping.groups, np.stack(np.divmod(pairs, clusters.count), axis=1)

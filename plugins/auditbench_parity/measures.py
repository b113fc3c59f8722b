"""Metrics of this plugin, with the reason where one is undefined."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from auditbench.findings import Message
from auditbench.results import Interval, Metric
from auditbench.statistics import Clusters, mean_influence, share_interval, stored_influence
from auditbench_parity.differences import Differences

if TYPE_CHECKING:
    import numpy.typing as npt

ANALYZER = "parity"


def message(key: str, **values: bool | float | str | None) -> Message:
    """A message of this plugin's catalogue."""
    return Message(key=f"{ANALYZER}.{key}", values=values)


def overall_metrics(found: Differences, *, scale: str, clusters: Clusters | None) -> tuple[Metric, ...]:
    """Metrics of all rows.

    Args:
        scale: Declared scale of the outputs.
        clusters: Of the rows; None where they are independent.
    """
    rows = len(found.decision)
    measured = [
        _exact("largest_output_difference", _largest(found.output), rows, scale),
        _exact("mean_output_difference", _mean(found.output_mean), rows, scale),
        _exact(
            "largest_scaled_difference",
            found.scaled,
            rows,
            reason="zero_reference" if found.only_reference_is_zero else "other_scale",
        ),
    ]
    if found.probability is not None:
        measured += [
            _exact("largest_probability_difference", _largest(found.probability), rows, "probability"),
            _exact("mean_probability_difference", _mean(found.probability_mean), rows, "probability"),
            _share("changed_decisions", found.decision != found.reference_decision, clusters),
        ]
    return tuple(measured)


def group_metrics(
    found: Differences, groups: Mapping[str, npt.NDArray[np.str_]], *, clusters: Clusters | None
) -> Iterator[Metric]:
    """The largest difference and the changed decisions of each group of these sensitive features."""
    apart, unit = (found.output, "value") if found.probability is None else (found.probability, "probability")
    changed = found.decision != found.reference_decision
    for feature, of_row in groups.items():
        for group in np.unique(of_row):
            among = of_row == group
            where = {"feature": feature, "group": str(group)}
            if apart is not None:
                largest = float(apart[among].max())
                yield _exact("group_largest_difference", largest, int(among.sum()), unit, where=where)
            if found.probability is not None:
                yield _share("group_changed_decisions", changed, clusters, among, where=where)


def _exact(
    name: str,
    value: float | None,
    rows: int,
    unit: str = "1",
    *,
    where: Mapping[str, str] | None = None,
    reason: str = "other_scale",
) -> Metric:
    """A number of these rows, which no sample stands behind; undefined where the scales differ, or for another reason."""
    return Metric(
        name=name,
        value=value,
        unit=unit,
        higher_is_better=False,
        no_interval="" if value is None else "exact",
        n=rows,
        where=where or {},
        method=f"{ANALYZER}.{name}.formula",
        reason=message(f"undefined.{reason}") if value is None else None,
    )


def _share(
    name: str,
    changed: npt.NDArray[np.bool_],
    clusters: Clusters | None,
    among: npt.NDArray[np.bool_] | None = None,
    *,
    where: Mapping[str, str] | None = None,
) -> Metric:
    """Share of rows, at least one, with its Wilson interval; without one where too few clusters stand behind it."""
    if among is not None and clusters is not None:
        clusters = clusters.among(among)
    share = share_interval(changed if among is None else changed[among], clusters)
    interval = None
    if share.low is not None and share.high is not None:
        interval = Interval(low=share.low, high=share.high, method=share.method)
    return Metric(
        name=name,
        value=share.estimate,
        higher_is_better=False,
        interval=interval,
        no_interval="" if interval else "few_clusters",
        n=len(changed),
        clusters=None if clusters is None else clusters.count,
        denominator=len(changed) if among is None else int(among.sum()),
        where=where or {},
        method=f"{ANALYZER}.{name}.formula",
        influence=stored_influence(mean_influence(changed, among)),
    )


def _largest(differences: npt.NDArray[Any] | None) -> float | None:
    return None if differences is None else float(differences.max())


def _mean(differences: npt.NDArray[Any] | None) -> float | None:
    return None if differences is None else float(differences.mean())

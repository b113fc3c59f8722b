"""Numbers over many rows: how labels agree with neighbours, how far rows lie, how concentrated influence is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from auditbench.findings import Message
from auditbench.results import Metric, estimated_metric, interval_of
from auditbench.statistics import clusters_of, mean_interval, share_interval
from auditbench_training_rows.candidates import DISAGREEING, same_label_share
from auditbench_training_rows.neighbours import distance_percentile

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench_training_rows.neighbours import Neighbours
    from auditbench_training_rows.studied import Studied

    Numbers: TypeAlias = npt.NDArray[np.float64]

FAR = 0.95
"""A row is far from the training rows when its last neighbour is farther than that of this share of them."""
MOST_CLASSES = 20
"""More classes are not listed one by one."""


def training_metrics(train: Studied, near: Neighbours, names: tuple[str, ...], *, dependent: bool) -> Iterator[Metric]:
    """How the labels of training rows agree with those of their neighbours, each row left out of its own.

    Args:
        dependent: Whether rows of these data depend on each other. Where it is not known which training rows do, as in a
            file of their own, there are no intervals.
    """
    for metric in _of_labels(train, near, names):
        kept = metric.interval if train.clusters is not None or not dependent else None
        lost = metric.interval is not None and kept is None
        yield replace(
            metric, sample="training", interval=kept, no_interval="dependent_rows" if lost else metric.no_interval
        )


def _of_labels(train: Studied, near: Neighbours, names: tuple[str, ...]) -> Iterator[Metric]:
    if not names:
        errors = np.abs(train.y_true - train.y_true[near.positions].mean(axis=1))
        yield _mean("neighbour_error", errors, train.clusters, unit="value", higher_is_better=False)
        return
    shares = same_label_share(train.y_true, near, train.y_true)
    yield _mean("neighbour_agreement", shares, train.clusters)
    yield _share("label_disagreement", shares < DISAGREEING, train.clusters, higher_is_better=False)
    if len(names) <= MOST_CLASSES:
        for index, name in enumerate(names):
            members = train.y_true == index
            clusters = None if train.clusters is None else train.clusters[members]
            yield _share(
                "label_disagreement",
                shares[members] < DISAGREEING,
                clusters,
                higher_is_better=False,
                where={"class": name},
            )


def explained_metrics(
    rows: Studied,
    train: Studied,
    near: Neighbours,
    usual: Neighbours,
    names: tuple[str, ...],
    concentration: Numbers | None,
    counted: slice,
    missing: Message | None,
) -> Iterator[Metric]:
    """What the explained rows that were drawn by chance say about all evaluated rows.

    Args:
        usual: Neighbours of the training rows themselves.
        concentration: Of influence, by row; None where there is none, for `missing`.
        counted: The rows that were drawn by chance.
    """
    clusters = None if rows.clusters is None else rows.clusters[counted]
    if names:
        agreeing = same_label_share(rows.decisions.astype(np.int64), near, train.y_true)[counted]
        yield _mean("prediction_agreement", agreeing, clusters)
    far = distance_percentile(near.distances[:, -1], usual.distances[:, -1])[counted] > FAR
    yield _share("far_share", far, clusters, higher_is_better=False)
    if concentration is None:
        yield _undefined("influence_concentration", missing)
        return
    known = np.isfinite(concentration[counted])
    yield _mean("influence_concentration", concentration[counted][known], None if clusters is None else clusters[known])


def _mean(
    name: str,
    values: Numbers,
    clusters: npt.NDArray[np.int64] | None,
    *,
    unit: str = "1",
    higher_is_better: bool | None = None,
) -> Metric:
    """A mean with Student's interval, of a share kept within 0 and 1.

    There is none where rows depend on each other, or where all values are equal, from which no spread can be told.
    """
    if not len(values):
        return _undefined(name, None, unit=unit)
    found = mean_interval(values)
    interval = None if clusters is not None or np.ptp(values) == 0 else interval_of(found)
    if interval is not None and unit == "1":
        interval = type(interval)(
            low=max(0.0, interval.low), high=min(1.0, interval.high), level=interval.level, method=interval.method
        )
    return Metric(
        name=name,
        value=float(np.mean(values)),
        unit=unit,
        higher_is_better=higher_is_better,
        interval=interval,
        no_interval="" if interval is not None else "dependent_rows" if clusters is not None else "not_estimated",
        n=len(values),
        method=f"training-rows.{name}.formula",
    )


def _share(
    name: str,
    hit: npt.NDArray[np.bool_],
    clusters: npt.NDArray[np.int64] | None,
    *,
    higher_is_better: bool | None,
    where: Mapping[str, str] | None = None,
) -> Metric:
    if not len(hit):
        return _undefined(name, None, where=where)
    groups = clusters_of(clusters)
    return estimated_metric(
        name,
        share_interval(hit, groups),
        n=len(hit),
        undefined=Message(key="training-rows.no_rows"),
        higher_is_better=higher_is_better,
        clusters=groups,
        where=where,
        method=f"training-rows.{name}.formula",
    )


def _undefined(name: str, reason: Message | None, *, unit: str = "1", where: Mapping[str, str] | None = None) -> Metric:
    return Metric(
        name=name,
        value=None,
        unit=unit,
        n=0,
        where=where or {},
        method=f"training-rows.{name}.formula",
        reason=reason or Message(key="training-rows.no_rows"),
    )

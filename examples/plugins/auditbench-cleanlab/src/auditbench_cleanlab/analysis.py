"""From the model's probabilities and the labels to the result of `cleanlab`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from auditbench.findings import Finding, Message, Scalar
from auditbench.results import AnalysisResult, Column, Interval, Metric, Note, Table
from auditbench.statistics import Clusters, clusters_of, fewest_replicates
from auditbench_cleanlab.suspects import Suspects, find_suspects

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.context import AuditContext
    from auditbench_cleanlab import Params


def analyze(context: AuditContext, params: Params) -> AnalysisResult:
    """Which labels of the evaluated rows are likely wrong.

    Raises:
        ModelError: An output of the model is not finite.
    """
    data, clusters = context.data, clusters_of(context.data.clusters)
    probabilities = context.model.probabilities(context.finite_outputs())
    if len(np.unique(data.y_true)) < 2:
        reason = _message("undefined.one_class")
        return AnalysisResult(
            metrics=tuple(
                Metric(name=name, value=None, higher_is_better=False, n=len(data), reason=reason)
                for name in ("suspected", "suspected_share")
            )
        )
    found = find_suspects(
        data.y_true,
        probabilities,
        filter_by=params.filter_by,
        replicates=params.replicates,
        clusters=clusters,
        rng=context.rng("bootstrap"),
        progress=lambda done, total: context.progress(done, total, step="replicates"),
    )
    return AnalysisResult(
        metrics=_metrics(context, found, clusters),
        tables=_tables(context, found, probabilities, params.shown_rows),
        findings=_findings(context, found),
        notes=_notes(context, params),
    )


def _metrics(context: AuditContext, found: Suspects, clusters: Clusters | None) -> tuple[Metric, ...]:
    data = context.data
    rows = np.bincount(data.y_true, minlength=len(data.classes))
    return (
        _metric("suspected", found, 0, clusters, n=len(data), times=len(data)),
        _metric("suspected_share", found, 0, clusters, n=len(data)),
        *(
            _metric(
                "class_suspected_share",
                found,
                place + 1,
                clusters.among(data.y_true == place) if clusters else None,
                n=len(data),
                denominator=int(rows[place]),
                where={"class": name},
            )
            for place, name in enumerate(data.classes)
        ),
    )


def _metric(
    name: str,
    found: Suspects,
    place: int,
    clusters: Clusters | None,
    *,
    n: int,
    denominator: int | None = None,
    where: Mapping[str, str] | None = None,
    times: int = 1,
) -> Metric:
    """One share, or as many rows as it is of `times`."""
    shares = found.shares
    value, low, high = (float(part[place]) * times for part in (shares.estimate, shares.low, shares.high))
    undefined = math.isnan(value)
    bounds = None
    if not math.isnan(low) and low < high:  # replicates that are all alike say nothing of other rows
        bounds = Interval(low=min(low, value), high=max(high, value), level=shares.level, method=shares.method)
    return Metric(
        name=name,
        value=None if undefined else value,
        higher_is_better=False,
        interval=bounds,
        no_interval="" if bounds or undefined else _no_interval(shares.replicates, clusters),
        n=n,
        denominator=denominator,
        clusters=clusters.count if clusters else None,
        where=where or {},
        method=f"cleanlab.{name}.formula",
        reason=_message("undefined.no_rows") if undefined else None,
    )


def _no_interval(replicates: int, clusters: Clusters | None) -> str:
    if clusters and not clusters.are_enough:
        return "few_clusters"
    return "not_estimated" if replicates >= fewest_replicates(clusters) else "few_replicates"


def _tables(
    context: AuditContext, found: Suspects, probabilities: npt.NDArray[np.float64], most: int
) -> tuple[Table, ...]:
    """The suspected rows, those first to whose label the model gives the lowest probability."""
    data = context.data
    given = np.take_along_axis(probabilities, data.y_true[:, np.newaxis], axis=1)[:, 0]
    suspected = np.flatnonzero(found.suspected)
    listed = suspected[np.argsort(given[suspected], kind="stable")][:most]
    if not len(listed):
        return ()
    other = probabilities[listed].argmax(axis=1)
    return (
        Table(
            name="rows",
            title=_message("rows", n=len(listed), suspected=len(suspected)),
            columns=(
                Column(name="row", label=_message("column.row")),
                Column(name="given", label=_message("column.given")),
                Column(name="given_probability", label=_message("column.given_probability"), kind="percent"),
                Column(name="likely", label=_message("column.likely")),
                Column(name="likely_probability", label=_message("column.likely_probability"), kind="percent"),
            ),
            rows=tuple(
                (
                    data.row_ids[row],
                    data.classes[data.y_true[row]],
                    float(given[row]),
                    data.classes[likely],
                    float(probabilities[row, likely]),
                )
                for row, likely in zip(listed, other, strict=True)
            ),
            n=len(data),
        ),
    )


def _findings(context: AuditContext, found: Suspects) -> tuple[Finding, ...]:
    """`suspected`: some label is likely wrong."""
    suspected = int(found.suspected.sum())
    if not suspected:
        return ()
    return (
        Finding(
            rule="cleanlab.suspected",
            severity="low",
            title=_message("finding.suspected", n=suspected, rows=len(context.data)),
            action=_message("finding.suspected.action"),
            metrics=("cleanlab.suspected",),
        ),
    )


def _notes(context: AuditContext, params: Params) -> tuple[Note, ...]:
    return (
        Note(kind="method", text=_message("note.method", version=version("cleanlab"), rule=params.filter_by)),
        Note(kind="assumption", text=_message("assumption.unseen", rows=len(context.data))),
        Note(kind="limit", text=_message("limit.candidates")),
        Note(kind="how_to_read", text=_message("how_to_read")),
    )


def _message(key: str, **values: Scalar) -> Message:
    """A message of this plugin's catalogue."""
    return Message(key=f"cleanlab.{key}", values=values)

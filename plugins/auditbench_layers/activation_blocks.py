"""Blocks on the activity of layers: a table, shares with intervals, and what was never active."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from auditbench.findings import Finding
from auditbench.models.layers import Layer
from auditbench.results import AnalysisResult, Cell, Column, Metric, Note, Table
from auditbench.statistics import Clusters, share_interval
from auditbench_layers.activity import LayerActivity
from auditbench_layers.facts import ACTIVITY
from auditbench_layers.measures import ANALYZER, estimated, exact, message, row_mean, undefined

if TYPE_CHECKING:
    import numpy.typing as npt

LISTED = 10
FEWEST_UNITS = 4
"""Below which the kurtosis of units says nothing."""


def activation_blocks(
    layers: Sequence[Layer],
    found: Mapping[str, LayerActivity],
    *,
    rows: int,
    clusters: Clusters | None,
    dead_share: float,
    reads_on: bool,
) -> AnalysisResult:
    """What the units of each layer did on the rows.

    Args:
        found: By name of the layer.
        dead_share: Share of units that are never active above which a layer is a finding.
        reads_on: Whether texts are read on, so that units are taken at their last token.
    """
    metrics: list[Metric] = []
    for layer in layers:
        metrics += _metrics(layer, found[layer.name], rows, clusters)
    most = _most_active_if_never_seen(rows, clusters)
    return AnalysisResult(
        methods=(ACTIVITY,),
        metrics=tuple(metrics),
        tables=(_table(layers, found, rows),),
        notes=_notes(rows, most, reads_on=reads_on),
        findings=tuple(
            finding for layer in layers if (finding := _finding(layer, found[layer.name], rows, dead_share)) is not None
        ),
    )


def _metrics(layer: Layer, found: LayerActivity, rows: int, clusters: Clusters | None) -> list[Metric]:
    where = {"layer": layer.label}
    metrics = []
    if found.active is not None:
        metrics.append(exact("dead_units", len(found.dead) / layer.units, n=rows, where=where))
    if found.active is not None and found.zeros.any():
        metrics.append(
            estimated(
                "zero_activations", row_mean(found.zeros, clusters, most=1.0), n=rows, clusters=clusters, where=where
            )
        )
    if found.saturated is not None:
        shares = row_mean(found.saturated, clusters, most=1.0)
        metrics.append(estimated("saturated_activations", shares, n=rows, clusters=clusters, where=where))
    if layer.units < FEWEST_UNITS:
        return metrics
    defined = np.isfinite(found.kurtosis)
    if not defined.any():
        return [*metrics, undefined("unit_kurtosis", "alike_units", n=rows, where=where)]
    among = None if clusters is None else clusters.among(defined)
    kurtosis = row_mean(found.kurtosis[defined], among)
    return [*metrics, estimated("unit_kurtosis", kurtosis, n=int(defined.sum()), clusters=among, where=where)]


def _table(layers: Sequence[Layer], found: Mapping[str, LayerActivity], rows: int) -> Table:
    return Table(
        name="activity",
        title=message("activity", n=len(layers), rows=rows),
        columns=(
            Column(name="number", label=message("column.number"), kind="count"),
            Column(name="layer", label=message("column.layer")),
            Column(name="kind", label=message("column.kind")),
            Column(name="output", label=message("column.output")),
            Column(name="mean", label=message("column.mean"), kind="number"),
            Column(name="deviation", label=message("column.deviation"), kind="number"),
            Column(name="zeros", label=message("column.zeros"), kind="percent"),
            Column(name="outlying", label=message("column.outlying"), kind="count"),
            Column(name="dead", label=message("column.dead"), kind="count"),
            Column(name="which", label=message("column.which")),
        ),
        rows=tuple(_row(place, layer, found[layer.name]) for place, layer in enumerate(layers, start=1)),
        n=rows,
    )


def _row(place: int, layer: Layer, found: LayerActivity) -> tuple[Cell, ...]:
    rectifies = found.active is not None
    return (
        place,
        layer.label,
        layer.kind,
        " × ".join(map(str, layer.shape)),
        found.mean,
        found.deviation,
        float(found.zeros.mean()),
        len(found.outlying),
        len(found.dead) if rectifies else None,
        _listed(found.dead) if rectifies else message("no_rectifier"),
    )


def _listed(units: npt.NDArray[np.intp]) -> str:
    more = ", …" if len(units) > LISTED else ""
    return ", ".join(str(unit) for unit in units[:LISTED]) + more


def _finding(layer: Layer, found: LayerActivity, rows: int, dead_share: float) -> Finding | None:
    share = len(found.dead) / layer.units
    if share <= dead_share:
        return None
    return Finding(
        rule=f"{ANALYZER}.dead_units",
        severity="low",
        title=message("finding.dead_units", layer=layer.label, n=len(found.dead), units=layer.units, rows=rows),
        action=message("finding.dead_units.action"),
        metrics=(f"{ANALYZER}.dead_units",),
        where={"layer": layer.label},
    )


def _notes(rows: int, most: float | None, *, reads_on: bool) -> tuple[Note, ...]:
    notes = [Note(kind="method", text=message("note.activity_last" if reads_on else "note.activity", n=rows))]
    if most is not None:
        notes.append(Note(kind="limit", text=message("limit.dead", n=rows, most=most)))
    else:
        notes.append(Note(kind="limit", text=message("limit.dead_few", n=rows)))
    return (*notes, Note(kind="how_to_read", text=message("how_to_read.kurtosis")))


def _most_active_if_never_seen(rows: int, clusters: Clusters | None) -> float | None:
    """How often a unit may be active that was not on any of the rows: the upper bound of Wilson's interval."""
    return share_interval(np.zeros(rows, dtype=bool), clusters).high

"""Blocks on what a linear probe reads from each layer, beside what it reads of a control task."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from auditbench.findings import Finding
from auditbench.results import AnalysisResult, Axis, Cell, Column, Curve, Metric, Note, Series, Table
from auditbench.statistics import Clusters, IntervalEstimate, clusters_of, share_interval, sidak_level
from auditbench_layers.facts import PROBES
from auditbench_layers.measures import ANALYZER, estimated, message
from auditbench_layers.probing import fit_probe
from auditbench_layers.readable import INPUT, LABEL, NoTask, ProbeTask, probe_tasks

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.context import AuditContext
    from auditbench.data import Rows
    from auditbench_layers.params import Params

    Numbers: TypeAlias = npt.NDArray[np.float64]
    Codes: TypeAlias = npt.NDArray[np.int64]
    Hits: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reading:
    """What a probe read from a layer, on rows that did not train it.

    Attributes:
        accuracy: Share of the tested rows whose class was read; `control` that of the control task.
        balanced: Mean over classes of the share that was read.
        balanced_of_all: The same with an interval that holds for all layers and sensitive features together.
        selectivity: `accuracy` less `control`.
    """

    layer: str
    accuracy: IntervalEstimate
    control: IntervalEstimate
    balanced: IntervalEstimate
    balanced_of_all: IntervalEstimate
    selectivity: IntervalEstimate


def probe_blocks(
    context: AuditContext, readable: Mapping[str, Numbers], rows: Rows, types: Codes, params: Params
) -> AnalysisResult:
    """What can be read of the label and the sensitive features from each layer.

    Args:
        readable: What probes get, shape `(rows, units)`, by name of the layer, from first to last.
        types: What the rows are told apart by in control tasks.
    """
    metrics: list[Metric] = []
    curves: list[Curve] = []
    findings: list[Finding] = []
    cells: list[tuple[Cell, ...]] = []
    tested: list[int] = []
    unread: list[NoTask] = []
    tasks = list(probe_tasks(context, rows, types, most_classes=params.most_classes))
    features = sum(isinstance(task, ProbeTask) and task.name != LABEL for task in tasks)
    together = len(readable) * max(1, features)
    for done, task in enumerate(tasks):
        if isinstance(task, NoTask):
            unread.append(task)
            continue
        clusters = None if rows.clusters is None else clusters_of(rows.clusters[task.kept][~task.trains])
        readings = [
            read_layer(name, given[task.kept], task, clusters, together=together, strength=params.probe_strength)
            for name, given in readable.items()
        ]
        metrics += [_metric(task, reading, clusters) for reading in readings]
        cells += [_row(task, reading) for reading in readings]
        tested.append(int((~task.trains).sum()))
        curves.append(_curve(task, readings))
        if task.name != LABEL:
            findings += _finding(task, readings, params.readable)
        context.progress(done + 1, len(tasks), step="probes")
    return AnalysisResult(
        methods=(PROBES,),
        metrics=tuple(metrics),
        tables=(_table(cells, max(tested)),) if cells else (),
        curves=tuple(curves),
        notes=_notes(context, tasks, unread),
        findings=tuple(findings),
    )


def read_layer(
    layer: str, given: Numbers, task: ProbeTask, clusters: Clusters | None, *, together: int, strength: float
) -> Reading:
    """Train a probe of the task and one of its control on some rows, and test both on the others.

    Args:
        given: Activations of the kept rows.
        clusters: Of the tested rows.
        together: Readings that an interval holds for at once.
    """
    trains, tests = task.trains, ~task.trains
    read, controlled = (
        fit_probe(given[trains], wanted[trains], task.count, strength=strength).decide(given[tests]) == wanted[tests]
        for wanted in (task.classes, task.control)
    )
    accuracy, control = share_interval(read, clusters), share_interval(controlled, clusters)
    classes = task.classes[tests]
    return Reading(
        layer=layer,
        accuracy=accuracy,
        control=control,
        balanced=balanced_accuracy(read, classes, clusters),
        balanced_of_all=balanced_accuracy(read, classes, clusters, level=sidak_level(0.95, together)),
        selectivity=difference(accuracy, control),
    )


def balanced_accuracy(
    hits: Hits, classes: Codes, clusters: Clusters | None, *, level: float = 0.95
) -> IntervalEstimate:
    """Mean over classes of the share of hits, from Wilson's interval of each; every class has a row.

    The distances to the bounds of the classes are added as independent ones, by their squares; where rows depend on each
    other, so may classes, and the distances themselves are averaged, which holds however they depend.

    References: Zou and Donner (2008), Statistics in Medicine 27:1693, equation 5.
    """
    each = [
        share_interval(hits[among], None if clusters is None else clusters.among(among), level=level)
        for among in (classes == one for one in np.unique(classes))
    ]
    shares = [float(found.estimate or 0.0) for found in each]
    estimate, method = float(np.mean(shares)), "wilson-by-class"
    if any(found.low is None or found.high is None for found in each):
        return IntervalEstimate(
            estimate=estimate, low=None, high=None, level=level, method=method, reason="too_few_clusters"
        )
    below = [share - found.low for share, found in zip(shares, each, strict=True) if found.low is not None]
    above = [found.high - share for share, found in zip(shares, each, strict=True) if found.high is not None]
    joined = math.hypot if clusters is None else lambda *distances: sum(distances)
    return IntervalEstimate(
        estimate=estimate,
        low=max(0.0, estimate - joined(*below) / len(each)),
        high=min(1.0, estimate + joined(*above) / len(each)),
        level=level,
        method=method,
    )


def difference(one: IntervalEstimate, another: IntervalEstimate) -> IntervalEstimate:
    """Difference of two shares of the same rows, each with its interval, as of independent ones.

    The control's classes are drawn apart from the task's, so that the two hit a row independently.

    References: Newcombe (1998), Statistics in Medicine 17:873, method 10.
    """
    estimate = float(one.estimate or 0.0) - float(another.estimate or 0.0)
    if one.low is None or one.high is None or another.low is None or another.high is None:
        return IntervalEstimate(
            estimate=estimate, low=None, high=None, level=one.level, method="newcombe", reason="too_few_clusters"
        )
    first, second = float(one.estimate or 0.0), float(another.estimate or 0.0)
    return IntervalEstimate(
        estimate=estimate,
        low=max(-1.0, estimate - math.hypot(first - one.low, another.high - second)),
        high=min(1.0, estimate + math.hypot(one.high - first, second - another.low)),
        level=one.level,
        method="newcombe",
    )


def _metric(task: ProbeTask, reading: Reading, clusters: Clusters | None) -> Metric:
    where, n = {"target": task.name, "layer": reading.layer}, int((~task.trains).sum())
    return estimated("probe_balanced_accuracy", reading.balanced, n=n, clusters=clusters, where=where)


def _row(task: ProbeTask, reading: Reading) -> tuple[Cell, ...]:
    tests = ~task.trains
    majority = int(np.bincount(task.classes[task.trains]).argmax())
    return (
        task.name if task.name != LABEL else message("label"),
        reading.layer,
        int(tests.sum()),
        reading.balanced.estimate,
        1 / task.count,
        reading.accuracy.estimate,
        reading.accuracy.low,
        reading.accuracy.high,
        float((task.classes[tests] == majority).mean()),
        reading.control.estimate,
        reading.selectivity.estimate,
        reading.selectivity.low,
        reading.selectivity.high,
    )


def _table(rows: Sequence[tuple[Cell, ...]], n: int) -> Table:
    shares = ("balanced", "chance", "accuracy", "accuracy_low", "accuracy_high", "majority", "control", "selectivity")
    bounds = ("selectivity_low", "selectivity_high")
    return Table(
        name="probes",
        title=message("probes"),
        columns=(
            Column(name="target", label=message("column.target")),
            Column(name="layer", label=message("column.layer")),
            Column(name="tested", label=message("column.tested"), kind="count"),
            *(Column(name=name, label=message(f"column.{name}"), kind="percent") for name in (*shares, *bounds)),
        ),
        rows=tuple(rows),
        n=n,
    )


def _curve(task: ProbeTask, readings: Sequence[Reading]) -> Curve:
    """Accuracy over the layers, beside the control task's; layers are numbered from 1, the input is 0."""
    first = 0 if readings[0].layer == INPUT else 1
    x = tuple(float(first + place) for place in range(len(readings)))

    def series(name: str, estimates: Sequence[IntervalEstimate]) -> Series:
        return Series(
            label=message(f"series.{name}"),
            x=x,
            y=tuple(each.estimate for each in estimates),
            low=tuple(each.low for each in estimates),
            high=tuple(each.high for each in estimates),
            n=(int((~task.trains).sum()),) * len(estimates),
        )

    title = message("curve.label") if task.name == LABEL else message("curve.feature", feature=task.name)
    return Curve(
        name=f"probe_{task.name}",
        title=title,
        x=Axis(label=message("axis.layer")),
        y=Axis(label=message("column.accuracy")),
        series=(
            series("probe", [reading.accuracy for reading in readings]),
            series("control", [reading.control for reading in readings]),
        ),
    )


def _finding(task: ProbeTask, readings: Sequence[Reading], readable: float) -> list[Finding]:
    """The last layer that a sensitive feature is read from clearly better than by chance, by the interval of all readings."""
    read = [
        reading
        for reading in readings
        if reading.balanced_of_all.low is not None and reading.balanced_of_all.low > 1 / task.count + readable
    ]
    if not read or read[-1].layer == INPUT:
        return []
    last = read[-1]
    return [
        Finding(
            rule=f"{ANALYZER}.readable_feature",
            severity="info",
            title=message(
                "finding.readable_feature",
                feature=task.name,
                layer=last.layer,
                value=last.balanced.estimate,
                chance=1 / task.count,
            ),
            action=message("finding.readable_feature.action"),
            metrics=(f"{ANALYZER}.probe_balanced_accuracy",),
            where={"target": task.name, "layer": last.layer},
        )
    ]


def _notes(context: AuditContext, tasks: Sequence[ProbeTask | NoTask], unread: Sequence[NoTask]) -> tuple[Note, ...]:
    notes = [Note(kind="method", text=message("note.probes"))]
    kind = "next_token" if context.data.task == "next-token" else "rows"
    notes.append(Note(kind="method", text=message(f"note.control_{kind}")))
    if context.data.task == "regression":
        notes.append(Note(kind="method", text=message("note.median")))
    for task in tasks:
        if isinstance(task, ProbeTask) and task.left_out:
            text = message("limit.left_out", target=task.name, n=task.left_out, classes=task.count)
            notes.append(Note(kind="limit", text=text))
    notes += [Note(kind="limit", text=message(f"limit.{task.reason}", target=task.name)) for task in unread]
    return (*notes, Note(kind="limit", text=message("limit.probes")))

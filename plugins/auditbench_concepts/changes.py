"""What a pattern that is planted into evaluated rows changes in the outputs: measured, not derived."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from auditbench.results import interval_of
from auditbench.statistics import Clusters, clustered_mean_interval, clusters_of, mean_interval
from auditbench_concepts.explained import FEWEST_ROWS
from auditbench_concepts.planted import planted_inputs

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.context import AuditContext
    from auditbench.results import Interval
    from auditbench_concepts.params import Pattern


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What planting a pattern changes in one output.

    Attributes:
        rows: Evaluated rows that it was planted into.
        value: Mean over these in the unit of the output; None where they are too few.
        interval: Of 95 %; None without a value, or with too few `clusters`.
        clusters: Groups of rows that depend on each other; None where rows are independent.
    """

    rows: int
    value: float | None = None
    interval: Interval | None = None
    clusters: int | None = None


def planted_changes(context: AuditContext, outputs: tuple[str, ...], pattern: Pattern, most: int) -> tuple[Change, ...]:
    """What planting the pattern changes in each of these outputs.

    Rows of all labels carry it, as the examples of a planted concept do; every pattern is planted into the same ones.

    Args:
        most: Rows that it is planted into, at most.
    """
    data, rng = context.data, context.rng("changes")
    chosen = np.sort(rng.choice(len(data), min(most, len(data)), replace=False))
    rows = data.take(chosen)
    after = context.model.predict(planted_inputs(rows.inputs, data.inputs, pattern))
    places = [context.model.target_names.index(name) for name in outputs]
    clusters = clusters_of(rows.clusters)
    return tuple(_change(own, clusters, rng) for own in (after - context.outputs[chosen]).T[places])


def _change(values: npt.NDArray[np.float64], clusters: Clusters | None, rng: np.random.Generator) -> Change:
    """With Student's t interval; of dependent rows, by drawing clusters with replacement."""
    rows, count = len(values), None if clusters is None else clusters.count
    if rows < FEWEST_ROWS:
        return Change(rows=rows, clusters=count)
    found = mean_interval(values) if clusters is None else clustered_mean_interval(values, clusters, rng=rng)
    return Change(rows=rows, value=found.estimate, interval=interval_of(found), clusters=count)

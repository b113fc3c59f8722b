"""The slices that were tested on the second half: metrics, and findings where they are confirmed."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from auditbench.findings import Finding, Severity
from auditbench.results import Metric, estimated_metric
from auditbench.statistics import IntervalEstimate, mean_influence, stored_influence
from auditbench_slices.confirming import LEVEL
from auditbench_slices.study import ANALYZER, Study, message

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench_slices.confirming import Tested


def metrics(study: Study) -> tuple[Metric, ...]:
    """How many slices were searched and confirmed, and by how much each tested one is worse than all other rows."""
    first, second = study.halves
    return (
        _count("slices_searched", study.slices, first),
        _count("slices_confirmed", len(study.confirmed), second),
        *(_difference(study, tested) for tested in study.tested),
    )


def findings(study: Study) -> tuple[Finding, ...]:
    """`worse`: the second half confirms that a slice is worse than all other rows.

    Medium where the interval of its mean loss lies above `medium_ratio` times that of all other rows, else low.
    """
    return tuple(
        Finding(
            rule=f"{ANALYZER}.worse",
            severity=_severity(study, tested),
            title=study.about_loss(
                "finding.worse",
                slice=name_of(tested),
                value=tested.mean.estimate,
                low=tested.mean.low,
                high=tested.mean.high,
                elsewhere=tested.elsewhere,
                n=tested.n,
            ),
            action=message("finding.worse.action"),
            metrics=(f"{ANALYZER}.difference_to_rest",),
            where=tested.found.labels,
        )
        for tested in study.confirmed
        if tested.mean is not None
    )


def name_of(tested: Tested) -> str:
    """Its columns and values: `sex = Male, age = under 25`."""
    return ", ".join(f"{column} = {value}" for column, value in tested.found.labels.items())


def _severity(study: Study, tested: Tested) -> Severity:
    low = None if tested.mean is None else tested.mean.low
    if low is None or tested.elsewhere is None:
        return "low"
    return "medium" if low > study.params.medium_ratio * tested.elsewhere else "low"


def _count(name: str, value: int, rows: int) -> Metric:
    return Metric(
        name=name,
        value=float(value),
        unit="slices",
        no_interval="count",
        n=max(1, rows),
        method=f"{ANALYZER}.{name}.formula",
    )


def _difference(study: Study, tested: Tested) -> Metric:
    """Undefined where the second half has too few rows of the slice."""
    clusters = None if study.losses.clusters is None else study.losses.clusters.among(study.second)
    estimate = tested.difference or IntervalEstimate(
        estimate=None, low=None, high=None, level=LEVEL, method="", reason="too_few_rows"
    )
    metric = estimated_metric(
        "difference_to_rest",
        estimate,
        n=study.halves[1],
        undefined=message("undefined.few_rows", minimum=study.params.minimum_rows),
        unit=study.losses.unit,
        clusters=clusters,
        where=tested.found.labels,
        method=f"{ANALYZER}.difference_to_rest.formula",
    )
    if metric.value is None:
        return metric
    return dataclasses.replace(metric, influence=stored_influence(_influence(study, tested.found.rows)))


def _influence(study: Study, rows: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """What each evaluated row does to the difference: nothing where it is of the first half."""
    inside = np.zeros(len(study.second), dtype=np.bool_)
    inside[study.second] = rows
    values = study.losses.values
    return mean_influence(values, inside) - mean_influence(values, study.second & ~inside)

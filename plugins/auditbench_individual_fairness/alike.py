"""Whether similar rows are treated alike: consistency of decisions and of scores, of all rows and by group."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from auditbench.findings import Message
from auditbench.results import Metric
from auditbench.statistics import Clusters, IntervalEstimate
from auditbench_individual_fairness.consistency import Differences, differences
from auditbench_individual_fairness.groups import Grouping
from auditbench_individual_fairness.measures import measured, message, shown_size, small_group, without_value
from auditbench_individual_fairness.space import space_of, without_distance

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.context import AuditContext
    from auditbench_individual_fairness import Params

    Numbers = npt.NDArray[np.float64]
    Positions = npt.NDArray[np.int64]

_ALL = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alike:
    """How alike similar rows are treated, as metrics.

    Attributes:
        rows: Among which neighbours were looked for.
        distances: What they are made of; None where there are none, for the reason that the metrics give.
    """

    metrics: tuple[Metric, ...]
    rows: int
    distances: Message | None = None


def measure_alike(
    context: AuditContext, params: Params, groupings: tuple[Grouping, ...], clusters: Clusters | None
) -> Alike:
    """Find the neighbours of a sample of rows among each other, and compare what the model gives them."""
    data = context.data
    chosen = np.sort(context.rng("rows").permutation(len(data))[: params.rows])
    values = _values(context, chosen)
    reason = without_distance(data.inputs, data.sensitive_features)
    if reason is None and len(chosen) < params.neighbours + 2:
        reason = message("undefined.few_rows", needed=params.neighbours + 2)
    if reason is not None:
        metrics = [without_value(name, reason, n=len(chosen)) for name in values]
        return Alike(metrics=tuple(metrics), rows=len(chosen))
    space = space_of(data.inputs, data.take(chosen), data.sensitive_features)
    among = [dataclasses.replace(grouping, codes=grouping.codes[chosen]) for grouping in groupings]
    found = differences(
        space.places,
        values,
        {_ALL: (np.zeros_like(chosen), 1), **{part.feature: (part.codes, len(part.names)) for part in among}},
        params.neighbours,
        lambda done, total: context.progress(done, total, step="neighbours"),
    )
    of_row = None if clusters is None else clusters.of_row[chosen]
    metrics = [metric for name, kind in found.items() for metric in _metrics(name, kind, among, params, of_row)]
    return Alike(metrics=tuple(metrics), rows=len(chosen), distances=space.stated)


def _values(context: AuditContext, chosen: Positions) -> dict[str, Numbers]:
    """What rows are given, by metric, of which the sum of absolute differences says how differently two rows are treated.

    Of several classes it is half of that, the total variation distance; for two classes both are the same.
    """
    outputs, model = context.outputs[chosen], context.model
    decisions = model.decisions(outputs)
    if context.data.task == "regression":
        return {"neighbour_difference": np.asarray(decisions, dtype=np.float64)[:, np.newaxis]}
    probabilities = np.asarray(model.probabilities(outputs), dtype=np.float64)
    classes = probabilities.shape[1]
    decided = (decisions[:, np.newaxis] == np.arange(classes)).astype(np.float64)
    if classes == 2:
        return {"consistency": decided[:, 1:], "score_consistency": probabilities[:, 1:]}
    return {"consistency": decided / 2.0, "score_consistency": probabilities / 2.0}


def _metrics(
    name: str, found: Differences, groupings: list[Grouping], params: Params, of_row: Positions | None
) -> Iterator[Metric]:
    """One kind of consistency of all rows, and of each group among them."""
    everyone = np.ones(len(found.rows), dtype=np.bool_)
    measure = found.share if "consistency" in name else found.mean
    yield _metric(name, measure(_ALL, 0, everyone), everyone, of_row, {})
    for grouping in groupings:
        for group in grouping.listed(params.most_groups):
            members = grouping.codes == group
            size = int(members.sum())
            where = {"feature": grouping.feature, "group": grouping.names[group]}
            if size < params.minimum_group:
                yield without_value(
                    f"group_{name}", small_group(size, params.minimum_group), n=shown_size(size), where=where
                )
            else:
                yield _metric(f"group_{name}", measure(grouping.feature, group, members), members, of_row, where)


def _metric(
    name: str,
    difference: IntervalEstimate,
    members: npt.NDArray[np.bool_],
    of_row: Positions | None,
    where: Mapping[str, str],
) -> Metric:
    """Consistency is 1 minus the difference; where rows depend on each other beyond their neighbours it has no interval."""
    estimate, unit = difference, "value"
    if "consistency" in name:
        estimate, unit = _one_minus(difference), "1"
    metric = measured(name, estimate, n=int(members.sum()), unit=unit, where=where)
    if of_row is None:
        return metric
    count = len(np.unique(of_row[members]))
    return dataclasses.replace(metric, interval=None, no_interval="dependent_rows", clusters=count)


def _one_minus(difference: IntervalEstimate) -> IntervalEstimate:
    if difference.estimate is None or difference.low is None or difference.high is None:
        rest = None if difference.estimate is None else 1.0 - difference.estimate
        return dataclasses.replace(difference, estimate=rest)
    return dataclasses.replace(
        difference,
        estimate=1.0 - difference.estimate,
        low=max(0.0, 1.0 - difference.high),
        high=1.0 - difference.low,
    )

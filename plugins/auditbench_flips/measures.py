"""Words, outputs and metrics of this plugin: what two versions of the same rows get, and how far these differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from auditbench.findings import Message
from auditbench.results import Metric, Sample, estimated_metric
from auditbench.statistics import (
    Clusters,
    IntervalEstimate,
    clustered_mean_interval,
    clusters_of,
    mean_interval,
    share_interval,
    sidak_level,
)

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.context import AuditContext
    from auditbench.models import ModelUnderTest

    Numbers: TypeAlias = npt.NDArray[np.float64]
    Mask: TypeAlias = npt.NDArray[np.bool_]

ANALYZER = "flips"
SMALLEST_SHOWN = 10
"""Rows below which no number of them is told: it could point at persons."""
_LEVEL = 0.95


def message(key: str, **values: bool | float | str | None) -> Message:
    """A message of this plugin's catalogue."""
    return Message(key=f"{ANALYZER}.{key}", values=values)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Versions:
    """What a model makes of two versions of the same rows.

    Attributes:
        before: Outputs in the declared scale, shape `(rows, outputs)`; `after` of the other version.
        clusters: Ids of what rows have in common, shape `(rows,)`; None where rows are independent.
    """

    before: Numbers
    after: Numbers
    clusters: npt.NDArray[np.generic] | None = None

    def __len__(self) -> int:
        return len(self.before)

    def among(self, chosen: Mask) -> Versions:
        """Those of some rows."""
        return Versions(
            before=self.before[chosen],
            after=self.after[chosen],
            clusters=None if self.clusters is None else self.clusters[chosen],
        )

    def reversed_where(self, chosen: Mask) -> Versions:
        """With both versions of some rows exchanged."""
        turned = chosen[:, np.newaxis]
        return replace(
            self,
            before=np.where(turned, self.after, self.before),
            after=np.where(turned, self.before, self.after),
        )

    def changed(self, model: ModelUnderTest) -> Mask:
        """Which rows get another decision, shape `(rows,)`."""
        return np.asarray(model.decisions(self.before) != model.decisions(self.after))

    def changes(self, model: ModelUnderTest) -> Numbers:
        """After minus before: of the probability of each class, of two classes the positive one alone; of a regression's value."""
        return scores(model, self.after) - scores(model, self.before)


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """An output whose changes are followed: its place in `scores`, and what tells its metrics from those of others."""

    place: int
    where: Mapping[str, str]
    name: str


def scores(model: ModelUnderTest, outputs: Numbers) -> Numbers:
    """Probabilities of the classes, of two classes the positive one alone, or values; shape `(rows, scores)`."""
    if model.facts.task == "regression":
        return outputs
    found = model.probabilities(outputs)
    return found[:, 1:] if found.shape[1] == 2 else found


def followed_outputs(context: AuditContext, most: int) -> list[Followed]:
    """The positive class of two, the classes of the most labels of several, or the value."""
    data = context.data
    if data.task == "regression" or len(data.classes) == 2:
        return [Followed(place=0, where={}, name=context.model.target_names[0])]
    counts = np.bincount(data.y_true.astype(np.int64), minlength=len(data.classes))
    places = sorted(np.argsort(-counts, kind="stable")[:most].tolist())
    return [Followed(place=place, where={"class": data.classes[place]}, name=data.classes[place]) for place in places]


def change_unit(model: ModelUnderTest) -> str:
    """Unit of a change of a score, as metrics have it: a difference of probabilities is one of shares."""
    return "value" if model.facts.task == "regression" else "1"


def column_unit(model: ModelUnderTest) -> str:
    """The same as the heading of a column has it."""
    return "value" if model.facts.task == "regression" else "probability"


def share_metric(
    name: str,
    hit: Mask,
    ids: npt.NDArray[np.generic] | None,
    *,
    minimum: int,
    where: Mapping[str, str],
    undefined: Message,
    sample: Sample = "evaluated",
) -> Metric:
    """Share of rows with its interval, by whole clusters where rows depend on each other.

    Args:
        minimum: Of fewer rows nothing is estimated, for the reason `undefined`.
    """
    n = len(hit)
    if n < minimum:
        hit, ids = hit[:0], None
    clusters = clusters_of(ids)
    return _metric(name, share_interval(hit, clusters), n, clusters, where, undefined, "1", sample)


def mean_metric(
    name: str,
    values: Numbers,
    ids: npt.NDArray[np.generic] | None,
    rng: np.random.Generator,
    *,
    minimum: int,
    where: Mapping[str, str],
    undefined: Message,
    unit: str,
    comparisons: int = 1,
    sample: Sample = "evaluated",
) -> Metric:
    """Mean of a value a row, with an interval that holds together with those of so many comparisons (Šidák).

    Args:
        minimum: Of fewer rows nothing is estimated, for the reason `undefined`.
    """
    n = len(values)
    if n < minimum:
        values, ids = values[:0], None
    clusters = clusters_of(ids)
    level = sidak_level(_LEVEL, comparisons)
    if clusters is None:
        found = mean_interval(values, level=level)
    else:
        replicates = max(1000, round(10 / (1 - level)))
        found = clustered_mean_interval(values, clusters, rng=rng, level=level, replicates=replicates)
    if comparisons > 1:
        found = replace(found, level=_LEVEL, method=f"simultaneous-{found.method}")
    return _metric(name, found, n, clusters, where, undefined, unit, sample)


def _metric(
    name: str,
    found: IntervalEstimate,
    n: int,
    clusters: Clusters | None,
    where: Mapping[str, str],
    undefined: Message,
    unit: str,
    sample: Sample,
) -> Metric:
    """Without a value no count below `SMALLEST_SHOWN` is recorded: `n` is 0 then."""
    metric = estimated_metric(
        name,
        found,
        n=0 if found.estimate is None and n < SMALLEST_SHOWN else n,
        undefined=undefined,
        unit=unit,
        higher_is_better=False if name.endswith("decision_change") else None,
        clusters=clusters,
        where=where,
        method=f"{ANALYZER}.{name}.formula",
    )
    return replace(metric, sample=sample)

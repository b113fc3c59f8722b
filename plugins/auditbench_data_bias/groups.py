"""Groups of rows by one sensitive feature or by several at once, in the evaluated and in the training rows."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from auditbench.bands import in_order
from auditbench.statistics import GroupedRows, Shares, clusters_of
from auditbench_data_bias.measures import Part

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.data import EvaluationData
    from auditbench.statistics import Clusters

    Codes: TypeAlias = npt.NDArray[np.int64]
    Features: TypeAlias = Mapping[str, npt.NDArray[np.str_]]

MOST_COMBINATIONS = 1 << 10
"""Combinations of values up to which those without rows are groups too."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PartRows:
    """The evaluated or the training rows, without their inputs.

    Attributes:
        y_true: Labels; `features` the sensitive features by name, each of shape `(rows,)`.
        clusters: Of rows that depend on each other; None where rows are independent, or nobody says which are not.
        weights: How much each row counts, shape `(rows,)`; None where each counts once.
    """

    part: Part
    y_true: npt.NDArray[np.generic]
    features: Features
    clusters: Clusters | None
    weights: npt.NDArray[np.float64] | None

    def __len__(self) -> int:
        return len(self.y_true)

    def grouped(self, codes: Codes, groups: int) -> GroupedRows:
        """The rows by the group of each, as statistics take them."""
        return GroupedRows(of_row=codes, groups=groups, clusters=self.clusters, weights=self.weights)

    def shares_of(self, codes: Codes, groups: npt.NDArray[np.int64]) -> Shares:
        """Share of rows that are of each of these groups, among those whose code is no -1.

        Args:
            codes: Group of each row, shape `(rows,)`.
        """
        among = codes >= 0
        if self.clusters is None and self.weights is None:  # at no cost a group
            n = np.full(len(groups), float(among.sum()))
            hits = np.bincount(codes[among], minlength=int(groups.max(initial=0)) + 1)[groups]
            return Shares(share=np.divide(hits, n, out=np.full(len(groups), np.nan), where=n > 0), trials=n)
        together = self.grouped(np.zeros(len(self), dtype=np.int64), 1)
        found = [together.shares(codes == group, among) for group in groups.tolist()]
        return Shares(
            share=np.concatenate([each.share for each in found]), trials=np.concatenate([each.trials for each in found])
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grouping:
    """The groups of one feature or of a combination.

    Attributes:
        feature: `sex`, or `sex & race`.
        groups: `Female`, or `Female & Black`; bands of numbers from low to high.
        codes: Group of each row, shape `(rows,)`, by part; a part that lacks a feature is left out.
    """

    feature: str
    depth: int
    groups: tuple[str, ...]
    codes: Mapping[Part, Codes]

    def sizes(self, part: Part) -> npt.NDArray[np.int64]:
        """Rows of each group, shape `(groups,)`."""
        return np.bincount(self.codes[part], minlength=len(self.groups)).astype(np.int64)

    def listed(self, most: int) -> list[int]:
        """The largest groups by the rows of all parts, in their order."""
        sizes = np.sum([self.sizes(part) for part in self.codes], axis=0)
        return sorted(np.argsort(-sizes, kind="stable")[:most].tolist())


def parts_of(data: EvaluationData) -> tuple[PartRows, ...]:
    """The evaluated rows, and the training rows where there are some of their own."""
    evaluated = PartRows(
        part="evaluated",
        y_true=data.y_true,
        features=data.sensitive_features,
        clusters=clusters_of(data.clusters),
        weights=data.weights,
    )
    if data.background_source != "train":
        return (evaluated,)
    rows = data.background_without_inputs
    training = PartRows(
        part="training",
        y_true=rows.y_true,
        features=rows.sensitive_features,
        clusters=clusters_of(rows.clusters),
        weights=rows.weights,
    )
    return evaluated, training


def groupings_of(parts: tuple[PartRows, ...], depth: int) -> tuple[Grouping, ...]:
    """Groups by each feature of the evaluated rows, then by each combination of two, ... up to `depth` of them."""
    features = {name: _coded(parts, name) for name in parts[0].features}
    return tuple(
        _grouping(" & ".join(chosen), [features[name] for name in chosen])
        for size in range(1, min(depth, len(features)) + 1)
        for chosen in itertools.combinations(features, size)
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Coded:
    """One feature: its values in order, and the place of each row's value among them, by part."""

    values: list[str]
    codes: Mapping[Part, Codes]


def _coded(parts: tuple[PartRows, ...], feature: str) -> _Coded:
    found = {
        each.part: np.unique(each.features[feature], return_inverse=True) for each in parts if feature in each.features
    }
    names = sorted({str(name) for levels, _ in found.values() for name in levels})
    values = in_order(names) or names
    place = {name: index for index, name in enumerate(values)}
    return _Coded(
        values=values,
        codes={
            part: np.asarray([place[str(name)] for name in levels], dtype=np.int64)[inverse]
            for part, (levels, inverse) in found.items()
        },
    )


def _grouping(name: str, features: list[_Coded]) -> Grouping:
    shape = tuple(len(feature.values) for feature in features)
    cells = {
        part: np.ravel_multi_index(tuple(feature.codes[part] for feature in features), shape).astype(np.int64)
        for part in features[0].codes
        if all(part in feature.codes for feature in features)
    }
    kept = np.arange(math.prod(shape))
    if len(kept) > MOST_COMBINATIONS:
        kept = np.unique(np.concatenate([*cells.values()]))
        cells = {part: np.searchsorted(kept, codes) for part, codes in cells.items()}
    digits = np.stack(np.unravel_index(kept, shape), axis=1).tolist()
    return Grouping(
        feature=name,
        depth=len(features),
        groups=tuple(
            " & ".join(feature.values[place] for feature, place in zip(features, row, strict=True)) for row in digits
        ),
        codes=cells,
    )

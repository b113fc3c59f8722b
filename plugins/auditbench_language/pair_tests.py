"""Paired tests of differences by kind of bias, all of them one family."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from auditbench.statistics import (
    Clusters,
    IntervalEstimate,
    benjamini_hochberg,
    clusters_of,
    permutation_test_paired,
    share_interval,
)
from auditbench_language.measures import cluster_mean

if TYPE_CHECKING:
    import numpy.typing as npt

    Numbers: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class KindResult:
    """What the pairs of one kind came to.

    Attributes:
        kind: Of bias; empty for all pairs.
        n: Pairs.
        clusters: Of these pairs; None where they are independent. `decided` of those alone that are no tie.
        share: Of pairs whose difference is above 0, among those where it is not 0; `ties` are those where it is.
        mean: Of the differences, in their unit.
        effect: Mean over standard deviation of the differences (Cohen's d of paired data); None where they do not vary.
        p_value: Of no difference, by flipping signs of whole clusters; None without pairs.
        adjusted: The same, adjusted over its family by Benjamini and Hochberg; None where it is of none.
    """

    kind: str
    n: int
    clusters: Clusters | None
    decided: Clusters | None
    share: IntervalEstimate
    ties: int
    mean: IntervalEstimate
    effect: float | None
    p_value: float | None
    adjusted: float | None = None


def by_kind(
    differences: Numbers, kinds: Sequence[str], clusters: Sequence[str] | None, rng: np.random.Generator
) -> list[KindResult]:
    """The result of all pairs, then of each kind where there are several; none is adjusted yet.

    Pairs whose kind is empty count among all pairs alone.

    Args:
        differences: More minus less stereotypical, shape `(pairs,)`.
        clusters: What each pair belongs to; None where pairs are independent.
    """
    labels = np.asarray(kinds)
    ids = None if clusters is None else np.asarray(clusters)
    every = np.ones(len(labels), dtype=bool)
    return [
        _result(name, differences[among], None if ids is None else ids[among], rng)
        for name, among in [("", every), *((name, labels == name) for name in named_kinds(kinds))]
    ]


def named_kinds(kinds: Sequence[str]) -> list[str]:
    """The kinds that are measured beside all pairs, in order: none where all pairs are of one."""
    different = set(kinds)
    return sorted(different - {""}) if len(different) > 1 else []


def adjusted(family: Sequence[KindResult]) -> list[KindResult]:
    """Results with their p-values adjusted over all of them, in the same order."""
    given = np.asarray([math.nan if result.p_value is None else result.p_value for result in family])
    values = benjamini_hochberg(given).tolist()
    return [
        replace(result, adjusted=None if math.isnan(value) else value)
        for result, value in zip(family, values, strict=True)
    ]


def _result(kind: str, differences: Numbers, ids: npt.NDArray[np.str_] | None, rng: np.random.Generator) -> KindResult:
    clusters = clusters_of(ids)
    untied = differences != 0
    decided = None if clusters is None else clusters.among(untied)
    share = share_interval(differences[untied] > 0, decided)
    sums = differences if clusters is None else clusters.sums(differences)
    test = permutation_test_paired(sums, np.zeros(len(sums)), rng=rng)
    spread = float(differences.std(ddof=1)) if len(differences) > 1 else 0.0
    return KindResult(
        kind=kind,
        n=len(differences),
        clusters=clusters,
        decided=decided,
        share=share,
        ties=int((~untied).sum()),
        mean=cluster_mean(differences, ids, rng),
        effect=float(differences.mean()) / spread if spread > 0 else None,
        p_value=test.p_value,
    )

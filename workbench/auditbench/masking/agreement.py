"""How far two methods rank the players alike, and when that is too little to rely on one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from auditbench.findings import Finding, Message, Scalar
from auditbench.results import Attribution, Matrix, Metric, estimated_metric
from auditbench.statistics import bootstrap_interval

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Numbers = npt.NDArray[np.float64]

AGREEMENT = "rank_agreement"
LOW_AGREEMENT = 0.5
"""Rank correlation at which two orders have a quarter of the variance of their ranks in common."""


def spearman(first: npt.ArrayLike, second: npt.ArrayLike) -> Numbers:
    """Spearman's rank correlation along the last axis, in [-1, 1]; equal values share the mean of their ranks.

    NaN where all values of either side are equal, or where there are fewer than two.

    Source: Spearman (1904), The Proof and Measurement of Association between Two Things.
    """
    import numpy as np

    ranks = [_midranks(np.asarray(side, dtype=np.float64)) for side in (first, second)]
    a, b = (side - side.mean(axis=-1, keepdims=True) for side in ranks)
    scale = np.sqrt((a * a).sum(axis=-1) * (b * b).sum(axis=-1))
    return np.asarray((a * b).sum(axis=-1) / np.where(scale > 0, scale, np.nan))


def agreement_metrics(
    analyzer: str,
    attribution: Attribution,
    others: Mapping[str, Attribution],
    counted: slice,
    rng: np.random.Generator,
) -> tuple[Metric, ...]:
    """`rank_agreement` with each other method: Spearman's correlation of mean |contribution| of the players.

    Over the counted rows that both methods explained, averaged over targets; the interval resamples these rows. Methods
    with other players or targets are left out.

    Args:
        others: Attributions by the name of their analyzer.
        counted: Rows of `attribution` to count, see `sampled_rows`.
    """
    metrics = []
    for name, other in _comparable(attribution, others).items():
        kept = set(attribution.row_ids[counted]).intersection(other.row_ids)
        metrics.append(_agreement_metric(analyzer, name, _sizes(attribution, kept), _sizes(other, kept), rng))
    return tuple(metrics)


def agreement_matrix(
    analyzer: str, attribution: Attribution, others: Mapping[str, Attribution], counted: slice
) -> Matrix | None:
    """The same correlation between all methods, over the counted rows that all of them explained; None without others.

    Undefined cells are those of a method that gives all players the same size.
    """
    import numpy as np

    alike = _comparable(attribution, others)
    if not alike:
        return None
    methods = {analyzer: attribution, **alike}
    kept = set(attribution.row_ids[counted]).intersection(*(other.row_ids for other in alike.values()))
    players = len(attribution.player_names)
    means = [_sizes(part, kept).mean(axis=0) if kept else np.zeros(players) for part in methods.values()]
    return Matrix(
        name="agreement",
        title=Message(key=f"{analyzer}.agreement"),
        kind="agreement",
        row_label=Message(key=f"{analyzer}.agreement.method"),
        column_label=Message(key=f"{analyzer}.agreement.method"),
        rows=tuple(methods),
        columns=tuple(methods),
        values=tuple(tuple(_finite(spearman(row, column)) for column in means) for row in means),
    )


def agreement_findings(analyzer: str, metrics: Sequence[Metric]) -> tuple[Finding, ...]:
    """The method that agrees least, where all of its `rank_agreement`, as far as it is uncertain, is below `LOW_AGREEMENT`.

    At most one finding an analyzer. Without an interval there is none: a few rows say little about agreement. Players that
    matter almost alike change places from sample to sample, and once more where rows are resampled, so that all of the
    interval may lie too low. Its reflection about the value, the basic bootstrap interval, takes off what
    resampling lowers; both have to lie below. That makes a finding that is none seldom, and holds no level.
    """
    low = [metric for metric in metrics if metric.name == AGREEMENT and _highest(metric) < LOW_AGREEMENT]
    if not low:
        return ()
    least = min(low, key=lambda metric: metric.value or 0.0)
    values: dict[str, Scalar] = {"method": analyzer, "other_method": least.where["method"]}
    values |= {"value": least.value, "limit": LOW_AGREEMENT, "n": least.n}
    return (
        Finding(
            rule=f"{analyzer}.low_agreement",
            severity="low",
            title=Message(key="core.low_agreement", values=values),
            action=Message(key="core.low_agreement_action", values=values),
            metrics=(f"{analyzer}.{AGREEMENT}",),
            where=least.where,
        ),
    )


def _highest(metric: Metric) -> float:
    """The larger upper bound of an interval and of its reflection about the value; 1 without an interval."""
    if metric.interval is None or metric.value is None:
        return 1.0
    return max(metric.interval.high, 2 * metric.value - metric.interval.low)


def _comparable(attribution: Attribution, others: Mapping[str, Attribution]) -> dict[str, Attribution]:
    own = (attribution.player_names, attribution.target_names)
    return {name: other for name, other in others.items() if (other.player_names, other.target_names) == own}


def _agreement_metric(analyzer: str, other: str, own: Numbers, theirs: Numbers, rng: np.random.Generator) -> Metric:
    estimate = bootstrap_interval(
        lambda a, b: spearman(a.mean(axis=1), b.mean(axis=1)),
        [own, theirs],
        rng=rng,
    )
    return estimated_metric(
        AGREEMENT,
        estimate,
        n=len(own),
        undefined=Message(key=f"{analyzer}.no_ranking"),
        where={"method": other},
        method=f"{analyzer}.{AGREEMENT}.formula",
    )


def _sizes(attribution: Attribution, kept: set[str]) -> Numbers:
    """|contribution| of the kept rows, averaged over targets, in the order of row ids; shape `(rows, players)`."""
    import numpy as np

    order = sorted((row_id, index) for index, row_id in enumerate(attribution.row_ids) if row_id in kept)
    values = np.asarray(attribution.values, dtype=np.float64)[[index for _, index in order]]
    return np.asarray(np.abs(values).mean(axis=1))


def _midranks(values: Numbers) -> Numbers:
    below = (values[..., :, None] > values[..., None, :]).sum(axis=-1)
    equal = (values[..., :, None] == values[..., None, :]).sum(axis=-1)
    ranks: Numbers = below + (equal + 1) / 2
    return ranks


def _finite(value: Numbers) -> float | None:
    import numpy as np

    return float(value) if np.isfinite(value) else None

"""How far two methods rank the players alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from auditbench.findings import Message
from auditbench.masking.importance import metric_interval
from auditbench.results import Attribution, Matrix, Metric
from auditbench.statistics import bootstrap_interval

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Numbers = npt.NDArray[np.float64]

AGREEMENT = "rank_agreement"


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


def rank_agreement(
    analyzer: str,
    attribution: Attribution,
    others: Mapping[str, Attribution],
    counted: slice,
    rng: np.random.Generator,
) -> tuple[tuple[Metric, ...], Matrix | None]:
    """Spearman's correlation of mean |contribution| between methods, as metrics with this one and as a matrix of all.

    Over the counted rows that both methods explained, averaged over targets. Methods with other players or targets are
    left out; without any other there is neither metric nor matrix.

    Args:
        others: Attributions by the name of their analyzer.
        counted: Rows of `attribution` to count, see `sampled_rows`.
    """
    import numpy as np

    key = (attribution.player_names, attribution.target_names)
    alike = {name: other for name, other in others.items() if (other.player_names, other.target_names) == key}
    if not alike:
        return (), None
    kept = set(attribution.row_ids[counted])
    kept.intersection_update(*(other.row_ids for other in alike.values()))
    methods = {analyzer: attribution, **alike}
    sizes = {name: _sizes(part, kept) for name, part in methods.items()}
    metrics = tuple(_agreement_metric(analyzer, name, sizes[analyzer], sizes[name], rng) for name in alike)
    means = {name: rows.mean(axis=0) if len(rows) else np.zeros(len(key[0])) for name, rows in sizes.items()}
    cells = tuple(tuple(_finite(spearman(means[row], means[column])) for column in methods) for row in methods)
    matrix = Matrix(
        name="agreement",
        title=Message(key=f"{analyzer}.agreement_title"),
        kind="agreement",
        row_label=Message(key=f"{analyzer}.agreement_method"),
        column_label=Message(key=f"{analyzer}.agreement_method"),
        rows=tuple(methods),
        columns=tuple(methods),
        values=cells,
    )
    return metrics, matrix


def _agreement_metric(analyzer: str, other: str, own: Numbers, theirs: Numbers, rng: np.random.Generator) -> Metric:
    estimate = bootstrap_interval(
        lambda a, b: spearman(a.mean(axis=1), b.mean(axis=1)) if a.shape[1] else [float("nan")] * len(a),
        [own, theirs],
        rng=rng,
    )
    interval = metric_interval(estimate)
    return Metric(
        name=AGREEMENT,
        value=estimate.estimate,
        interval=interval,
        no_interval="" if interval or estimate.estimate is None else "not_estimated",
        n=len(own),
        where={"method": other},
        method=f"{analyzer}.{AGREEMENT}.formula",
        reason=Message(key=f"{analyzer}.no_ranking") if estimate.estimate is None else None,
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

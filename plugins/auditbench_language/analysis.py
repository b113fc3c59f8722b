"""The analyzer `language`: how sure a language model is, and what its continuations rest on."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from auditbench.data.inputs import PADDING
from auditbench.masking import sampled_rows
from auditbench.masking.explained_input import mask_token
from auditbench.models.following import text_input
from auditbench.results import AnalysisResult, Attribution, Axis, Curve, Metric, Note, Series
from auditbench.statistics import IntervalEstimate
from auditbench_language.continuations import contexts, explain_chunk, players_in, tokens_read
from auditbench_language.drawn_continuations import continuation_table, drawn_continuations, token_matrices
from auditbench_language.measures import cluster_mean, mean_metric, message
from auditbench_language.uncertainty import context_curve, uncertainty_metrics

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.context import AuditContext
    from auditbench.data import Rows
    from auditbench_language.params import Params

    Arrays: TypeAlias = dict[str, npt.NDArray[np.generic]]
    Numbers: TypeAlias = npt.NDArray[np.float64]

CHUNK_ROWS = 4
FARTHEST = 24
"""Players back from the continuation up to which the curve of contributions goes."""


def analyze(context: AuditContext, params: Params) -> AnalysisResult:
    """Measure entropy over the evaluated tokens, and explain the continuations of some rows.

    Raises:
        AnalyzerNotPossible: The method asked for needs an embedding that the network does not show, or the model reads too
            few tokens for continuations of this length.
    """
    rows = context.explained_rows(params.rows)
    work = partial(explain_chunk, model=context.model, params=params, shown=context.raw_inputs)
    arrays = context.map_rows(work, rows, step="continuations", chunk_rows=CHUNK_ROWS)
    found = np.isfinite(np.asarray(arrays["outputs"], dtype=np.float64)[:, 1])
    counted = np.zeros(len(rows), dtype=bool)
    counted[sampled_rows(len(rows), len(context.case_indices), len(context.data))] = True
    shares = _shares_by_distance(context, params, rows, arrays)
    reached, curve = _reach(context, params, rows, shares, counted & found)
    return AnalysisResult(
        metrics=(*uncertainty_metrics(context), reached, _gap(params, arrays, found)),
        tables=(continuation_table(context, rows, arrays),),
        curves=(context_curve(context, params.windows), *curve),
        matrices=token_matrices(context, params, rows, arrays),
        attributions=_attribution(params, rows, arrays, found),
        token_attributions=drawn_continuations(context, params, rows, arrays),
        notes=_notes(context, params, arrays, found, _shortened(context, params, rows, found)),
    )


def _attribution(params: Params, rows: Rows, arrays: Arrays, found: npt.NDArray[np.bool_]) -> tuple[Attribution, ...]:
    """Contributions to the continuation, and to its first token against another one, of the rows with a word."""
    kept = np.flatnonzero(found)
    if not len(kept):
        return ()
    error = np.asarray(arrays["error"][kept], dtype=np.float32)
    sampled = params.method == "shapley" and bool(np.isfinite(error).all())
    return (
        Attribution(
            name="continuations",
            method=f"language.{params.method}",
            values=np.asarray(arrays["values"][kept], dtype=np.float32),
            player_names=(),
            target_names=("continuation", "contrast"),
            base_values=np.asarray(arrays["base_values"][kept]),
            outputs=np.asarray(arrays["outputs"][kept]),
            standard_error=error if sampled else None,
            row_ids=tuple(rows.row_ids[int(row)] for row in kept),
            additive=params.method != "occlusion",
            unit="nat",
            model_rows=int(np.asarray(arrays["model_rows"]).sum()),
        ),
    )


def _shares_by_distance(context: AuditContext, params: Params, rows: Rows, arrays: Arrays) -> Numbers:
    """Share of each player in the sizes of all contributions to the continuation, the last player first.

    Shape `(rows, most players)`; NaN behind the first player, and where there is nothing to share.
    """
    _, item = text_input(context.model)
    shares = []
    for values, ids in zip(arrays["values"], contexts(context.model, rows, params), strict=True):
        words = players_in(item, ids, params.players)
        owners = np.asarray([-1 if word is None else word for word in words.index])
        known = owners >= 0
        sums = np.bincount(
            owners[known], weights=np.asarray(values, dtype=np.float64)[0, : len(ids)][known], minlength=len(words.said)
        )
        total = np.abs(sums).sum()
        shares.append(np.abs(sums)[::-1] / total if total > 0 else np.full(len(sums), np.nan))
    most = max((len(each) for each in shares), default=0)
    return np.asarray([[*each, *[np.nan] * (most - len(each))] for each in shares]).reshape(len(shares), most)


def _reach(
    context: AuditContext, params: Params, rows: Rows, shares: Numbers, counted: npt.NDArray[np.bool_]
) -> tuple[Metric, tuple[Curve, ...]]:
    """How far back contributions lie, over the sampled rows: their mean distance, and shares by distance."""
    rng = context.rng("reach")
    told = counted & np.isfinite(shares).any(axis=1)
    some = shares[told]
    ids = None if rows.clusters is None else rows.clusters[told]
    back = np.nansum(some * np.arange(1, shares.shape[1] + 1), axis=1)
    metric = mean_metric("language", "reach", back, ids, rng, unit=params.players)
    if not len(some):
        return metric, ()
    points: list[tuple[float, IntervalEstimate, int]] = []
    for place in range(min(FARTHEST, shares.shape[1])):
        there = np.isfinite(some[:, place])
        if there.any():
            mean = cluster_mean(some[there, place], None if ids is None else ids[there], rng)
            points.append((float(place + 1), mean, int(there.sum())))
    series = Series(
        label=message("language.axis.share_of_contributions"),
        x=tuple(x for x, _, _ in points),
        y=tuple(mean.estimate for _, mean, _ in points),
        low=tuple(mean.low for _, mean, _ in points),
        high=tuple(mean.high for _, mean, _ in points),
        n=tuple(n for _, _, n in points),
    )
    curve = Curve(
        name="by_distance",
        title=message("language.by_distance"),
        x=Axis(label=message(f"language.axis.{params.players}_back"), unit=params.players),
        y=Axis(label=message("language.axis.share_of_contributions")),
        series=(series,),
    )
    return metric, (curve,)


def _gap(params: Params, arrays: Arrays, found: npt.NDArray[np.bool_]) -> Metric:
    """How far base value and contributions miss the output, on the worst row."""
    additive, n = params.method != "occlusion", int(found.sum())
    gap = None
    if additive and n:
        values, base, outputs = (
            np.asarray(arrays[name], dtype=np.float64)[found] for name in ("values", "base_values", "outputs")
        )
        gap = float(np.abs(base + values.sum(axis=2) - outputs).max())
    reason = None if gap is not None else message("language.no_rows_explained" if additive else "language.not_additive")
    return Metric(
        name="completeness_gap",
        value=gap,
        unit="nat",
        higher_is_better=False,
        no_interval="" if gap is None else "not_estimated",
        n=n,
        method="language.completeness_gap.formula",
        reason=reason,
    )


def _shortened(context: AuditContext, params: Params, rows: Rows, found: npt.NDArray[np.bool_]) -> int:
    """Explained rows that are read without their first tokens."""
    kept, total = tokens_read(context.model, rows, params)[found].T
    return int((kept < total).sum())


def _notes(
    context: AuditContext, params: Params, arrays: Arrays, found: npt.NDArray[np.bool_], shortened: int
) -> tuple[Note, ...]:
    _, item = text_input(context.model)
    hides = "padding" if mask_token(item) == PADDING else "token"
    unsure = int((found & np.isnan(np.asarray(arrays["error"], dtype=np.float64)).any(axis=(1, 2))).sum())
    values = {
        "rows": int(found.sum()),
        "tokens": params.tokens,
        "budget": params.budget,
        "n_steps": params.n_steps,
        "model_rows": int(np.asarray(arrays["model_rows"]).sum()),
    }
    return (
        Note(kind="method", text=message(f"language.method_{params.method}", **values)),
        Note(kind="method", text=message(f"language.continues_{params.continues}", **values)),
        Note(kind="method", text=message(f"language.foil_{params.foil.replace('-', '_')}")),
        Note(kind="assumption", text=message(f"language.hidden_{hides}")),
        Note(kind="how_to_read", text=message(f"language.how_{params.players}")),
        Note(kind="how_to_read", text=message("language.how_entropy")),
        Note(kind="limit", text=message("language.limit_reason")),
        Note(kind="limit", text=message("language.limit_few")),
        *(
            (Note(kind="limit", text=message("language.shortened", n=shortened, length=item.length, **values)),)
            if shortened
            else ()
        ),
        *((Note(kind="limit", text=message("language.limit_no_error", n=unsure, **values)),) if unsure else ()),
    )

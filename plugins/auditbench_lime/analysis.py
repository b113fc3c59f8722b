"""The `lime` analyzer: from a context to its blocks."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from auditbench.data import TABULAR_INPUT
from auditbench.findings import Finding, Message
from auditbench.masking import (
    agreement_metrics,
    fill_missing,
    importance_metrics,
    metric_interval,
    sampled_rows,
    value_ranks,
)
from auditbench.results import AnalysisResult, Attribution, Metric, Note
from auditbench.statistics import bootstrap_interval
from auditbench_lime.surrogate import local_surrogates

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.context import AuditContext
    from auditbench.data import Rows
    from auditbench.models import ModelUnderTest
    from auditbench_lime.params import Params

CHUNK_ROWS = 10


def analyze(context: AuditContext, params: Params) -> AnalysisResult:
    """Explain the rows that all explainers of this audit explain, and summarise."""
    rows = context.explained_rows(params.rows)
    background = context.data.background(params.background, context.rng("background"))
    background_raw = background.inputs[TABULAR_INPUT]
    work = partial(explain_chunk, model=context.model, background=background_raw, params=params)
    arrays = context.map_rows(work, rows, chunk_rows=CHUNK_ROWS)
    features = context.model.features
    attribution = Attribution(
        name="contributions",
        method="lime.tabular",
        values=arrays["values"],
        player_names=tuple(feature.name for feature in features),
        target_names=context.model.target_names,
        base_values=arrays["intercepts"],
        outputs=arrays["outputs"],
        player_values=value_ranks(rows.inputs[TABULAR_INPUT], background_raw, features),
        row_ids=rows.row_ids,
        additive=False,
        unit=context.model.facts.output,
        model_rows=int(arrays["model_rows"].sum()),
    )
    counted = sampled_rows(len(rows), len(context.case_indices), len(context.data))
    others = {name: result.attributions[0] for name, result in context.results.items() if result.attributions}
    agreement = agreement_metrics("lime", attribution, others, counted, context.rng("agreement"))
    importance = importance_metrics("lime", attribution, counted, context.rng("importance"))
    fidelity = _local_fidelity(context, arrays["fidelity"][counted])
    return AnalysisResult(
        metrics=(*importance, *fidelity, *agreement),
        attributions=(attribution,),
        notes=_notes(attribution, params, len(background), int(arrays["unseen"].any(axis=1).sum())),
        findings=_findings(fidelity, params.low_fidelity),
    )


def explain_chunk(
    rows: Rows,
    rng: np.random.Generator,
    *,
    model: ModelUnderTest,
    background: npt.NDArray[np.float64],
    params: Params,
) -> dict[str, npt.NDArray[np.generic]]:
    """Local models of one chunk of rows; `model_rows` shares the chunk's count out over its rows."""
    raw = rows.inputs[TABULAR_INPUT]
    fits = local_surrogates(
        lambda table: model.predict({TABULAR_INPUT: table}),
        fill_missing(raw, model.features),
        fill_missing(background, model.features),
        model.features,
        num_samples=params.num_samples,
        rng=rng,
        kernel_width=params.kernel_width,
    )
    return {
        "values": fits.values,
        "intercepts": fits.intercepts,
        "fidelity": fits.fidelity,
        "unseen": fits.unseen,
        "outputs": model.predict({TABULAR_INPUT: raw}),
        "model_rows": np.diff((fits.model_rows + len(rows)) * np.arange(len(rows) + 1) // len(rows)),
    }


def _local_fidelity(context: AuditContext, fidelity: npt.NDArray[np.float64]) -> tuple[Metric, ...]:
    """Median over rows of each target's R squared, over the rows where it is defined."""
    several = fidelity.shape[1] > 1
    return tuple(
        _median_fidelity(column[~np.isnan(column)], {"class": target} if several else {}, context.rng("fidelity"))
        for target, column in zip(context.model.target_names, fidelity.T, strict=True)
    )


def _median_fidelity(scores: npt.NDArray[np.float64], where: dict[str, str], rng: np.random.Generator) -> Metric:
    estimate = bootstrap_interval(lambda drawn: np.median(drawn, axis=1), [scores], rng=rng)
    interval = metric_interval(estimate)
    return Metric(
        name="local_fidelity",
        value=estimate.estimate,
        higher_is_better=True,
        interval=interval,
        no_interval="" if interval or estimate.estimate is None else "not_estimated",
        n=len(scores),
        where=where,
        method="lime.local_fidelity.formula",
        reason=Message(key="lime.no_fidelity") if estimate.estimate is None else None,
    )


def _findings(fidelity: tuple[Metric, ...], limit: float) -> tuple[Finding, ...]:
    return tuple(
        Finding(
            rule="lime.low_fidelity",
            severity="low",
            title=Message(key="lime.low_fidelity", values={"fidelity": metric.value, "limit": limit, "n": metric.n}),
            action=Message(key="lime.low_fidelity.action"),
            metrics=("lime.local_fidelity",),
            where=metric.where,
        )
        for metric in fidelity
        if metric.value is not None and metric.value < limit
    )


def _notes(attribution: Attribution, params: Params, background: int, unseen: int) -> tuple[Note, ...]:
    width = params.kernel_width or 0.75 * len(attribution.player_names) ** 0.5
    values = {
        "rows": len(attribution.row_ids),
        "background": background,
        "num_samples": params.num_samples,
        "kernel_width": width,
        "model_rows": attribution.model_rows,
    }
    limits = ["lime.limit_not_additive", "lime.limit_noise", "lime.limit_independence", "lime.limit_sampled_rows"]
    notes = [
        Note(kind="method", text=Message(key="lime.method", values=values)),
        Note(kind="assumption", text=Message(key="lime.assumption_bins", values=values)),
        *(Note(kind="limit", text=Message(key=key, values=values)) for key in limits),
        Note(kind="how_to_read", text=Message(key="lime.how_to_read", values={"unit": attribution.unit})),
    ]
    if unseen:
        notes.append(Note(kind="limit", text=Message(key="lime.limit_unseen", values={"n": unseen})))
    return tuple(notes)

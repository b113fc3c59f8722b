"""The `lime` analyzer: from a context to its blocks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from auditbench.data import TABULAR_INPUT
from auditbench.findings import Message
from auditbench.masking import (
    agreement_findings,
    agreement_metrics,
    earlier_attributions,
    explained,
    fill_missing,
    importance_metrics,
    shared_out,
    table_attribution,
)
from auditbench.results import AnalysisResult, Attribution, Note
from auditbench_lime.fidelity import fidelity_findings, local_fidelity
from auditbench_lime.parts import analyze_parts
from auditbench_lime.weights import LimeWeights, default_kernel_width, lime_weights

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.context import AuditContext
    from auditbench.data import Rows
    from auditbench.models import ModelUnderTest
    from auditbench_lime.params import Params

CHUNK_ROWS = {"shared": 250, "independent": 25, "library": 10}
"""Rows explained together, by method. Each chunk of `shared` has perturbed rows of its own, so that the noise of means
over many rows averages out."""

SAMPLES = 5000
"""Samples of each fit where the config names none, as lime takes for tables."""


def analyze(context: AuditContext, params: Params) -> AnalysisResult:
    """Explain the rows that all explainers of this audit explain, and summarise.

    Raises:
        ModelError: An output is not finite.
    """
    context.finite_outputs()
    if context.data.modality != "tabular":
        return analyze_parts(context, params)
    task = explained(context, rows=params.rows, background=params.background)
    work = partial(explain_chunk, model=context.model, background=task.background_raw, params=params)
    arrays = context.map_rows(work, task.rows, chunk_rows=CHUNK_ROWS[params.method])
    attribution = table_attribution(context, task, arrays, method=f"lime.{params.method}", additive=False)
    counted, others = task.counted, earlier_attributions(context)
    few = arrays["effective_samples"] < len(attribution.player_names) + 1
    agreement = agreement_metrics("lime", attribution, others, counted, context.rng("agreement"))
    importance = importance_metrics("lime", attribution, counted, context.rng("importance"))
    fidelity = local_fidelity(context, arrays["fidelity"][counted], attribution.target_names)
    narrow = 2 * int(few[counted].sum()) > len(few[counted])  # then a narrower kernel would not help
    action = "lime.low_fidelity.action_few_samples" if narrow else "lime.low_fidelity.action"
    return AnalysisResult(
        metrics=(*importance, *fidelity, *agreement),
        attributions=(attribution,),
        notes=_notes(
            attribution,
            params,
            background=len(task.background),
            unseen=int(arrays["unseen"].any(axis=1).sum()),
            few_samples=int(few.sum()),
        ),
        findings=(*fidelity_findings(fidelity, params.low_fidelity, action), *agreement_findings("lime", agreement)),
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
    fits = _fits(fill_missing(raw, model.features), fill_missing(background, model.features), rng, model, params)
    return {
        "values": fits.values,
        "base_values": fits.intercept,
        "fidelity": fits.r2,
        "unseen": fits.unseen,
        "effective_samples": fits.effective_samples,
        "outputs": model.predict({TABULAR_INPUT: raw}),
        "model_rows": shared_out(fits.model_rows + len(rows), len(rows)),
    }


def _fits(
    raw: npt.NDArray[np.float64],
    background: npt.NDArray[np.float64],
    rng: np.random.Generator,
    model: ModelUnderTest,
    params: Params,
) -> LimeWeights:
    def predict(table: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return model.predict({TABULAR_INPUT: table})

    explain: Callable[..., LimeWeights] = lime_weights
    if params.method == "library":
        from auditbench_lime.library import library_weights

        explain = library_weights
    elif params.method == "independent":
        explain = partial(lime_weights, independent=True)
    return explain(
        predict,
        raw,
        background,
        num_samples=params.num_samples or SAMPLES,
        rng=rng,
        kernel_width=params.kernel_width,
        categorical_features=[index for index, feature in enumerate(model.features) if feature.kind == "category"],
    )


def _notes(
    attribution: Attribution, params: Params, *, background: int, unseen: int, few_samples: int
) -> tuple[Note, ...]:
    values = {
        "rows": len(attribution.row_ids),
        "background": background,
        "num_samples": params.num_samples or SAMPLES,
        "kernel_width": params.kernel_width or default_kernel_width(len(attribution.player_names)),
        "together": CHUNK_ROWS[params.method],
        "model_rows": attribution.model_rows,
    }
    limits = ["lime.limit_not_additive", "lime.limit_noise", "lime.limit_independence", "lime.limit_sampled_rows"]
    if params.method == "shared" and len(attribution.row_ids) > 1:
        limits.insert(2, "lime.limit_shared")
    notes = [
        Note(kind="method", text=Message(key=f"lime.method_{params.method}", values=values)),
        Note(kind="assumption", text=Message(key="lime.assumption_bins", values=values)),
        *(Note(kind="limit", text=Message(key=key, values=values)) for key in limits),
        Note(kind="how_to_read", text=Message(key="lime.how_to_read", values={"unit": attribution.unit})),
    ]
    if unseen:
        notes.append(Note(kind="limit", text=Message(key="lime.limit_unseen", values={"n": unseen})))
    if few_samples:
        numbers = len(attribution.player_names) + 1
        text = Message(key="lime.limit_few_samples", values={**values, "n": few_samples, "numbers": numbers})
        notes.append(Note(kind="limit", text=text))
    return tuple(notes)

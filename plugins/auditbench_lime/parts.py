"""The `lime` analyzer on images, texts and series: weights of superpixels, words and segments of time."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from auditbench.data.inputs import modality_of
from auditbench.findings import Message
from auditbench.masking import agreement_findings, explained
from auditbench.masking.cell_attribution import cell_attribution
from auditbench.masking.explained_input import hidden_by
from auditbench.masking.part_agreement import part_agreement
from auditbench.masking.part_analysis import CHUNK_ROWS, PartValues, explain_parts, part_result
from auditbench.results import AnalysisResult, Note
from auditbench_lime.fidelity import fidelity_findings, local_fidelity
from auditbench_lime.masked import COSINE_WIDTH, Removal, masked_lime_weights

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.context import AuditContext
    from auditbench.masking import Prediction, Target
    from auditbench.masking.explained_input import ExplainedInput
    from auditbench.masking.player_params import PlayerParams
    from auditbench.models import ModelUnderTest
    from auditbench_lime.params import Params

SAMPLES = 1000
"""Samples of each fit where the config names none, as lime takes for images: each is a model row of its own."""


def analyze_parts(context: AuditContext, params: Params) -> AnalysisResult:
    """Explain the rows that all explainers of this audit explain, draw the cases, and summarise.

    Raises:
        AnalyzerNotPossible: Parts of the input cannot be hidden in this way.
    """
    players = _one_replacement(context.model, params)
    task = explained(context, rows=params.rows, background=params.background)
    removal: Removal = "count" if context.data.modality == "text" else "half"
    arrays = explain_parts(context, task, players, partial(explain_players, params=params, removal=removal))
    attribution = cell_attribution(context, task, arrays, method="lime.masked", additive=False)
    fidelity = local_fidelity(context, arrays["fidelity"][task.counted, :1], attribution.target_names[:1])
    agreement = part_agreement("lime", context, task, attribution, players)
    return part_result(
        "lime",
        context,
        task,
        attribution,
        players,
        metrics=(*fidelity, *agreement),
        notes=_notes(context, params, arrays, hidden_by(context.model, players)),
        findings=(
            *fidelity_findings(fidelity, params.low_fidelity, "lime.low_fidelity.action_parts"),
            *agreement_findings("lime", agreement),
        ),
    )


def explain_players(
    prediction: Prediction,
    setting: ExplainedInput,
    *,
    target: Target,
    rng: np.random.Generator,
    params: Params,
    removal: Removal,
) -> PartValues:
    """Local linear models of which players of some rows are kept."""
    found = masked_lime_weights(
        prediction,
        setting.rows,
        setting.masker,
        groups=setting.players,
        removal=removal,
        num_samples=params.num_samples or SAMPLES,
        independent=params.method == "independent",
        target=target,
        rng=rng,
        kernel_width=params.kernel_width or COSINE_WIDTH,
    )
    return PartValues(
        values=found.values,
        base_values=found.intercept,
        model_rows=found.model_rows,
        of_outputs={"fidelity": found.r2},
        of_rows={"effective_samples": found.effective_samples},
    )


def _one_replacement(model: ModelUnderTest, params: Params) -> PlayerParams:
    """How parts are hidden: as lime does, by one thing in each place, unless the config asks for background rows."""
    if params.players.hidden_by is None and modality_of(model.inputs) == "series":
        return params.players.model_copy(update={"hidden_by": "baseline"})
    return params.players


def _notes(
    context: AuditContext, params: Params, arrays: dict[str, npt.NDArray[np.float64]], hider: str
) -> tuple[Note, ...]:
    modality, few = context.data.modality, arrays["effective_samples"] < arrays["players"] + 1
    values = {
        "rows": len(arrays["values"]),
        "players": int(arrays["players"].max()),
        "background": params.background,
        "num_samples": params.num_samples or SAMPLES,
        "kernel_width": params.kernel_width or COSINE_WIDTH,
        "model_rows": int(arrays["model_rows"].sum()),
        "superpixels": params.players.superpixels,
        "n": int(few.sum()),
        "together": CHUNK_ROWS,
    }
    limits = ["lime.limit_not_additive", "lime.limit_noise", "lime.limit_sampled_rows"]
    if params.method == "shared" and modality != "text" and len(few) > 1:
        limits.insert(2, "lime.limit_shared")
    if few.any():
        limits.append("lime.limit_few_samples_parts")
    return (
        Note(kind="method", text=Message(key=f"lime.method_parts_{modality}", values=values)),
        Note(kind="assumption", text=Message(key=f"core.hidden_by_{hider}", values=values)),
        *(Note(kind="limit", text=Message(key=key, values=values)) for key in limits),
        Note(
            kind="how_to_read", text=Message(key="lime.how_to_read_parts", values={"unit": context.model.facts.output})
        ),
    )

"""The `lime` analyzer on images, texts and series: weights of superpixels, words and segments of time."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from auditbench.data.inputs import SeriesInput, TextInput
from auditbench.errors import AnalyzerNotPossible
from auditbench.findings import Message
from auditbench.masking import Prediction, explained
from auditbench.masking.cell_attribution import cell_arrays, cell_attribution, explained_outputs, of_explained
from auditbench.masking.drawn import drawn_cases
from auditbench.masking.explained_input import explained_input, hidden_by
from auditbench.masking.summaries import part_metrics
from auditbench.results import AnalysisResult, Note
from auditbench_lime.fidelity import fidelity_findings, local_fidelity
from auditbench_lime.masked import COSINE_WIDTH, masked_lime_weights

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.context import AuditContext
    from auditbench.data import Rows
    from auditbench.masking.player_params import PlayerParams
    from auditbench.models import ModelUnderTest
    from auditbench_lime.params import Params

CHUNK_ROWS = 16
SAMPLES = 1000
"""Samples of each fit where the config names none, as lime takes for images: each is a model row of its own."""


def analyze_parts(context: AuditContext, params: Params) -> AnalysisResult:
    """Explain the rows that all explainers of this audit explain, draw the cases, and summarise.

    Raises:
        AnalyzerNotPossible: The method asked for is one for tables, or parts of the input cannot be hidden in this way.
    """
    if params.method == "library":
        raise AnalyzerNotPossible(
            "the lime library explains tables here, and this model takes none",
            where="analyzers.lime.method",
            found=params.method,
            allowed="shared, independent",
            fix='set method = "independent", whose samples are drawn as those of the library',
        )
    task = explained(context, rows=params.rows, background=params.background)
    work = partial(explain_chunk, model=context.model, background=task.background, params=params)
    arrays = context.map_rows(work, task.rows, chunk_rows=CHUNK_ROWS)
    attribution = cell_attribution(context, task, arrays, method="lime.masked", additive=False)
    drawn = drawn_cases(context, attribution, task.rows)
    fidelity = local_fidelity(context, arrays["fidelity"][task.counted, :1], attribution.target_names[:1])
    return AnalysisResult(
        metrics=(*part_metrics("lime", context, attribution, task, params.players), *fidelity),
        attributions=(attribution,),
        image_overlays=drawn.image_overlays,
        token_attributions=drawn.token_attributions,
        series_attributions=drawn.series_attributions,
        notes=_notes(context, params, arrays, hidden_by(context.model, _one_replacement(context.model, params))),
        findings=fidelity_findings(fidelity, params.low_fidelity, "lime.low_fidelity.action_parts"),
    )


def explain_chunk(
    rows: Rows, rng: np.random.Generator, *, model: ModelUnderTest, background: Rows, params: Params
) -> dict[str, npt.NDArray[np.generic]]:
    """Shares of cells for one chunk of rows; `model_rows` shares the chunk's count out over its rows."""
    setting = explained_input(model, rows, lambda: model.encode(background.inputs), _one_replacement(model, params))
    (item,) = model.inputs.values()
    outputs = model.predict(rows.inputs)
    targets = explained_outputs(outputs)
    found = masked_lime_weights(
        Prediction(model.module, batch=model.batch),
        setting.rows,
        setting.masker,
        groups=setting.players,
        removal="count" if isinstance(item, TextInput) else "half",
        num_samples=params.num_samples or SAMPLES,
        independent=params.method == "independent",
        target=targets[:, 0] if targets.shape[1] == 1 else None,
        rng=rng,
        kernel_width=params.kernel_width or COSINE_WIDTH,
    )
    arrays = cell_arrays(
        model,
        outputs,
        targets,
        setting.players,
        values=found.values,
        base_values=found.intercept,
        model_rows=found.model_rows + len(rows),
    )
    return {**arrays, "fidelity": of_explained(found.r2, targets)}


def _one_replacement(model: ModelUnderTest, params: Params) -> PlayerParams:
    """How parts are hidden: as lime does, by one thing in each place, unless the config asks for background rows."""
    (item,) = model.inputs.values()
    if params.players.hidden_by is None and isinstance(item, SeriesInput):
        return params.players.model_copy(update={"hidden_by": "baseline"})
    return params.players


def _notes(
    context: AuditContext, params: Params, arrays: dict[str, npt.NDArray[np.float64]], hider: str
) -> tuple[Note, ...]:
    modality = context.data.modality
    values = {
        "rows": len(arrays["values"]),
        "players": int(arrays["players"].max()),
        "background": params.background,
        "num_samples": params.num_samples or SAMPLES,
        "kernel_width": params.kernel_width or COSINE_WIDTH,
        "model_rows": int(arrays["model_rows"].sum()),
        "superpixels": params.players.superpixels,
    }
    limits = ["lime.limit_not_additive", "lime.limit_noise", "lime.limit_sampled_rows"]
    return (
        Note(kind="method", text=Message(key=f"lime.method_parts_{modality}", values=values)),
        Note(kind="assumption", text=Message(key=f"core.hidden_by_{hider}", values=values)),
        *(Note(kind="limit", text=Message(key=key, values=values)) for key in limits),
        Note(
            kind="how_to_read", text=Message(key="lime.how_to_read_parts", values={"unit": context.model.facts.output})
        ),
    )

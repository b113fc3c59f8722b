"""The `captum` analyzer on images, texts and series: contributions of pixels, words and steps."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from auditbench.errors import AnalyzerNotPossible
from auditbench.findings import Message
from auditbench.masking import Prediction, explained, occlusion, shared_out
from auditbench.masking.cell_attribution import cell_arrays, cell_attribution, explained_outputs
from auditbench.masking.drawn import drawn_cases
from auditbench.masking.explained_input import explained_input
from auditbench.masking.summaries import part_metrics
from auditbench.results import AnalysisResult, Metric, Note
from auditbench_captum.cell_gradients import cell_gradients
from auditbench_captum.completeness import completeness, completeness_finding
from auditbench_captum.methods import METHODS

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.context import AuditContext
    from auditbench.data import Rows
    from auditbench.models import ModelUnderTest
    from auditbench_captum.params import Params

    Numbers: TypeAlias = npt.NDArray[np.float64]

CHUNK_ROWS = 16


def analyze_parts(context: AuditContext, params: Params) -> AnalysisResult:
    """Explain the rows that all explainers of this audit explain, draw the cases, and summarise.

    Raises:
        AnalyzerNotPossible: The method asked for is not one for what the model takes, or for its layers.
    """
    method, modality = METHODS[params.method], context.data.modality
    if modality not in method.modalities:
        allowed = [name for name, other in METHODS.items() if modality in other.modalities]
        raise AnalyzerNotPossible(
            "this method does not explain what the model takes",
            where="analyzers.captum.method",
            found=f"{params.method}, for {modality}",
            allowed=", ".join(allowed),
            fix='set method = "integrated_gradients"',
        )
    task = explained(context, rows=params.rows, background=params.background)
    work = partial(
        explain_chunk,
        model=context.model,
        background=task.background,
        params=params,
        output_range=float(np.ptp(context.outputs)),
    )
    arrays = context.map_rows(work, task.rows, chunk_rows=CHUNK_ROWS)
    output = context.model.facts.output
    attribution = cell_attribution(
        context,
        task,
        arrays,
        method=f"captum.{params.method}",
        additive=method.additive,
        unit=f"{output} per encoded unit" if method.slope else output,
    )
    output_range = np.full(arrays["values"].shape[1], np.ptp(context.outputs))
    gap = completeness(arrays, output_range, additive=method.additive)
    drawn = drawn_cases(context, attribution, task.rows)
    return AnalysisResult(
        metrics=(*part_metrics("captum", context, attribution, task, params.players), gap),
        attributions=(attribution,),
        image_overlays=drawn.image_overlays,
        token_attributions=drawn.token_attributions,
        series_attributions=drawn.series_attributions,
        notes=_notes(context, params, arrays, gap),
        findings=completeness_finding(gap),
    )


def explain_chunk(
    rows: Rows,
    rng: np.random.Generator,
    *,
    model: ModelUnderTest,
    background: Rows,
    params: Params,
    output_range: float,
) -> dict[str, npt.NDArray[np.generic]]:
    """Contributions of cells for one chunk of rows; `model_rows` shares the chunk's count out over its rows."""
    outputs = model.predict(rows.inputs)
    targets = explained_outputs(outputs)
    if params.method == "occlusion":
        return _occluded(rows, outputs, targets, model, background, params)
    found = cell_gradients(
        model,
        model.encode(rows.inputs),
        targets,
        model.encode(background.inputs),
        params=params,
        output_range=output_range,
        rng=rng,
    )
    return {
        "values": found.values,
        "base_values": found.base_values,
        "outputs": np.take_along_axis(outputs, targets, axis=1),
        "steps": found.steps,
        "model_rows": shared_out(found.model_rows + len(rows), len(rows)),
    }


def _occluded(
    rows: Rows,
    outputs: npt.NDArray[np.float64],
    targets: npt.NDArray[np.int64],
    model: ModelUnderTest,
    background: Rows,
    params: Params,
) -> dict[str, npt.NDArray[np.generic]]:
    """What the output loses when each part is hidden alone."""
    setting = explained_input(model, rows, lambda: model.encode(background.inputs), params.players)
    found = occlusion(
        Prediction(model.module, batch=model.batch),
        setting.rows,
        setting.masker,
        groups=setting.players,
        target=targets[:, 0] if targets.shape[1] == 1 else None,
    )
    arrays = cell_arrays(
        model,
        outputs,
        targets,
        setting.players,
        values=found.values,
        base_values=np.zeros(found.values.shape[:2]),
        model_rows=found.model_rows + len(rows),
    )
    return {**arrays, "steps": np.zeros(len(rows), dtype=np.int64)}


def _notes(context: AuditContext, params: Params, arrays: dict[str, Numbers], gap: Metric) -> tuple[Note, ...]:
    method, modality = METHODS[params.method], context.data.modality
    values = {
        "rows": len(arrays["values"]),
        "background": params.background,
        "n_steps": params.n_steps,
        "n_samples": params.n_samples,
        "model_rows": int(arrays["model_rows"].sum()),
        "gap": gap.value,
    }
    starts = (
        f"captum.path_from_{modality}" if params.method == "integrated_gradients" else f"captum.parts_{params.method}"
    )
    own = f"captum.method_{params.method}"
    unit = f"{context.model.facts.output} per encoded unit" if method.slope else context.model.facts.output
    notes = [
        Note(kind="method", text=Message(key=own, values=values)),
        Note(kind="assumption", text=Message(key=starts, values=values)),
        Note(kind="limit", text=Message(key="captum.limit_parts", values=values)),
        Note(kind="limit", text=Message(key="captum.limit_sampled_rows", values=values)),
        Note(
            kind="how_to_read",
            text=Message(
                key="captum.how_to_read_slope" if method.slope else "captum.how_to_read", values={"unit": unit}
            ),
        ),
    ]
    if gap.value is not None:
        notes.insert(1, Note(kind="method", text=Message(key="captum.completeness", values={"gap": gap.value})))
    if not method.additive:
        notes.append(Note(kind="limit", text=Message(key="captum.limit_not_additive", values=values)))
    return tuple(notes)

"""The `captum` analyzer on images, texts and series: contributions of pixels, words and steps."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch

from auditbench.data.inputs import ImageInput, SeriesInput
from auditbench.errors import AnalyzerNotPossible
from auditbench.findings import Message
from auditbench.masking import Prediction, agreement_findings, explained, occlusion, shared_out
from auditbench.masking.cell_attribution import cell_arrays, cell_attribution, explained_outputs
from auditbench.masking.drawn import DrawnAs
from auditbench.masking.explained_input import ExplainedInput, explained_input, hidden_by
from auditbench.masking.part_agreement import part_agreement
from auditbench.masking.part_analysis import part_result
from auditbench.results import PREDICTED, AnalysisResult, Metric, Note
from auditbench_captum.cell_gradients import cell_gradients
from auditbench_captum.completeness import completeness, completeness_finding, completeness_notes
from auditbench_captum.methods import METHODS
from auditbench_captum.windows import window_occlusion, windows_of

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
        AnalyzerNotPossible: The method asked for is not one for the layers of the model, or nothing can be hidden as asked.
    """
    method = METHODS[params.method]
    _refuse_windows(context, params)
    task = explained(context, rows=params.rows, background=params.background)
    work = partial(
        explain_chunk,
        model=context.model,
        background=task.background,
        params=params,
        output_range=float(np.ptp(context.outputs)),
    )
    arrays = context.map_rows(work, task.rows, chunk_rows=CHUNK_ROWS)
    attribution = cell_attribution(
        context,
        task,
        arrays,
        method=f"captum.{params.method}",
        additive=method.additive,
        unit=method.unit(context.model.facts.output),
    )
    if "decided" in arrays:
        attribution = replace(attribution, target_names=(PREDICTED,))
    output_range = np.full(arrays["values"].shape[1], np.ptp(context.outputs))
    gap = completeness(arrays, output_range, additive=method.additive)
    agreement = part_agreement("captum", context, task, attribution, params.players) if method.comparable else ()
    return part_result(
        "captum",
        context,
        task,
        attribution,
        params.players,
        metrics=(gap, *agreement),
        notes=_notes(context, params, arrays, len(task.background), gap),
        findings=(*completeness_finding(gap), *agreement_findings("captum", agreement)),
        drawn_as=_drawn_as(context, params, arrays),
    )


def _drawn_as(context: AuditContext, params: Params, arrays: dict[str, Numbers]) -> DrawnAs:
    method = METHODS[params.method]
    return DrawnAs(
        shows=method.shows,
        titles="" if method.shows == "contribution" else f"captum.{method.shows}",
        linear=method.linear,
        places=tuple(int(count) for count in arrays["places"][0]) if "places" in arrays else (),
        by_pixels=params.method != "occlusion" or params.window is not None,
        decided=tuple(context.model.facts.classes[int(index)] for index in arrays.get("decided", ())),
    )


def _refuse_windows(context: AuditContext, params: Params) -> None:
    if params.window is None:
        return
    hider = hidden_by(context.model, params.players)
    if context.data.modality != "text" and hider != "mean":
        return
    raise AnalyzerNotPossible(
        "windows slide over images and series, and are hidden by something that is the same for all of them",
        where="analyzers.captum.window",
        found=f"hidden_by {hider}, for {context.data.modality}",
        allowed="images and series; hidden_by blur, baseline or background",
        fix="leave the window away, or set another hidden_by in players",
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
    decided = _decided(model, outputs, params)
    found = cell_gradients(
        model,
        model.encode(rows.inputs),
        targets,
        model.encode(background.inputs),
        params=params,
        output_range=output_range,
        rng=rng,
        decided=decided,
    )
    explained_output = np.take_along_axis(outputs, targets, axis=1)
    arrays = {
        "values": found.values,
        "base_values": found.base_values,
        "outputs": explained_output,
        "steps": found.steps,
        "model_rows": shared_out(found.model_rows + len(rows), len(rows)),
    }
    if found.places:
        arrays["places"] = np.tile(found.places, (len(rows), 1))
    if decided is not None:
        other = 1 - explained_output if model.facts.output == "probability" else -explained_output
        arrays |= {"decided": decided, "outputs": np.where(decided[:, np.newaxis] == 1, explained_output, other)}
    return arrays


def _decided(model: ModelUnderTest, outputs: npt.NDArray[np.float64], params: Params) -> npt.NDArray[np.int64] | None:
    """The class that each row is explained for: that of its decision, where a map is to show what raises one of two."""
    if not METHODS[params.method].mapped or outputs.shape[1] > 1 or model.facts.task == "regression":
        return None
    return np.asarray(model.decisions(outputs), dtype=np.int64)


def _occluded(
    rows: Rows,
    outputs: npt.NDArray[np.float64],
    targets: npt.NDArray[np.int64],
    model: ModelUnderTest,
    background: Rows,
    params: Params,
) -> dict[str, npt.NDArray[np.generic]]:
    """What the output loses when each part is hidden alone."""
    if params.window is not None:
        return _under_windows(rows, outputs, targets, model, background, params)
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


def _under_windows(
    rows: Rows,
    outputs: npt.NDArray[np.float64],
    targets: npt.NDArray[np.int64],
    model: ModelUnderTest,
    background: Rows,
    params: Params,
) -> dict[str, npt.NDArray[np.generic]]:
    """What the output loses under the windows that hide a cell, shared out over the cells of a window."""
    (item,) = model.inputs.values()
    if not isinstance(item, ImageInput | SeriesInput) or params.window is None:
        raise TypeError(f"expected windows over an image or a series, got {type(item).__name__}")
    players = params.players.model_copy(
        update={"superpixels": "grid"}
    )  # windows have no players; a grid is the cheapest
    setting: ExplainedInput = explained_input(model, rows, lambda: model.encode(background.inputs), players)
    windows = windows_of(item, params.window, params.stride, by_channel=params.players.by_channel)
    prediction = Prediction(model.module, batch=model.batch)
    found = window_occlusion(
        prediction,
        setting.rows,
        setting.masker.replacements(setting.rows, setting.players),
        torch.from_numpy(targets).to(setting.rows.device),
        windows,
    )
    image = isinstance(item, ImageInput)
    cells = np.prod(windows.size[1:] if image else windows.size)
    return {
        "values": (found[:, :, 0] if image else found) / cells,
        "base_values": np.zeros(targets.shape),
        "outputs": np.take_along_axis(outputs, targets, axis=1),
        "steps": np.zeros(len(rows), dtype=np.int64),
        "model_rows": shared_out(prediction.rows + len(rows), len(rows)),
    }


def _notes(
    context: AuditContext, params: Params, arrays: dict[str, Numbers], background: int, gap: Metric
) -> tuple[Note, ...]:
    method = METHODS[params.method]
    values = {
        "rows": len(arrays["values"]),
        "background": background,
        "n_steps": params.n_steps,
        "n_samples": params.n_samples,
        "model_rows": int(arrays["model_rows"].sum()),
        "window": params.window,
        "stride": params.stride or max(1, (params.window or 0) // 2),
        "layer": params.layer,
    }
    limits = ["captum.limit_parts", "captum.limit_sampled_rows"]
    if not method.additive:
        limits.append("captum.limit_not_additive")
    if params.method == "gradient_shap":
        limits.append("captum.limit_no_standard_error")
    if not method.comparable:
        limits.append("captum.limit_not_compared")
    reading = f"captum.how_to_read_{method.reading}{'_parts' if method.slope else ''}"
    unit = method.unit(context.model.facts.output)
    return (
        Note(kind="method", text=Message(key=_method_key(params), values=values)),
        *completeness_notes(params, arrays["steps"], gap),
        *(Note(kind="assumption", text=Message(key=key, values=values)) for key in _assumed(context, params)),
        *(Note(kind="limit", text=Message(key=key, values=values)) for key in limits),
        Note(kind="how_to_read", text=Message(key=reading, values={"unit": unit})),
    )


def _method_key(params: Params) -> str:
    named = "_layer" if params.layer else "_window" if params.window else ""
    return f"captum.method_{params.method}{named}"


def _assumed(context: AuditContext, params: Params) -> tuple[str, ...]:
    """Where contributions start from, or what they take for granted."""
    modality, own = context.data.modality, f"captum.parts_{params.method}"
    if params.method in ("integrated_gradients", "deep_lift"):
        return (f"captum.path_from_{modality}",)
    if params.method == "gradient_shap":
        return ("captum.starts_from_background",)
    if params.method == "occlusion":
        return own, f"core.hidden_by_{hidden_by(context.model, params.players)}"
    return (own,)

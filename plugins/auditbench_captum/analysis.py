"""The `captum` analyzer: from a context to its blocks."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from auditbench.errors import AnalyzerNotPossible
from auditbench.findings import Message
from auditbench.masking import (
    Prediction,
    agreement_findings,
    agreement_matrix,
    agreement_metrics,
    earlier_attributions,
    explained,
    importance_metrics,
    shared_out,
    table_attribution,
)
from auditbench.results import AnalysisResult, Attribution, Metric, Note
from auditbench_captum.attention_blocks import analyze_attention
from auditbench_captum.class_activation import class_map, mapped_layer
from auditbench_captum.columns import ColumnAttributions, by_feature, mean_row
from auditbench_captum.completeness import completeness, completeness_finding, completeness_notes
from auditbench_captum.methods import METHODS
from auditbench_captum.parts import analyze_parts
from auditbench_captum.path import integrated_gradients

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.context import AuditContext
    from auditbench.data import EvaluationData, Rows
    from auditbench.models import ModelUnderTest
    from auditbench_captum.params import Params

CHUNK_ROWS = 64


def analyze(context: AuditContext, params: Params) -> AnalysisResult:
    """Explain the rows that all explainers of this audit explain, and summarise.

    Raises:
        AnalyzerNotPossible: The method asked for is not one for this model.
        ModelError: An output is not finite.
    """
    _refuse_without_hooks(context.model, params)
    context.finite_outputs()
    if params.method == "attention":
        return analyze_attention(context, params)
    if context.data.modality != "tabular":
        return analyze_parts(context, params)
    task, method = explained(context, rows=params.rows, background=params.background), METHODS[params.method]
    output_range = np.ptp(context.outputs, axis=0)
    work = partial(
        explain_chunk, model=context.model, background=task.background, params=params, output_range=output_range
    )
    arrays = context.map_rows(work, task.rows, chunk_rows=CHUNK_ROWS)
    attribution = table_attribution(
        context,
        task,
        arrays,
        method=f"captum.{params.method}",
        additive=method.additive,
        unit=method.unit(context.model.facts.output),
    )
    counted, others = task.counted, earlier_attributions(context) if method.comparable else {}
    agreement = agreement_metrics("captum", attribution, others, counted, context.rng("agreement"))
    matrix = agreement_matrix("captum", attribution, others, counted)
    importance = importance_metrics("captum", attribution, counted, context.rng("importance"))
    gap = completeness(arrays, output_range, additive=method.additive)
    return AnalysisResult(
        metrics=(*importance, gap, *agreement),
        matrices=(matrix,) if matrix else (),
        attributions=(attribution,),
        notes=_notes(attribution, params, len(task.background), arrays["steps"], gap),
        findings=(*completeness_finding(gap), *agreement_findings("captum", agreement)),
    )


def check(model: ModelUnderTest, data: EvaluationData, params: Params) -> None:
    """Refuse what the parameters ask for and this model does not have.

    Raises:
        ConfigError: There is no layer of the name, or it gives no map.
        AnalyzerNotPossible: The method hooks layers, or maps a convolution, and the model has none.
    """
    _refuse_without_hooks(model, params)
    if params.method in ("grad_cam", "guided_grad_cam"):
        mapped_layer(model.module, params.layer)
        if params.layer:
            two = model.encode(data.take(np.arange(min(2, len(data)))).inputs)
            first = torch.zeros((len(two), 1), dtype=torch.int64, device=two.device)
            class_map(model.module, two, first, layer=params.layer, channels=params.layer_channels)


def _refuse_without_hooks(model: ModelUnderTest, params: Params) -> None:
    if METHODS[params.method].hooks and "hooks" not in model.facts.capabilities:
        raise AnalyzerNotPossible(
            f"{params.method} hooks the layers of a network, and this model has none that take hooks",
            where="analyzers.captum.method",
            found=model.facts.architecture or model.facts.format,
            allowed="a network with hooks",
            fix='set method = "integrated_gradients", which asks for gradients alone',
        )


def explain_chunk(
    rows: Rows,
    rng: np.random.Generator,
    *,
    model: ModelUnderTest,
    background: Rows,
    params: Params,
    output_range: npt.NDArray[np.float64],
) -> dict[str, npt.NDArray[np.generic]]:
    """Contributions of one chunk of rows; `model_rows` shares the chunk's count out over its rows."""
    outputs = model.predict(rows.inputs)
    encoded, others = model.encode(rows.inputs), model.encode(background.inputs)
    if params.method == "integrated_gradients":
        found = _integrated(encoded, others, model=model, params=params, output_range=output_range)
    else:
        from auditbench_captum.gradients import gradient_attributions

        found = gradient_attributions(
            model.module,
            encoded,
            others,
            outputs.shape[1],
            model.features,
            params=params,
            batch=model.batch,
            rng=rng,
        )
    return {
        "values": found.values,
        "base_values": found.base_values,
        "steps": found.steps,
        "outputs": outputs,
        "model_rows": shared_out(found.model_rows + len(rows), len(rows)),
    }


def _integrated(
    encoded: torch.Tensor,
    background: torch.Tensor,
    *,
    model: ModelUnderTest,
    params: Params,
    output_range: npt.NDArray[np.float64],
) -> ColumnAttributions:
    """Integrated gradients from the mean of the encoded background rows."""
    found = integrated_gradients(
        Prediction(model.module, batch=model.batch),
        encoded,
        baseline=mean_row(background),
        steps=params.n_steps,
        tolerance=params.tolerance,
        max_steps=params.max_steps,
        output_range=output_range,
    )
    return ColumnAttributions(
        values=by_feature(found.values, model.features),
        base_values=found.base_value,
        steps=found.steps,
        model_rows=found.model_rows,
    )


def _notes(
    attribution: Attribution, params: Params, background: int, steps: npt.NDArray[np.float64], gap: Metric
) -> tuple[Note, ...]:
    method = METHODS[params.method]
    values = {
        "rows": len(attribution.row_ids),
        "background": background,
        "n_steps": params.n_steps,
        "n_samples": params.n_samples,
        "model_rows": attribution.model_rows,
    }
    limits = ["captum.limit_encoded", "captum.limit_steepest" if method.slope else "captum.limit_summed"]
    if method.starts_from != "nothing":
        limits.insert(0, "captum.limit_baseline")
    limits.append("captum.limit_sampled_rows")
    if not method.comparable:
        limits.append("captum.limit_not_compared")
    if not method.additive:
        limits.append("captum.limit_not_additive")
    if params.method == "gradient_shap":
        limits.append("captum.limit_no_standard_error")
    return (
        Note(kind="method", text=Message(key=f"captum.method_{params.method}", values=values)),
        *completeness_notes(params, steps, gap),
        Note(kind="assumption", text=Message(key=f"captum.starts_from_{method.starts_from}", values=values)),
        *(Note(kind="limit", text=Message(key=key, values=values)) for key in limits),
        Note(
            kind="how_to_read",
            text=Message(key=f"captum.how_to_read_{method.reading}", values={"unit": attribution.unit}),
        ),
    )

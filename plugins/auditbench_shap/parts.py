"""The `shap` analyzer on images, texts and series: contributions of superpixels, words and segments of time."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from auditbench.errors import AnalyzerNotPossible
from auditbench.findings import Message
from auditbench.masking import Prediction, explained
from auditbench.masking.cell_attribution import cell_arrays, cell_attribution, explained_outputs, of_explained
from auditbench.masking.drawn import drawn_cases
from auditbench.masking.explained_input import explained_input, hidden_by
from auditbench.masking.summaries import part_metrics
from auditbench.results import AnalysisResult, Metric, Note
from auditbench_shap.accuracy import accuracy_finding, local_accuracy
from auditbench_shap.shapley import shapley_values

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.context import AuditContext
    from auditbench.data import Rows
    from auditbench.models import ModelUnderTest
    from auditbench_shap.params import Params

CHUNK_ROWS = 16
BUDGET = 1000
"""Model rows for each explained row where the config names none: a row of an image or a text is dear."""


def analyze_parts(context: AuditContext, params: Params) -> AnalysisResult:
    """Explain the rows that all explainers of this audit explain, draw the cases, and summarise.

    Raises:
        AnalyzerNotPossible: The method asked for is one for tables, or parts of the input cannot be hidden in this way.
    """
    if params.method.startswith("shap."):
        raise AnalyzerNotPossible(
            f"{params.method} explains the features of a table, and this model takes none",
            where="analyzers.shap.method",
            found=params.method,
            allowed="auto, exact, permutation, kernel",
            fix='set method = "auto"',
        )
    task = explained(context, rows=params.rows, background=params.background)
    work = partial(explain_chunk, model=context.model, background=task.background, params=params)
    arrays = context.map_rows(work, task.rows, chunk_rows=CHUNK_ROWS)
    attribution = cell_attribution(context, task, arrays, method="shap.interventional")
    output_range = float(np.ptp(context.outputs))
    gap = local_accuracy(arrays, np.full(arrays["values"].shape[1], output_range))
    drawn = drawn_cases(context, attribution, task.rows)
    return AnalysisResult(
        metrics=(
            *part_metrics("shap", context, attribution, task, params.players),
            gap,
            _largest_error(arrays, output_range),
        ),
        attributions=(attribution,),
        image_overlays=drawn.image_overlays,
        token_attributions=drawn.token_attributions,
        series_attributions=drawn.series_attributions,
        notes=_notes(context, params, arrays, hidden_by(context.model, params.players)),
        findings=accuracy_finding(gap),
    )


def explain_chunk(
    rows: Rows, rng: np.random.Generator, *, model: ModelUnderTest, background: Rows, params: Params
) -> dict[str, npt.NDArray[np.generic]]:
    """Shares of cells for one chunk of rows; `model_rows` shares the chunk's count out over its rows."""
    setting = explained_input(model, rows, lambda: model.encode(background.inputs), params.players)
    outputs = model.predict(rows.inputs)
    targets = explained_outputs(outputs)
    found = shapley_values(
        Prediction(model.module, batch=model.batch),
        setting.rows,
        setting.masker,
        groups=setting.players,
        method=params.method,
        budget=_budget(params, len(setting.players)),
        target_error=params.target_error,
        target=targets[:, 0] if targets.shape[1] == 1 else None,
        rng=rng,
    )
    error = np.full(found.values.shape, np.nan) if found.standard_error is None else found.standard_error
    arrays = cell_arrays(
        model,
        outputs,
        targets,
        setting.players,
        values=found.values,
        base_values=found.base_value,
        model_rows=(found.model_rows or 0) + len(rows),
    )
    return {**arrays, "largest_error": of_explained(error, targets).max(axis=2)}


def _budget(params: Params, players: int) -> int:
    """Model rows for each explained row: as the config says, else enough for a regression on so many players."""
    return params.budget or max(BUDGET, 2 * players)


def _largest_error(arrays: dict[str, npt.NDArray[np.float64]], output_range: float) -> Metric:
    """Worst standard error of a part as a share of the output range."""
    largest = arrays["largest_error"].max()
    reason = "" if output_range > 0 else "shap.constant_output"
    reason = "shap.no_standard_error" if np.isnan(largest) else reason
    return Metric(
        name="largest_standard_error",
        value=None if reason else float(largest / output_range),
        higher_is_better=False,
        no_interval="not_estimated",
        n=len(arrays["values"]),
        method="shap.largest_standard_error.formula",
        reason=Message(key=reason) if reason else None,
    )


def _notes(
    context: AuditContext, params: Params, arrays: dict[str, npt.NDArray[np.float64]], hidden_by: str
) -> tuple[Note, ...]:
    modality, players = context.data.modality, int(arrays["players"].max())
    values = {
        "rows": len(arrays["values"]),
        "players": players,
        "background": params.background,
        "budget": _budget(params, players),
        "model_rows": int(arrays["model_rows"].sum()),
        "superpixels": params.players.superpixels,
    }
    unit = context.model.facts.output
    return (
        Note(kind="method", text=Message(key=f"shap.method_parts_{modality}", values=values)),
        Note(kind="assumption", text=Message(key=f"core.hidden_by_{hidden_by}", values=values)),
        Note(kind="limit", text=Message(key="shap.limit_cause")),
        Note(kind="limit", text=Message(key=f"shap.limit_parts_{modality}")),
        Note(kind="limit", text=Message(key="shap.limit_sampled_rows", values=values)),
        Note(kind="how_to_read", text=Message(key="shap.how_to_read", values={"unit": unit})),
    )

"""The `shap` analyzer on images, texts and series: contributions of superpixels, words and segments of time."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from auditbench.errors import ConfigError
from auditbench.findings import Message
from auditbench.masking import explained
from auditbench.masking.cell_attribution import cell_attribution
from auditbench.masking.cells import players_present
from auditbench.masking.explained_input import hidden_by
from auditbench.masking.part_analysis import PartValues, explain_parts, part_result
from auditbench.masking.text_levels import text_levels
from auditbench.results import AnalysisResult, Metric, Note
from auditbench_shap.accuracy import accuracy_finding, local_accuracy
from auditbench_shap.owen import BudgetError, owen_values
from auditbench_shap.planning import least_budget, planner
from auditbench_shap.shapley import shapley_values

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.context import AuditContext
    from auditbench.masking import Prediction, Target
    from auditbench.masking.explained_input import ExplainedInput
    from auditbench_shap.params import Params

BUDGET = 1000
"""Model rows for each explained row where the config names none: a row of an image or a text is dear. Rows with many parts
get as many as a standard error needs."""
HIERARCHICAL = "hierarchical"


def analyze_parts(context: AuditContext, params: Params) -> AnalysisResult:
    """Explain the rows that all explainers of this audit explain, draw the cases, and summarise.

    Raises:
        ConfigError: The budget is too small for the method, or parts of the input cannot be hidden in this way.
    """
    task = explained(context, rows=params.rows, background=params.background)
    by = partial(explain_levels if params.method == HIERARCHICAL else explain_players, params=params)
    arrays = explain_parts(context, task, params.players, by)
    method = HIERARCHICAL if params.method == HIERARCHICAL else "interventional"
    attribution = cell_attribution(context, task, arrays, method=f"shap.{method}")
    output_range = float(np.ptp(context.outputs))
    gap = local_accuracy(arrays, np.full(arrays["values"].shape[1], output_range))
    error = _largest_error(arrays, output_range)
    return part_result(
        "shap",
        context,
        task,
        attribution,
        params.players,
        metrics=(gap, error),
        notes=_notes(context, params, arrays, error),
        findings=accuracy_finding(gap),
    )


def explain_players(
    prediction: Prediction, setting: ExplainedInput, *, target: Target, rng: np.random.Generator, params: Params
) -> PartValues:
    """Shapley values of the players of some rows."""
    budget = params.budget or max(BUDGET, least_budget(params.method, setting, params.target_error))
    try:
        planner(params.method, setting, budget, params.target_error)()
    except ValueError as refusal:
        raise ConfigError(
            str(refusal),
            where="analyzers.shap.budget",
            found=f"{budget}, by the method {params.method}",
            fix='set method = "auto" and a larger `budget`, or none, or have fewer parts by `players`',
        ) from refusal
    found = shapley_values(
        prediction,
        setting.rows,
        setting.masker,
        groups=setting.players,
        method=params.method,
        budget=budget,
        target_error=params.target_error,
        target=target,
        rng=rng,
    )
    error = np.full(found.values.shape, np.nan) if found.standard_error is None else found.standard_error
    return PartValues(
        values=found.values,
        base_values=found.base_value,
        model_rows=found.model_rows or 0,
        of_outputs={"largest_error": error.max(axis=2)},
        of_rows={"budget": np.full(len(found.values), budget)},
    )


def explain_levels(
    prediction: Prediction, setting: ExplainedInput, *, target: Target, rng: np.random.Generator, params: Params
) -> PartValues:
    """Owen values of the words of some texts, which stand together in clauses, sentences and passages.

    Without a budget of the config every word has a value of its own; a smaller one leaves parts whole.
    """
    present = players_present(setting.players, len(setting.rows)).tolist()
    budget = params.budget or max(BUDGET, least_budget("permutation", setting, None))
    try:
        found = owen_values(
            prediction,
            setting.rows,
            setting.masker,
            [text_levels(said[:count]) for said, count in zip(setting.said, present, strict=True)],
            groups=setting.players,
            target=target,
            budget=budget,
            rng=rng,
        )
    except BudgetError as refusal:
        raise ConfigError(
            str(refusal),
            where="analyzers.shap.budget",
            found=str(budget),
            fix="set a larger `budget`, or none",
        ) from refusal
    own = found.opened & (np.arange(len(setting.players)) < np.array(present)[:, np.newaxis])
    error = np.where(own[:, np.newaxis], found.standard_error, -np.inf).max(axis=2, initial=-np.inf)
    return PartValues(
        values=found.values,
        base_values=found.base_value,
        model_rows=found.model_rows,
        of_outputs={"largest_error": np.where(np.isfinite(error), error, np.nan)},
        of_rows={
            "budget": np.full(len(present), budget),
            "shared": np.array(present) - own.sum(axis=1),
        },
    )


def _largest_error(arrays: dict[str, npt.NDArray[np.float64]], output_range: float) -> Metric:
    """Worst standard error of a part as a share of the output range, over the rows that have one."""
    known = arrays["largest_error"][~np.isnan(arrays["largest_error"]).any(axis=1)]
    reason = "" if output_range > 0 else "shap.constant_output"
    reason = reason if len(known) else "shap.no_standard_error"
    return Metric(
        name="largest_standard_error",
        value=None if reason else float(known.max() / output_range),
        higher_is_better=False,
        no_interval="not_estimated",
        n=len(known),
        method="shap.largest_standard_error.formula",
        reason=Message(key=reason) if reason else None,
    )


def _notes(
    context: AuditContext, params: Params, arrays: dict[str, npt.NDArray[np.float64]], error: Metric
) -> tuple[Note, ...]:
    modality, unit = context.data.modality, context.model.facts.output
    values = {
        "rows": len(arrays["values"]),
        "players": int(arrays["players"].max()),
        "background": params.background,
        "budget": int(arrays["budget"].max()),
        "model_rows": int(arrays["model_rows"].sum()),
        "superpixels": params.players.superpixels,
        "n": len(arrays["values"]) - error.n,
        "shared": int(arrays["shared"].sum()) if params.method == HIERARCHICAL else 0,
        "words": int(arrays["players"].sum()),
    }
    limits = ["shap.limit_cause", f"shap.limit_parts_{modality}", "shap.limit_sampled_rows"]
    if error.n < len(arrays["values"]) and params.method != HIERARCHICAL:
        limits.append("shap.limit_no_standard_error_of")
    if values["shared"]:
        limits.append("shap.limit_shared_words")
    own = HIERARCHICAL if params.method == HIERARCHICAL else modality
    hider = hidden_by(context.model, params.players)
    return (
        Note(kind="method", text=Message(key=f"shap.method_parts_{own}", values=values)),
        Note(kind="assumption", text=Message(key=f"core.hidden_by_{hider}", values=values)),
        *(Note(kind="limit", text=Message(key=key, values=values)) for key in limits),
        Note(kind="how_to_read", text=Message(key="shap.how_to_read", values={"unit": unit})),
    )

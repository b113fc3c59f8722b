"""The `shap` analyzer: from a context to its blocks."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from auditbench.data import TABULAR_INPUT
from auditbench.errors import AnalyzerNotPossible, ConfigError
from auditbench.findings import Finding, Message
from auditbench.masking import (
    Prediction,
    cut_first_layer,
    explained,
    feature_players,
    fill_missing,
    importance_metrics,
    shared_out,
    table_attribution,
)
from auditbench.models.raw_rows import RawTableEncoder
from auditbench.results import AnalysisResult, Attribution, Metric, Note, estimated_metric
from auditbench.statistics import bootstrap_interval
from auditbench_shap.accuracy import accuracy_finding, local_accuracy
from auditbench_shap.parts import analyze_parts
from auditbench_shap.planning import exact_rows_of, plan_for
from auditbench_shap.shapley import ShapleyValues, shapley_values
from auditbench_shap.trees import METHOD as TREE
from auditbench_shap.trees import tree_values, trees_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.context import AuditContext
    from auditbench.data import Rows
    from auditbench.models import ModelUnderTest
    from auditbench_shap.params import Params
    from auditbench_shap.planning import Plan

CHUNK_ROWS = 256
"""Rows that share a plan; few for the explainers of the library, which take seconds for a row."""
LIBRARY_CHUNK_ROWS = 25
_TRIED_ROWS = 4
"""Rows that show whether the first layer of a model can be computed once."""
OF_COLUMNS = ("shap.deep", "shap.gradient")
"""Explainers of the library that explain the inputs of the network instead of raw features."""


def analyze(context: AuditContext, params: Params) -> AnalysisResult:
    """Explain the rows that all explainers of this audit explain, and summarise.

    Raises:
        ConfigError: The budget is too small for the method.
        AnalyzerNotPossible: The method asked for is not one for this model.
        ModelError: An output is not finite.
    """
    context.finite_outputs()
    if context.data.modality != "tabular":
        return analyze_parts(context, params)
    unit = _unit(context.model, params.method)
    task = explained(context, rows=params.rows, background=params.background)
    plan = _planned(params, context.model, task.background)
    used = params if plan is None else params.model_copy(update={"method": plan.method})
    work = partial(explain_chunk, model=context.model, background=task.background, params=used)
    arrays = context.map_rows(work, task.rows, chunk_rows=LIBRARY_CHUNK_ROWS if plan is None else CHUNK_ROWS)
    attribution = table_attribution(context, task, arrays, method=f"shap.{used.method}", unit=unit)
    counted = task.counted
    importance = importance_metrics("shap", attribution, counted, context.rng("importance"))
    output_range = np.ptp(arrays["outputs"] if unit else context.outputs, axis=0)
    shares = _sensitive_shares(context, arrays["values"][counted], output_range)
    gap = local_accuracy(arrays, output_range)
    metrics = (*importance, gap, _largest_standard_error(attribution, output_range), *shares)
    return AnalysisResult(
        metrics=metrics,
        attributions=(attribution,),
        notes=_notes(attribution, plan, len(task.background)),
        findings=(*_sensitive_findings(shares, params.sensitive_share), *accuracy_finding(gap)),
    )


def explain_chunk(
    rows: Rows, rng: np.random.Generator, *, model: ModelUnderTest, background: Rows, params: Params
) -> dict[str, npt.NDArray[np.generic]]:
    """Contributions of one chunk of rows; `model_rows` shares the chunk's count out over its rows."""
    if params.method == TREE:
        found, outputs = tree_values(trees_of(model), model, rows, background)
    else:
        found, outputs = _found(rows, rng, model, background, params), model.predict(rows.inputs)
    arrays: dict[str, npt.NDArray[np.generic]] = {
        "values": found.values,
        "base_values": found.base_value,
        "outputs": outputs,
        "model_rows": shared_out((found.model_rows or 0) + len(rows), len(rows)),
    }
    if found.standard_error is not None:
        arrays["standard_error"] = found.standard_error
    return arrays


def _found(
    rows: Rows, rng: np.random.Generator, model: ModelUnderTest, background: Rows, params: Params
) -> ShapleyValues:
    """What a method that evaluates the model finds."""
    return _by_library(rows, background, model, params, rng) or shapley_values(
        Prediction(model.module, batch=model.batch),
        model.encode(rows.inputs),
        model.encode(background.inputs),
        method=params.method,
        budget=params.budget,
        target_error=params.target_error,
        groups=feature_players(model.features),
        rng=rng,
    )


def _by_library(
    rows: Rows, background: Rows, model: ModelUnderTest, params: Params, rng: np.random.Generator
) -> ShapleyValues | None:
    """What an explainer of the library finds; None for the methods of this plugin."""
    if not params.method.startswith("shap."):
        return None
    if params.method in OF_COLUMNS:
        found = shapley_values(
            Prediction(model.module, batch=model.batch),
            model.encode(rows.inputs),
            model.encode(background.inputs),
            method=params.method,
            budget=params.budget,
            rng=rng,
        )
        columns = [found.values[:, :, feature.start : feature.stop].sum(axis=2) for feature in model.features]
        return dataclasses.replace(
            found, values=np.stack(columns, axis=2), names=tuple(feature.name for feature in model.features)
        )
    return shapley_values(
        lambda table: model.predict({TABULAR_INPUT: table}),
        _whole(rows, model),
        _whole(background, model),
        method=params.method,
        budget=params.budget,
        rng=rng,
    )


def _whole(rows: Rows, model: ModelUnderTest) -> npt.NDArray[np.float64]:
    """Raw rows without NaN that have the model's own outputs."""
    if not isinstance(model.encoder, RawTableEncoder):
        return fill_missing(rows.inputs[TABULAR_INPUT], model.features)
    encoded: npt.NDArray[np.float64] = model.encode(rows.inputs).cpu().numpy()
    return encoded


def _unit(model: ModelUnderTest, method: str) -> str:
    """Of the contributions, where it is not that of the model's output.

    Raises:
        AnalyzerNotPossible: The method is not one for this model.
    """
    if method == TREE:
        scale = trees_of(model).scale
        return "" if scale == model.facts.output else scale
    if method in OF_COLUMNS and "gradients" not in model.facts.capabilities:
        raise AnalyzerNotPossible(
            f"{method} follows gradients, and this model gives none",
            where="analyzers.shap.method",
            found=model.facts.architecture or model.facts.format,
            allowed="a network with gradients",
            fix='set method = "auto", which explains any model',
        )
    if method == "shap.deep" and "hooks" not in model.facts.capabilities:
        raise AnalyzerNotPossible(
            f"{method} hooks the layers of a network, and this model has none that take hooks",
            where="analyzers.shap.method",
            found=model.facts.architecture or model.facts.format,
            allowed="a network with hooks",
            fix='set method = "auto", which explains any model',
        )
    return ""


def _planned(params: Params, model: ModelUnderTest, background: Rows) -> Plan | None:
    """How the methods of this plugin work; None for those of the library.

    Raises:
        ConfigError: The budget is too small for the method.
    """
    if params.method.startswith("shap."):
        return None
    decides = params.method == "auto" and params.budget is None
    first = cut_first_layer(model.module, model.encode(background.inputs)[:_TRIED_ROWS]) if decides else None
    try:
        return plan_for(
            params.method,
            len(model.features),
            len(background),
            budget=params.budget,
            target_error=params.target_error,
            exact_rows=exact_rows_of(first),
        )
    except ValueError as refusal:
        raise ConfigError(
            str(refusal),
            where="analyzers.shap.budget",
            found=f"{params.budget}, by the method {params.method}",
            fix='set method = "auto" and a larger `budget`, or none, or a smaller `background`',
        ) from refusal


def _largest_standard_error(attribution: Attribution, output_range: npt.NDArray[np.float64]) -> Metric:
    """Worst standard error as a share of the output range."""
    largest, reason = None, "shap.no_standard_error"
    if attribution.standard_error is not None:
        shares = (
            np.asarray(attribution.standard_error) / np.where(output_range > 0, output_range, np.nan)[:, np.newaxis]
        )
        known = shares[~np.isnan(shares)]
        largest, reason = float(known.max()) if known.size else None, "shap.constant_output"
    return Metric(
        name="largest_standard_error",
        value=largest,
        higher_is_better=False,
        no_interval="not_estimated",
        n=len(attribution.row_ids),
        method="shap.largest_standard_error.formula",
        reason=Message(key=reason) if largest is None else None,
    )


def _sensitive_shares(
    context: AuditContext, values: npt.NDArray[np.float64], output_range: npt.NDArray[np.float64]
) -> tuple[Metric, ...]:
    """Share of each sensitive feature that the model sees in the sum of |contribution| over features and targets.

    What a constant output leaves of contributions is rounding, and counts as none.
    """
    sizes = np.abs(values[:, output_range > 0]).sum(axis=1)
    names = [feature.name for feature in context.model.features]
    return tuple(
        _share(name, sizes[:, names.index(name)], sizes.sum(axis=1), context.rng(f"share/{name}"))
        for name in context.data.facts.sensitive
        if name in names
    )


def _share(
    name: str, part: npt.NDArray[np.float64], total: npt.NDArray[np.float64], rng: np.random.Generator
) -> Metric:
    estimate = bootstrap_interval(_ratio_of_sums, [part, total], rng=rng)
    return estimated_metric(
        "sensitive_share",
        estimate,
        n=len(part),
        undefined=Message(key="shap.no_attribution" if len(part) else "shap.no_sampled_rows"),
        where={"feature": name},
        method="shap.sensitive_share.formula",
    )


def _ratio_of_sums(part: npt.NDArray[np.float64], total: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    whole = total.sum(axis=1)
    return np.asarray(part.sum(axis=1) / np.where(whole > 0, whole, np.nan))


def _sensitive_findings(shares: tuple[Metric, ...], limit: float) -> tuple[Finding, ...]:
    """Where the whole interval lies at or above the limit."""
    return tuple(
        Finding(
            rule="shap.sensitive_feature_matters",
            severity="medium",
            title=Message(
                key="shap.sensitive_feature_matters",
                values={"feature": metric.where["feature"], "share": metric.value, "limit": limit, "n": metric.n},
            ),
            action=Message(key="shap.sensitive_feature_matters.action", values={"feature": metric.where["feature"]}),
            metrics=("shap.sensitive_share",),
            where=metric.where,
        )
        for metric in shares
        if metric.interval is not None and metric.interval.low >= limit
    )


def _notes(attribution: Attribution, plan: Plan | None, background: int) -> tuple[Note, ...]:
    features = len(attribution.player_names)
    values = {
        "rows": len(attribution.row_ids),
        "background": background,
        "features": features,
        "coalitions": 2**features,
        "rounds": plan.amount if plan is not None else None,
        "most": plan.most if plan is not None else None,
        "pairs": plan.amount if plan is not None else None,
        "target_error": plan.target_error if plan is not None else None,
        "model_rows": attribution.model_rows,
        "line": plan.line if plan is not None else None,
    }
    name = attribution.method.removeprefix("shap.")
    method = name.removeprefix("shap.")
    refined = plan is not None and plan.target_error is not None and method == "permutation"
    own = "shap.method_permutation_until" if refined else f"shap.method_{method}"
    if plan is not None and method == "kernel" and background == 1:
        own = "shap.method_kernel_baseline"
    chosen = () if plan is None or plan.line is None else (f"shap.chosen_{method}",)
    limits = ["shap.limit_cause", "shap.limit_background", "shap.limit_sampled_rows"]
    if name in OF_COLUMNS:
        limits.append("shap.limit_columns")
    if name == TREE and attribution.unit == "logit":
        limits.append("shap.limit_margin")
    if attribution.standard_error is None:
        limits.append("shap.limit_no_standard_error")
    elif np.any(attribution.standard_error):
        limits.append("shap.limit_standard_error")
        values |= {
            "error": float(np.max(attribution.standard_error)),
            "size": float(np.median(np.abs(attribution.values))),
            "unit": attribution.unit,
        }
    return (
        Note(kind="method", text=Message(key=f"shap.library_{method}" if plan is None else own, values=values)),
        *(Note(kind="method", text=Message(key=key, values=values)) for key in chosen),
        Note(kind="assumption", text=Message(key="shap.assumption_interventional", values=values)),
        *(Note(kind="limit", text=Message(key=key, values=values)) for key in limits),
        Note(kind="how_to_read", text=Message(key="shap.how_to_read", values={"unit": attribution.unit})),
    )

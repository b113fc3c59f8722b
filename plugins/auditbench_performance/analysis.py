"""From the model's outputs to the result of `performance`, by task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from auditbench.errors import ModelError
from auditbench.results import AnalysisResult, Matrix, Note, Table
from auditbench.statistics import FEWEST_CLUSTERS, clusters_of, fewest_replicates
from auditbench_performance.binary import binary_curves, binary_metrics
from auditbench_performance.brier_parts import brier_table
from auditbench_performance.confusion import class_counts, confusion_matrix
from auditbench_performance.measures import message
from auditbench_performance.multiclass import multiclass_metrics, top_class_reliability
from auditbench_performance.next_token import next_token_metrics
from auditbench_performance.regression import regression_metrics
from auditbench_performance.resampling import Sample
from auditbench_performance.residuals import residual_blocks
from auditbench_performance.rules import findings
from auditbench_performance.temperature import temperature_what_if
from auditbench_performance.thresholds import found_thresholds, threshold_table

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from auditbench.context import AuditContext
    from auditbench_performance import Params

    Labels = npt.NDArray[np.int64]
    Numbers = npt.NDArray[np.float64]

ROUNDING = 1e-6


def analyze(context: AuditContext, params: Params) -> AnalysisResult:
    """Measure how well the outputs of the model agree with the labels of the evaluated rows.

    Raises:
        ModelError: Outputs that are NaN or infinite, or declared probabilities outside [0, 1].
    """
    outputs, data = context.finite_outputs(), context.data
    sample = Sample(n=len(data), replicates=params.replicates, clusters=clusters_of(data.clusters))
    if data.task == "regression":
        return _regression(context, params, context.model.decisions(outputs), sample)
    return _classification(context, params, outputs, sample)


def _regression(context: AuditContext, params: Params, y_pred: Numbers, sample: Sample) -> AnalysisResult:
    metrics = regression_metrics(context, y_pred, context.data.y_true, sample)
    tables, curves = residual_blocks(y_pred, y_pred - context.data.y_true, sample, context.rng("bands"))
    notes = (
        *_interval_notes("note.intervals_regression", sample),
        Note(kind="how_to_read", text=message("r2.how")),
        Note(kind="limit", text=message("limit.one_sample")),
        Note(kind="limit", text=message("limit.units")),
        *_weights_note(context),
    )
    return AnalysisResult(
        metrics=metrics, tables=tables, curves=curves, notes=notes, findings=findings(metrics, params)
    )


def _classification(context: AuditContext, params: Params, outputs: npt.NDArray[Any], sample: Sample) -> AnalysisResult:
    data, model = context.data, context.model
    y_true = data.y_true.astype("int64")
    probabilities = _within_unit_interval(model.probabilities(outputs))
    y_pred = model.decisions(outputs).astype("int64")
    counts = class_counts(y_true, y_pred, len(data.classes))
    positive = data.classes[1] if data.task == "binary-classification" else ""
    temperature, tables = temperature_what_if(
        probabilities, y_true, params.bins, positive, sample, context.rng("temperature")
    )
    if data.task != "next-token" and len(data.classes) <= params.most_classes:
        tables = (*tables, *brier_table(probabilities, y_true, positive))
    if data.task == "binary-classification":
        tables = (*_thresholds(context, params, probabilities[:, 1], y_true, sample), *tables)
        metrics = binary_metrics(context, params, probabilities[:, 1], y_true, y_pred, sample)
        curves = binary_curves(params, probabilities[:, 1], y_true, data.classes[1], sample)
    elif data.task == "next-token":
        metrics = next_token_metrics(context, params, probabilities, y_true, y_pred, sample)
        curves = top_class_reliability(params, probabilities, y_true, data.facts.target, sample)
    else:
        metrics = multiclass_metrics(context, params, probabilities, y_true, y_pred, sample)
        curves = top_class_reliability(params, probabilities, y_true, data.facts.target, sample)
    metrics = (*metrics, temperature)
    return AnalysisResult(
        metrics=metrics,
        tables=tables,
        curves=curves,
        matrices=() if data.task == "next-token" else _confusion(params, y_true, y_pred, data.classes),
        notes=_notes(context, params, sample),
        findings=findings(metrics, params, counts, data.classes),
    )


def _thresholds(
    context: AuditContext, params: Params, probability: Numbers, y_true: Labels, sample: Sample
) -> tuple[Table, ...]:
    """What given thresholds would do, and some that half of the rows find."""
    threshold, label = context.model.facts.threshold, context.data.classes[1]
    in_use = 0.5 if threshold is None else threshold
    given = threshold_table(probability, y_true, params.thresholds, in_use, label, sample) if params.thresholds else ()
    return (*given, *found_thresholds(probability, y_true, in_use, label, sample, context.rng("thresholds")))


def _confusion(params: Params, y_true: Labels, y_pred: Labels, classes: tuple[str, ...]) -> tuple[Matrix, ...]:
    """The confusion matrix, where there are not too many classes for one."""
    if len(classes) > params.most_classes:
        return ()
    matrix = Matrix(
        name="confusion",
        title=message("confusion"),
        kind="confusion",
        row_label=message("axis.true_class"),
        column_label=message("axis.predicted_class"),
        rows=classes,
        columns=classes,
        values=tuple(tuple(map(float, row)) for row in confusion_matrix(y_true, y_pred, len(classes)).tolist()),
        unit="rows",
    )
    return (matrix,)


def _notes(context: AuditContext, params: Params, sample: Sample) -> tuple[Note, ...]:
    binary = context.data.task == "binary-classification"
    threshold = context.model.facts.threshold
    rule = message("note.most_probable")
    if binary and threshold is not None:
        rule = message("note.threshold", threshold=threshold, positive=context.data.classes[1])
    calibration = "note.calibration" if binary else "note.calibration_top_class"
    notes = [
        Note(kind="method", text=rule),
        *_interval_notes("note.intervals", sample),
        Note(kind="method", text=message(calibration, bins=params.bins)),
        Note(kind="how_to_read", text=message("accuracy.how")),
    ]
    if binary:
        notes.append(Note(kind="limit", text=message("limit.threshold")))
    if context.data.task == "next-token":
        notes.append(Note(kind="limit", text=message("limit.vocabulary")))
    left_out = len(context.data.classes) - params.most_classes
    if left_out > 0 and context.data.task != "next-token":
        notes.append(Note(kind="limit", text=message("limit.most_classes", n=left_out, most=params.most_classes)))
    return (
        *notes,
        Note(kind="limit", text=message("limit.one_sample")),
        Note(kind="limit", text=message("limit.base_rate")),
        Note(kind="limit", text=message("limit.calibration")),
        Note(kind="limit", text=message("limit.what_if")),
        *_weights_note(context),
    )


def _weights_note(context: AuditContext) -> tuple[Note, ...]:
    return () if context.data.weights is None else (Note(kind="limit", text=message("limit.weights")),)


def _interval_notes(key: str, sample: Sample) -> tuple[Note, ...]:
    """How intervals are made, and of how many clusters the rows are where they are of any."""
    if sample.clusters is None:
        return (Note(kind="method", text=message(key, replicates=sample.replicates)),)
    counts = {"rows": sample.n, "clusters": sample.clusters.count}
    if not sample.clusters.are_enough:
        return (Note(kind="limit", text=message("limit.few_clusters", **counts, fewest=FEWEST_CLUSTERS)),)
    counts["replicates"] = sample.replicates
    note = Note(kind="method", text=message(f"{key}_clusters", **counts))
    fewest = fewest_replicates(sample.clusters)
    if sample.replicates >= fewest:
        return (note,)
    return note, Note(kind="limit", text=message("limit.few_replicates", **counts, fewest=fewest))


def _within_unit_interval(probabilities: npt.NDArray[Any]) -> Numbers:
    """The probabilities as float64, rounding errors of the model cut off."""
    import numpy as np

    low, high = float(probabilities.min(initial=0.0)), float(probabilities.max(initial=1.0))
    if low < -ROUNDING or high > 1.0 + ROUNDING:
        raise ModelError(
            "the outputs are declared as probabilities and are not",
            found=f"values from {low:.4g} to {high:.4g}",
            allowed="0 to 1",
            fix="declare the outputs as logits, or end the model with a sigmoid or softmax",
        )
    return np.clip(probabilities.astype(np.float64), 0.0, 1.0)

"""From losses and columns to the result of `slices`: a search on the first half, tests on the second."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditbench.errors import AnalyzerNotPossible, ConfigError
from auditbench.results import AnalysisResult
from auditbench.statistics import first_half
from auditbench_slices.columns import columns_of, has_columns
from auditbench_slices.confirming import Found, confirm
from auditbench_slices.detectable import detectable
from auditbench_slices.losses import LossName, loss_name, losses_of
from auditbench_slices.notes import notes
from auditbench_slices.pruning import kept_slices
from auditbench_slices.search import search
from auditbench_slices.study import Study
from auditbench_slices.summary import findings, metrics
from auditbench_slices.tables import detectable_table, slice_table

if TYPE_CHECKING:
    from auditbench.context import AuditContext
    from auditbench.data import EvaluationData
    from auditbench.models import ModelUnderTest
    from auditbench_slices import Params
    from auditbench_slices.columns import Column, Rows
    from auditbench_slices.losses import Losses


def analyze(context: AuditContext, params: Params) -> AnalysisResult:
    """Find slices on which the model does worse, and confirm them on rows that had no part in that.

    Raises:
        ConfigError: The task has no loss of this name.
        AnalyzerNotPossible: There is nothing to make slices of.
        ModelError: Outputs that are NaN or infinite, from which no decision follows.
    """
    losses = losses_of(context, _fitting(context.data, params))
    first = first_half(len(losses), context.rng("halves"), losses.clusters)
    columns = columns_of(context.data, first, minimum=params.minimum_rows, most=params.most_values)
    study = _study(context, params, losses, first, columns)
    return AnalysisResult(
        metrics=metrics(study),
        tables=(*slice_table(study), *detectable_table(study)),
        notes=notes(study, context),
        findings=findings(study),
    )


def check(model: ModelUnderTest, data: EvaluationData, params: Params) -> None:
    """Refuse a loss that the task does not have, and data without columns; see `analyze`."""
    _fitting(data, params)


def _study(context: AuditContext, params: Params, losses: Losses, first: Rows, columns: tuple[Column, ...]) -> Study:
    searching, testing = ([column.among(half) for column in columns] for half in (first, ~first))
    minimum, first_losses = params.minimum_rows, losses.among(first)
    searched = search(searching, first_losses, minimum=minimum, most_paired=params.most_paired)
    kept = kept_slices(searched, searching, first_losses, rate=params.search_rate, most=params.most_slices)
    found = [
        Found(
            labels=searched.slice_at(place).labels(columns),
            n=int(searched.n[place]),
            adjusted=float(searched.adjusted[place]),
            rows=searched.slice_at(place).rows(testing),
        )
        for place in kept
    ]
    binary = context.data.task == "binary-classification"
    threshold = context.model.facts.threshold
    lone = 1 - params.search_rate / max(1, len(searched))  # what the search asks of a slice that is alone
    return Study(
        params=params,
        columns=len(columns),
        paired=searched.paired,
        slices=len(searched),
        worse=len(searched.worse(params.search_rate)),
        tested=confirm(found, losses.among(~first), minimum=minimum),
        losses=losses,
        second=~first,
        detectable=detectable(first_losses, level=lone, minimum=minimum) if len(searched) else (),
        positive=context.data.classes[1] if binary else "",
        threshold=0.5 if threshold is None else threshold,
    )


def _fitting(data: EvaluationData, params: Params) -> LossName:
    name = loss_name(params.loss, data.task)
    if name is None:
        raise ConfigError(
            "the task has no such loss",
            where="analyzers.slices.loss",
            found=f"{params.loss}, {data.task}",
            allowed="error or squared_error" if data.task == "regression" else "error or log_loss",
            fix="take another loss, or leave it out",
        )
    if not has_columns(data):
        raise AnalyzerNotPossible(
            "there are no columns to make slices of",
            where="data.sensitive",
            found="inputs that are no table, and neither sensitive nor control features",
            allowed="a table among the inputs, or columns in data.sensitive or data.control",
            fix='name columns, or what is computed from an input, such as "brightness" of images',
        )
    return name

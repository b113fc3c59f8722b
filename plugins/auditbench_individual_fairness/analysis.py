"""The `individual-fairness` analyzer: consistency among similar rows, and indices of how benefits are shared out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditbench.errors import AnalyzerNotPossible, ConfigError
from auditbench.findings import Message
from auditbench.results import AnalysisResult, Metric, Table
from auditbench.statistics import clusters_of
from auditbench_individual_fairness.alike import measure_alike
from auditbench_individual_fairness.benefits import benefits_of
from auditbench_individual_fairness.groups import groupings_of
from auditbench_individual_fairness.inequality import Drawing, measure_inequality
from auditbench_individual_fairness.notes import decision_words, notes
from auditbench_individual_fairness.space import without_distance
from auditbench_individual_fairness.summary import (
    Setting,
    benefit_table,
    index_metrics,
    part_table,
    undefined_indices,
)

if TYPE_CHECKING:
    from auditbench.context import AuditContext
    from auditbench.data import EvaluationData
    from auditbench.models import ModelUnderTest
    from auditbench_individual_fairness import Params


def check(model: ModelUnderTest, data: EvaluationData, params: Params) -> None:
    """Refuse more neighbours than rows to find them among, and a task and inputs of which nothing can be measured.

    Raises:
        ConfigError: `neighbours` is too large for `rows`.
        AnalyzerNotPossible: Classes without an order, and inputs without a distance.
    """
    if params.neighbours + 2 > params.rows:
        raise ConfigError(
            "there are fewer rows than neighbours to find among them",
            where="analyzers.individual-fairness.neighbours",
            found=f"{params.neighbours} neighbours, {params.rows} rows",
            allowed=f"at most {params.rows - 2}",
            fix="set fewer neighbours or more rows",
        )
    if data.task == "multiclass-classification" and without_distance(data.inputs, data.sensitive_features) is not None:
        raise AnalyzerNotPossible(
            "no row says which others are like it, and benefits need classes in an order",
            where="analyzers.individual-fairness",
            found=f"{data.modality} inputs, {len(data.classes)} classes",
            allowed="a table or a series with an input that is not sensitive, two classes, or a regression",
        )


def analyze(context: AuditContext, params: Params) -> AnalysisResult:
    """Measure consistency on a sample of rows, and the indices on all of them.

    Raises:
        ConfigError, AnalyzerNotPossible: As `check`.
        ModelError: Outputs that are NaN or infinite.
    """
    check(context.model, context.data, params)
    outputs, data = context.finite_outputs(), context.data
    groupings, clusters = groupings_of(data.sensitive_features), clusters_of(data.clusters)
    alike = measure_alike(context, params, groupings, clusters)
    benefits = benefits_of(data.task, data.y_true, context.model.decisions(outputs), params.alpha)
    metrics: list[Metric] = [*alike.metrics]
    tables: tuple[Table, ...] = ()
    if isinstance(benefits, Message):
        if data.task != "multiclass-classification":
            metrics += undefined_indices(benefits, groupings, len(data))
    else:
        drawing = Drawing(rng=context.rng("bootstrap"), replicates=params.replicates, clusters=clusters)
        coded = {part.feature: (part.codes, len(part.names)) for part in groupings}
        found = measure_inequality(benefits, coded, params.alpha, drawing)
        words = decision_words(context)
        setting = Setting(
            rows=len(data), clusters=clusters, alpha=params.alpha, benefit="binary" if words else "ratio", words=words
        )
        metrics += index_metrics(found, setting)
        if groupings:
            tables = (part_table(found, setting), benefit_table(found, groupings, params, setting))
    return AnalysisResult(
        metrics=tuple(metrics),
        tables=tables,
        notes=notes(context, params, alike, benefits, clusters),
    )

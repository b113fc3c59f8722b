"""The `impact-ratios` analyzer: from decisions and scores to tables by sex, by race or ethnicity, and by both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditbench.results import AnalysisResult, Metric, Table
from auditbench.statistics import Clusters, clusters_of
from auditbench_impact_ratios.categories import Categories, categories_of
from auditbench_impact_ratios.findings import findings
from auditbench_impact_ratios.measures import rate_metrics, unknown_metric
from auditbench_impact_ratios.notes import notes
from auditbench_impact_ratios.rates import Rates, measure_rates
from auditbench_impact_ratios.roles import check, roles_of
from auditbench_impact_ratios.rule import rules_of
from auditbench_impact_ratios.tables import four_fifths_table, rate_table

if TYPE_CHECKING:
    from auditbench.context import AuditContext
    from auditbench_impact_ratios import Params


def analyze(context: AuditContext, params: Params) -> AnalysisResult:
    """Count rows by category, and compare the rates of categories with the highest.

    Raises:
        ConfigError, AnalyzerNotPossible: As `check`.
        ModelError: Outputs that are NaN or infinite.
    """
    data = context.data
    check(data, params)
    roles = roles_of(tuple(data.sensitive_features), params)
    rules, clusters = rules_of(context, params), clusters_of(data.clusters)
    counted = {
        name: categories_of(
            data.sensitive_features,
            features,
            unknown=params.unknown,
            smallest=params.smallest_category,
            minimum=params.minimum_group,
        )
        for name, features in roles.parts.items()
    }
    metrics: list[Metric] = []
    tables: list[Table] = []
    selected: list[Rates] = []
    for rule in rules:
        for name, categories in counted.items():
            rates = measure_rates(categories, rule.hit[categories.known], _among(clusters, categories))
            metrics += rate_metrics(rates, rule.mode, params)
            tables.append(rate_table(rates, name, rule, params))
            if rule.mode == "selection":
                selected.append(rates)
        if rule.mode == "selection" and (comparisons := four_fifths_table(selected, rule)) is not None:
            tables.append(comparisons)
    metrics += [unknown_metric(categories, clusters) for categories in counted.values()]
    return AnalysisResult(
        metrics=tuple(metrics),
        tables=tuple(tables),
        notes=notes(context, params, roles, rules, tuple(counted.values())),
        findings=findings(selected),
    )


def _among(clusters: Clusters | None, categories: Categories) -> Clusters | None:
    return None if clusters is None else clusters.among(categories.known)

"""From labels, groups and inputs to the result of `data-bias`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from auditbench.errors import AnalyzerNotPossible
from auditbench.findings import Message
from auditbench.results import AnalysisResult, Metric, Note
from auditbench.statistics import clusters_of
from auditbench_data_bias.groups import Grouping, PartRows, groupings_of, parts_of
from auditbench_data_bias.labels import base_rates, mean_labels
from auditbench_data_bias.measures import SMALLEST_SHOWN, message
from auditbench_data_bias.missing_cells import missing_cells, missing_metrics, missing_table
from auditbench_data_bias.population import check_population, compare, population_table
from auditbench_data_bias.proxies import Proxies, measure_proxies, proxy_table, single_table
from auditbench_data_bias.representation import share_metrics, share_table
from auditbench_data_bias.rules import findings

if TYPE_CHECKING:
    from auditbench.context import AuditContext
    from auditbench_data_bias.params import Params


def analyze(context: AuditContext, params: Params) -> AnalysisResult:
    """Describe the groups in the data, and measure how well the inputs tell them.

    Raises:
        AnalyzerNotPossible: The data have no sensitive feature.
        ConfigError: A population of what the data do not have.
    """
    data = context.data
    if not data.sensitive_features:
        raise AnalyzerNotPossible(
            "the data have no sensitive feature",
            where="data.sensitive",
            allowed="columns that say who a row is about",
            fix="name them, or leave the analyzer away",
        )
    check_population(data, params)
    parts = parts_of(data)
    groupings = groupings_of(parts, params.intersections)
    shares = share_metrics(parts, groupings, params.most_groups)
    comparisons = compare(parts, groupings, params.population, context.rng("population"))
    labels = _labels(context, parts, groupings, params)
    cells = missing_cells(data)
    missing = missing_metrics(parts[0], cells, groupings, params)
    proxies = measure_proxies(context, params)
    ratios = [ratio for comparison in comparisons for ratio in comparison.ratios]
    metrics = (*shares, *ratios, *labels, *missing, *proxies.metrics)
    return AnalysisResult(
        metrics=metrics,
        tables=(
            share_table(parts, groupings, shares),
            *((population_table(comparisons),) if comparisons else ()),
            *((missing_table(parts[0], cells, groupings, params),) if cells else ()),
            *((proxy_table(proxies),) if proxies.metrics else ()),
            *((single_table(proxies),) if proxies.single else ()),
        ),
        notes=_notes(context, params, parts, groupings, proxies),
        findings=findings(metrics, comparisons, params),
    )


def _labels(
    context: AuditContext, parts: Sequence[PartRows], groupings: Sequence[Grouping], params: Params
) -> list[Metric]:
    """Nothing for a language model, whose labels are the tokens that follow."""
    if context.data.task == "regression":
        return mean_labels(parts, groupings, params)
    if context.data.task == "next-token":
        return []
    return base_rates(parts, groupings, context.data.classes, params)


def _notes(
    context: AuditContext,
    params: Params,
    parts: Sequence[PartRows],
    groupings: Sequence[Grouping],
    proxies: Proxies,
) -> tuple[Note, ...]:
    data = context.data
    dependent = clusters_of(data.clusters) is not None
    methods = [
        message("note.rows", n=len(data))
        if len(parts) == 1
        else message("note.both", n=len(data), training=len(parts[1]))
    ]
    if data.task != "next-token":
        methods.append(_label_note(context))
    methods += [
        message("note.minimum", minimum=params.minimum_group, shown_from=SMALLEST_SHOWN),
        message("note.population" if params.population else "note.no_population", line=params.representation_line),
        message("note.intervals_clusters" if dependent or data.weights is not None else "note.intervals"),
    ]
    if proxies.metrics:
        methods += [message("note.proxies", n=proxies.n, total=len(data)), message("note.single")]
    limits = [message("limit.recorded"), *proxies.notes]
    if dependent and len(parts) > 1 and parts[1].clusters is None:
        limits.append(message("limit.training_clusters"))
    if data.weights is not None:
        limits.append(message("limit.weights", name=data.facts.weights))
    cut = [grouping.feature for grouping in groupings if len(grouping.groups) > params.most_groups]
    if cut:
        limits.append(message("limit.most_groups", n=params.most_groups, names=", ".join(cut)))
    if proxies.metrics:
        limits.append(message("limit.proxies"))
    if proxies.metrics and context.model.facts.is_stored:
        limits.append(message("limit.stored"))
    how = [message("how_shares"), *([message("how_proxies", line=params.proxy_line)] if proxies.metrics else [])]
    return (
        *(Note(kind="method", text=text) for text in methods),
        *(Note(kind="how_to_read", text=text) for text in how),
        *(Note(kind="limit", text=text) for text in limits),
    )


def _label_note(context: AuditContext) -> Message:
    data = context.data
    if data.task == "regression":
        return message("note.mean_label", target=data.facts.target)
    if len(data.classes) == 2:
        return message("note.positive", positive=data.classes[1], target=data.facts.target)
    return message("note.classes", target=data.facts.target)

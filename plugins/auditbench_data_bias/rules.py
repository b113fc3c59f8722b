"""When something about the data becomes a finding."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from auditbench.findings import Finding, Severity
from auditbench.results import Metric
from auditbench_data_bias.measures import ANALYZER, message
from auditbench_data_bias.population import PopulationComparison

if TYPE_CHECKING:
    from auditbench_data_bias.params import Params

SIGNIFICANT = 0.05
"""Adjusted p-value up to which a part of the data is taken to differ from a population."""


def findings(
    metrics: Sequence[Metric], comparisons: Sequence[PopulationComparison], params: Params
) -> tuple[Finding, ...]:
    """Findings by fixed rules, all on bounds that hold for the groups of a feature at once.

    `underrepresented`: the share of a group over its share in the population has its interval below `representation_line`,
    and the part of the data differs from the population at an adjusted p-value of 0.05, where there is a test.
    `base_rates`: the interval of a difference of base rates by a single feature lies above `difference_line`.
    `missing_cells`: the interval of a difference in missing cells lies above `missing_line`; one finding a sensitive feature.
    `training_underrepresented` and `training_base_rates` are the same of the training rows.
    `proxy`: the interval of an AUC of the inputs for a group lies above `proxy_line`; one finding a sensitive feature.
    """
    return (
        *_underrepresented(comparisons, params),
        *(
            _base_rates(metric, params)
            for name in ("base_rate_difference", "training_base_rate_difference")
            for metric in _above(metrics, name, params.difference_line)
            if " & " not in metric.where["feature"]
        ),
        *(
            _most(found, "missing_cells", "low", params.missing_line)
            for found in _by_feature(_above(metrics, "missing_difference", params.missing_line))
        ),
        *(
            _most(found, "proxy", "medium", params.proxy_line)
            for found in _by_feature(_above(metrics, "proxy_auc", params.proxy_line))
        ),
    )


def _underrepresented(comparisons: Sequence[PopulationComparison], params: Params) -> Iterator[Finding]:
    for comparison in comparisons:
        low = [
            ratio
            for ratio in comparison.ratios
            if ratio.interval is not None and ratio.interval.high < params.representation_line
        ]
        if low and (math.isnan(comparison.adjusted) or comparison.adjusted <= SIGNIFICANT):
            least = min(low, key=lambda ratio: ratio.value or 0.0)
            yield _finding(
                "underrepresented" if comparison.part == "evaluated" else "training_underrepresented",
                f"underrepresented_{comparison.part}",
                "medium",
                least,
                params.representation_line,
                n=len(low),
            )


def _base_rates(metric: Metric, params: Params) -> Finding:
    part = "training" if metric.name.startswith("training") else "evaluated"
    key = f"base_rates_{part}" + ("_class" if "class" in metric.where else "")
    rule = "base_rates" if part == "evaluated" else "training_base_rates"
    return _finding(rule, key, "low", metric, params.difference_line)


def _above(metrics: Sequence[Metric], name: str, line: float) -> list[Metric]:
    return [
        metric
        for metric in metrics
        if metric.name == name and metric.interval is not None and metric.interval.low > line
    ]


def _by_feature(metrics: Sequence[Metric]) -> list[list[Metric]]:
    features = dict.fromkeys(metric.where["feature"] for metric in metrics)
    return [[metric for metric in metrics if metric.where["feature"] == feature] for feature in features]


def _most(found: Sequence[Metric], rule: str, severity: Severity, line: float) -> Finding:
    most = max(found, key=lambda metric: metric.value or 0.0)
    return _finding(rule, rule, severity, most, line, n=len(found))


def _finding(rule: str, key: str, severity: Severity, metric: Metric, line: float, **more: int) -> Finding:
    bounds = {} if metric.interval is None else {"low": metric.interval.low, "high": metric.interval.high}
    labels = {"of_class" if name == "class" else name: value for name, value in metric.where.items()}
    return Finding(
        rule=f"{ANALYZER}.{rule}",
        severity=severity,
        title=message(f"finding.{key}", value_of=metric.value, line=line, **bounds, **labels, **more),
        action=message(f"finding.{rule.removeprefix('training_')}.action"),
        metrics=(f"{ANALYZER}.{metric.name}",),
        where=metric.where,
    )

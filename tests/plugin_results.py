"""What holds for the result of every first-party analyzer: declared names, known messages, a record that survives JSON."""

from __future__ import annotations

from types import ModuleType

import numpy as np

from auditbench.contracts import Analyzer
from auditbench.findings import Finding
from auditbench.record import plain, validate
from auditbench.results import AnalysisResult, Metric
from auditbench.testing.wording import missing_words
from auditbench.worker.array_store import describe_array, with_stored


def analyzer_of(plugin: ModuleType) -> Analyzer:
    (analyzer,) = plugin.auditbench_analyzers()
    return analyzer


def check_result(plugin: ModuleType, result: AnalysisResult) -> None:
    """Names are declared and unique with their labels, every message has a template with its values, JSON keeps all."""
    analyzer = analyzer_of(plugin)
    places = [(metric.name, *sorted(metric.where.items())) for metric in result.metrics]
    assert len(set(places)) == len(places)
    assert {metric.name for metric in result.metrics} <= set(analyzer.metrics)
    assert missing_words(analyzer, result) == ()
    assert {block.method for block in result.attributions} <= {method.name for method in analyzer.methods}
    for metric in result.metrics:
        if metric.interval is not None and metric.value is not None:
            assert metric.interval.low - 1e-9 <= metric.value <= metric.interval.high + 1e-9, metric
    full_names = {f"{analyzer.name}.{metric.name}" for metric in result.metrics}
    for finding in result.findings:
        assert finding.rule.startswith(f"{analyzer.name}.")
        assert set(finding.metrics) <= full_names
    check_influences(result)
    stored = plain(with_stored(result, describe_array))
    assert plain(validate(AnalysisResult, stored, where="result")) == stored


def check_influences(result: AnalysisResult) -> None:
    """What rows do to metrics is float32 of one length, finite, and 0 on the mean."""
    found = [np.asarray(metric.influence) for metric in result.metrics if metric.influence is not None]
    assert {influence.dtype for influence in found} <= {np.dtype(np.float32)}
    assert len({influence.shape for influence in found}) <= 1
    for influence in found:
        assert abs(float(influence.mean(dtype=np.float64))) <= 1e-6 * float(np.abs(influence).max())


def check_catalogue(plugin: ModuleType) -> None:
    """Every metric has help in one sentence and a formula; no text claims more than was measured."""
    analyzer = analyzer_of(plugin)
    templates = analyzer.messages["en"]
    for name in analyzer.metrics:
        assert f"{analyzer.name}.{name}.formula" in templates
        assert str(templates[f"{analyzer.name}.{name}.help"]).endswith(".")
    text = " ".join(str(template) for template in templates.values()).lower()
    for word in ("unbiased", "is fair", "are fair", "safe", "explainable", "compliant"):
        assert word not in text


def metric_of(result: AnalysisResult, name: str, **where: str) -> Metric:
    (metric,) = [metric for metric in result.metrics if metric.name == name and metric.where == where]
    return metric


def rules_of(result: AnalysisResult) -> list[str]:
    return [finding.rule.partition(".")[2] for finding in result.findings]


def finding_of(result: AnalysisResult, rule: str) -> Finding:
    (finding,) = [finding for finding in result.findings if finding.rule.endswith(f".{rule}")]
    return finding

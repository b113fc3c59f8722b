"""What analyzers declare of their metrics is what they give: for which tasks, and which lie between 0 and 1."""

from __future__ import annotations

import dataclasses
from types import ModuleType
from typing import Any, get_args

import numpy as np
import pytest

import auditbench_fairness
import auditbench_parity
import auditbench_performance
import auditbench_resources
import auditbench_shap
from auditbench.gate_checks import metrics_for
from auditbench.plugin_entries import PluginEntry
from auditbench.registry import Provided
from auditbench.results import AnalysisResult
from auditbench.run import Task
from auditbench.testing import ToySubject, toy_context, toy_subject
from auditbench.worker.describing import describe_analyzer
from tests.plugin_results import analyzer_of

ON_OUTPUTS: tuple[ModuleType, ...] = (
    auditbench_fairness,
    auditbench_parity,
    auditbench_performance,
    auditbench_resources,
)
OPTIONS: dict[str, dict[str, Any]] = {
    "performance": {"replicates": 40, "top_k": 2},
    "fairness": {"minimum_group": 5, "minimum_outcomes": 3},
    "resources": {"batch_sizes": (1, 4), "warm_up": 0, "repetitions": 2, "memory_rows": 4},
    "shap": {"rows": 8, "background": 4},
}
TASKS: tuple[Task, ...] = get_args(Task)


def subject_of(task: Task) -> ToySubject:
    """A toy of the task with a control feature; that of the next token takes texts, and its three classes stand for a
    vocabulary."""
    if task != "next-token":
        kind: Any = task.partition("-")[0]
        toy = toy_subject(kind)
        data = toy.data.with_rows(
            lambda rows: dataclasses.replace(rows, control_features={"half": np.arange(len(rows)) % 2 == 0})
        )
        facts = dataclasses.replace(data.facts, control=("half",))
        return dataclasses.replace(toy, data=dataclasses.replace(data, facts=facts))
    toy = toy_subject("multiclass", modality="text")
    model = dataclasses.replace(toy.model, facts=dataclasses.replace(toy.model.facts, task=task))
    return dataclasses.replace(toy, model=model, data=dataclasses.replace(toy.data, task=task))


def result_of(plugin: ModuleType, task: Task) -> AnalysisResult:
    analyzer, subject = analyzer_of(plugin), subject_of(task)
    assert analyzer.Params is not None
    params = analyzer.Params(**OPTIONS.get(analyzer.name, {}))
    context = toy_context(subject, analyzer=analyzer.name, params=params, models={"other": subject.model})
    return analyzer.analyze(context, params)


@pytest.fixture(autouse=True)
def short_memory_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auditbench_resources.memory.CALLING_SECONDS", 0.01)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("plugin", ON_OUTPUTS, ids=lambda plugin: plugin.__name__)
def test_the_metrics_of_a_task_are_those_that_are_declared_for_it(plugin: ModuleType, task: Task) -> None:
    analyzer = analyzer_of(plugin)
    origin = PluginEntry(name=analyzer.name, module=plugin.__name__, distribution="toy", version="1")
    described = describe_analyzer(Provided(record=analyzer, origin=origin))
    given = {metric.name for metric in result_of(plugin, task).metrics}
    assert given == set(metrics_for(described, task))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("plugin", [*ON_OUTPUTS, auditbench_shap], ids=lambda plugin: plugin.__name__)
def test_what_is_declared_a_share_lies_between_0_and_1(plugin: ModuleType, task: Task) -> None:
    analyzer = analyzer_of(plugin)
    if analyzer.name == "shap" and task == "next-token":
        return  # it takes tables alone
    shares = [metric for metric in result_of(plugin, task).metrics if metric.name in analyzer.shares]
    for metric in shares:
        bounds = [] if metric.interval is None else [metric.interval.low, metric.interval.high]
        values = bounds if metric.value is None else [*bounds, metric.value]
        assert all(0 <= value <= 1 for value in values), metric

"""Gates against what analyzers declare of their metrics."""

from __future__ import annotations

from typing import Any

import pytest

from auditbench.config import GateTable, ModelTable
from auditbench.config_checks import Parts
from auditbench.descriptions import AnalyzerDescription
from auditbench.errors import Problem
from auditbench.gate_checks import gate_problems
from auditbench.run import PluginFacts

TOY = AnalyzerDescription(
    name="toy",
    topic="t",
    summary="s",
    plugin=PluginFacts(name="toy", distribution="toy-plugin", version="1"),
    metrics=("hits", "auc", "spread", "loss"),
    metric_tasks={"auc": ("binary-classification",), "spread": ("regression", "binary-classification")},
    shares=("hits", "auc"),
)


def problems(metric: str, task: str | None = "multiclass-classification", /, **limits: Any) -> list[Problem]:
    model = None if task is None else ModelTable.model_validate({"task": task})
    gates = {"gates[0]": GateTable(metric=metric, **(limits or {"min": 0.5}))}
    return list(gate_problems(Parts(analyzers=("toy",), gates=gates, model=model), {"toy": TOY}))


def test_a_metric_of_another_task_is_refused_with_those_of_this_one() -> None:
    (found,) = problems("toy.auc")
    assert found.message == "toy gives this metric for binary-classification, not for multiclass-classification"
    assert (found.where, found.found, found.allowed) == ("gates[0].metric", "auc", "hits, loss")
    assert found.fix


@pytest.mark.parametrize(
    ("metric", "task"),
    [
        ("toy.auc", "binary-classification"),
        ("toy.spread", "regression"),
        ("toy.hits", "next-token"),
        ("toy.auc", None),
    ],
)
def test_a_metric_of_the_task_or_of_every_task_passes(metric: str, task: str | None) -> None:
    assert problems(metric, task) == []


def test_a_misspelt_metric_is_asked_for_among_those_of_the_task() -> None:
    (found,) = problems("toy.spreat")
    assert (found.allowed, found.fix) == ("hits, loss", "")
    (found,) = problems("toy.spreat", "regression")
    assert (found.allowed, found.fix) == ("hits, spread, loss", "did you mean `spread`?")


@pytest.mark.parametrize(
    ("limits", "key", "fix"),
    [
        ({"min": 80}, "min", "did you mean 0.8?"),
        ({"max": 95.5}, "max", "did you mean 0.955?"),
        ({"max_drop": 2}, "max_drop", "did you mean 0.02?"),
        ({"min": -0.5}, "min", ""),
        ({"min": 101}, "min", ""),
    ],
)
def test_a_limit_outside_a_share_is_refused(limits: dict[str, Any], key: str, fix: str) -> None:
    (found,) = problems("toy.hits", **limits)
    assert (found.where, found.allowed, found.fix) == (f"gates[0].{key}", "a number from 0 to 1", fix)


def test_limits_within_a_share_and_of_other_metrics_pass() -> None:
    assert problems("toy.hits", min=0, max=1, max_drop=0.5) == []
    assert problems("toy.loss", max=80) == []

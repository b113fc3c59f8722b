"""`Bad`: an analyzer that is good but for one thing, and the ways to write one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from auditbench.context import AuditContext
from auditbench.contracts import Analyzer
from auditbench.results import AnalysisResult, Metric
from tests.zoo.good import GOOD, Params, answer


@dataclass(frozen=True, kw_only=True)
class Bad:
    """An analyzer and the one promise that it breaks."""

    name: str
    breaks: str
    analyzer: Analyzer


_Doing: TypeAlias = Callable[[AuditContext, AnalysisResult], Any]
ZOO: list[Bad] = []


def declares(name: str, breaks: str, **fields: Any) -> None:
    """Add an analyzer with another record."""
    ZOO.append(Bad(name=name, breaks=breaks, analyzer=dataclasses.replace(GOOD, **fields)))


def does(breaks: str, **fields: Any) -> Callable[[_Doing], _Doing]:
    """Add an analyzer that does this once it has the good answer, and returns what this returns."""

    def add(doing: _Doing) -> _Doing:
        def analyze(context: AuditContext, params: Params) -> Any:
            return doing(context, answer(context, params))

        declares(doing.__name__, breaks, analyze=analyze, **fields)
        return doing

    return add


def checks(breaks: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add an analyzer with another `check`."""

    def add(other: Callable[..., Any]) -> Callable[..., Any]:
        declares(other.__name__, breaks, check=other)
        return other

    return add


def also(result: AnalysisResult, *metrics: Metric) -> AnalysisResult:
    return dataclasses.replace(result, metrics=(*result.metrics, *metrics))


def changed(result: AnalysisResult, **fields: Any) -> AnalysisResult:
    """With other fields of its attribution."""
    (block,) = result.attributions
    return dataclasses.replace(result, attributions=(dataclasses.replace(block, **fields),))


def one(name: str, value: float | None = 0.5, **fields: Any) -> Metric:
    return Metric(**{"name": name, "value": value, "n": 3, "no_interval": "exact", "where": {"part": "bad"}, **fields})

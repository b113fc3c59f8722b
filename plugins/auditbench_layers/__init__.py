"""Layers: what is inside a network, from the activity of its units to what can be read from them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from auditbench import Analyzer, Needs, hookimpl
from auditbench.messages import load_messages
from auditbench_layers.facts import FACTS
from auditbench_layers.params import Params

if TYPE_CHECKING:
    from auditbench.context import AuditContext
    from auditbench.data import EvaluationData
    from auditbench.models import ModelUnderTest
    from auditbench.results import AnalysisResult

__all__ = ["METRICS", "Params", "auditbench_analyzers"]

METRICS = (
    "dead_units",
    "zero_activations",
    "saturated_activations",
    "unit_kurtosis",
    "similarity_to_next",
    "similarity_to_model",
    "probe_balanced_accuracy",
)
SHARES = ("dead_units", "zero_activations", "saturated_activations", "probe_balanced_accuracy")


@hookimpl
def auditbench_analyzers() -> Iterator[Analyzer]:
    """Register `layers`."""
    yield Analyzer(
        name="layers",
        topic="layers",
        summary="Activity, contributions and similarity of layers, and what can be read from them",
        analyze=_analyze,
        Params=Params,
        check=_check,
        needs=Needs(capabilities=("hooks",)),
        metrics=METRICS,
        shares=SHARES,
        methods=FACTS,
        messages=load_messages("auditbench_layers"),
        cost="trains",
    )


def _analyze(context: AuditContext, params: Params) -> AnalysisResult:
    from auditbench_layers.analysis import analyze  # torch enters here

    return analyze(context, params)


def _check(model: ModelUnderTest, data: EvaluationData, params: Params) -> None:
    from auditbench_layers.chosen import check

    check(model, data, params)

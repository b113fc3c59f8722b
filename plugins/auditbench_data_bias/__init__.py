"""Data bias: who is in the data, how often each group has the label, what is missing, and which inputs tell the group."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from auditbench.contracts import Analyzer, Needs
from auditbench.hookspecs import hookimpl
from auditbench.messages import load_messages
from auditbench_data_bias.params import Params

if TYPE_CHECKING:
    from auditbench.context import AuditContext
    from auditbench.data import EvaluationData
    from auditbench.models import ModelUnderTest
    from auditbench.results import AnalysisResult

__all__ = ["Params", "auditbench_analyzers"]

_CLASSIFIERS = ("binary-classification", "multiclass-classification")
_OF_LABELS = ("base_rate", "training_base_rate", "base_rate_difference", "training_base_rate_difference")
_OF_VALUES = ("mean_label", "training_mean_label", "mean_label_difference", "training_mean_label_difference")
_RATIOS = ("representation_ratio", "training_representation_ratio")
_SHARES = ("share", "training_share", *_OF_LABELS, "missing_difference", "proxy_auc")


@hookimpl
def auditbench_analyzers() -> Iterator[Analyzer]:
    """Register `data-bias`."""
    yield Analyzer(
        name="data-bias",
        topic="fairness",
        summary="Who is in the data, how often each group has the label, and which inputs tell the group",
        Params=Params,
        analyze=_analyze,
        check=_check,
        needs=Needs(sensitive_features=True),
        metrics=(*_SHARES, *_RATIOS, *_OF_VALUES),
        metric_tasks={**dict.fromkeys(_OF_LABELS, _CLASSIFIERS), **dict.fromkeys(_OF_VALUES, ("regression",))},
        shares=_SHARES,
        messages=load_messages("auditbench_data_bias"),
        cost="trains",
    )


def _analyze(context: AuditContext, params: Params) -> AnalysisResult:
    from auditbench_data_bias.analysis import analyze  # numpy enters here

    return analyze(context, params)


def _check(_: ModelUnderTest, data: EvaluationData, params: Params) -> None:
    from auditbench_data_bias.population import check_population

    check_population(data, params)

"""Labels of the evaluated rows that are likely wrong, by confident learning with cleanlab (arXiv:1911.00068)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from auditbench.contracts import Analyzer, Needs
from auditbench.hookspecs import hookimpl
from auditbench.messages import load_messages

if TYPE_CHECKING:
    from auditbench.context import AuditContext
    from auditbench.results import AnalysisResult

AUDITBENCH_API = "1.1"


class Params(BaseModel):
    """What `[analyzers.cleanlab]` in audit.toml may hold."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    filter_by: Literal["prune_by_noise_rate", "prune_by_class", "both", "confident_learning", "predicted_neq_given"] = (
        Field(default="prune_by_noise_rate", description="Rule of cleanlab's `find_label_issues` that picks rows.")
    )
    replicates: Annotated[int, Field(ge=40, le=10_000)] = Field(
        default=200, description="Bootstrap replicates behind the intervals; the whole rule is applied to each."
    )
    shown_rows: Annotated[int, Field(ge=0, le=1000)] = Field(default=20, description="Suspected rows that are listed.")


def _analyze(context: AuditContext, params: Params) -> AnalysisResult:
    from auditbench_cleanlab.analysis import analyze  # cleanlab, numpy and scikit-learn enter here

    return analyze(context, params)


@hookimpl
def auditbench_analyzers() -> Iterator[Analyzer]:
    """Register `cleanlab`."""
    yield Analyzer(
        name="cleanlab",
        topic="data",
        summary="Evaluated labels that are likely wrong, by confident learning",
        Params=Params,
        analyze=_analyze,
        needs=Needs(tasks=("binary-classification", "multiclass-classification"), packages=("cleanlab",)),
        metrics=("suspected", "suspected_share", "class_suspected_share"),
        shares=("suspected_share", "class_suspected_share"),
        messages=load_messages("auditbench_cleanlab"),
        cost="outputs",
    )

"""Decisions near the threshold, a ledger of metrics as CSV, and a line to train."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from auditbench import Analyzer, Architecture, MethodFacts, Needs, Renderer, hookimpl
from auditbench.contracts import RenderOptions
from auditbench.errors import ConfigError
from auditbench.messages import load_messages
from auditbench.run import AuditRun

if TYPE_CHECKING:
    from torch import nn

    from auditbench.context import AuditContext
    from auditbench.data import EvaluationData
    from auditbench.models import ModelUnderTest
    from auditbench.results import AnalysisResult

SHARE = MethodFacts(name="ledger.margin", source=("doi:10.1080/01621459.1927.10502953",))


class Params(BaseModel):
    """Parameters of `ledger`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    margin: Annotated[float, Field(gt=0, lt=0.5)] = Field(
        0.1, description="Distance of a probability from the threshold below which a decision is close."
    )
    line: Annotated[float, Field(gt=0, le=1)] = Field(
        0.25, description="A share of close decisions above this is told."
    )
    shown: Annotated[int, Field(ge=0, le=100)] = Field(5, description="Rows that are listed, the closest first.")


class LineParams(BaseModel):
    """Parameters of `ledger-line`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    bias: bool = Field(True, description="Whether the line has an intercept.")


def _analyze(context: AuditContext, params: Params) -> AnalysisResult:
    from ledger_audit.analysis import analyze

    return analyze(context, params)


def _check(model: ModelUnderTest, data: EvaluationData, params: Params) -> None:
    if params.shown > len(data):
        raise ConfigError(
            "there are fewer rows than are to be shown",
            where="analyzers.ledger.shown",
            found=str(params.shown),
            allowed=f"at most {len(data)}",
        )


def _build(params: LineParams, inputs: Mapping[str, Any], outputs: int) -> nn.Module:
    from torch import nn

    from auditbench.data import encoded_size

    return nn.Linear(encoded_size(inputs), outputs, bias=params.bias)


def _render(run: AuditRun, options: RenderOptions) -> Mapping[str, bytes]:
    lines = [f"analyzer,metric,value ({options.language})"]
    for result in run.results:
        for metric in result.metrics:
            lines.append(f"{result.analyzer},{metric.name},{'' if metric.value is None else metric.value}")
    return {"ledger.csv": ("\n".join(lines) + "\n").encode()}


@hookimpl
def auditbench_analyzers() -> Iterator[Analyzer]:
    yield Analyzer(
        name="ledger",
        topic="performance",
        summary="Share of decisions that are close to the threshold",
        analyze=_analyze,
        Params=Params,
        check=_check,
        needs=Needs(capabilities=("black_box",), tasks=("binary-classification",), packages=("numpy",)),
        after=("performance",),
        metrics=("close_decisions", "flips"),
        metric_tasks={"close_decisions": ("binary-classification",)},
        shares=("close_decisions", "flips"),
        methods=(SHARE,),
        messages=load_messages("ledger_audit"),
    )


@hookimpl
def auditbench_renderers() -> Iterator[Renderer]:
    yield Renderer(name="ledger-csv", summary="Every metric of a run as a line of CSV", render=_render)


@hookimpl
def auditbench_architectures() -> Iterator[Architecture]:
    yield Architecture(name="ledger-line", summary="A line", build=_build, Params=LineParams, modalities=("tabular",))


@hookimpl
def auditbench_audit_finished(run: AuditRun) -> None:
    book = os.environ.get("LEDGER_BOOK")
    if book:
        Path(book).write_text(f"{run.audit.name}: {run.verdict}\n")

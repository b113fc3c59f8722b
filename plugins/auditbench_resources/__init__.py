"""Resources: parameters, multiply-accumulates, size, memory, latency and throughput of the model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

from auditbench.contracts import Analyzer, Needs
from auditbench.hookspecs import hookimpl
from auditbench.messages import load_messages

if TYPE_CHECKING:
    from auditbench.context import AuditContext
    from auditbench.results import AnalysisResult

METRICS = (
    "parameters",
    "macs",
    "model_size",
    "latency_p50",
    "latency_p95",
    "latency_p99",
    "throughput",
    "peak_memory",
    "memory_growth",
    "training_time",
)

BatchSize = Annotated[int, Field(ge=1, le=1_000_000)]


class Params(BaseModel):
    """Parameters of `resources`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    batch_sizes: Annotated[tuple[BatchSize, ...], Field(min_length=1, max_length=12, strict=False)] = Field(
        (1, 32, 256, 1024), description="Rows a call, for latency and throughput."
    )
    warm_up: Annotated[int, Field(ge=0, le=10_000)] = Field(
        10, description="Calls at each batch size before the clock counts."
    )
    repetitions: Annotated[int, Field(ge=1, le=100_000)] = Field(
        200, description="Timed calls at each batch size, if the time suffices."
    )
    seconds: Annotated[float, Field(gt=0, le=3600)] = Field(
        1.0, description="Seconds at each batch size after which no further call is timed."
    )
    memory_rows: BatchSize = Field(1024, description="Rows of the call whose memory is measured.")


def _analyze(context: AuditContext, params: Params) -> AnalysisResult:
    from auditbench_resources.analysis import analyze  # torch enters here

    return analyze(context, params)


@hookimpl
def auditbench_analyzers() -> Iterator[Analyzer]:
    """Register `resources`."""
    yield Analyzer(
        name="resources",
        topic="resources",
        summary="Parameters, multiply-accumulates, size, memory, latency and throughput",
        Params=Params,
        analyze=_analyze,
        needs=Needs(capabilities=("black_box",)),
        metrics=METRICS,
        messages=load_messages("auditbench_resources"),
        cost="samples",
    )

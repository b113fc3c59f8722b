"""All that one analyzer has to say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from auditbench.errors import ResultError
from auditbench.findings import Finding, Message
from auditbench.record import LEFT_OUT_WHEN_EMPTY
from auditbench.results.attributions import Attribution, ImageOverlay, SeriesAttribution, TokenAttribution
from auditbench.results.custom import CustomBlock
from auditbench.results.figures import Curve, Matrix, PairedChange, Percentiles, Scatter, Table
from auditbench.results.methods import MethodFacts
from auditbench.results.metrics import Metric

Status: TypeAlias = Literal["ok", "not_applicable", "skipped", "failed", "timed_out"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Method, assumption, limit or reading help of a section. A limit stands open there, the others folded under its method."""

    kind: Literal["method", "assumption", "limit", "how_to_read"]
    text: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisResult:
    """All that one analyzer has to say.

    Attributes:
        status: `ok` has no reason; every other status has one.
        parameters: The analyzer's parameters with defaults written out; the host fills it in.
        methods: Those of its analyzer that it used; the host adds the ones that its attributions name.
        custom_blocks: Of kinds that its plugin defines, each with a table.
    """

    analyzer: str = ""
    topic: str = ""
    status: Status = "ok"
    reason: Message | None = None
    required: bool = True
    version: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    methods: tuple[MethodFacts, ...] = ()
    metrics: tuple[Metric, ...] = ()
    tables: tuple[Table, ...] = ()
    curves: tuple[Curve, ...] = ()
    scatters: tuple[Scatter, ...] = ()
    percentiles: tuple[Percentiles, ...] = ()
    paired_changes: tuple[PairedChange, ...] = ()
    matrices: tuple[Matrix, ...] = ()
    attributions: tuple[Attribution, ...] = ()
    image_overlays: tuple[ImageOverlay, ...] = ()
    token_attributions: tuple[TokenAttribution, ...] = ()
    series_attributions: tuple[SeriesAttribution, ...] = ()
    custom_blocks: tuple[CustomBlock, ...] = field(default=(), metadata=LEFT_OUT_WHEN_EMPTY)
    notes: tuple[Note, ...] = ()
    findings: tuple[Finding, ...] = ()

    def __post_init__(self) -> None:
        if (self.status == "ok") != (self.reason is None):
            raise ResultError("expected a reason exactly when the status is not ok", where=self.analyzer)

    def metrics_meant(self, name: str, where: Mapping[str, str]) -> tuple[Metric, ...]:
        """What a name and labels may mean: the one metric with these labels and no others, or else all that carry them."""
        fitting = tuple(
            metric for metric in self.metrics if metric.name == name and where.items() <= metric.where.items()
        )
        exact = tuple(metric for metric in fitting if metric.where == where)
        return exact or fitting

    @property
    def is_missing(self) -> bool:
        """Whether it is required and there is none. One that does not apply is not missing."""
        return self.required and self.status in ("failed", "timed_out", "skipped")

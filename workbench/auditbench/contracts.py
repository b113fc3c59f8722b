"""What a plugin provides: records that name a function, its parameters and its needs. Nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auditbench.data.loading import DatasetLoader, DatasetSource
from auditbench.messages import Templates
from auditbench.models.architecture import Architecture
from auditbench.run import AuditRun, Capability, Modality

if TYPE_CHECKING:
    from pydantic import BaseModel

    from auditbench.config import ModelTable
    from auditbench.context import AuditContext
    from auditbench.models import ModelUnderTest
    from auditbench.results import AnalysisResult

__all__ = [
    "Analyzer",
    "Architecture",
    "DatasetLoader",
    "DatasetSource",
    "ModelLoader",
    "Needs",
    "RenderOptions",
    "Renderer",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What an analyzer needs before it can run; otherwise its result is `not_applicable` with the reason.

    Attributes:
        capabilities: Of the model.
        tasks: Empty means any.
        modalities: Empty means any.
        sensitive_features: Whether the data must name sensitive features.
        packages: Import names that must be installed, looked up without importing them.
        extra: Extra of the distribution that brings these packages.
    """

    capabilities: tuple[Capability, ...] = ()
    tasks: tuple[str, ...] = ()
    modalities: tuple[Modality, ...] = ()
    sensitive_features: bool = False
    packages: tuple[str, ...] = ()
    extra: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Analyzer:
    """An analyzer: one function and what the host must know about it.

    Attributes:
        name: Name of its table in audit.toml; the entry point's name, or that name, a hyphen and more.
        topic: Section of the report: `performance`, `explanation`, `fairness`, `robustness`, `privacy`, `resources`,
            or a new one.
        summary: One line for `plugins list`.
        analyze: Called in a worker with the context and validated parameters.
        Params: pydantic model of the parameters; None when there are none.
        after: Names of analyzers whose results it reads, when they take part.
        metrics: Names of the metrics it can give, without its own name; a gate on another name is refused. Empty: unknown.
        messages: Catalogue of its keys by language; see `auditbench.messages`.
    """

    name: str
    topic: str
    summary: str
    analyze: Callable[[AuditContext, Any], AnalysisResult]
    Params: type[BaseModel] | None = None
    needs: Needs = field(default_factory=Needs)
    after: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    messages: Mapping[str, Templates] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderOptions:
    """What a renderer may be told.

    Attributes:
        folder: The run folder: arrays are read from it, files are written to it.
        language: `en` or `zh-CN`.
    """

    folder: Path
    language: str = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class Renderer:
    """A renderer: from a run to files, without torch.

    Attributes:
        name: Name in `report.formats` and `--format`.
        render: Returns file name and content of each file; the host writes them.
    """

    name: str
    summary: str
    render: Callable[[AuditRun, RenderOptions], Mapping[str, bytes]]
    needs: Needs = field(default_factory=Needs)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLoader:
    """Opens one format of model; `name` is `model.format` in audit.toml."""

    name: str
    summary: str
    load: Callable[[Path, ModelTable, str], ModelUnderTest]

"""What a plugin provides: records that name a function, its parameters and its needs. Nothing heavy is imported."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from auditbench.data.loading import DatasetLoader, DatasetSource
from auditbench.errors import Problem
from auditbench.messages import Templates
from auditbench.models.architecture import Architecture
from auditbench.needs import Needs, Program
from auditbench.results.methods import MethodFacts
from auditbench.run import AuditRun

if TYPE_CHECKING:
    from pydantic import BaseModel

    from auditbench.context import AuditContext
    from auditbench.data import EvaluationData
    from auditbench.models import ModelUnderTest
    from auditbench.models.formats import ModelRequest
    from auditbench.results import AnalysisResult

__all__ = [
    "API_VERSION",
    "NAMES_A_FILE",
    "NAMES_A_METHOD",
    "NAMES_A_MODEL",
    "Analyzer",
    "Architecture",
    "Cost",
    "DatasetLoader",
    "DatasetSource",
    "MethodFacts",
    "ModelLoader",
    "Needs",
    "Program",
    "RenderOptions",
    "Renderer",
    "model_name_problem",
]

API_VERSION = "1.1"
"""Version of what plugins and host promise each other, `major.minor`; a plugin's module states its own as `AUDITBENCH_API`.

A minor version adds; what it replaces keeps working for two more and warns. A major one takes away.
"""

Cost: TypeAlias = Literal["outputs", "passes", "samples", "trains"]
"""How much an analyzer evaluates, with any parameters; each includes those before.

`outputs`: no model; it reads what the host computed. `passes`: at most ten rows for each row of the data, training rows
included. `samples`: as many as its parameters say, whatever the data hold; attributions count theirs in `model_rows`.
`trains`: it fits models over rows beside that, such as probes of layers or a copy of the network.
"""

NAMES_A_MODEL = "names_a_model"
"""Key in `json_schema_extra` of a parameter whose value is the name of a further model; empty means the only one."""

NAMES_A_FILE = "names_a_file"
"""Key in `json_schema_extra` of a parameter whose value is the path of a file, from `AuditContext.folder`; empty means none.

A result is used again only while the file is the same.
"""

NAMES_A_METHOD = "names_a_method"
"""Key in `json_schema_extra` of a parameter whose value is the own name of one of the analyzer's `methods`, or another choice.

A method that does not explain what the model takes is refused before anything is opened.
"""


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
        check: Called with model, data and validated parameters once these are open, by `auditbench check`, and before
            any analyzer runs in the process that opens them first: an audit does not ask a plugin of its own process, which
            speaks when it runs. It raises ConfigError for parameters that do not fit, which refuses the audit, and
            AnalyzerNotPossible where the analyzer will not apply. It takes and evaluates a few rows at most, and leaves model
            and data as they are.
        after: Names of analyzers whose results it reads, when they take part.
        metrics: Names of the metrics it can give, without its own name; a gate on another name is refused. Empty:
            unknown.
        metric_tasks: Tasks of the metrics that it gives for some tasks alone, by name; a gate on one of them is refused
            for any other task. A metric that is not named here is given for every task.
        shares: Names of the metrics that lie between 0 and 1; a gate with a limit outside is refused.
        methods: What is known of each method it can use. A result names those it used by its attributions, or itself.
        messages: Catalogue of its keys by language; see `auditbench.messages`.
        cost: How much it evaluates; None where that is not stated.
    """

    name: str
    topic: str
    summary: str
    analyze: Callable[[AuditContext, Any], AnalysisResult]
    Params: type[BaseModel] | None = None
    check: Callable[[ModelUnderTest, EvaluationData, Any], None] | None = None
    needs: Needs = field(default_factory=Needs)
    after: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    metric_tasks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    shares: tuple[str, ...] = ()
    methods: tuple[MethodFacts, ...] = ()
    messages: Mapping[str, Templates] = field(default_factory=dict)
    cost: Cost | None = None


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
    """Opens one format of model.

    Attributes:
        name: `model.format` in audit.toml.
        load: Gets the path, the `[model]` table, the data that say what the inputs and the classes are, and the device;
            `auditbench.models.declared_interface` and `wrap_network` do what all formats have in common.
        needs: Packages and programs, without which a config that names the format is refused.
    """

    name: str
    summary: str
    load: Callable[[ModelRequest], ModelUnderTest]
    needs: Needs = field(default_factory=Needs)


def model_name_problem(name: str, models: Collection[str], *, where: str) -> Problem | None:
    """What is wrong with the name of a further model; None where it is one, or empty and there is at most one.

    Args:
        models: Names of the `[models.NAME]` tables.
        where: Key path of the parameter.
    """
    from auditbench.config_problems import nearest  # pydantic enters here

    if name in models or (not name and len(models) < 2):
        return None
    return Problem(
        message="there is no further model of this name" if name else "there are several models to compare with",
        where=where,
        found=name or "nothing",
        allowed=", ".join(models) or "no [models.NAME] table is there",
        fix=nearest(name, models) or ("name one of them" if models else "add one with the keys of [model]"),
    )

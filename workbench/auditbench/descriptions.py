"""What a worker says about plugins: plain data that the supervisor can read without loading any of their code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from auditbench.contracts import Cost
from auditbench.errors import Problem
from auditbench.findings import Message, Scalar
from auditbench.needs import Needs
from auditbench.results import MethodFacts
from auditbench.run import Capability, DataFacts, ModelFacts, PluginFacts, ProgramFacts

if TYPE_CHECKING:
    from auditbench.models import BatchSize


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalyzerDescription:
    """An analyzer without its code.

    Attributes:
        schema: JSON Schema of its parameters; empty when it has none.
        checks: Whether it looks at model and data before it runs.
        parameters: As the config gives them, with defaults written out; empty when they were not checked or not valid.
        messages: Templates by language and key.
        code: sha256 over all code of plugins that its result comes from, and the versions of what they ask for; empty
            when it was only looked at.
        missing_packages: Needed packages that are not installed.
        missing_programs: Titles of needed programs that are not on this machine.
        missing: The first of these as a problem, with what to install; None when nothing is missing.
    """

    name: str
    topic: str
    summary: str
    plugin: PluginFacts
    needs: Needs = field(default_factory=Needs)
    after: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    metric_tasks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    shares: tuple[str, ...] = ()
    methods: tuple[MethodFacts, ...] = ()
    cost: Cost | None = None
    checks: bool = False
    schema: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    messages: Mapping[str, Mapping[str, str | Mapping[str, str]]] = field(default_factory=dict)
    code: str = ""
    missing_packages: tuple[str, ...] = ()
    missing_programs: tuple[str, ...] = ()
    missing: Problem | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Provision:
    """Something else that a plugin provides: a `renderer`, `model format`, `data set`, `architecture` or `preset`.

    Attributes:
        schema: JSON Schema of its parameters; empty when it has none.
        missing: Why it cannot be used on this machine; None when it can.
    """

    kind: str
    name: str
    summary: str
    schema: Mapping[str, Any] = field(default_factory=dict)
    missing: Problem | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginDescription:
    """An installed plugin, loaded once to see what it provides.

    Attributes:
        api: Version of the contracts that it was written for; empty where it cannot be loaded.
        hooks: Names of the hooks that it implements.
        problems: Why it cannot be used; empty when it can.
    """

    plugin: PluginFacts
    first_party: bool
    api: str = ""
    hooks: tuple[str, ...] = ()
    analyzers: tuple[AnalyzerDescription, ...] = ()
    provides: tuple[Provision, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedPart:
    """What one worker found when it checked its part of a config.

    Attributes:
        plugins: The plugins it loaded for that.
        problems: Everything wrong, in the order of the config, but for the files of the model.
        refused: Files of the model that cannot be opened, or are not what the config says.
        untrusted: Files whose code would run, and that nobody vouched for.
        programs: Files whose code will run to open the model, all of them trusted.
    """

    analyzers: tuple[AnalyzerDescription, ...] = ()
    plugins: tuple[PluginFacts, ...] = ()
    problems: tuple[Problem, ...] = ()
    refused: tuple[Problem, ...] = ()
    untrusted: tuple[Problem, ...] = ()
    programs: tuple[ProgramFacts, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedModel:
    """What `train` made.

    Attributes:
        path: Folder of the bundle, as the config names it.
        cost: `seconds`, `rows_per_second`, `peak_memory_bytes`.
    """

    path: str
    model: ModelFacts
    cost: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberRange:
    """The numbers of a feature that reach the model, over the evaluated rows."""

    feature: str
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedSubject:
    """What was found when data and model were opened and nothing was evaluated.

    Attributes:
        read: The rows that were looked at.
        capabilities: Of the model; None where it was not opened, since there is none yet or its code would run.
        limits: What a reader must know of how the model was opened.
        further_limits: The same of each further model, by name.
        not_possible: Why analyzers will not apply that looked at model and data, by name.
        example: The feature with the largest number in the rows to evaluate; None where no feature is a number.
    """

    read: DataFacts
    capabilities: tuple[Capability, ...] | None = None
    limits: tuple[Message, ...] = ()
    further_limits: Mapping[str, tuple[Message, ...]] = field(default_factory=dict)
    not_possible: Mapping[str, Message] = field(default_factory=dict)
    example: NumberRange | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchUse:
    """The batches in which an analyzer had the model evaluated.

    Attributes:
        rows: At its end.
        began_with: What shapes and memory allow.
        halvings: How often memory ran out, also when the model was opened.
    """

    rows: int
    began_with: int
    halvings: int

    def warnings(self, analyzer: str) -> tuple[Message, ...]:
        """What the run should say where memory ran out; nothing otherwise."""
        values: dict[str, Scalar] = {"analyzer": analyzer, "began_with": self.began_with, "rows": self.rows}
        return (Message(key="core.batch_halved", values=values),) if self.halvings else ()


def batch_use(size: BatchSize) -> BatchUse:
    """How a batch size stands now."""
    return BatchUse(rows=size.rows, began_with=size.began_with, halvings=size.halvings)

"""The record of one audit: `AuditRun`, and how run.json is written and read.

Everything a clock, a meter or the host decides stands under `volatile`, so that the rest is equal between equal runs.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

from auditbench.arrays import StoredArray
from auditbench.errors import ExitCode, RecordError
from auditbench.findings import GateDecision, Message, Verdict, Waiver
from auditbench.results import AnalysisResult

if TYPE_CHECKING:
    from pydantic import TypeAdapter

SCHEMA_VERSION = 1
Task: TypeAlias = Literal["binary-classification", "multiclass-classification", "regression"]
Capability: TypeAlias = Literal["gradients", "hooks", "layers", "embeddings", "black_box", "channels_last"]
Modality: TypeAlias = Literal["tabular", "image", "text", "series"]
OutputScale: TypeAlias = Literal["logit", "probability", "value"]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFacts:
    """What the audit is about, in the words of the config."""

    name: str
    version: str = ""
    intended_use: str = ""
    not_for: str = ""
    owner: str = ""
    policy: str = ""
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureFacts:
    """One input of the model, as read.

    Attributes:
        levels: Number of categories; None for numbers.
        missing_test: Missing cells in the evaluated rows; `missing_train` in the training rows.
        unseen_test: Evaluated cells of a category that the training rows do not have; coded like missing ones.
        missing_rule: What stands in for a missing cell: `median`, `own-category`.
    """

    name: str
    kind: Literal["number", "category"]
    levels: int | None = None
    missing_test: int = 0
    missing_train: int = 0
    unseen_test: int = 0
    missing_rule: str = ""
    sensitive: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFacts:
    """The evaluated rows and where they came from.

    Attributes:
        digests: sha256 of each file, by the path that the config gives.
        outcomes: Rows of each class among the evaluated rows; empty for regression.
        dropped: Rows left out by a stated rule, by rule.
    """

    name: str
    digests: Mapping[str, str]
    rows: int
    train_rows: int
    target: str
    positive: str = ""
    outcomes: Mapping[str, int] = field(default_factory=dict)
    features: tuple[FeatureFacts, ...] = ()
    sensitive: tuple[str, ...] = ()
    dropped: Mapping[str, int] = field(default_factory=dict)
    licence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingFacts:
    """How a bundle was trained; only what repeats from run to run.

    Attributes:
        best_epoch: Counted from 1; the epoch whose weights were kept.
        losses: Training and validation loss an epoch.
    """

    architecture: str
    parameters: Mapping[str, Any]
    settings: Mapping[str, Any]
    train_rows: int
    validation_rows: int
    epochs: int
    best_epoch: int
    losses: tuple[tuple[float, float], ...]
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """The audited model.

    Attributes:
        capabilities: What analyzers may use.
        digest: sha256 over weights and description, independent of where and when they were written.
        threshold: Probability from which a binary decision is the positive class.
        trusted: True when opening the model meant running code from its file, on the user's word.
    """

    name: str
    format: str
    architecture: str
    task: Task
    classes: tuple[str, ...] = ()
    output: OutputScale
    threshold: float | None = None
    parameters: int
    capabilities: tuple[Capability, ...] = ()
    digest: str
    trusted: bool = False
    training: TrainingFacts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One row shown in full, chosen by a rule.

    Attributes:
        rule: Why this row: `threshold`, `worst_error`, `typical`, `group`.
        where: Labels of the rule, such as the group the row stands for.
        output: The explained output, in the model's declared unit.
        inputs: Feature and value as shown: banded, unless the config asks for raw inputs.
    """

    row_id: str
    rule: str
    where: Mapping[str, str] = field(default_factory=dict)
    output: tuple[float, ...]
    predicted: str
    observed: str
    inputs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginFacts:
    """A plugin that took part: the distribution it came from and its version."""

    name: str
    distribution: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What is needed to do it again; an allowlist, never a dump.

    Attributes:
        packages: Version by distribution.
        determinism: Flags that decide whether two runs give equal bits.
        device: `cpu`, or the kind of GPU.
    """

    product: str
    python: str
    packages: Mapping[str, str]
    plugins: tuple[PluginFacts, ...]
    seed: int
    device: str
    threads: int
    determinism: Mapping[str, str] = field(default_factory=dict)
    config_sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Volatile:
    """What may differ between two equal runs.

    Attributes:
        seconds: Wall-clock seconds by stage: `start`, `train`, `load`, each analyzer, `render`.
        host: Operating system, processor, memory.
        training: Cost of training: seconds, rows per second, peak memory; empty when nothing was trained.
        results: Blocks whose values came from a clock or a meter, by analyzer.
        gates: Decisions on such metrics.
        details: Trace of each failed analyzer, by name.
    """

    started: str = ""
    finished: str = ""
    command: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)
    host: Mapping[str, str] = field(default_factory=dict)
    training: Mapping[str, float] = field(default_factory=dict)
    results: tuple[AnalysisResult, ...] = ()
    gates: tuple[GateDecision, ...] = ()
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRun:
    """One audit: all that a renderer, a gate or a comparison ever sees.

    Attributes:
        gates: Every decision, those on clocked metrics too; the file keeps the latter under `volatile`.
        messages: Templates of the analyzers that took part, by language and key, so that the record reads by itself.
        warnings: Things that went wrong without changing a result, such as an observer that raised.
    """

    schema: int = SCHEMA_VERSION
    status: Literal["running", "complete", "interrupted"]
    verdict: Verdict
    exit_code: int
    audit: AuditFacts
    config: Mapping[str, Any]
    model: ModelFacts
    data: DataFacts
    cases: tuple[Case, ...] = ()
    case_rule: Message | None = None
    results: tuple[AnalysisResult, ...] = ()
    gates: tuple[GateDecision, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    messages: Mapping[str, Mapping[str, str | Mapping[str, str]]] = field(default_factory=dict)
    warnings: tuple[Message, ...] = ()
    provenance: Provenance
    volatile: Volatile = field(default_factory=Volatile)

    def result(self, analyzer: str) -> AnalysisResult | None:
        """The result of one analyzer, or None when it did not take part."""
        return next((result for result in self.results if result.analyzer == analyzer), None)

    def summary(self) -> str:
        """Verdict and exit code in one line, for a log."""
        states = [decision.state for decision in self.gates]
        counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
        return f"{self.verdict} ({ExitCode(self.exit_code).name.lower()}): {counts or 'no gates'}"


def encode_run(run: AuditRun) -> bytes:
    """The bytes of run.json: values of clocks and meters moved under `volatile`, no NaN, keys in a fixed order."""
    stable, metered = zip(*(_split_result(result) for result in run.results), strict=True) if run.results else ((), ())
    volatile = dataclasses.replace(
        run.volatile,
        results=tuple(result for result in metered if result is not None),
        gates=tuple(decision for decision in run.gates if not decision.repeatable),
    )
    gates = tuple(decision for decision in run.gates if decision.repeatable)
    document = plain(dataclasses.replace(run, results=stable, gates=gates, volatile=volatile))
    return (json.dumps(document, indent=1, allow_nan=False) + "\n").encode()


def decode_run(content: bytes, *, folder: Path | None = None) -> AuditRun:
    """Read the bytes of a run.json of this or an earlier schema version.

    Raises:
        RecordError: It is not JSON, of a later version, or does not follow the schema.
    """
    try:
        document = json.loads(content)
    except ValueError as error:
        raise RecordError("run.json is not valid JSON", found=str(error), fix="run the audit again") from error
    run = validate(AuditRun, migrate(document), where="run.json")
    merged = tuple(_merge_result(result, run.volatile.results) for result in run.results)
    volatile = dataclasses.replace(run.volatile, results=(), gates=())
    run = dataclasses.replace(run, results=merged, gates=run.gates + run.volatile.gates, volatile=volatile)
    return run if folder is None else bind_arrays(run, folder)


def read_run(path: Path) -> AuditRun:
    """Read a run folder, or its run.json; arrays are read when they are used.

    Raises:
        RecordError: There is no readable record.
    """
    file = path / "run.json" if path.is_dir() else path
    try:
        content = file.read_bytes()
    except OSError as error:
        raise RecordError(
            "there is no record of an audit",
            where=str(file),
            found=str(error.strerror),
            fix="name a folder with run.json",
        ) from error
    return decode_run(content, folder=file.parent)


def migrate(document: Any, migrations: Mapping[int, Any] | None = None) -> dict[str, Any]:
    """Bring a parsed run.json to the current schema, one version at a time.

    Args:
        migrations: By version: a function from the document of that version to the document of the next.

    Raises:
        RecordError: The version is missing, later than this one, or has no migration.
    """
    steps = _MIGRATIONS if migrations is None else migrations
    latest = SCHEMA_VERSION if migrations is None else max(migrations, default=SCHEMA_VERSION - 1) + 1
    version = document.get("schema") if isinstance(document, dict) else None
    if not isinstance(version, int) or isinstance(version, bool):
        raise RecordError("expected an object with an integer `schema`", where="run.json")
    while version != latest:
        if version not in steps:
            raise RecordError(
                "this record is of a schema that this version does not read",
                where="run.json",
                found=f"schema {version}",
                allowed=f"schema {min(steps, default=latest)} to {latest}",
                fix="install the version of auditbench that wrote it, or run the audit again",
            )
        document = {**steps[version](document), "schema": version + 1}
        version += 1
    return dict(document)


def run_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of run.json."""
    return _adapter(AuditRun).json_schema()


def validate(kind: type[_T], document: Any, *, where: str) -> _T:
    """Build a record type from parsed JSON; keys that this version does not know are ignored.

    Raises:
        RecordError: With every place that does not fit.
    """
    from pydantic import ValidationError

    from auditbench.errors import Problem

    try:
        return _adapter(kind).validate_json(json.dumps(document))
    except ValidationError as error:
        problems = tuple(
            Problem(
                message=item["msg"],
                where=".".join([where, *(str(part) for part in item["loc"])]),
                found=repr(item["input"])[:80],
            )
            for item in error.errors()[:20]
        )
        raise RecordError(f"{where} does not follow the schema", problems=problems) from error


def plain(value: Any) -> Any:
    """A record as JSON types. Arrays must have been stored before; an array still in memory is an error."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        skipped = {"folder"} if isinstance(value, StoredArray) else set()
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value) if f.name not in skipped}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def bind_arrays(value: _T, folder: Path) -> _T:
    """The same record with every stored array knowing the folder it is in."""
    return _replace_arrays(value, lambda array: dataclasses.replace(array, folder=str(folder)))


_MIGRATIONS: dict[int, Any] = {}


@functools.cache
def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


_BLOCKS = ("metrics", "tables", "curves", "scatters", "percentiles", "paired_changes")


def _split_result(result: AnalysisResult) -> tuple[AnalysisResult, AnalysisResult | None]:
    """The repeatable part of a result, and the part that a clock or a meter produced, if there is one."""
    stable: dict[str, Any] = {}
    metered: dict[str, Any] = {}
    for name in _BLOCKS:
        blocks = getattr(result, name)
        stable[name] = tuple(block for block in blocks if block.repeatable)
        metered[name] = tuple(block for block in blocks if not block.repeatable)
    rest = AnalysisResult(analyzer=result.analyzer, topic=result.topic, **metered) if any(metered.values()) else None
    return dataclasses.replace(result, **stable), rest


def _merge_result(result: AnalysisResult, metered: tuple[AnalysisResult, ...]) -> AnalysisResult:
    rest = next((part for part in metered if part.analyzer == result.analyzer), None)
    if rest is None:
        return result
    return dataclasses.replace(result, **{name: getattr(result, name) + getattr(rest, name) for name in _BLOCKS})


def _replace_arrays(value: Any, replace: Any) -> Any:
    if isinstance(value, StoredArray):
        return replace(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changes = {f.name: _replace_arrays(getattr(value, f.name), replace) for f in dataclasses.fields(value)}
        return dataclasses.replace(value, **changes)
    if isinstance(value, tuple):
        return tuple(_replace_arrays(item, replace) for item in value)
    return value

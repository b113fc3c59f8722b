"""The record of one audit: `AuditRun` and what it is made of; all that a renderer or a comparison ever sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from auditbench.arrays import Array, IntegerArray
from auditbench.comparison.record import Comparison, MetricChange
from auditbench.findings import GateDecision, Message, Verdict, Waiver
from auditbench.moments import utc_moment
from auditbench.results import AnalysisResult
from auditbench.safe_text import safe_text

SCHEMA_VERSION = 1
ROW_KEYS = "row_keys"
ROW_CLUSTERS = "row_clusters"
Task: TypeAlias = Literal["binary-classification", "multiclass-classification", "regression", "next-token"]
Capability: TypeAlias = Literal["gradients", "hooks", "layers", "embeddings", "black_box", "channels_last"]
Modality: TypeAlias = Literal["tabular", "image", "text", "series", "mixed"]
OutputScale: TypeAlias = Literal["logit", "probability", "value"]


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
        missing_rule: What a missing cell becomes: `median`, `own-category`, `kept` as missing, `empty-text`; or `refuse`.
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
class InputFacts:
    """One input of a model, as the model takes it.

    Attributes:
        shape: Of one row: `(columns,)` of an encoded table, `(channels, height, width)` of an image, `(tokens,)` of a
            text, `(channels, steps)` of a series.
        unit: What a token of a text is: `words`, `characters` or `subwords`; empty for other inputs.
        vocabulary: Tokens that the model knows; 0 for other inputs.
        incomplete: Evaluated rows whose series lacks steps before its end; `empty` those without any number, or whose
            text has no token. None where this was not counted.
    """

    name: str
    modality: Modality
    shape: tuple[int, ...]
    unit: str = ""
    vocabulary: int = 0
    incomplete: int | None = None
    empty: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFacts:
    """The evaluated rows and where they came from.

    Attributes:
        digests: sha256 of each file, by the path that the config gives; in a record by its name when that is absolute.
        outcomes: Rows of each class among the evaluated rows; empty for regression, and in the record of a language
            model, whose classes are words.
        features: Of each table that the model takes.
        inputs: What the model takes, by its own names; empty where no model was opened.
        computed: The sensitive and control features that were computed from an input, such as the brightness of an image.
        control: Columns at equal values of which groups are compared.
        weights: Column that says how much each row counts; empty where each counts once.
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
    inputs: tuple[InputFacts, ...] = ()
    sensitive: tuple[str, ...] = ()
    computed: tuple[str, ...] = ()
    control: tuple[str, ...] = ()
    weights: str = ""
    dropped: Mapping[str, int] = field(default_factory=dict)
    licence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InitialWeights:
    """Weights that training began with.

    Attributes:
        file: As the config names it.
        loaded: Tensors of the network that were taken from it, by name.
        new: Those that it does not have, which began as the seed says.
        unused: Tensors of the file that the network does not have.
    """

    file: str
    sha256: str
    loaded: tuple[str, ...]
    new: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOutRows:
    """Rows of a file that were drawn to be evaluated; the others of that file were to train on.

    Attributes:
        file: sha256 of the file.
        share: As the config asks for.
        rows: How many.
        digest: sha256 over their numbers in the file.
    """

    file: str
    share: float
    rows: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingFacts:
    """How a bundle was trained; only what repeats from run to run.

    Attributes:
        settings: The usual keys of `[train]`, and others that were not left at their defaults.
        best_epoch: Counted from 1; the epoch whose weights were kept.
        losses: Training and validation loss an epoch.
        learning_rates: Step size at the end of each epoch.
        steps: Of all epochs.
        trained_parameters: Numbers that were trained, without those that were frozen.
        initial: None where all weights began as the seed says.
        held_out: Rows of the file of training rows that were kept to be evaluated; None where that file had none.
    """

    architecture: str
    parameters: Mapping[str, Any]
    settings: Mapping[str, Any]
    train_rows: int
    validation_rows: int
    epochs: int
    best_epoch: int
    losses: tuple[tuple[float, float], ...]
    learning_rates: tuple[float, ...] = ()
    steps: int | None = None
    trained_parameters: int | None = None
    initial: InitialWeights | None = None
    held_out: HeldOutRows | None = None
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramFacts:
    """A file whose code runs when a model is opened; `name` is without its folder."""

    name: str
    sha256: str
    kind: Literal["torchscript", "exported", "pickle", "factory", "estimator", "callable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """The audited model.

    Attributes:
        classes: Names by index; empty in the record of a language model, whose classes are the words of its training
            texts, and for regression.
        class_count: Of a language model in a record, how many classes it has, and `classes_digest` a digest of their
            names.
        capabilities: What analyzers may use.
        digest: sha256 over weights and description, independent of where and when they were written.
        parameters: Learned numbers; None where a file does not tell them from others, as in an ONNX graph.
        threshold: Probability from which a binary decision is the positive class.
        programs: Files whose code ran to open the model and those it is compared with, each trusted by its sha256.
        limits: What a reader must know of how the model was opened, such as why it lacks a capability.
    """

    name: str
    format: str
    architecture: str
    task: Task
    classes: tuple[str, ...] = ()
    class_count: int | None = None
    classes_digest: str = ""
    output: OutputScale
    threshold: float | None = None
    parameters: int | None
    capabilities: tuple[Capability, ...] = ()
    digest: str
    programs: tuple[ProgramFacts, ...] = ()
    limits: tuple[Message, ...] = ()
    training: TrainingFacts | None = None

    @property
    def n_classes(self) -> int:
        """Classes, whether they are named or not; 0 for regression."""
        return len(self.classes) if self.class_count is None else self.class_count

    @property
    def is_stored(self) -> bool:
        """Whether outputs stand for a model that is not there, so that nobody knows what it takes."""
        return self.format == "predictions"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownInput:
    """An input of a case that is no table, as it may be shown.

    Attributes:
        size: What the row has of it: `(channels, height, width)` of an image, `(tokens,)` of a text, `(channels, steps)`
            of a series, without what is behind the end.
        brightness: Mean brightness of an image, from 0 to 1, as a band; empty for others.
        text: A text as it is, where the config asks for raw inputs.
        values: Where it asks for them: an image, uint8 of shape `(height, width)` or `(height, width, 3)`, or a series,
            float32 of shape `(channels, steps)`, NaN where missing.
    """

    name: str
    modality: Modality
    size: tuple[int, ...]
    brightness: str = ""
    text: str = ""
    values: Array | IntegerArray | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One row shown in full, chosen by a rule.

    Attributes:
        rule: Why this row: `threshold`, `margin`, `worst_error`, `typical`, `extreme`, `group`.
        where: Labels of the rule, such as the group the row stands for.
        output: The outputs of the model, in its declared unit; empty where there are more than a reader could use.
        predicted: Class, or value of a regression; of a language model, `rare token` for one that is rare in the
            training rows, unless the config asks for raw inputs. `observed` alike.
        predicted_probability: Of the predicted class; `observed_probability` of the true one. None for a regression,
            and in records of versions that had all outputs instead.
        most_probable: Some classes of several with their probabilities, the highest first.
        inputs: Feature and value as shown: banded, unless the config asks for raw inputs.
        shown: Inputs that are no table.
    """

    row_id: str
    rule: str
    where: Mapping[str, str] = field(default_factory=dict)
    output: tuple[float, ...]
    predicted: str
    observed: str
    predicted_probability: float | None = None
    observed_probability: float | None = None
    most_probable: tuple[tuple[str, float], ...] = ()
    inputs: tuple[tuple[str, str], ...]
    shown: tuple[ShownInput, ...] = ()


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
        training: Cost of training: seconds, rows per second, peak memory, and `epoch.N.seconds` of each epoch; empty when
            nothing was trained.
        results: Blocks whose values came from a clock or a meter, by analyzer.
        gates: Decisions on such metrics.
        changes: Changes of such metrics since the baseline.
        details: Trace of each failed analyzer by name, and of each report that was not written by `render:FORMAT`.
        sent: `requests` to the servers of models behind an address, those `again` among them that met a fault, and `rows` in
            answered ones; without the last ones of a worker that was lost. Empty where no model is behind an address.
    """

    started: str = ""
    finished: str = ""
    command: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)
    host: Mapping[str, str] = field(default_factory=dict)
    training: Mapping[str, float] = field(default_factory=dict)
    results: tuple[AnalysisResult, ...] = ()
    gates: tuple[GateDecision, ...] = ()
    changes: tuple[MetricChange, ...] = ()
    details: Mapping[str, str] = field(default_factory=dict)
    sent: Mapping[str, int] = field(default_factory=dict)

    @property
    def ended(self) -> str:
        """When the run ended, or else began, as `utc_moment` writes it."""
        return utc_moment(self.finished or self.started)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRun:
    """One audit: all that a renderer, a gate or a comparison ever sees.

    Attributes:
        row_keys: Shape `(rows,)`, unsigned 64-bit integers: what the evaluated rows are found by in another run; the
            order is that of every `influence`. See `auditbench.comparison.row_keys`.
        row_clusters: Shape and type alike: rows of one number depend on each other, as the tokens of one text do, in
            every run of the same data. None where rows are independent.
        gates: Every decision, those on clocked metrics too; the file keeps the latter under `volatile`.
        baseline: What is other than in the baseline; None where the audit was run without one.
        messages: Templates of the analyzers that took part, by language and key, so that the record reads by itself.
        warnings: Things that went wrong without changing a result, such as an observer that raised.
    """

    schema: int = SCHEMA_VERSION
    status: Literal["complete", "interrupted"]
    verdict: Verdict
    exit_code: int
    audit: AuditFacts
    config: Mapping[str, Any]
    model: ModelFacts
    data: DataFacts
    row_keys: IntegerArray | None = field(default=None, compare=False)
    row_clusters: IntegerArray | None = field(default=None, compare=False)
    cases: tuple[Case, ...] = ()
    case_rule: Message | None = None
    results: tuple[AnalysisResult, ...] = ()
    gates: tuple[GateDecision, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    baseline: Comparison | None = None
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
        decided = counts or "no gates, so nothing was decided"
        return f"{self.verdict}: {decided} (exit code {self.exit_code})"

    def __repr__(self) -> str:
        """One line: a notebook keeps it beside the card, and all that a run holds is long."""
        return f"<AuditRun {safe_text(self.audit.name)!r}, {self.summary()}>"

    def _repr_html_(self) -> str:
        """What a notebook shows: a card with the verdict and the gates."""
        from auditbench.run_card import run_card

        return run_card(self)

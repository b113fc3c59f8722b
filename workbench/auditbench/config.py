"""audit.toml as a frozen, fully resolved `AuditConfig`.

The models are the reference of the file format: every key has its type, default and one sentence of help. Reading a
file and turning everything wrong with it into one `ConfigError` is `auditbench.config_file`.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator, model_validator

from auditbench.config_base import Slug, Table
from auditbench.config_training import TrainTable


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


# One text or a list of them in the file; always a tuple after loading.
TextOrList = Annotated[
    tuple[str, ...],
    Field(strict=False),
    BeforeValidator(_listed),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]

_Side = Annotated[int, Field(ge=1, le=16_384)]
_KEYS_OF = {
    "image": {"size", "mean", "scale"},
    "text": {"unit", "vocabulary", "tokenizer", "length", "kept"},
    "series": {"length", "mean", "scale"},
    "tabular": set(),
}
_PerChannel = Annotated[tuple[float, ...], Field(min_length=1, strict=False)]


class AuditTable(Table):
    """`[audit]`: what this audit is called and what the model is meant for."""

    name: Annotated[str, Field(min_length=1, max_length=120)] = Field(
        description="Name of the audit, shown as its title."
    )
    version: str = Field("", description="Version of the audited model.")
    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(0, description="Seed of everything random.")
    intended_use: str = Field("", description="What the model decides or supports, for whom.")
    not_for: str = Field("", description="Uses that this audit does not cover.")
    owner: str = Field("", description="Who answers for the model.")
    policy: str = Field("", description="Name of the policy the gates come from.")
    gates: TextOrList = Field(
        (),
        description="Files of further gates and waivers, relative to this file, or `preset:NAME`; one or a list of "
        "them.",
    )
    plugins: tuple[Slug, ...] = Field(
        (), description="Further plugins to load, by entry point: observers, and wrappers of analyzers.", strict=False
    )


class ModelTable(Table):
    """`[model]`: the model under test."""

    format: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$")] = Field(
        "bundle",
        description="What the model is: `bundle`, `safetensors`, `state-dict`, `torchscript`, `exported`, `pickle`, `onnx`, "
        "`keras`, `huggingface`, `estimator`, `callable`, `predictions`, `endpoint`, or a format that a plugin provides.",
    )
    path: str = Field(
        "model",
        description="File or folder of the model, relative to this file; of `exported` and `onnx` also a folder that "
        "`auditbench export` wrote, whose model.json says what the model takes and gives; of `predictions` that stand apart "
        "from the data, the .csv or .parquet file that has them and the ids of `data.id`; of `endpoint` its address.",
    )
    name: str = Field("", description="Name shown in the report; the audit's name when empty.")
    task: Literal["binary-classification", "multiclass-classification", "regression", "next-token"] = Field(
        description="What the model predicts; `next-token` is what follows a text, one class for each known token."
    )
    threshold: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.5, description="Probability from which a binary decision is the positive class."
    )
    architecture: Slug | None = Field(
        None,
        description="Network that takes the weights: `linear`, `mlp`, `cnn`, `cnn1d`, `rnn`, `encoder`, `decoder`, `joined`, "
        "or one that a plugin provides.",
    )
    factory: Annotated[str, Field(pattern=r"^[^:]+\.py:[A-Za-z_][A-Za-z0-9_]*$")] | None = Field(
        None, description="Function that makes the network instead, as `file.py:function`; its code is run."
    )
    function: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = Field(
        None, description="Function of the file of a `callable` that predicts; `predict` when absent."
    )
    columns: tuple[str, ...] = Field(
        (),
        description="Columns of the data, or of the file of `path`, that hold the outputs of `predictions`: one for "
        "regression, one a class otherwise, in the order of `data.classes`; for binary classification the positive class alone is "
        "enough.",
        strict=False,
    )
    weights_in: str = Field(
        "",
        description="Which tensors of a checkpoint are meant, where several sets fit the network: keys of the file and the "
        "beginning of the names, joined by dots, such as `ema` or `state_dict.model`.",
    )
    parameters: Mapping[str, Any] = Field(
        default_factory=dict,
        description="Parameters of the architecture, arguments of the factory, or settings of the loader.",
    )
    output: Literal["logit", "probability", "value"] | None = Field(
        None, description="What the model gives; a bundle or an export says it itself, and it is never guessed."
    )
    inputs: Literal["raw", "standardized"] | None = Field(
        None,
        description="How numbers reach the model: as they are (`raw`, also when absent), or less the mean and divided "
        "by the standard deviation of the training rows; categories are one-hot.",
    )
    trust: tuple[Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")], ...] = Field(
        (), description="sha256 of each file whose code may run to open the model.", strict=False
    )


class InputTable(Table):
    """`[data.inputs.NAME]`: one input of the model, where that is no table."""

    modality: Literal["image", "text", "series", "tabular"] = Field(
        description="What it is; `tabular` stands for the columns of `features`, beside other inputs."
    )
    column: str = Field("", description="Column or array that holds it; the name of the input when empty.")
    size: Annotated[tuple[_Side, _Side], Field(strict=False)] | None = Field(
        None, description="Height and width that images are brought to; needed where files differ."
    )
    unit: Literal["words", "characters"] = Field("words", description="What a token of a text is.")
    vocabulary: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        20_000, description="Most different tokens, the most frequent of the training rows."
    )
    tokenizer: str = Field(
        "",
        description="File that says what the token ids of the model stand for: a tokenizer.json, or a text file with a "
        "token in each line, which has the ids from 2 on (0 is padding, 1 unknown); relative to this file.",
    )
    mean: _PerChannel | None = Field(
        None,
        description="With `scale`, how the model wants images or series: `(value - mean) / scale`, of images after division by "
        "full brightness; one number, or one a channel. For models that were not trained here.",
    )
    scale: _PerChannel | None = Field(None, description="See `mean`; numbers above 0.")
    length: Annotated[int, Field(ge=1, le=65_536)] | None = Field(
        None,
        description="Tokens of a text, or steps of a series, that the model sees; when absent the longest of the training "
        "rows, of texts at most 512.",
    )
    kept: Literal["first", "last"] = Field("first", description="Which end of a longer text is kept.")

    @model_validator(mode="after")
    def _keys_of_its_modality(self) -> InputTable:
        common = {"modality", "column"} if self.modality != "tabular" else {"modality"}
        for name, field in InputTable.model_fields.items():
            if name not in common | _KEYS_OF[self.modality] and getattr(self, name) != field.default:
                raise ValueError(f'expected no `{name}` with `modality = "{self.modality}"`, where it means nothing')
        if (self.mean is None) != (self.scale is None):
            raise ValueError("expected `mean` and `scale` together")
        if self.scale is not None and min(self.scale) <= 0:
            raise ValueError("expected a `scale` above 0")
        return self


class DataTable(Table):
    """`[data]`: the rows, the target, and who the sensitive features are."""

    dataset: Slug | None = Field(None, description="Embedded data set, instead of files: `adult`.")
    test: str | None = Field(
        None,
        description="Evaluated rows: a .parquet, .csv, .npz or .ts file, or a folder with a folder of images for each class; "
        "relative to this file.",
    )
    train: str | None = Field(None, description="Training rows, for the background and for `[train]`.")
    split: str | None = Field(
        None, description="Column that says `train` or `test`, when both are in the file named by `test`."
    )
    held_out: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None,
        description="Share of the rows of `test` that are evaluated, when nothing else says which; the others are to train "
        "on. Drawn by the number of rows alone, or by `train.split_by`; rows of one `cluster` stay together.",
    )
    inputs: Mapping[Slug, InputTable] = Field(
        default_factory=dict, description="Images, texts or series that the model takes, by name; else a table."
    )
    target: str = Field(description="Column to predict.")
    positive: str | None = Field(None, description="Class that counts as positive, in binary classification.")
    classes: tuple[str, ...] = Field((), description="Order of the classes; sorted by name when empty.", strict=False)
    features: tuple[str, ...] = Field((), description="Columns the model sees; all others when empty.", strict=False)
    exclude: tuple[str, ...] = Field((), description="Columns the model does not see.", strict=False)
    sensitive: tuple[str, ...] = Field(
        (),
        description="Columns whose groups are compared; or what follows from an input: `brightness`, `contrast`, "
        "`tokens`, `steps`, `energy`.",
        strict=False,
    )
    control: tuple[str, ...] = Field(
        (),
        description="Columns at equal values of which groups are also compared, such as a qualification; no features unless "
        "data.features names them.",
        strict=False,
    )
    types: Mapping[str, Literal["number", "category"]] = Field(
        default_factory=dict, description="Type of a column, where the file does not say it."
    )
    bins: Mapping[str, Annotated[tuple[float, ...], Field(min_length=1, strict=False)]] = Field(
        default_factory=dict,
        description="Upper bounds (exclusive) that make groups of a numeric sensitive or control column.",
    )
    id: str | None = Field(None, description="Column with row ids; row numbers when absent.")
    cluster: str | None = Field(
        None,
        description="Column whose equal values mark rows that depend on each other, such as a patient or a household; no "
        "feature unless data.features names it.",
    )
    weights: str | None = Field(
        None,
        description="Column that says how much each row counts, such as how many people it stands for; numbers of 0 and more. No "
        "feature unless data.features names it.",
    )
    missing_numbers: Literal["median", "refuse"] = Field("median", description="Rule for missing numbers.")
    missing_categories: Literal["own-category", "refuse"] = Field(
        "own-category", description="Rule for missing categories."
    )
    missing_labels: Literal["refuse", "drop"] = Field("refuse", description="Rule for rows without a label.")
    max_rows: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Evaluate a seeded sample of at most so many rows."
    )
    licence: str = Field("", description="Licence line of the data, printed in the report.")

    @property
    def continued(self) -> str | None:
        """Name of the text input whose next token is the target; None where the target is a column of its own."""
        named = (name for name, item in self.inputs.items() if (item.column or name) == self.target)
        return next((name for name in named if self.inputs[name].modality == "text"), None)

    @property
    def modality(self) -> Literal["tabular", "image", "text", "series", "mixed"]:
        """What the model takes: that of the only input, or `mixed`; without inputs a table."""
        named = [item.modality for item in self.inputs.values()]
        return "mixed" if len(named) > 1 else named[0] if named else "tabular"

    @model_validator(mode="after")
    def _one_source(self) -> DataTable:
        if (self.dataset is None) == (self.test is None):
            raise ValueError("expected exactly one of `dataset` and `test`")
        if self.split is not None and self.train is not None:
            raise ValueError("expected `split` or `train`, not both")
        if self.held_out is not None and (self.split or self.train or self.dataset):
            raise ValueError(
                "expected `held_out` with `test` alone: `split`, `train` or `dataset` say which rows are evaluated"
            )
        return self

    @model_validator(mode="after")
    def _control_is_not_compared(self) -> DataTable:
        if both := [name for name in self.control if name in self.sensitive]:
            raise ValueError(
                f"expected other columns in `control` than in `sensitive`, got {both[0]!r} in both: groups that are held equal "
                "are not compared"
            )
        return self

    @field_validator("bins")
    @classmethod
    def _bins_increase(cls, bins: Mapping[str, tuple[float, ...]]) -> Mapping[str, tuple[float, ...]]:
        for name, bounds in bins.items():
            if not all(low < high for low, high in pairwise(bounds)):
                raise ValueError(f"expected upper bounds that increase for {name!r}")
        return bins


class GateTable(Table):
    """`[[gates]]`: one limit on one metric."""

    id: Slug | None = Field(None, description="Stable id; made from metric and labels when absent.")
    metric: Annotated[str, Field(pattern=r"^[a-z0-9_-]+\.[a-z0-9_.-]+$")] = Field(description="`analyzer.metric`.")
    where: Mapping[str, str] = Field(
        default_factory=dict,
        description="Labels that pick one metric of that name; without any, the one that has none, or the only one.",
    )
    min: float | None = Field(None, description="Smallest allowed value.")
    max: float | None = Field(None, description="Largest allowed value.")
    max_drop: Annotated[float, Field(ge=0)] | None = Field(
        None,
        description="Largest allowed loss since the baseline, in the metric's unit, by the metric's own direction.",
    )
    min_gain: Annotated[float, Field(ge=0)] | None = Field(
        None, description="Smallest allowed gain over the baseline, in the metric's unit."
    )
    decide: Literal["interval", "estimate"] = Field(
        "interval", description="`interval`: all of the interval must be inside; crossing is inconclusive."
    )
    on_fail: Literal["fail", "warn"] = Field("fail", description="`warn` makes the gate advisory.")
    inconclusive: Literal["fail", "warn"] = Field("fail", description="Whether an inconclusive result blocks.")
    explanation: Annotated[str, Field(max_length=600)] = Field(
        "", description="Why this limit, in your words; shown beside the decision. In presets the key of a sentence."
    )

    @model_validator(mode="after")
    def _has_a_limit(self) -> GateTable:
        if self.min is None and self.max is None and self.max_drop is None and self.min_gain is None:
            raise ValueError("expected a limit: `min`, `max`, `max_drop` or `min_gain`")
        if self.max_drop is not None and self.min_gain is not None:
            raise ValueError("expected `max_drop` or `min_gain`, not both: a gain is no drop")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("expected `min` <= `max`")
        return self


class WaiverTable(Table):
    """`[[waivers]]`: a person's decision to accept one gate's state until a date."""

    gate: str = Field(description="Id of the gate.")
    until: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")] = Field(description="Last day it holds, YYYY-MM-DD.")
    by: Annotated[str, Field(min_length=1)] = Field(description="Who decided.")
    reason: Annotated[str, Field(min_length=1)] = Field(description="Why.")


class ReportTable(Table):
    """`[report]`: what is rendered."""

    formats: tuple[str, ...] = Field(
        ("html",), description="Renderers to run; run.json is always written.", strict=False
    )
    language: Literal["en", "zh-CN"] = Field("en", description="Language of the report.")
    second_language: Literal["en", "zh-CN"] | None = Field(
        None, description="Language of a second summary, folded on the page of the first."
    )
    raw_inputs: bool = Field(False, description="Show the inputs of chosen cases as they are, not in bands.")
    cases: Annotated[int, Field(ge=0, le=12)] = Field(6, description="Rows shown in full, chosen by rule.")


class LimitsTable(Table):
    """`[limits]`: what a worker may use, in seconds and memory, and what it sees of the environment."""

    analyzer_seconds: Annotated[float, Field(gt=0)] = Field(900.0, description="One analyzer.")
    load_seconds: Annotated[float, Field(gt=0)] = Field(300.0, description="Start of a worker, model and data.")
    train_seconds: Annotated[float, Field(gt=0)] = Field(86_400.0, description="Training.")
    render_seconds: Annotated[float, Field(gt=0)] = Field(120.0, description="One renderer.")
    memory_gib: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Memory of one worker with all it started; three quarters of the machine's when absent."
    )
    environment: tuple[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")], ...] = Field(
        (),
        description="Further environment variables that workers see, by name; values are never written.",
        strict=False,
    )


class AnalyzerTable(Table):
    """`[analyzers.NAME]`: keys of the host; every other key is a parameter of the analyzer itself."""

    required: bool = Field(True, description="Whether the run is incomplete without its result.")
    time_limit: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Seconds, instead of the limit in `[limits]`."
    )
    memory_gib: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Memory in GiB, instead of the limit in `[limits]`."
    )
    parameters: Mapping[str, Any] = Field(default_factory=dict, description="Checked by the analyzer's own Params.")


class AuditConfig(Table):
    """The whole of an audit.toml."""

    audit: AuditTable
    model: ModelTable
    models: Mapping[Slug, ModelTable] = Field(
        default_factory=dict,
        description="Further models by name, which analyzers compare with the audited one; the keys are those of `[model]`.",
    )
    data: DataTable
    train: TrainTable | None = None
    analyzers: Mapping[str, AnalyzerTable] = Field(default_factory=dict)
    gates: tuple[GateTable, ...] = Field((), strict=False)
    waivers: tuple[WaiverTable, ...] = Field((), strict=False)
    report: ReportTable = ReportTable()
    limits: LimitsTable = LimitsTable()

    @property
    def trains_again(self) -> bool:
        """Whether the audited network could be trained again: there is `[train]`, and the data name training rows."""
        data = self.data
        return self.train is not None and any((data.train, data.split, data.held_out, data.dataset))

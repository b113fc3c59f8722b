"""`[train]`: how a model is made, key by key, and which keys go together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, field_validator, model_validator

from auditbench.config_base import Slug, Table

Augmentation: TypeAlias = Literal["flip", "shift", "rotate", "noise", "crop"]
PositiveNumber: TypeAlias = Annotated[float, Field(gt=0)]

LEAST_WEIGHT, MOST_WEIGHT = 1e-12, 1e12
"""Bounds of what a row or a class counts in the loss: the weight of a class times that of a row, summed over all rows, is
then a number that float32 holds."""

ClassWeight: TypeAlias = Annotated[float, Field(ge=LEAST_WEIGHT, le=MOST_WEIGHT)]


class TrainTable(Table):
    """`[train]`: how to make the model when it is not there.

    A step takes `batch_size` rows, computes the loss and moves the weights. Epochs go on until the loss on the rows that
    are held out has not been better for `patience` of them; the weights of the best epoch are the model, unless `keep` says otherwise.
    """

    architecture: Slug = Field(
        "mlp",
        description="What to build: `linear`, `mlp`, `cnn`, `cnn1d`, `rnn`, `encoder`, `decoder`, `joined`, or one that a "
        "plugin provides.",
    )
    parameters: Mapping[str, Any] = Field(default_factory=dict, description="Parameters of the architecture.")

    loss: Literal["auto", "cross-entropy", "mse"] = Field("auto", description="Loss; `auto` follows the task.")
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="Share of each label that is spread evenly over all classes, in classification."
    )
    class_weights: Literal["none", "balanced"] | Mapping[str, ClassWeight] = Field(
        "none",
        description="What a row of each class counts in the loss: `balanced` gives every class the same sum, and "
        "`{ NAME = NUMBER }` names the classes that do not count 1.",
    )
    sample_weights: str | None = Field(
        None, description="Column with what each row counts in the loss; no feature unless `data.features` names it."
    )

    reweigh: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(strict=False)] = Field(
        (),
        description="Sensitive features whose groups and the classes are made independent by weights of rows, in "
        "classification: P(group) P(class) / P(group, class), times `sample_weights` and `class_weights` (Kamiran and Calders "
        "2012). Groups of several are their combinations; a missing value is a group.",
    )

    optimizer: Literal["gradient-descent", "sgd", "adam", "adamw"] = Field(
        "adam",
        description="How weights are moved; a step of `gradient-descent` takes all rows, and `adamw` decays weights "
        "apart from the gradient.",
    )
    learning_rate: Annotated[float, Field(gt=0, le=10)] = Field(1e-3, description="Step size.")
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(0.0, description="Momentum of SGD.")
    nesterov: bool = Field(False, description="Whether SGD looks ahead along its momentum.")
    betas: Annotated[
        tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]], Field(strict=False)
    ] = Field((0.9, 0.999), description="Decay of the means of gradients and of their squares, in Adam and AdamW.")
    epsilon: PositiveNumber = Field(1e-8, description="Added to the divisor of Adam and AdamW.")
    weight_decay: Annotated[float, Field(ge=0)] = Field(
        0.0, description="L2 penalty of the optimizer; of `adamw` the share that weights lose a step, times step size."
    )
    clip_norm: PositiveNumber | None = Field(
        None, description="Largest norm of all gradients of a step together; larger ones are scaled down to it."
    )

    schedule: Literal["constant", "step", "cosine", "linear"] = Field(
        "constant", description="How the step size falls after the warm-up."
    )
    warmup_steps: Annotated[int, Field(ge=0)] = Field(
        0, description="Steps in which the step size rises evenly to `learning_rate`."
    )
    warmup_epochs: Annotated[float, Field(ge=0)] = Field(0.0, description="The same in epochs.")
    decay_epochs: Annotated[int, Field(ge=1)] = Field(10, description="Epochs between two falls of `step`.")
    decay: Annotated[float, Field(gt=0, lt=1)] = Field(0.1, description="Factor of each fall of `step`.")
    final_share: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="Share of `learning_rate` that `cosine` and `linear` come to after the last epoch."
    )

    batch_size: Annotated[int, Field(ge=1)] = Field(
        256,
        description="Rows a step; a last one of one row is joined with the step before it where the network standardises over "
        "the rows of a batch and needs two.",
    )
    accumulate: Annotated[int, Field(ge=1)] = Field(
        1,
        description="Parts that the rows of a step are computed in, one after the other, to need less memory; where memory "
        "runs out, parts are halved by themselves.",
    )
    precision: Literal["float32", "bfloat16", "float16"] = Field(
        "float32", description="Of the computation in training; weights stay float32, and `float16` needs a GPU."
    )
    checkpointing: bool = Field(
        False, description="Compute activations again instead of keeping them, where the architecture can."
    )

    epochs: Annotated[int, Field(ge=1, le=100_000)] = Field(30, description="Most passes over the training rows.")
    patience: Annotated[int, Field(ge=1)] = Field(
        5, description="Epochs without a better validation loss before stopping."
    )
    keep: Literal["best", "last"] = Field(
        "best",
        description="Weights that are the model: of the epoch with the best validation loss, or of the last one.",
    )
    validation: Annotated[float, Field(gt=0, lt=1)] = Field(0.1, description="Share of training rows held out.")
    split_by: Literal["none", "group", "time"] = Field(
        "none",
        description="Which rows are held out: a share of each class (`none`), whole groups of rows with equal values in "
        "`split_column` (`group`), or those with its last values (`time`): numbers, or ISO dates and times. By groups or time "
        "`data.held_out` draws too.",
    )
    split_column: str | None = Field(
        None, description="Column that `split_by` goes by; no feature unless `data.features` names it."
    )

    init_from: str | None = Field(
        None,
        description="Weights to begin with: a bundle, or a file of safetensors or of a state dict, relative to this file. "
        "Tensors are taken by name.",
    )
    freeze: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(strict=False)] = Field(
        (),
        description="Beginnings of the names of parameters that stay as they are, in whole parts, such as `embedding` or "
        "`layers.0`.",
    )
    augment: Annotated[tuple[Augmentation, ...], Field(strict=False)] = Field(
        (),
        description="How images are varied in training: mirrored left to right, shifted or turned a little, with noise, or "
        "cut out of and enlarged.",
    )
    checkpoint_steps: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Steps between two checkpoints; there is one after an epoch anyway, if that took a second."
    )

    @property
    def columns(self) -> dict[str, str]:
        """Columns that training needs of its rows beside features and target, by the key that names them."""
        named = {"train.sample_weights": self.sample_weights, "train.split_column": self.split_column}
        return {key: name for key, name in named.items() if name is not None}

    @field_validator("class_weights", mode="before")
    @classmethod
    def _one_of_three_kinds(cls, weights: Any) -> Any:
        if isinstance(weights, Mapping):
            wrong = [name for name, weight in weights.items() if not _is_weight(weight)]
            if wrong:
                raise ValueError(f"expected a number from {LEAST_WEIGHT:g} to {MOST_WEIGHT:g} for {wrong[0]!r}")
        elif weights not in ("none", "balanced"):
            raise ValueError('expected "none", "balanced", or a table with a number for each class to weigh')
        return weights

    @field_validator("reweigh")
    @classmethod
    def _each_name_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            raise ValueError("expected each name of `reweigh` once")
        return names

    @model_validator(mode="after")
    def _keys_go_together(self) -> TrainTable:
        for problem in _problems(self):
            raise ValueError(problem)
        return self


def _is_weight(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and LEAST_WEIGHT <= value <= MOST_WEIGHT


def _problems(table: TrainTable) -> Iterator[str]:
    """Keys that another key makes meaningless, so that nobody takes them for effective."""
    changed = {name for name, field in TrainTable.model_fields.items() if getattr(table, name) != field.default}
    if table.momentum and table.optimizer != "sgd":
        yield 'expected `momentum` with `optimizer = "sgd"` only'
    if table.nesterov and not table.momentum:
        yield "expected `nesterov` with a `momentum` above 0 only"
    if changed & {"betas", "epsilon"} and table.optimizer not in ("adam", "adamw"):
        yield 'expected `betas` and `epsilon` with `optimizer = "adam"` or "adamw" only'
    if "batch_size" in changed and table.optimizer == "gradient-descent":
        yield 'expected no `batch_size` with `optimizer = "gradient-descent"`: its steps take all rows'
    if table.accumulate > table.batch_size and table.optimizer != "gradient-descent":
        yield "expected `accumulate` <= `batch_size`: a part has at least one row"
    if table.warmup_steps and table.warmup_epochs:
        yield "expected `warmup_steps` or `warmup_epochs`, not both"
    if changed & {"decay", "decay_epochs"} and table.schedule != "step":
        yield 'expected `decay` and `decay_epochs` with `schedule = "step"` only'
    if table.final_share and table.schedule not in ("cosine", "linear"):
        yield 'expected `final_share` with `schedule = "cosine"` or "linear" only'
    if table.loss == "mse" and (table.label_smoothing or table.class_weights != "none" or table.reweigh):
        yield "expected `label_smoothing`, `class_weights` and `reweigh` with a loss of classes only, not with `mse`"
    if (table.split_by == "none") != (table.split_column is None):
        yield '`split_by = "group"` or "time" and `split_column` go together: expected both or neither'
    if len(set(table.augment)) < len(table.augment):
        yield "expected each word of `augment` once"

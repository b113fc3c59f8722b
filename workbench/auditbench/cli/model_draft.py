"""The `[model]` table of a first audit.toml: of a model that is there, of predictions, or of one that is to be trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import get_args

from auditbench.cli.data_profile import ColumnProfile
from auditbench.cli.model_profile import ModelProfile
from auditbench.cli.predictions_profile import PredictionsProfile
from auditbench.cli.toml_words import quoted
from auditbench.cli.training_draft import draft_training
from auditbench.cli.weights_draft import draft_network, hidden_widths
from auditbench.run import Capability, Modality, Task
from auditbench.safe_text import safe_text

_DECLARED = ("safetensors", "state-dict", "torchscript", "exported", "pickle", "onnx", "keras", "callable", "endpoint")
_WEIGHTS = ("safetensors", "state-dict")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSource:
    """The model of a first configuration.

    Attributes:
        path: As audit.toml will name it, relative to its folder, or an address; empty where there is none.
        profile: What stands there; None where there is none.
        predictions: Outputs that stand for a model.
    """

    path: str = ""
    profile: ModelProfile | None = None
    predictions: PredictionsProfile | None = None

    @property
    def is_there(self) -> bool:
        """Whether nothing is to be trained."""
        return self.profile is not None or self.predictions is not None

    @property
    def own_columns(self) -> tuple[str, ...]:
        """The columns of the data that hold outputs."""
        return () if self.predictions is None or self.predictions.file is not None else self.predictions.columns

    @property
    def has_tokens(self) -> bool:
        """Whether the model brings a tokenizer of its own."""
        return self.profile is not None and self.profile.form == "huggingface"

    @property
    def describes_inputs(self) -> bool:
        """Whether the model says itself how images and series reach it."""
        return self.profile is not None and self.profile.output == "described"

    def fitted_columns(self, columns: Sequence[ColumnProfile]) -> frozenset[str]:
        """The columns that the model was fitted on, where its file says so and the data have all of them."""
        fitted = () if self.profile is None or self.profile.estimator is None else self.profile.estimator.features
        return frozenset(fitted) if set(fitted) <= {column.name for column in columns} else frozenset()

    @property
    def numbers_classes(self) -> bool:
        """Whether the model knows its classes by numbers alone."""
        return self.profile is not None and self.profile.estimator is not None and self.profile.estimator.numbered

    @property
    def capabilities(self) -> tuple[Capability, ...] | None:
        """What analyzers may use: nothing of predictions; None where it is not known before the model is opened."""
        return None if self.predictions is None else ()


def draft_model(source: ModelSource, task: Task, modality: Modality) -> list[str]:
    """Lines of the `[model]` table, and of `[train]` where there is no model yet."""
    profile = source.profile
    lines = ["[model]"]
    if source.predictions is not None:
        where = "a file" if source.path else "the data"
        lines.append(f'format = "predictions"         # no model: its outputs stand in {where}')
        lines += [f"path = {quoted(source.path)}"] if source.path else []
        lines.append(f"columns = [{', '.join(map(quoted, source.predictions.columns))}]")
    elif profile is not None:
        lines.append(f'format = "{profile.form}"{" " * max(1, 20 - len(profile.form))}# {safe_text(profile.what)}')
        lines.append(f"path = {quoted(source.path)}")
    else:
        lines.append('path = "model"')
    lines.append(f'task = "{task}"' + f"   # {', '.join(get_args(Task)[:-1])} or {get_args(Task)[-1]}")
    if task == "binary-classification":
        lines.append("threshold = 0.5               # probability from which a decision is positive")
    lines += _of_format(source, task, modality)
    return [*lines, ""] if source.is_there else [*lines, "", *draft_training(modality, task)]


def model_questions(source: ModelSource, task: Task, modality: Modality) -> Iterator[str]:
    """What a person has to see to before the model can be audited, as instructions."""
    profile = source.profile
    if source.predictions is not None:
        yield "check `output`: whether the predictions are probabilities, logits or values"
        if len(source.predictions.columns) > 1:
            yield "check `classes`: they stand in the order of the predictions"
        elif task == "binary-classification":
            yield "check `positive`: it is the class that the predictions are of"
        if source.predictions.unmatched:
            rows = f"{source.predictions.unmatched:,} rows of the sample"
            yield f"see to the rows without an output: {rows} have none"
        return
    if profile is None or profile.output == "described":
        return
    if source.numbers_classes and task == "multiclass-classification":
        yield "check `classes`, where it stands: the numbers of the model were taken for the classes in the order of their names"
    if profile.form in _WEIGHTS and hidden_widths(profile.shapes, task, modality) is None:
        yield "name the network of these weights: `factory`, or `architecture` with `parameters`"
    if profile.form in _DECLARED:
        yield "check `output`: what the model gives is never guessed by an audit"
    if profile.sha256:
        yield "opening this model runs code: look at it (`auditbench scan`), and name its sha256 in `trust` if you trust it"


def _of_format(source: ModelSource, task: Task, modality: Modality) -> Sequence[str]:
    profile = source.profile
    lines: list[str] = []
    form = "predictions" if source.predictions is not None else "" if profile is None else profile.form
    described = profile is not None and profile.output == "described"
    if profile is not None and form in _WEIGHTS:
        lines += draft_network(profile.shapes, task, modality)
    if profile is not None and profile.function:
        lines.append(f'function = "{profile.function}"')
    if form in (*_DECLARED, "predictions") and not described:
        lines.append(_output_line(task, source))
    if profile is not None and profile.sha256:
        lines.append(f'# trust = ["{profile.sha256}"]')
    return lines


def _output_line(task: Task, source: ModelSource) -> str:
    profile = source.profile
    if task == "regression":
        return 'output = "value"'
    seen = profile.output if profile is not None else ""
    usual = "probability" if profile is not None and profile.form in ("callable", "keras") else "logit"
    guessed = seen or (usual if source.predictions is None else source.predictions.output)
    reason = "by its last operation" if seen else 'or "logit"' if guessed == "probability" else 'or "probability"'
    return f'output = "{guessed}"{" " * max(1, 20 - len(guessed))}# {reason}'

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
from auditbench.cli.weights_draft import draft_network, draft_sets, hidden_widths
from auditbench.models.formats import takes_encoded_rows
from auditbench.run import Capability, Modality, Task
from auditbench.safe_text import safe_text

_DECLARED = ("safetensors", "state-dict", "torchscript", "exported", "pickle", "onnx", "keras", "callable", "endpoint")
_WEIGHTS = ("safetensors", "state-dict")
_SHOWN = 8


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
        yield from _predictions_questions(source.predictions, task)
    if profile is None or profile.output == "described":
        return
    if source.numbers_classes and task == "multiclass-classification":
        yield "check `classes`, where it stands: the numbers of the model were taken for the classes in the order of their names"
    if profile.form in _WEIGHTS:
        widths = hidden_widths(profile.shapes, task, modality)
        if widths is None:
            yield "name the network of these weights: `factory`, or `architecture` with `parameters`"
        elif widths:
            yield "check `activation` in `parameters`: no file of weights says it, and another one gives other outputs"
    if profile.sets:
        yield "say which weights are meant: `weights_in` of [model]"
    if _takes_numbers(source, modality):
        yield "say how the network wants its numbers: `inputs` of [model]"
    if profile.form in _DECLARED:
        yield "check `output`: what the model gives is never guessed by an audit"
    if profile.sha256:
        yield "opening this model runs code: look at it (`auditbench scan`), and name its sha256 in `trust` if you trust it"


def _predictions_questions(predictions: PredictionsProfile, task: Task) -> Iterator[str]:
    if predictions.others:
        named = ", ".join(map(safe_text, predictions.others[:_SHOWN]))
        yield f"check `columns`: they were chosen beside other columns of numbers in that file: {named}"
    if task != "regression":
        yield "check `output`: whether the predictions are probabilities or logits"
    if len(predictions.columns) > 1:
        yield "check `classes`: they stand in the order of the predictions"
    elif task == "binary-classification":
        yield "check `positive`: it is the class that the predictions are of"
    if predictions.decided and task != "regression":
        yield "name the columns with scores, if there are any: these predictions are 0 and 1 alone, as decisions are"
    if predictions.unmatched:
        yield f"see to the rows without an output: {predictions.unmatched:,} rows of the sample have none"


def _of_format(source: ModelSource, task: Task, modality: Modality) -> Sequence[str]:
    profile = source.profile
    lines: list[str] = []
    form = "predictions" if source.predictions is not None else "" if profile is None else profile.form
    described = profile is not None and profile.output == "described"
    if profile is not None and form in _WEIGHTS:
        lines += draft_network(profile.shapes, task, modality)
        lines += [draft_sets(profile.shapes, profile.sets)] if profile.sets else []
    if profile is not None and profile.function:
        lines.append(f'function = "{profile.function}"')
    if form in (*_DECLARED, "predictions") and not described:
        lines.append(_output_line(task, source))
    if _takes_numbers(source, modality):
        lines.append(
            '# inputs = "standardized"     # numbers less their mean, divided by their standard deviation, of the training rows; '
            "as they are without it"
        )
    if profile is not None and profile.sha256:
        lines.append(f'# trust = ["{profile.sha256}"]')
    return lines


def _takes_numbers(source: ModelSource, modality: Modality) -> bool:
    """Whether the columns of a table reach a network that does not say how it was trained on them."""
    profile = source.profile
    told = profile is None or profile.output == "described" or not takes_encoded_rows(profile.form)
    return not told and modality in ("tabular", "mixed")


def _output_line(task: Task, source: ModelSource) -> str:
    profile = source.profile
    if task == "regression":
        return 'output = "value"'
    seen = profile.output if profile is not None else ""
    usual = "probability" if profile is not None and profile.form in ("callable", "keras") else "logit"
    guessed = seen or (usual if source.predictions is None else source.predictions.output)
    reason = "by its last operation" if seen else 'or "logit"' if guessed == "probability" else 'or "probability"'
    return f'output = "{guessed}"{" " * max(1, 20 - len(guessed))}# {reason}'

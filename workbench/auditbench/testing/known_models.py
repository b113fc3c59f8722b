"""Known models: small ones whose right answers follow from their definition, each with data."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, cast

from auditbench.data import TABULAR_INPUT, FeatureSpec, Rows, TableInput, TextInput
from auditbench.run import Task
from auditbench.testing.subject_parts import data_of, drawn_labels, model_of, rows_of
from auditbench.testing.subjects import ToySubject, toy_subject
from auditbench.testing.toy_inputs import ToyRows

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import nn

    Numbers: TypeAlias = npt.NDArray[np.float64]
    Shapley: TypeAlias = Callable[[Rows, Rows], Numbers]
    """From rows and a background to values of shape `(rows, outputs, *players)`."""

XOR_FEATURES = ("left", "right", "idle")
ADDITIVE_FEATURES = ("line", "square", "bend", "idle")


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownModel:
    """A model with exact answers.

    Attributes:
        subject: Model and data, as `toy_context` takes them.
        shapley: Interventional Shapley values in the declared scale: hidden features take their values from each row of
            the background in turn (arXiv:1908.08474, sec. 3). Closed forms, not sums over coalitions. None where there
            is none.
    """

    subject: ToySubject
    shapley: Shapley | None = None


def linear_model() -> KnownModel:
    """A regression on `TOY_FEATURES`: what a feature adds, less what it adds on the mean of the background."""
    subject = toy_subject("regression")
    return KnownModel(subject=subject, shapley=subject.exact_contributions)


def constant_model() -> KnownModel:
    """A classifier that gives one logit whatever it is shown: every contribution is 0."""
    subject = toy_subject("constant")
    return KnownModel(subject=subject, shapley=subject.exact_contributions)


def xor_model(rows: int = 60, background: int = 40) -> KnownModel:
    """A classifier with the logit `4 |left - right| - 2` of features that are 0 or 1, as two ReLU units.

    No feature says anything by itself, and `idle` is a null player. With the four corners as the background, `left` and
    `right` share the logit equally.
    """
    import numpy as np

    from auditbench.testing.modules import xor_network

    raw = np.random.default_rng(0).integers(0, 2, (rows + background, 3)).astype(np.float64)
    raw[:4, :2] = ((0, 0), (0, 1), (1, 0), (1, 1))

    def shapley(explained: Rows, behind: Rows) -> Numbers:
        left, right = (explained.inputs[TABULAR_INPUT][:, place] for place in (0, 1))
        others = behind.inputs[TABULAR_INPUT]
        none = _xor(others[:, 0], others[:, 1]).mean()
        left_alone = _xor(left[:, np.newaxis], others[:, 1]).mean(axis=1)
        right_alone = _xor(others[:, 0], right[:, np.newaxis]).mean(axis=1)
        both = _xor(left, right)
        of_left = (left_alone - none + both - right_alone) / 2
        of_right = (right_alone - none + both - left_alone) / 2
        return np.stack([of_left, of_right, np.zeros(len(left))], axis=1)[:, np.newaxis]

    table = _table(XOR_FEATURES, raw)
    subject = _tabular(xor_network(), table, rows, task="binary-classification", architecture="mlp")
    return KnownModel(subject=subject, shapley=shapley)


def additive_model(rows: int = 60, background: int = 40) -> KnownModel:
    """A regression `2 line + square^2 + |bend|`: no interactions, and not linear; `idle` is a null player."""
    import numpy as np

    from auditbench.testing.modules import Additive64

    raw = (64 * np.random.default_rng(0).normal(0.0, 1.0, (rows + background, 4))).round() / 64  # float32 holds them

    def terms(part: Rows) -> Numbers:
        line, square, bend, idle = part.inputs[TABULAR_INPUT].T
        return np.stack([2.0 * line, square**2, np.abs(bend), 0.0 * idle], axis=1)

    def shapley(explained: Rows, behind: Rows) -> Numbers:
        values: Numbers = terms(explained) - terms(behind).mean(axis=0)
        return values[:, np.newaxis]

    table = _table(ADDITIVE_FEATURES, raw)
    subject = _tabular(Additive64(), table, rows, task="regression", architecture="additive")
    return KnownModel(subject=subject, shapley=shapley)


def tiny_cnn() -> KnownModel:
    """A classifier of images of 6 x 5 pixels: one convolution of 4 channels, ReLU, pooling, and two linear layers.

    Its weights are drawn by numpy, so that they are the same with every torch.
    """
    from auditbench.models.architectures.cnn import CnnParams, build_cnn

    toy = toy_subject("multiclass", modality="image")
    network = build_cnn(CnnParams(channels=(4,), hidden=(6,)), toy.model.inputs, len(toy.model.target_names))
    return KnownModel(subject=with_network(toy, seeded(network), architecture="cnn"))


def tiny_gpt() -> KnownModel:
    """A language model over the eight words of the toy texts: two layers of width 16 with two heads.

    Its weights are drawn by numpy. The tokens that follow, and which rows are of one text, are drawn too.
    """
    import numpy as np

    from auditbench.models.architectures.decoder import build_decoder
    from auditbench.models.architectures.parameters import DecoderParams

    toy = toy_subject("multiclass", modality="text")
    (item,) = cast("tuple[TextInput]", tuple(toy.model.inputs.values()))
    classes = item.vocabulary
    params = DecoderParams(width=16, layers=2, heads=2, feedforward=32, dropout=0.0)
    network = seeded(build_decoder(params, toy.model.inputs, len(classes)))
    subject = with_network(toy, network, architecture="decoder", task="next-token", classes=classes)
    rng = np.random.default_rng(1)

    def of_texts(rows: Rows) -> Rows:
        following = rng.integers(0, len(classes), len(rows))
        return dataclasses.replace(rows, y_true=following, clusters=np.arange(len(rows)) // 5)

    data = dataclasses.replace(subject.data.with_rows(of_texts), task="next-token", classes=classes)
    facts = dataclasses.replace(data.facts, positive="", outcomes={})
    return KnownModel(subject=dataclasses.replace(subject, data=dataclasses.replace(data, facts=facts)))


def seeded(network: nn.Module) -> nn.Module:
    """The network with weights drawn by numpy in the order of its parameters, frozen and in evaluation mode."""
    import numpy as np
    import torch

    rng = np.random.default_rng(0)
    with torch.no_grad():
        for weights in network.parameters():
            weights.copy_(torch.from_numpy(rng.normal(0.0, 0.4, tuple(weights.shape)).round(3)))
    return network.eval().requires_grad_(False)


def with_network(
    toy: ToySubject, network: nn.Module, *, architecture: str, task: Task | None = None, classes: tuple[str, ...] = ()
) -> ToySubject:
    """The toy subject with another model of the same inputs, and labels drawn from that."""
    import numpy as np

    classes = classes or toy.model.facts.classes
    facts = dataclasses.replace(
        toy.model.facts,
        architecture=architecture,
        task=task or toy.model.facts.task,
        classes=classes,
        capabilities=("gradients", "hooks", "layers", "embeddings", "black_box")
        if toy.data.modality == "text"
        else toy.model.facts.capabilities,
        parameters=sum(weights.numel() for weights in network.parameters()),
    )
    model = dataclasses.replace(toy.model, module=network, facts=facts, target_names=classes)
    rng = np.random.default_rng(2)
    data = toy.data.with_rows(lambda rows: dataclasses.replace(rows, y_true=drawn_labels(model, rows.inputs, rng)))
    counts = np.bincount(data.y_true, minlength=len(classes))
    outcomes = {name: int(count) for name, count in zip(classes, counts, strict=True)}
    described = dataclasses.replace(data.facts, outcomes=outcomes)
    return ToySubject(model=model, data=dataclasses.replace(data, facts=described))


def _xor(left: Numbers, right: Numbers) -> Numbers:
    values: Numbers = 4.0 * abs(left - right) - 2.0
    return values


def _table(names: tuple[str, ...], raw: Numbers) -> ToyRows:
    """A table of numbers that reach the model as they are."""
    features = tuple(
        FeatureSpec(name=name, kind="number", start=place, stop=place + 1) for place, name in enumerate(names)
    )
    return ToyRows(inputs={TABULAR_INPUT: TableInput(features=features)}, raw={TABULAR_INPUT: raw})


def _tabular(module: nn.Module, table: ToyRows, rows: int, *, task: Task, architecture: str) -> ToySubject:
    """The first rows are evaluated, the others are the background; one sensitive feature is drawn."""
    import numpy as np

    classes = () if task == "regression" else ("no", "yes")
    model = model_of(module, table.inputs, task=task, classes=classes, architecture=architecture)
    rng = np.random.default_rng(1)
    labels = drawn_labels(model, table.raw, rng)
    groups = np.where(rng.random(len(labels)) < 0.5, "North", "South")
    evaluated = rows_of(table, slice(0, rows), labels, {"region": groups[:rows]}, "row")
    background = rows_of(table, slice(rows, None), labels, {"region": groups[rows:]}, "background")
    return ToySubject(model=model, data=data_of(model, evaluated, background))

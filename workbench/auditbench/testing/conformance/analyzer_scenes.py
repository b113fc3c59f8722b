"""`Scene`: a toy subject that an analyzer is tried on, usual or odd in one way."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import get_args

import numpy as np
import torch

from auditbench.contracts import Analyzer
from auditbench.data import Rows
from auditbench.models import ModelUnderTest
from auditbench.models.architectures.encoder import build_encoder
from auditbench.models.architectures.parameters import EncoderParams
from auditbench.run import Modality
from auditbench.testing.conformance.odd_subjects import ODD
from auditbench.testing.known_models import seeded, tiny_cnn, tiny_gpt, with_network, xor_model
from auditbench.testing.subjects import ToyKind, ToySubject, toy_subject

_KINDS: tuple[ToyKind, ...] = ("binary", "multiclass", "regression")
_ROWS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Model and data.

    Attributes:
        name: In words, for messages: `tabular, binary-classification, linear model`.
        models: The further models that the config would name.
        odd: Key of the promise that it is made for; empty for a usual scene.
    """

    name: str
    subject: ToySubject
    models: dict[str, ModelUnderTest] = field(default_factory=dict)
    odd: str = ""


def usual_scenes(analyzer: Analyzer) -> Iterator[Scene]:
    """Every modality with every task: linear models, and four networks that have layers."""
    for modality in get_args(Modality):
        for kind in _KINDS:
            toy = toy_subject(kind, modality=modality, rows=_ROWS, background=_ROWS)
            yield _scene(analyzer, _with_large_groups(toy))
    known = (xor_model(background=_ROWS), tiny_cnn(), tiny_gpt())
    for subject in (*(each.subject for each in known), _text_classifier()):
        yield _scene(analyzer, _with_large_groups(subject))


def odd_scenes(analyzer: Analyzer, usual: Scene) -> Iterator[Scene]:
    """The subject of a usual scene, odd in one way after the other, as far as its data and its task allow it."""
    for key, oddity in ODD.items():
        subject = oddity.change(copied(usual).subject)
        if subject is not None:
            yield dataclasses.replace(_scene(analyzer, subject), name=f"{usual.name}, {oddity.words}", odd=key)


def copied(scene: Scene) -> Scene:
    """The same scene of objects of its own."""
    return copy.deepcopy(scene)


def _scene(analyzer: Analyzer, subject: ToySubject) -> Scene:
    facts = subject.model.facts
    what = subject.data.modality if subject.data.modality != "mixed" else "several inputs"
    models = {"other": _moved(subject.model)} if analyzer.needs.further_models else {}
    return Scene(name=f"{what}, {facts.task}, {facts.architecture} model", subject=subject, models=models)


def _text_classifier() -> ToySubject:
    """A transformer encoder over the toy texts, which gives gradients at the embedding of tokens."""
    toy = toy_subject("multiclass", modality="text", rows=_ROWS, background=_ROWS)
    params = EncoderParams(width=16, layers=1, heads=2, feedforward=32, dropout=0.0)
    network = seeded(build_encoder(params, toy.model.inputs, len(toy.model.target_names)))
    return with_network(toy, network, architecture="encoder")


def _moved(model: ModelUnderTest) -> ModelUnderTest:
    """A model beside the audited one, with slightly smaller weights."""
    module = copy.deepcopy(model.module)
    with torch.no_grad():
        for weights in module.parameters():
            weights.mul_(0.9)
    return dataclasses.replace(model, module=module)


def _with_large_groups(subject: ToySubject) -> ToySubject:
    """With two groups of half of the rows in each sensitive feature; those of evaluated rows stay as far as they do."""

    def change(rows: Rows) -> Rows:
        places = np.arange(len(rows))
        kept = rows.sensitive_features.get("sex", np.asarray([""]))
        sex = np.where(places % 4 < 2, "Female", "Male") if "" in kept else kept
        return dataclasses.replace(
            rows, sensitive_features={"sex": sex, "region": np.where(places % 2 == 0, "North", "South")}
        )

    data = subject.data.with_rows(change)
    facts = dataclasses.replace(data.facts, sensitive=("sex", "region"))
    return dataclasses.replace(subject, data=dataclasses.replace(data, facts=facts))

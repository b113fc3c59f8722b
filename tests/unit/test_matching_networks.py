"""Every architecture of the product is found again by the shapes of its tensors and by its outputs, and no other is taken."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from auditbench.data import FeatureSpec, ImageInput, ModelInput, SeriesInput, TableInput, TextInput
from auditbench.models import ModelUnderTest
from auditbench.models.architectures import BUILT_IN
from auditbench.models.description import output_count
from auditbench.models.exporting.matching import match_network
from auditbench.models.network import build_network, check_parameters
from auditbench.models.wrapping import Interface, Origin, wrap_network

ARCHITECTURES = {item.name: item for item in BUILT_IN}
TABLE = {"features": TableInput(features=tuple(FeatureSpec(name=n, kind="number", start=i, stop=i + 1) for i, n in enumerate("abc")))}  # fmt: skip
IMAGE = {"image": ImageInput(channels=1, height=8, width=8, mean=(0.1,), scale=(0.3,))}
TEXT = {"text": TextInput(unit="words", vocabulary=tuple(f"word{index}" for index in range(12)), length=6)}
SERIES = {"series": SeriesInput(channels=("x", "y"), steps=12, mean=(0.0, 0.0), scale=(1.0, 1.0))}
SMALL = {"width": 8, "heads": 4, "layers": 2, "feedforward": 10}
CLASSES = {"regression": (), "binary-classification": ("no", "yes"), "next-token": TEXT["text"].vocabulary}
CASES: dict[str, tuple[str, Mapping[str, ModelInput], dict[str, Any], Any]] = {
    "linear": ("linear", TABLE, {}, "regression"),
    "mlp": ("mlp", TABLE, {"hidden": [5, 4], "activation": "gelu"}, "binary-classification"),
    "mlp-of-images": ("mlp", IMAGE, {"hidden": [5], "activation": "tanh"}, "binary-classification"),
    "cnn": ("cnn", IMAGE, {"channels": [3, 4], "hidden": [], "head": "average"}, "multiclass-classification"),
    "cnn-normed": ("cnn", IMAGE, {"channels": [3], "hidden": [4], "batch_norm": True}, "multiclass-classification"),
    "cnn1d": ("cnn1d", SERIES, {"channels": [3, 4], "kernel": 5, "hidden": [3]}, "multiclass-classification"),
    "lstm": ("rnn", TEXT, {"cell": "lstm", "embedding": 5, "hidden": 4, "pooling": "max"}, "binary-classification"),
    "gru": ("rnn", TEXT, {"cell": "gru", "embedding": 5, "hidden": 4, "bidirectional": True}, "regression"),
    "rnn": ("rnn", SERIES, {"cell": "rnn", "hidden": 4, "layers": 2, "pooling": "mean"}, "regression"),
    "encoder": ("encoder", TEXT, SMALL | {"pooling": "first"}, "binary-classification"),
    "encoder-of-series": ("encoder", SERIES, SMALL, "binary-classification"),
    "decoder": ("decoder", TEXT, SMALL, "next-token"),
    "decoder-tied": ("decoder", TEXT, SMALL | {"tied": True}, "next-token"),
}


def wrapped(network: nn.Module, inputs: Mapping[str, ModelInput], task: Any) -> ModelUnderTest:
    interface = Interface(
        task=task,
        classes=CLASSES.get(task, ("a", "b", "c")),
        output="value" if task == "regression" else "logit",
        inputs=inputs,
    )
    origin = Origin(name="net", format="pickle", architecture="net", digest="0")
    return wrap_network(network.eval().requires_grad_(False), interface, origin, device="cpu", capabilities=())


def built(name: str) -> tuple[nn.Module, ModelUnderTest]:
    architecture, inputs, parameters, task = CASES[name]
    item = ARCHITECTURES[architecture]
    params = check_parameters(item, parameters, where="parameters")
    count = output_count(task, CLASSES.get(task, ("a", "b", "c")))
    network = build_network(item, params, inputs=inputs, outputs=count, seed=1)
    generator = torch.Generator().manual_seed(3)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3, generator=generator)
    return network, wrapped(network, inputs, task)


@pytest.mark.parametrize("name", CASES)
def test_a_network_of_the_product_is_found_by_its_tensors_and_outputs(name: str, tmp_path: Path) -> None:
    network, model = built(name)
    architecture, _, parameters, _ = CASES[name]
    found = match_network(model, ARCHITECTURES, named=None, tolerance=1e-6)
    assert found is not None
    assert found.architecture == architecture
    assert {key: found.parameters[key] for key in parameters} == parameters
    own = network.state_dict()
    assert found.tensors.keys() == own.keys()
    assert all(torch.equal(found.tensors[key], own[key]) for key in own)


@pytest.mark.parametrize("name", ["mlp", "cnn", "gru", "encoder"])
def test_the_same_tensors_with_another_function_are_not_taken(name: str) -> None:
    network, model = built(name)
    _, inputs, _, task = CASES[name]

    class Squared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            outputs: torch.Tensor = self.network(rows)
            return outputs + 0.01 * outputs**2

    assert match_network(wrapped(Squared(), inputs, task), ARCHITECTURES, named=None, tolerance=1e-6) is None
    assert match_network(model, ARCHITECTURES, named=None, tolerance=1e-6) is not None

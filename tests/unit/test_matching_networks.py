"""Every architecture of the product is found again by the shapes of its tensors and by its outputs, and no other is taken."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from auditbench.config import ModelTable
from auditbench.data import FeatureSpec, ImageInput, ModelInput, SeriesInput, TableInput, TextInput
from auditbench.errors import ModelError
from auditbench.models import ModelUnderTest
from auditbench.models.architectures import BUILT_IN
from auditbench.models.description import OutputScaling, output_count
from auditbench.models.exporting.converting import refuse_unconvertible
from auditbench.models.exporting.matching import _orders, match_network
from auditbench.models.network import ScaledOutput, build_network, check_parameters
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


class Changed(nn.Module):
    """A network with a function in front of it and one behind it."""

    def __init__(self, network: nn.Module, before: nn.Module | None = None, behind: nn.Module | None = None) -> None:
        super().__init__()
        self.before, self.network, self.behind = before or nn.Identity(), network, behind or nn.Identity()

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.behind(self.network(self.before(rows)))
        return outputs


@pytest.mark.parametrize("bound", [6.0, 100.0])
def test_bounds_that_only_large_numbers_reach_are_seen(bound: float) -> None:
    network, _ = built("linear")
    clamped = wrapped(Changed(network, before=nn.Hardtanh(-bound, bound)), TABLE, "regression")
    assert match_network(clamped, ARCHITECTURES, named=None, tolerance=1e-5) is None
    layers = nn.Sequential(nn.Linear(3, 4), nn.ReLU6(), nn.Linear(4, 1))
    for layer in (layers[0], layers[2]):
        nn.init.normal_(layer.weight, std=0.3, generator=torch.Generator().manual_seed(1))
    assert match_network(wrapped(layers, TABLE, "regression"), ARCHITECTURES, named=None, tolerance=1e-5) is None


def test_the_scaling_of_outputs_is_never_left_out() -> None:
    network, _ = built("linear")
    scaled = ScaledOutput(network, OutputScaling(mean=3.0, scale=2.0))
    assert match_network(wrapped(scaled, TABLE, "regression"), ARCHITECTURES, named=None, tolerance=1e-5) is None


def test_a_large_tolerance_takes_the_same_network_before_one_that_is_like_it() -> None:
    _, model = built("mlp")
    found = match_network(model, ARCHITECTURES, named=None, tolerance=10.0)
    assert found is not None
    assert found.parameters["activation"] == "gelu"


def test_tensors_in_one_order_are_tried_once() -> None:
    assert len(list(_orders(built("mlp")[1]))) == 1


@pytest.mark.parametrize(
    "form", ["onnx", "keras", "huggingface", "callable", "predictions", "endpoint", "of-a-plugin", "bundle"]
)
def test_formats_without_a_network_of_the_product_are_refused_with_the_reason(form: str) -> None:
    with pytest.raises(ModelError) as caught:
        refuse_unconvertible(ModelTable(format=form, task="regression"))
    (problem,) = caught.value.problems
    assert problem.where == "model.format"
    assert problem.fix
    assert problem.found == "bundle" if form == "bundle" else problem.found.startswith(f"{form}: ")

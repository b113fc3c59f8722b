"""The layers of a network and what they give, against hooks and gradients written out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from auditbench.data import ImageInput, ModelInput
from auditbench.models import ModelUnderTest, wrap_module
from auditbench.models.layer_outputs import layer_gradients, layer_outputs
from auditbench.models.layers import Layer, by_name, model_layers, stages
from tests.small_networks import TEXT, made

IMAGE = ImageInput(channels=2, height=8, width=8, mean=(0.0, 0.0), scale=(1.0, 1.0), largest=1.0)
IDS = np.array([[3, 4, 5, 0, 0, 0, 0], [2, 2, 6, 7, 8, 9, 3], [0, 0, 0, 0, 0, 0, 0]])


def subject(module: nn.Module, inputs: Mapping[str, ModelInput], classes: int = 3) -> ModelUnderTest:
    names = tuple("abcdefghij"[:classes])
    return wrap_module(
        module, task="multiclass-classification", output="logit", classes=names, inputs=inputs, device="cpu"
    )


@pytest.fixture(name="images")
def image_subject() -> ModelUnderTest:
    torch.default_generator.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(2, 5, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(45, 4), nn.Tanh(),
        nn.Linear(4, 3),
    )  # fmt: skip
    return subject(network, {"image": IMAGE})


def pictures(rows: int) -> dict[str, npt.NDArray[Any]]:
    return {"image": np.random.default_rng(1).random((rows, 2, 8, 8), dtype=np.float32)}


def test_layers_stand_in_running_order_with_their_units(images: ModelUnderTest) -> None:
    found = model_layers(images, pictures(2))
    assert [(each.name, each.kind, each.units) for each in found] == [
        ("0", "Conv2d", 5), ("1", "ReLU", 5), ("2", "MaxPool2d", 5), ("3", "Flatten", 45), ("4", "Linear", 4),
        ("5", "Tanh", 4), ("6", "Linear", 3),
    ]  # fmt: skip
    assert [each.unit_axis for each in found] == [1] * 7


def test_what_runs_in_place_afterwards_does_not_change_what_a_layer_gave(images: ModelUnderTest) -> None:
    rows = pictures(3)
    (first, *_others) = model_layers(images, rows)
    given = images.module.get_submodule("0")(images.encode(rows))
    assert float(given.min()) < 0
    expected = given.detach().mean(dim=(2, 3)).numpy()
    np.testing.assert_allclose(layer_outputs(images, rows, [first])["0"], expected, atol=1e-6)
    np.testing.assert_array_equal(images.predict(rows), images.predict(rows))
    assert not any(module._forward_hooks for module in images.module.modules())


def test_gradients_are_those_of_moving_all_places_alike(images: ModelUnderTest) -> None:
    rows, targets, step = pictures(4), np.array([0, 2, 1, 0]), 1e-3
    for name in ("0", "2", "4"):
        (layer,) = (each for each in model_layers(images, rows) if each.name == name)
        found = layer_gradients(images, rows, layer, targets)
        for unit in range(0, layer.units, 2):
            moved = [_moved(images, rows, layer, unit, way * step)[np.arange(4), targets] for way in (1, -1)]
            np.testing.assert_allclose(found[:, unit], (moved[0] - moved[1]) / (2 * step), atol=2e-3)


def _moved(model: ModelUnderTest, rows: dict[str, Any], layer: Layer, unit: int, by: float) -> npt.NDArray[Any]:
    def move(_module: nn.Module, _given: object, output: torch.Tensor) -> torch.Tensor:
        changed = output.clone()
        changed.select(layer.unit_axis, unit).add_(by)
        return changed

    handle = model.module.get_submodule(layer.name).register_forward_hook(move)
    try:
        return model.predict(rows)
    finally:
        handle.remove()


@pytest.mark.parametrize("name", ["encoder-mean", "decoder", "lstm"])
def test_padding_does_not_count(name: str) -> None:
    """A text of three tokens gives the mean of three vectors, and an empty one that of its first place."""
    model = subject(made(name, 3), {"t": TEXT})
    (embedding,) = (
        each for each in model_layers(model, {"t": IDS[:2]}) if each.kind == "Embedding" and "pos" not in each.name
    )
    table = model.module.get_submodule(embedding.name).get_parameter("weight")
    found = layer_outputs(model, {"t": IDS}, [embedding])[embedding.name]
    wanted = [table[IDS[0, :3]].mean(dim=0), table[IDS[1]].mean(dim=0), table[0]]
    np.testing.assert_allclose(found, torch.stack(wanted).numpy(), atol=1e-6)


def test_gradients_behind_token_ids_leave_padding_out() -> None:
    model = subject(made("encoder-mean", 3), {"t": TEXT})
    (first, *_others) = model_layers(model, {"t": IDS[:2]})
    found = layer_gradients(model, {"t": IDS[:2]}, first, np.array([1, 1]))
    table = model.module.get_submodule(first.name)
    with torch.enable_grad():
        held: list[torch.Tensor] = []
        handle = table.register_forward_hook(lambda _l, _g, given: held.append(given.requires_grad_()))
        outputs = model.module(torch.from_numpy(IDS[:1]))
        handle.remove()
        (slope,) = torch.autograd.grad(outputs[0, 1], held[0])
    np.testing.assert_allclose(found[0], slope[0, :3].sum(dim=0).numpy(), atol=1e-6)


def test_a_layer_that_the_output_does_not_depend_on_has_no_gradient() -> None:
    class Idle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.idle, self.used = nn.Linear(3, 2), nn.Linear(3, 3)

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            self.idle(rows.flatten(1)[:, :3])
            used: torch.Tensor = self.used(rows.flatten(1)[:, :3])
            return used

    model = subject(Idle(), {"image": IMAGE})
    (idle, _used) = model_layers(model, pictures(2))
    assert not layer_gradients(model, pictures(3), idle, np.zeros(3, dtype=np.int64)).any()


def test_modules_that_run_twice_or_give_no_rows_are_no_layers() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.same, self.table, self.last = nn.Linear(4, 4), nn.Embedding(1, 4), nn.Linear(4, 3)

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            states = self.same(self.same(rows.flatten(1)[:, :4]))
            given: torch.Tensor = self.last(states + self.table(torch.zeros(1, dtype=torch.int64)))
            return given

    assert [each.name for each in model_layers(subject(Twice(), {"image": IMAGE}), pictures(2))] == ["last"]


def test_blocks_of_a_transformer_are_stages() -> None:
    model = subject(made("encoder-mean", 3), {"t": TEXT})
    found = model_layers(model, {"t": IDS[:2]})
    assert [each.name for each in found if each.block] == ["layers.0", "layers.1"]
    assert [each.name for each in stages(found, 12)] == [found[0].name, "layers.0", "layers.1", found[-1].name]
    assert all(each.unit_axis == len(each.shape) for each in found)


def test_parts_of_a_sequence_that_have_parts_are_blocks_and_labels_leave_out_what_all_share() -> None:
    body = nn.Sequential(nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU()), nn.Sequential(nn.Flatten(), nn.Linear(144, 3)))
    found = model_layers(subject(nn.Sequential(body), {"image": IMAGE}), pictures(2))
    assert [(each.name, each.label, each.block) for each in found] == [
        ("0.0.0", "0.0", False), ("0.0", "0", True), ("0.1.0", "1.0", False), ("0.1", "1", True),
    ]  # fmt: skip
    named = by_name(found)
    assert named["1"] is named["0.1"] is found[3]
    assert named["0.0"].name == "0.0.0"


@pytest.mark.parametrize(("count", "most", "expected"), [(3, 5, [0, 1, 2]), (9, 3, [0, 4, 8]), (9, 1, [0])])
def test_too_many_layers_are_spread(count: int, most: int, expected: list[int]) -> None:
    layers = [
        Layer(name=str(place), label=str(place), kind="Linear", shape=(4,), unit_axis=1) for place in range(count)
    ]
    assert [int(each.name) for each in stages(layers, most)] == expected


def test_what_stands_at_padding_does_not_count_even_where_it_is_no_number() -> None:
    class Divided(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding, self.divided, self.output = nn.Embedding(TEXT.tokens, 4), nn.Identity(), nn.Linear(4, 3)

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            words = (ids != 0).unsqueeze(2)
            given = self.divided(self.embedding(ids) / words)
            found: torch.Tensor = self.output(torch.where(words, given, 0.0).sum(dim=1))
            return found

    model, rows = subject(Divided(), {"t": TEXT}), {"t": IDS[:2]}
    divided = next(each for each in model_layers(model, rows) if each.name == "divided")
    table = model.module.get_submodule("embedding").get_parameter("weight")
    found = layer_outputs(model, rows, [divided])["divided"]
    np.testing.assert_allclose(found[0], table[IDS[0, :3]].mean(dim=0).numpy(), atol=1e-6)

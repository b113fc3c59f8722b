"""Networks of Keras against the same networks without Keras: written out in torch from the bare arrays of their files."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from auditbench.data.inputs import ModelInput
from auditbench.models import Interface, ModelUnderTest, Origin, wrap_network
from auditbench.run import Task
from auditbench_captum import integrated_gradients
from auditbench_shap import shapley_values
from tests.keras_networks import INPUTS, KERAS2, OF_KERAS, image, made, opened, raw_rows, saved

if TYPE_CHECKING:
    import numpy.typing as npt

pytestmark = pytest.mark.filterwarnings(OF_KERAS)

Arrays = dict[str, torch.Tensor]


def arrays_of(path: Path) -> Arrays:
    """Every array of a file of Keras 2, by the names of its layer and of itself, without Keras's `:0`."""
    found: Arrays = {}

    def keep(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and name.startswith("model_weights/"):
            _, layer, *_, own = name.split("/")
            found[f"{layer}/{own.removesuffix(':0')}"] = torch.tensor(item[()])

    with h5py.File(path) as file:
        file.visititems(keep)
    return found


def mini_xception(arrays: Arrays, faces: torch.Tensor) -> torch.Tensor:
    """The network of `emotion_model.hdf5`: arXiv:1710.07557, figure 2, with 8 to 128 channels; probabilities of 7 emotions."""

    def convolved(rows: torch.Tensor, name: str, *, stride: int = 1, pad: int = 0) -> torch.Tensor:
        return functional.conv2d(rows, arrays[f"{name}/kernel"].permute(3, 2, 0, 1), stride=stride, padding=pad)

    def separated(rows: torch.Tensor, name: str) -> torch.Tensor:
        depthwise = arrays[f"{name}/depthwise_kernel"].permute(2, 3, 0, 1)
        rows = functional.conv2d(rows, depthwise, padding=1, groups=len(depthwise))
        return functional.conv2d(rows, arrays[f"{name}/pointwise_kernel"].permute(3, 2, 0, 1))

    def normed(rows: torch.Tensor, name: str) -> torch.Tensor:
        mean, variance = arrays[f"{name}/moving_mean"], arrays[f"{name}/moving_variance"]
        return functional.batch_norm(rows, mean, variance, arrays[f"{name}/gamma"], arrays[f"{name}/beta"], eps=1e-3)

    rows = torch.relu(normed(convolved(faces, "conv2d_1"), "batch_normalization_1"))
    rows = torch.relu(normed(convolved(rows, "conv2d_2"), "batch_normalization_2"))
    for block in range(4):
        side = normed(convolved(rows, f"conv2d_{block + 3}", stride=2), f"batch_normalization_{3 * block + 3}")
        rows = normed(separated(rows, f"separable_conv2d_{2 * block + 1}"), f"batch_normalization_{3 * block + 4}")
        rows = normed(
            separated(torch.relu(rows), f"separable_conv2d_{2 * block + 2}"), f"batch_normalization_{3 * block + 5}"
        )
        # `same` of a window of 3 and a stride of 2 fills in behind an even side, and on both ends of an odd one.
        before = rows.shape[-1] % 2
        rows = functional.pad(rows, (before, 1, before, 1), value=-torch.inf)
        rows = functional.max_pool2d(rows, 3, 2) + side
    last = functional.conv2d(rows, arrays["conv2d_7/kernel"].permute(3, 2, 0, 1), arrays["conv2d_7/bias"], padding=1)
    return torch.softmax(last.mean(dim=(2, 3)), dim=1)


def test_a_network_of_2017_written_out() -> None:
    arrays = arrays_of(KERAS2 / "emotion_model.hdf5")
    assert sum(array.numel() for array in arrays.values()) == 58_423
    inputs = {"image": image(1, 64, 64)}
    model = opened(
        KERAS2 / "emotion_model.hdf5", inputs, task="multiclass-classification", outputs=7, output="probability"
    )
    rows = raw_rows(inputs, rows=5)
    expected = mini_xception(arrays, torch.tensor(rows["image"])).numpy()
    assert np.ptp(expected) > 0.05
    np.testing.assert_allclose(model.predict(rows), expected, atol=1e-5)


class TorchMlp(nn.Module):
    """The network `mlp` in torch alone."""

    def __init__(self, weights: list[Any]) -> None:
        super().__init__()
        first, shift, gamma, beta, mean, variance, second, bias, last, end = map(torch.tensor, weights)
        self.body = nn.Sequential(
            linear(first, shift), nn.ReLU(), normed(nn.BatchNorm1d(8, eps=1e-3), gamma, beta, mean, variance),
            linear(second, bias), nn.GELU(), linear(last, end), nn.Sigmoid(),
        )  # fmt: skip

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.body(rows)
        return outputs


class TorchCnn(nn.Module):
    """The network `cnn` in torch alone, which takes channels first and flattens channels last."""

    def __init__(self, weights: list[Any]) -> None:
        super().__init__()
        kernel, bias, gamma, beta, mean, variance, last, end = map(torch.tensor, weights)
        self.convolution = nn.Conv2d(2, 4, 3)
        self.convolution.load_state_dict({"weight": kernel.permute(3, 2, 0, 1), "bias": bias})
        self.norm = normed(nn.BatchNorm2d(4, eps=1e-3), gamma, beta, mean, variance)
        self.head = linear(last, end)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        rows = functional.max_pool2d(self.norm(torch.relu(self.convolution(rows))), 2)
        return torch.softmax(self.head(rows.permute(0, 2, 3, 1).flatten(1)), dim=1)


def linear(kernel: torch.Tensor, bias: torch.Tensor) -> nn.Linear:
    layer = nn.Linear(*kernel.shape)
    layer.load_state_dict({"weight": kernel.T, "bias": bias})
    return layer


def normed(layer: nn.Module, gamma: Any, beta: Any, mean: Any, variance: Any) -> nn.Module:
    state = {"weight": gamma, "bias": beta, "running_mean": mean, "running_var": variance}
    layer.load_state_dict({**layer.state_dict(), **state})
    return layer


def twins(name: str, path: Path) -> tuple[ModelUnderTest, ModelUnderTest]:
    """The same network as a file of Keras and as a module of torch."""
    inputs = INPUTS[name]
    task: Task = "multiclass-classification" if name == "cnn" else "binary-classification"
    of_keras = opened(saved(made(name), path), inputs, task=task, outputs=3, output="probability")
    weights = made(name).get_weights()
    module = (TorchCnn(weights) if name == "cnn" else TorchMlp(weights)).eval().requires_grad_(False)
    of_torch = wrap_network(
        module,
        Interface(task=task, classes=of_keras.facts.classes, output="probability", inputs=inputs),
        Origin(name="torch", format="live", architecture="torch", digest=""),
        device="cpu",
        capabilities=("gradients", "hooks", "layers", "black_box"),
    )
    return of_keras, of_torch


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_the_same_network_has_the_same_explanations(name: str, tmp_path: Path) -> None:
    models = twins(name, tmp_path / "model.keras")
    inputs = INPUTS[name]
    rows, background = raw_rows(inputs, rows=4), raw_rows(inputs, rows=6, seed=1)
    predicted = [model.predict(rows) for model in models]
    np.testing.assert_allclose(*predicted, atol=1e-6)
    encoded, replaced = models[0].encode(rows), models[0].encode(background)
    integrated = [
        integrated_gradients(model.module, encoded, baseline=replaced.mean(dim=0, keepdim=True), steps=32).values
        for model in models
    ]
    groups = None if name == "mlp" else quarters(inputs)
    shapley = [
        shapley_values(model.module, encoded, replaced, groups=groups, rng=np.random.default_rng(0)).values
        for model in models
    ]
    for found, expected in (integrated, shapley):
        assert np.abs(expected).max() > 0.001
        np.testing.assert_allclose(found, expected, atol=1e-4)
    assert dataclasses.replace(models[0].facts, name="", format="", architecture="", capabilities=(), digest="") == (
        dataclasses.replace(
            models[1].facts,
            name="",
            format="",
            architecture="",
            capabilities=(),
            digest="",
            parameters=models[0].facts.parameters,
        )
    )


def quarters(inputs: Any) -> npt.NDArray[np.int64]:
    """Players of an image: its four quarters, with all channels."""
    item: ModelInput = inputs["image"]
    players = np.zeros(item.shape, np.int64)
    players[:, :, 5:] += 1
    players[:, 6:] += 2
    return players

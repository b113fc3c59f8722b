"""Networks of convolutions against scipy and plain loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy import signal

from tests.small_networks import IMAGE, SERIES, built, encoded

Numbers = npt.NDArray[Any]


def state(network: torch.nn.Module) -> dict[str, Numbers]:
    return {name: tensor.double().numpy() for name, tensor in network.state_dict().items()}


def convolved(rows: Numbers, weight: Numbers, bias: Numbers | None) -> Numbers:
    """Cross-correlation with zeros around, over all axes behind the channels."""
    given = [
        [sum(signal.correlate(row[c], kernel[c], mode="same") for c in range(len(row))) for kernel in weight]
        for row in rows
    ]
    result = np.asarray(given)
    return result if bias is None else result + bias.reshape(-1, *[1] * (result.ndim - 2))


def pooled(rows: Numbers) -> Numbers:
    height, width = rows.shape[2] // 2, rows.shape[3] // 2
    return np.asarray(
        [
            [
                [[channel[2 * y : 2 * y + 2, 2 * x : 2 * x + 2].max() for x in range(width)] for y in range(height)]
                for channel in row
            ]
            for row in rows
        ]
    )


def normed(rows: Numbers, weights: dict[str, Numbers], name: str) -> Numbers:
    shape = (-1, *[1] * (rows.ndim - 2))
    mean, variance, scale, shift = (
        weights[f"{name}.norm.{part}"].reshape(shape) for part in ("running_mean", "running_var", "weight", "bias")
    )
    return (rows - mean) / np.sqrt(variance + 1e-5) * scale + shift


def headed(rows: Numbers, weights: dict[str, Numbers], layers: int) -> Numbers:
    for index in range(layers):
        name = f"head.{3 * index + 1}"
        rows = rows @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]
        if index < layers - 1:
            rows = np.maximum(rows, 0)
    return rows


def with_random_statistics(network: torch.nn.Module) -> torch.nn.Module:
    generator = torch.Generator().manual_seed(2)
    for name, tensor in network.state_dict().items():
        if ".norm." in name and tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
    return network


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize(("head", "hidden"), [("flatten", [5]), ("average", [])])
def test_images_go_through_convolution_norm_relu_and_pooling(batch_norm: bool, head: str, hidden: list[int]) -> None:
    network = with_random_statistics(
        built("cnn", {"i": IMAGE}, channels=[4, 6], batch_norm=batch_norm, head=head, hidden=hidden)
    )
    weights, batch = state(network), encoded({"i": IMAGE}, 3)
    rows = batch.double().numpy()
    for name in ("blocks.0", "blocks.1"):
        rows = convolved(rows, weights[f"{name}.convolution.weight"], weights.get(f"{name}.convolution.bias"))
        rows = pooled(np.maximum(normed(rows, weights, name) if batch_norm else rows, 0))
    assert rows.shape == (3, 6, 2, 2)
    rows = rows.reshape(3, -1) if head == "flatten" else rows.mean((2, 3))
    np.testing.assert_allclose(
        network(batch).detach().numpy(), headed(rows, weights, len(hidden) + 1), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("batch_norm", [False, True])
def test_series_go_through_convolution_norm_and_relu_and_are_averaged(batch_norm: bool) -> None:
    network = with_random_statistics(
        built("cnn1d", {"s": SERIES}, channels=[4, 5], kernel=5, batch_norm=batch_norm, hidden=[6])
    )
    weights, batch = state(network), encoded({"s": SERIES}, 3)
    rows = batch.double().numpy()
    for name in ("blocks.0", "blocks.1"):
        rows = convolved(rows, weights[f"{name}.convolution.weight"], weights.get(f"{name}.convolution.bias"))
        rows = np.maximum(normed(rows, weights, name) if batch_norm else rows, 0)
    expected = headed(rows.mean(2), weights, 2)
    np.testing.assert_allclose(network(batch).detach().numpy(), expected, rtol=1e-4, atol=1e-5)


def test_a_pattern_is_found_wherever_it_stands_in_a_series() -> None:
    network = built("cnn1d", {"s": SERIES}, channels=[4], kernel=3, batch_norm=False)
    pattern = torch.randn(3, 3, generator=torch.Generator().manual_seed(0))
    rows = torch.zeros(2, 3, 13)
    rows[0, :, 2:5], rows[1, :, 7:10] = pattern, pattern
    first, second = network(rows)
    torch.testing.assert_close(first, second)

"""GradCAM, guided backpropagation, SmoothGrad and relevance propagation against captum, closed forms and plain loops."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from captum import attr
from captum.attr._utils.lrp_rules import Alpha1_Beta0_Rule, EpsilonRule
from torch import nn

from auditbench.errors import AnalyzerNotPossible
from auditbench.models import BatchSize
from auditbench_captum.class_activation import grad_cam, guided_grad_cam
from auditbench_captum.guided import guided_gradients
from auditbench_captum.relevance import relevance
from auditbench_captum.smoothed import smooth_gradients

TARGETS = torch.tensor([[0, 1], [2, 3], [4, 0], [1, 1]])


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Setting (forward, )?backward hooks", UserWarning)
        warnings.filterwarnings("ignore", "Input Tensor .* did not already require gradients", UserWarning)
        yield


def network(*, bias: bool = True) -> nn.Sequential:
    torch.manual_seed(0)
    layers = [
        nn.Conv2d(3, 8, 3, padding=1, bias=bias),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 12, 3, padding=1, bias=bias),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(48, 16, bias=bias),
        nn.ReLU(),
        nn.Linear(16, 5, bias=bias),
    ]
    return nn.Sequential(*layers).double().eval()


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(4, 3, 12, 10, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def both(of_one: object) -> np.ndarray:
    return np.stack([of_one(TARGETS[:, at]).detach().numpy() for at in range(2)], axis=1)


def test_grad_cam_is_captums(images: torch.Tensor) -> None:
    module = network()

    def by_captum(target: torch.Tensor) -> torch.Tensor:
        found = attr.LayerGradCam(module, module[3]).attribute(images, target, relu_attributions=True)
        return attr.LayerAttribution.interpolate(found, (12, 10), interpolate_mode="bilinear")[:, 0]

    np.testing.assert_allclose(grad_cam(module, images, TARGETS), both(by_captum), atol=1e-12)


def test_grad_cam_of_channels_last_is_that_of_channels_first(images: torch.Tensor) -> None:
    class Turned(nn.Module):
        def __init__(self, inner: nn.Sequential) -> None:
            super().__init__()
            self.front, self.turn, self.rest = inner[:4], nn.Identity(), inner[4:]

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            return self.rest(self.turn(self.front(rows).movedim(1, -1)).movedim(-1, 1))

    found = grad_cam(Turned(network()), images, TARGETS, layer="turn", channel_axis=-1)
    np.testing.assert_allclose(found, grad_cam(network(), images, TARGETS), atol=1e-12)


def test_guided_backpropagation_and_guided_grad_cam_are_captums(images: torch.Tensor) -> None:
    module, others = network(), copy.deepcopy(network())
    guided = both(lambda target: attr.GuidedBackprop(others).attribute(images, target))
    np.testing.assert_allclose(guided_gradients(module, images, TARGETS), guided, atol=1e-12)
    times = both(
        lambda target: attr.GuidedGradCam(others, others[3]).attribute(images, target, interpolate_mode="bilinear")
    )
    np.testing.assert_allclose(guided_grad_cam(module, images, TARGETS), times, atol=1e-12)


@pytest.mark.parametrize("bias", [False, True])
def test_relevance_by_epsilon_is_captums(images: torch.Tensor, *, bias: bool) -> None:
    others = copy.deepcopy(network(bias=bias))

    def by_captum(target: torch.Tensor) -> torch.Tensor:
        for layer in others:
            if not isinstance(layer, nn.ReLU):
                layer.rule = EpsilonRule(1e-12)
        return attr.LRP(others).attribute(images, target)

    found = relevance(network(bias=bias), images, TARGETS, rule="epsilon", epsilon=0.0)
    np.testing.assert_allclose(found, both(by_captum), atol=1e-8)


def test_relevance_by_the_rule_of_what_raises_is_captums_where_no_pixel_is_negative(images: torch.Tensor) -> None:
    others, pixels = copy.deepcopy(network()), images.abs()

    def by_captum(target: torch.Tensor) -> torch.Tensor:
        for layer in others:
            if isinstance(layer, nn.Conv2d):
                layer.rule = Alpha1_Beta0_Rule(set_bias_to_zero=True)
            elif not isinstance(layer, nn.ReLU):
                layer.rule = EpsilonRule(1e-12)
        return attr.LRP(others).attribute(pixels, target)

    found = relevance(network(), pixels, TARGETS, epsilon=1e-14)
    np.testing.assert_allclose(found, both(by_captum), atol=1e-7)


def test_without_biases_relevance_by_epsilon_is_gradient_times_input_and_adds_up(images: torch.Tensor) -> None:
    module = network(bias=False)
    found = relevance(module, images, TARGETS, rule="epsilon", epsilon=0.0)
    inputs = images.clone().requires_grad_()
    outputs = module(inputs).gather(1, TARGETS)
    for at in range(2):
        (slope,) = torch.autograd.grad(outputs[:, at].sum(), inputs, retain_graph=True)
        np.testing.assert_allclose(found[:, at], (slope * images).detach().numpy(), atol=1e-12)
    np.testing.assert_allclose(found.sum(axis=(2, 3, 4)), outputs.detach().numpy(), atol=1e-12)


def test_smooth_gradients_are_the_mean_over_the_same_noise(images: torch.Tensor) -> None:
    module = network()
    found = smooth_gradients(
        module, images, TARGETS, samples=7, noise=0.2, batch=BatchSize(3), rng=np.random.default_rng(5)
    )
    rng = np.random.default_rng(5)
    for row, image in enumerate(images):
        noise = torch.from_numpy(rng.standard_normal((7, 3, 12, 10), dtype=np.float32)).double()
        points = [(image + 0.2 * (image.max() - image.min()) * each).requires_grad_() for each in noise]
        for at, target in enumerate(TARGETS[row].tolist()):
            slopes = [torch.autograd.grad(module(point[None])[0, target], point)[0] for point in points]
            np.testing.assert_allclose(found[row, at], torch.stack(slopes).mean(dim=0).numpy(), atol=1e-12)


class _Loose(nn.Module):
    def __init__(self, activate: object) -> None:
        super().__init__()
        self.first, self.relu, self.last = nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Linear(4, 5)
        self.activate = activate

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.last(self.activate(self.relu(self.first(rows))).flatten(2).mean(dim=2))


@pytest.mark.parametrize("activate", [torch.relu, nn.functional.relu, nn.functional.gelu])
def test_a_rectifier_that_no_hook_reaches_is_refused(activate: object) -> None:
    module = _Loose(activate).double().eval()
    with pytest.raises(AnalyzerNotPossible, match="rectifies in another way"):
        guided_gradients(module, torch.zeros(1, 3, 4, 4, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.int64))


def test_sums_of_branches_and_layers_without_a_rule_are_refused() -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.norm = nn.Linear(3, 3), nn.LayerNorm(3)

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            return self.norm(rows + self.first(rows))

    with pytest.raises(AnalyzerNotPossible) as refused:
        relevance(Residual().eval(), torch.ones(1, 3), torch.zeros(1, 1, dtype=torch.int64))
    assert "LayerNorm" in refused.value.problems[0].found
    assert "add outside of a layer" in refused.value.problems[0].found


@pytest.mark.parametrize("method", [grad_cam, guided_grad_cam])
def test_a_network_without_a_convolution_has_no_map(method: object) -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(12, 2), nn.ReLU()).eval()
    with pytest.raises(AnalyzerNotPossible, match="has none"):
        method(module, torch.zeros(1, 3, 2, 2), torch.zeros(1, 1, dtype=torch.int64))


@pytest.mark.parametrize("method", [grad_cam, guided_gradients, guided_grad_cam, relevance])
def test_the_network_is_left_as_it_was(method: object, images: torch.Tensor) -> None:
    module = network()
    before = copy.deepcopy(module.state_dict())
    method(module, images, TARGETS)
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    assert not any(
        layer._forward_hooks or layer._forward_pre_hooks or layer._backward_hooks for layer in module.modules()
    )
    assert all(parameter.grad is None for parameter in module.parameters())

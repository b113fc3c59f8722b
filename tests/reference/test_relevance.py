"""Relevance propagation against captum, networks without BatchNorm, plain re-implementations and closed forms."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from captum import attr
from captum.attr._utils.custom_modules import Addition_Module
from captum.attr._utils.lrp_rules import Alpha1_Beta0_Rule, EpsilonRule
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from auditbench.errors import AnalyzerNotPossible
from auditbench_captum.relevance import Rule, relevance
from tests.reference.test_image_gradients import TARGETS, both, network

Explain = Callable[[torch.Tensor], torch.Tensor]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Setting (forward, )?backward hooks", UserWarning)
        warnings.filterwarnings("ignore", "Input Tensor .* did not already require gradients", UserWarning)
        yield


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(4, 3, 12, 10, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def trained(norm: nn.Module) -> nn.Module:
    """BatchNorm with numbers as training leaves them, channels turned round among them."""
    generator = torch.Generator().manual_seed(7)
    for tensor in (norm.weight.data, norm.bias.data, norm.running_mean):
        tensor.copy_(torch.randn(tensor.shape, generator=generator))
    norm.running_var.copy_(torch.rand(norm.running_var.shape, generator=generator) + 0.3)
    return norm


def test_functions_whose_arguments_are_named_are_the_same_functions() -> None:
    class Named(nn.Module):
        def __init__(self, *, named: bool) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.first, self.last = nn.Linear(4, 4, bias=False), nn.Linear(4, 2, bias=False)
            self.named = named

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            made = self.first(rows)
            raised = torch.relu(input=made) if self.named else torch.relu(made)
            both = torch.add(raised, other=rows) if self.named else torch.add(raised, rows)
            return self.last(torch.mul(input=both, other=2.0) if self.named else 2.0 * both)

    rows, targets = torch.randn(3, 4, generator=torch.Generator().manual_seed(2)), torch.tensor([[0], [1], [0]])
    found = relevance(Named(named=True).eval(), rows, targets)
    np.testing.assert_array_equal(found, relevance(Named(named=False).eval(), rows, targets))
    outputs = Named(named=True)(rows).gather(1, targets).detach().numpy()
    np.testing.assert_allclose(found.sum(axis=2), outputs, rtol=1e-3)


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


class Normalised(nn.Module):
    """Convolution, BatchNorm, ReLU, pooling; linear, BatchNorm, ReLU; linear."""

    def __init__(self, *, bias: bool) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.first, self.norm = nn.Conv2d(3, 8, 3, padding=1, bias=bias), trained(nn.BatchNorm2d(8))
        self.hidden, self.other = nn.Linear(8 * 6 * 5, 12, bias=bias), trained(nn.BatchNorm1d(12))
        self.pool, self.last = nn.MaxPool2d(2), nn.Linear(12, 5)
        self.double().eval()

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        maps = self.pool(torch.relu(self.norm(self.first(rows))))
        return self.last(torch.relu(self.other(self.hidden(maps.flatten(1)))))

    def folded(self) -> Normalised:
        """The same network without BatchNorm."""
        found = copy.deepcopy(self)
        found.first, found.norm = fuse_conv_bn_eval(found.first, found.norm), nn.Identity()
        found.hidden, found.other = fuse_linear_bn_eval(found.hidden, found.other), nn.Identity()
        return found


@pytest.mark.parametrize("rule", ["epsilon", "epsilon_plus"])
@pytest.mark.parametrize("bias", [False, True])
def test_batch_norm_is_one_layer_with_what_is_in_front_of_it(rule: Rule, images: torch.Tensor, *, bias: bool) -> None:
    module = Normalised(bias=bias)
    folded = module.folded()
    torch.testing.assert_close(module(images), folded(images))
    found = relevance(module, images, TARGETS, rule=rule)
    np.testing.assert_allclose(found, relevance(folded, images, TARGETS, rule=rule), rtol=1e-7, atol=1e-9)


def test_relevance_of_a_small_network_is_what_plain_loops_give() -> None:
    """A convolution of one place with BatchNorm by the z+ rule, then a linear layer by the epsilon rule."""
    torch.manual_seed(0)
    convolution, norm, last = nn.Conv1d(3, 4, 1, bias=False), trained(nn.BatchNorm1d(4)), nn.Linear(4, 2)
    module = nn.Sequential(convolution, norm, nn.ReLU(), nn.Flatten(), last).double().eval()
    row = torch.tensor([[[0.5], [-1.2], [2.0]]], dtype=torch.float64)
    found = relevance(module, row, torch.tensor([[1]]), epsilon=0.0)[0, 0, :, 0]

    scale = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).detach().numpy()
    weights = convolution.weight.detach().numpy()[:, :, 0] * scale[:, None]
    entered = row[0, :, 0].numpy()
    hidden = np.maximum(weights @ entered + (norm.bias - norm.running_mean * torch.tensor(scale)).detach().numpy(), 0)
    output = module(row)[0, 1].item()
    of_hidden = [hidden[k] * last.weight[1, k].item() * output / output for k in range(4)]
    expected = np.zeros(3)
    for k in range(4):
        raising = [max(entered[j] * weights[k, j], 0.0) for j in range(3)]
        for j in range(3):
            expected[j] += raising[j] / sum(raising) * of_hidden[k] if any(raising) else 0.0
    np.testing.assert_allclose(found, expected, rtol=1e-10)


class Residual(nn.Module):
    """A residual block of two convolutions, written with `+` or with captum's module for it."""

    def __init__(self, add: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.first, self.second = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)
        self.relu, self.again, self.add = nn.ReLU(), nn.ReLU(), add
        self.pool, self.flat, self.last = nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 5)
        self.double().eval()

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        maps = self.relu(self.first(rows))
        return self.last(self.flat(self.pool(self.again(self.add(self.second(maps), maps)))))


def in_place(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    left += right
    return left


@pytest.mark.parametrize("add", [torch.add, lambda left, right: left + right, in_place])
def test_a_residual_connection_is_shared_out_as_captum_does(add: object, images: torch.Tensor) -> None:
    others = Residual(Addition_Module())

    def by_captum(target: torch.Tensor) -> torch.Tensor:
        for layer in (others.first, others.second, others.add, others.pool, others.flat, others.last):
            layer.rule = EpsilonRule(1e-12)
        return attr.LRP(others).attribute(images, target)

    found = relevance(Residual(add), images, TARGETS, rule="epsilon", epsilon=1e-14)
    np.testing.assert_allclose(found, both(by_captum), atol=1e-7)


def test_batch_norm_behind_something_else_is_a_layer_of_its_own(images: torch.Tensor) -> None:
    module = nn.Sequential(trained(nn.BatchNorm2d(3)), nn.Flatten(), nn.Linear(360, 5)).double().eval()
    others = copy.deepcopy(module)

    def by_captum(target: torch.Tensor) -> torch.Tensor:
        for layer in others:
            layer.rule = EpsilonRule(1e-12)
        return attr.LRP(others).attribute(images, target)

    np.testing.assert_allclose(relevance(module, images, TARGETS, epsilon=1e-14), both(by_captum), atol=1e-7)


def test_the_difference_of_two_outputs_has_the_difference_of_relevances(images: torch.Tensor) -> None:
    class Difference(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            outputs = self.inner(rows)
            return (outputs[:, 1] - outputs[:, 0]).unsqueeze(1)

    pair = torch.tensor([[1, 0]] * 4)
    each = relevance(network(), images, pair, epsilon=1e-12)
    found = relevance(Difference(network()).eval(), images, torch.zeros((4, 1), dtype=torch.int64), epsilon=1e-12)
    np.testing.assert_allclose(found[:, 0], each[:, 0] - each[:, 1], atol=1e-9)


def test_a_row_has_the_same_relevance_alone_as_beside_others(images: torch.Tensor) -> None:
    together = relevance(
        network(), images * torch.tensor([1.0, 50.0, 1.0, 200.0]).view(-1, 1, 1, 1), TARGETS, epsilon=0.1
    )
    np.testing.assert_allclose(together[:1], relevance(network(), images[:1], TARGETS[:1], epsilon=0.1), rtol=1e-10)


@pytest.mark.parametrize("activation", [nn.ReLU, nn.ELU, nn.LeakyReLU, nn.SiLU, nn.Hardtanh])
def test_an_activation_in_place_hands_on_as_one_that_is_not(activation: type[nn.Module], images: torch.Tensor) -> None:
    def made(*, inplace: bool) -> nn.Module:
        torch.manual_seed(0)
        layers = [nn.Conv2d(3, 4, 3), activation(inplace=inplace), nn.Flatten(), nn.Linear(320, 5)]
        return nn.Sequential(*layers).double().eval()

    found, expected = (relevance(made(inplace=inplace), images, TARGETS) for inplace in (True, False))
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert np.abs(found).max() > 0


@pytest.mark.parametrize(
    ("computed", "name"),
    [
        (nn.LayerNorm(3), "layer_norm"),
        (lambda rows: rows.softmax(dim=1), "softmax"),
        (lambda rows: rows * rows, "mul"),
        (lambda rows: 1.0 / rows, "__rtruediv__"),
        (lambda rows: rows.exp(), "exp"),
        (nn.GRU(3, 3, batch_first=True), "gru"),
    ],
)
def test_what_has_no_rule_is_refused_by_name(computed: object, name: str) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.computed = nn.Linear(3, 3), computed

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            found = self.computed(self.first(rows))
            return found[0] if isinstance(found, tuple) else found

    with pytest.raises(AnalyzerNotPossible) as refused:
        relevance(Net().eval(), torch.ones(1, 3), torch.zeros(1, 1, dtype=torch.int64))
    assert name in refused.value.problems[0].found.split(", ")

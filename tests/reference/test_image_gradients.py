"""GradCAM, guided backpropagation and SmoothGrad against captum, closed forms and plain loops."""

from __future__ import annotations

import copy
import dataclasses
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from captum import attr
from torch import nn

from auditbench.errors import AnalyzerNotPossible, AuditbenchError, ConfigError
from auditbench.models import BatchSize
from auditbench.testing import toy_context, toy_subject
from auditbench_captum import Params
from auditbench_captum.analysis import analyze
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


@pytest.mark.parametrize("output", ["logit", "probability"])
@pytest.mark.parametrize("method", ["grad_cam", "guided_grad_cam"])
def test_a_map_of_one_output_is_captums_of_two_for_the_class_that_was_decided(method: str, output: str) -> None:
    torch.manual_seed(3)
    front = [nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 2), nn.ReLU(), nn.Flatten()]
    shared = nn.Sequential(*front).eval()
    subject = toy_subject("binary", modality="image")
    images = subject.model.encode(subject.data.take(np.arange(len(subject.data))).inputs)
    with torch.no_grad():
        last = nn.Linear(shared(images[:1]).shape[1], 1)
        last.bias -= (shared(images) @ last.weight.t() + last.bias).median()  # so that either class is decided
        two = nn.Linear(last.in_features, 2)
        two.weight.copy_(torch.cat([-last.weight, last.weight]))
        two.bias.copy_(torch.cat([-last.bias, last.bias]))
    end = [nn.Sigmoid()] if output == "probability" else []
    facts = dataclasses.replace(subject.model.facts, output=output)
    model = dataclasses.replace(subject.model, module=nn.Sequential(*shared, last, *end).eval(), facts=facts)
    reference = nn.Sequential(*shared, two).eval()
    params = Params.model_validate({"rows": 12, "method": method})
    context = toy_context(
        dataclasses.replace(subject, model=model),
        analyzer="captum",
        params=params,
        case_indices=(1, 0),
        raw_inputs=True,
    )
    result = analyze(context, params)
    (attribution,) = result.attributions
    rows = context.explained_rows(12)
    outputs = model.predict(rows.inputs)
    decided = torch.from_numpy(model.decisions(outputs))
    assert set(decided.tolist()) == {0, 1}
    encoded = model.encode(rows.inputs)
    if method == "grad_cam":
        found = attr.LayerGradCam(reference, reference[3]).attribute(encoded, decided, relu_attributions=True)
        wanted = attr.LayerAttribution.interpolate(found, encoded.shape[2:], interpolate_mode="bilinear")[:, 0]
    else:
        by_captum = attr.GuidedGradCam(reference, reference[3])
        wanted = by_captum.attribute(encoded, decided, interpolate_mode="bilinear").sum(dim=1)
    values = np.asarray(attribution.values)[:, 0]
    wanted = wanted.detach().numpy()
    if output == "probability":  # the slope of the sigmoid scales the map of each row
        slope = (outputs * (1 - outputs))[:, :, np.newaxis]
        wanted = wanted * (slope if method == "grad_cam" else slope**2)
    np.testing.assert_allclose(values, wanted, rtol=1e-4, atol=1e-6)
    assert all(np.abs(each).max() > 0 for each in values[decided.numpy() == 0][:2])
    classes = model.facts.classes
    assert [block.title.values["target"] for block in result.image_overlays] == [classes[at] for at in decided[:2]]
    assert {block.title.key for block in result.image_overlays} == {"captum.map_decided"}
    assert attribution.target_names == ("predicted",)
    assert (np.asarray(attribution.outputs) > (0.5 if output == "probability" else 0)).all()


def test_grad_cam_of_channels_last_is_that_of_channels_first(images: torch.Tensor) -> None:
    class Turned(nn.Module):
        def __init__(self, inner: nn.Sequential) -> None:
            super().__init__()
            self.front, self.turn, self.rest = inner[:4], nn.Identity(), inner[4:]

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            return self.rest(self.turn(self.front(rows).movedim(1, -1)).movedim(-1, 1))

    found = grad_cam(Turned(network()), images, TARGETS, layer="turn", channels="last")
    np.testing.assert_allclose(found, grad_cam(network(), images, TARGETS), atol=1e-12)


def test_guided_backpropagation_and_guided_grad_cam_are_captums(images: torch.Tensor) -> None:
    module, others = network(), copy.deepcopy(network())
    guided = both(lambda target: attr.GuidedBackprop(others).attribute(images, target))
    np.testing.assert_allclose(guided_gradients(module, images, TARGETS), guided, atol=1e-12)
    times = both(
        lambda target: attr.GuidedGradCam(others, others[3]).attribute(images, target, interpolate_mode="bilinear")
    )
    np.testing.assert_allclose(guided_grad_cam(module, images, TARGETS), times, atol=1e-12)


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


class Functional(nn.Module):
    """The layers of `network()`, with functions in place of modules that have no weights."""

    def __init__(self, layers: nn.Sequential, activate: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.first, self.second, self.hidden, self.last = layers[0], layers[3], layers[7], layers[9]
        self.activate = activate

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        maps = nn.functional.max_pool2d(self.activate(self.first(rows)), 2)
        maps = nn.functional.adaptive_avg_pool2d(self.activate(self.second(maps)), 2)
        return self.last(self.activate(self.hidden(maps.flatten(1))))


@pytest.mark.parametrize("activate", [torch.relu, nn.functional.relu, nn.ReLU(inplace=True), torch.relu_])
@pytest.mark.parametrize("method", [guided_gradients, guided_grad_cam, relevance])
def test_functions_are_followed_as_modules_are(
    method: Callable[..., np.ndarray], activate: Callable[[torch.Tensor], torch.Tensor], images: torch.Tensor
) -> None:
    found = method(Functional(network(), activate).eval(), images, TARGETS)
    np.testing.assert_allclose(found, method(network(), images, TARGETS), atol=1e-12)


def test_grad_cam_maps_what_a_layer_gives_before_it_is_changed_in_place(images: torch.Tensor) -> None:
    found = grad_cam(Functional(network(), torch.relu_).eval(), images, TARGETS, layer="second")
    np.testing.assert_allclose(found, grad_cam(network(), images, TARGETS, layer="3"), atol=1e-12)
    assert np.abs(found).max() > 0


@pytest.mark.parametrize("activate", [nn.functional.gelu, nn.functional.leaky_relu, nn.ELU()])
def test_other_rectifiers_are_refused(activate: Callable[[torch.Tensor], torch.Tensor], images: torch.Tensor) -> None:
    module = Functional(network(), activate).eval()
    with pytest.raises(AnalyzerNotPossible, match="rectifies in another way"):
        guided_gradients(module, images, TARGETS)


@pytest.mark.parametrize("method", [guided_gradients, relevance])
def test_a_network_that_changes_tensors_behind_its_back_is_refused(method: Callable[..., np.ndarray]) -> None:
    class Hidden(nn.Module):
        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            made = rows + 0.0
            torch.relu_(made)
            return made.flatten(1)

    with pytest.raises(AnalyzerNotPossible, match="does not see all") as refused:
        method(Hidden().eval(), torch.linspace(-1, 1, 12).view(1, 3, 2, 2), torch.zeros(1, 1, dtype=torch.int64))
    assert "behind its back" in refused.value.problems[0].found


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.parametrize("method", [guided_gradients, relevance])
def test_a_part_in_torchscript_is_refused(method: Callable[..., np.ndarray], images: torch.Tensor) -> None:
    part = torch.jit.trace(network()[:6], images)
    module = nn.Sequential(part, network()[6:]).eval()
    with pytest.raises(AnalyzerNotPossible, match="does not see all"):
        method(module, images, TARGETS)


def test_the_end_of_a_name_is_enough_where_one_layer_has_it(images: torch.Tensor) -> None:
    module = nn.Sequential()
    module.add_module("body", network())
    found = grad_cam(module.eval(), images, TARGETS, layer="0")
    np.testing.assert_allclose(found, grad_cam(network(), images, TARGETS, layer="0"), atol=1e-12)


@pytest.mark.parametrize(
    ("layer", "raised", "message", "allowed"),
    [
        ("bodi.3", ConfigError, "no layer of this name", "body.3"),
        ("nothing", ConfigError, "no layer of this name", "body.0, body.3, other.0, other.3"),
        ("3", ConfigError, "several layers", "body.3, other.3"),
        ("body.7", ConfigError, "gives no map", "channels"),
        ("other.0", ConfigError, "gives no map", "channels"),
    ],
)
def test_a_layer_that_has_no_map_is_refused_with_what_there_is(
    layer: str, raised: type[AuditbenchError], message: str, allowed: str, images: torch.Tensor
) -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.other = network(), network()

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            self.other(rows.detach())
            return self.body(rows)

    module = Two().eval()
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    with pytest.raises(raised, match=message) as refused:
        grad_cam(module, images, TARGETS, layer=layer)
    (problem,) = refused.value.problems
    assert allowed in problem.allowed
    assert problem.where == "analyzers.captum.layer"


def test_grad_cam_of_series_is_captums() -> None:
    torch.manual_seed(0)
    layers = [nn.Conv1d(2, 6, 5, padding=2), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(6, 8, 3, padding=1), nn.ReLU()]
    module = nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(8, 5)).double().eval()
    series = torch.randn(4, 2, 20, dtype=torch.float64)

    def by_captum(target: torch.Tensor) -> torch.Tensor:
        found = attr.LayerGradCam(module, module[0]).attribute(series, target, relu_attributions=True)
        return attr.LayerAttribution.interpolate(found, (20,), interpolate_mode="linear")[:, 0]

    np.testing.assert_allclose(grad_cam(module, series, TARGETS, layer="0"), both(by_captum), atol=1e-12)
    assert grad_cam(module, series, TARGETS).shape == (4, 2, 20)


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

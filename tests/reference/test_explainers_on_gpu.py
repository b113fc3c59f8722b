"""On a GPU every explainer gives what it gives on the CPU, and waits for the device no more often for more rows."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from auditbench.data import Rows
from auditbench.masking import Blur, MaskToken, occlusion, superpixels, token_players
from auditbench.models import BatchSize, ModelUnderTest, wrap_module
from auditbench.models.layer_outputs import layer_gradients, layer_outputs
from auditbench.models.layers import model_layers
from auditbench.testing import count_operations
from auditbench_captum import integrated_gradients
from auditbench_captum.class_activation import grad_cam, guided_grad_cam
from auditbench_captum.embedded import Embedded
from auditbench_captum.relevance import relevance
from auditbench_captum.smoothed import smooth_gradients
from auditbench_concepts.sensitivity import Slopes, mean_slopes
from auditbench_concepts.vectors import concept_vectors
from auditbench_lime import lime_weights, masked_lime_weights
from auditbench_shap import shapley_values
from auditbench_shap.owen import owen_values
from auditbench_training_rows.last_layer import LastLayer, find_last_linear, last_layer
from auditbench_training_rows.tracin import strongest
from tests.concept_models import PROBLEMS, Problem
from tests.naive_games import mlp, numbers

pytestmark = pytest.mark.gpu

DEVICE = "cuda"
ROWS, BACKGROUND = numbers(9, 6), numbers(40, 6, seed=1)
TARGETS = torch.tensor([[0, 1], [3, 2]])


@pytest.fixture(autouse=True)
def _without_tf32(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in an audit: convolutions with ten bits would be another network."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


class Opaque(nn.Module):
    """A network that cannot be cut behind its first layer."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.eval()

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.network(rows) if rows.shape[0] else rows
        return outputs


TABLE_EXPLAINERS: dict[str, Callable[[nn.Module, torch.Tensor], Any]] = {
    "exact": lambda model, rows: shapley_values(model, rows, BACKGROUND, method="exact"),
    "permutation": lambda model, rows: shapley_values(model, rows, BACKGROUND, method="permutation"),
    "until": lambda model, rows: shapley_values(model, rows, BACKGROUND, method="permutation", target_error=0.02),
    "kernel": lambda model, rows: shapley_values(model, rows, BACKGROUND, method="kernel"),
    "lime": lambda model, rows: lime_weights(model, rows.cpu().numpy(), BACKGROUND.numpy()),
    "lime, independent": lambda model, rows: lime_weights(
        model, rows.cpu().numpy(), BACKGROUND.numpy(), independent=True
    ),
    "lime, masked": lambda model, rows: masked_lime_weights(model, rows, BACKGROUND),
    "integrated gradients": lambda model, rows: integrated_gradients(model, rows, baseline=BACKGROUND.mean(dim=0)),
    "occlusion": lambda model, rows: occlusion(model, rows, BACKGROUND),
}


@pytest.mark.parametrize("factored", [True, False])
@pytest.mark.parametrize("name", TABLE_EXPLAINERS)
def test_a_table_has_the_same_contributions(name: str, *, factored: bool) -> None:
    network = mlp(6, 2)
    model = network if factored else Opaque(network)
    expected = TABLE_EXPLAINERS[name](model, ROWS)
    found = TABLE_EXPLAINERS[name](copy.deepcopy(model).to(DEVICE), ROWS.to(DEVICE))
    np.testing.assert_allclose(found.values, expected.values, atol=1e-3 if "lime" in name else 1e-4)


def test_images_and_texts_have_the_same_contributions() -> None:
    torch.manual_seed(0)
    images = torch.rand(3, 3, 16, 16)
    images[0, :, :8] = 0
    convolutions = nn.Sequential(nn.Conv2d(3, 64, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64 * 196, 4)).eval()
    tokens = torch.randint(2, 30, (3, 7))
    texts = nn.Sequential(nn.Embedding(30, 8), nn.Flatten(), nn.Linear(56, 16), nn.ReLU(), nn.Linear(16, 2)).eval()
    players = superpixels(images, count=9, method="grid")
    for model, rows, masker, groups in (
        (convolutions, images, Blur(sigma=2.0), players),
        (texts, tokens, MaskToken(token_id=1), token_players(tokens)),
    ):
        expected = shapley_values(model, rows, masker, groups=groups, target="predicted", method="exact")
        found = shapley_values(
            copy.deepcopy(model).to(DEVICE), rows.to(DEVICE), masker, groups=groups, target="predicted", method="exact"
        )
        np.testing.assert_allclose(found.values, expected.values, atol=1e-4)


@pytest.mark.parametrize("factored", [True, False])
def test_the_device_is_not_waited_for_more_often_with_more_rows(*, factored: bool) -> None:
    network = mlp(6, 2)
    model = (network if factored else Opaque(network)).to(DEVICE)
    reads = []
    for rows in (4, 200):
        with count_operations() as counted:
            shapley_values(model, numbers(rows, 6).to(DEVICE), BACKGROUND, method="permutation", budget=400)
        reads.append(counted.host_reads)
    assert reads[0] == reads[1] < 60


IMAGE_EXPLAINERS: dict[str, Callable[[nn.Module, torch.Tensor, torch.Tensor], Any]] = {
    "grad_cam": grad_cam,
    "guided_grad_cam": guided_grad_cam,
    "relevance": relevance,
    "smooth_grad": lambda module, rows, targets: smooth_gradients(
        module, rows, targets, samples=6, batch=BatchSize(4), rng=np.random.default_rng(0)
    ),
}


class Residual(nn.Module):
    """A block of a convolutional network, added to what it is given."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm, self.rectified = nn.BatchNorm2d(channels), nn.ReLU(inplace=True)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        rectified: torch.Tensor = self.rectified(self.norm(self.convolution(maps)) + maps)
        return rectified


@pytest.mark.parametrize("name", IMAGE_EXPLAINERS)
def test_maps_and_relevance_of_an_image_are_the_same(name: str) -> None:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 3), nn.ReLU(), nn.MaxPool2d(2), Residual(8), nn.AdaptiveAvgPool2d(2), nn.Flatten()]
    network = nn.Sequential(*layers, nn.Linear(32, 4)).double().eval()
    images = numbers(2, 3, 12, 10, dtype=torch.float64)
    expected = IMAGE_EXPLAINERS[name](network, images, TARGETS)
    found = IMAGE_EXPLAINERS[name](copy.deepcopy(network).to(DEVICE), images.to(DEVICE), TARGETS.to(DEVICE))
    alike(found, expected, share=1e-9)


def test_integrated_gradients_at_the_embedding_are_the_same() -> None:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, activation=torch.tanh, batch_first=True)
    network = nn.Sequential(nn.Embedding(30, 8), layer, nn.Flatten(), nn.Linear(56, 3)).double().eval()
    ids = torch.randint(2, 30, (3, 7))

    def explained(module: nn.Module, token_ids: torch.Tensor) -> Any:
        embedded = Embedded(module, token_ids[:1])
        starts, ends = embedded.rows(torch.ones_like(token_ids)), embedded.rows(token_ids)
        starts[:, :, -1] = ends[:, :, -1]
        return integrated_gradients(embedded, ends, baseline=starts, steps=20, tolerance=1e-6)

    expected, found = explained(network, ids), explained(copy.deepcopy(network).to(DEVICE), ids.to(DEVICE))
    alike(found.values, expected.values, share=1e-9)
    np.testing.assert_array_equal(found.steps, expected.steps)


@pytest.mark.parametrize("budget", [10_000, 60, 30], ids=["enumerated", "walked", "opened"])
def test_values_of_words_that_stand_together_are_the_same(budget: int) -> None:
    torch.manual_seed(0)
    layers = [nn.Embedding(30, 8), nn.Flatten(), nn.Linear(72, 16), nn.ReLU(), nn.Linear(16, 2)]
    network = nn.Sequential(*layers).double().eval()
    tokens, levels = torch.randint(2, 30, (2, 9)), [np.arange(9)[np.newaxis] // 3] * 2

    def explained(module: nn.Module, given: torch.Tensor) -> Any:
        return owen_values(module, given, MaskToken(token_id=1), levels, groups=token_players(given), budget=budget)

    expected, found = explained(network, tokens), explained(copy.deepcopy(network).to(DEVICE), tokens.to(DEVICE))
    alike(found.values, expected.values, share=1e-9)
    np.testing.assert_allclose(found.standard_error, expected.standard_error, atol=1e-9)
    np.testing.assert_array_equal(found.opened, expected.opened)
    assert expected.opened.all() == (budget != 30)
    assert (np.nanmax(expected.standard_error) == 0) == (budget == 10_000)


@pytest.mark.parametrize("modality", PROBLEMS)
def test_layers_give_the_same_and_concepts_have_the_same_slopes(modality: str) -> None:
    expected, found = (_of_layers(*made) for made in both(modality))
    assert list(found) == list(expected)
    for name, values in expected.items():
        alike(found[name], values, share=1e-4)


@pytest.mark.parametrize("modality", PROBLEMS)
def test_training_rows_are_ranked_alike(modality: str) -> None:
    expected, found = (_last_layers(*made) for made in both(modality))
    for given, wanted in zip(found, expected, strict=True):
        alike(given.activations, wanted.activations)
        alike(given.gradients, wanted.gradients)
    classes = np.arange(len(expected[0])) % 2
    wanted, given = (strongest(*reversed(each), classes, n_classes=2, count=3) for each in (expected, found))
    np.testing.assert_array_equal(given.supporters, wanted.supporters)
    np.testing.assert_array_equal(given.opponents, wanted.opponents)
    alike(given.support, wanted.support)


def alike(found: Any, expected: Any, *, share: float = 1e-5) -> None:
    """Equal but for a share of the largest expected number, which is not 0."""
    largest = np.abs(expected).max()
    assert largest > 0
    np.testing.assert_allclose(found, expected, rtol=0, atol=share * largest)


def both(modality: str) -> list[tuple[ModelUnderTest, Problem]]:
    """One network, with random weights, as a model on the CPU and on the device."""
    torch.manual_seed(0)
    problem = PROBLEMS[modality](60, np.random.default_rng(0))
    return [
        (
            wrap_module(
                problem.network,
                task="binary-classification",
                classes=("no", "yes"),
                output="logit",
                inputs={problem.name: problem.item},
                device=device,
            ),
            problem,
        )
        for device in ("cpu", DEVICE)
    ]


def _of_layers(model: ModelUnderTest, problem: Problem) -> dict[str, np.ndarray]:
    """What layers give, and how the output moves with them and along the concept."""
    inputs = {problem.name: problem.rows}
    layers = model_layers(model, inputs)
    found: dict[str, np.ndarray] = dict(layer_outputs(model, inputs, layers))
    targets = np.zeros(len(problem.rows), dtype=np.int64)
    gradients = layer_gradients(model, inputs, layers[-2], targets)
    activations = found[layers[-2].name].astype(np.float64)
    vectors = concept_vectors(
        activations @ activations.T, problem.shows, runs=2, size=15, penalty=1.0, rng=np.random.default_rng(0)
    )
    slopes = Slopes(values=gradients @ activations.T, targets=targets, outputs=1)
    derivatives = slopes.along(vectors)
    return found | {"gradients": gradients, "derivatives": derivatives, "slopes": mean_slopes(derivatives, slopes)}


def _last_layers(model: ModelUnderTest, problem: Problem) -> tuple[LastLayer, LastLayer]:
    """Of training rows, and of the others."""
    rows = Rows(
        inputs={problem.name: problem.rows},
        y_true=problem.labels,
        sensitive_features={},
        row_ids=tuple(map(str, range(len(problem.labels)))),
    )
    train, others = rows.take(np.arange(20, 60)), rows.take(np.arange(20))
    name = find_last_linear(model, train).name
    return last_layer(model, name, train, train.y_true), last_layer(model, name, others, others.y_true)

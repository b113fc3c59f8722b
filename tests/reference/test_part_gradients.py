"""Attributions of images, texts and series by captum's methods, and occlusion by windows, against the library itself."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from captum import attr
from torch import nn

from auditbench.data.inputs import ImageInput, SeriesInput
from auditbench.errors import AnalyzerNotPossible
from auditbench.masking import Prediction
from auditbench.models import BatchSize
from auditbench_captum.deep_lift import deep_lift
from auditbench_captum.embedded import Embedded
from auditbench_captum.expected import expected_gradients, gradients
from auditbench_captum.windows import window_occlusion, windows_of
from tests.reference.test_image_gradients import TARGETS, both, network
from tests.reference.test_text_gradients import Bert

SERIES = nn.Sequential(nn.Conv1d(2, 6, 5, padding=2), nn.ReLU(), nn.MaxPool1d(2), nn.Flatten(), nn.Linear(60, 5))
SERIES.double().eval()
SERIES_INPUT = SeriesInput(channels=("a", "b"), steps=20, mean=(0.0, 0.0), scale=(1.0, 1.0))


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Setting (forward, )?backward hooks", UserWarning)
        warnings.filterwarnings("ignore", "Input Tensor .* did not already require gradients", UserWarning)
        yield


def subject(modality: str) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """A network, rows and background rows."""
    generator = torch.Generator().manual_seed(2)
    shape = (3, 12, 10) if modality == "image" else (2, 20)
    rows = torch.randn(4, *shape, generator=generator, dtype=torch.float64)
    return network() if modality == "image" else SERIES, rows, rows.flip(0) * 0.3 + 0.1


@pytest.mark.parametrize("modality", ["image", "series"])
def test_deep_lift_is_captums(modality: str) -> None:
    module, rows, background = subject(modality)
    baseline = background.mean(dim=0, keepdim=True)
    found = deep_lift(module, rows, TARGETS, baseline)
    expected = both(lambda target: attr.DeepLift(module).attribute(rows, baseline, target=target))
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh, nn.ELU])
def test_deep_lift_is_complete_where_activations_are_between_linear_layers(activation: type[nn.Module]) -> None:
    _, rows, background = subject("series")
    baseline, layers = background.mean(dim=0, keepdim=True), [nn.Conv1d(2, 6, 5), activation(), nn.AvgPool1d(2)]
    module = nn.Sequential(*layers, nn.Flatten(), nn.Linear(48, 8), activation(), nn.Linear(8, 5)).double().eval()
    found = deep_lift(module, rows, TARGETS, baseline)
    change = (module(rows) - module(baseline)).gather(1, TARGETS).detach().numpy()
    np.testing.assert_allclose(found.reshape(4, 2, -1).sum(axis=2), change, atol=1e-9)


def test_deep_lift_of_words_is_taken_at_their_embedding() -> None:
    torch.manual_seed(1)

    class Words(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding, self.hidden, self.relu = nn.Embedding(20, 6), nn.Linear(6, 8), nn.ReLU()
            self.last = nn.Linear(8, 5)

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return self.last(self.relu(self.hidden(self.embedding(ids))).mean(dim=1))

    module = Words().double().eval()
    texts = torch.randint(2, 20, (4, 7), generator=torch.Generator().manual_seed(0))
    embedded = Embedded(module, texts[:1])
    rows, starts = embedded.rows(texts), embedded.rows(torch.ones_like(texts))
    starts[:, :, -1] = rows[:, :, -1]
    found = deep_lift(embedded, rows, TARGETS, starts)

    def by_captum(target: torch.Tensor) -> torch.Tensor:
        layer = attr.LayerDeepLift(module, module.embedding)
        return layer.attribute(texts, torch.ones_like(texts), target=target)

    np.testing.assert_allclose(found[..., :-1], both(by_captum), atol=1e-10)
    assert np.abs(found[..., -1]).max() == 0


def test_a_network_that_deep_lift_cannot_follow_is_refused() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.relu, self.last = nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 5)

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            return self.last(self.relu(self.first(self.relu(self.first(rows)))))

    with pytest.raises(AnalyzerNotPossible, match="cannot follow"):
        deep_lift(Twice().eval(), torch.ones(1, 3), torch.zeros(1, 1, dtype=torch.int64), torch.zeros(1, 3))


@pytest.mark.parametrize("modality", ["image", "series"])
def test_expected_gradients_are_the_mean_over_the_same_draws(modality: str) -> None:
    module, rows, background = subject(modality)
    found = expected_gradients(
        module, rows, TARGETS, background, samples=6, batch=BatchSize(5), rng=np.random.default_rng(3)
    )
    rng = np.random.default_rng(3)
    drawn, share = rng.integers(4, size=(4, 6)), rng.random((4, 6), dtype=np.float32)
    for row in range(4):
        for at, target in enumerate(TARGETS[row].tolist()):
            terms = []
            for sample in range(6):
                start = background[drawn[row, sample]]
                point = (start + float(share[row, sample]) * (rows[row] - start)).requires_grad_()
                slope = torch.autograd.grad(module(point[None])[0, target], point)[0]
                terms.append((rows[row] - start) * slope)
            np.testing.assert_allclose(found[row, at], torch.stack(terms).mean(dim=0).numpy(), atol=1e-12)


@pytest.mark.parametrize("modality", ["image", "series"])
def test_expected_gradients_tend_to_those_of_captum(modality: str) -> None:
    module, rows, background = subject(modality)
    found = expected_gradients(
        module, rows, TARGETS, background, samples=4000, batch=BatchSize(2048), rng=np.random.default_rng(3)
    )
    torch.manual_seed(0)
    expected = both(lambda target: attr.GradientShap(module).attribute(rows, background, n_samples=4000, target=target))
    assert np.abs(found - expected).max() < 0.1 * np.abs(expected).max()
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.999


@pytest.mark.parametrize("modality", ["image", "series"])
def test_gradients_are_captums(modality: str) -> None:
    module, rows, _ = subject(modality)
    found = gradients(module, rows, TARGETS).numpy()
    np.testing.assert_allclose(found, both(lambda target: attr.Saliency(module).attribute(rows, target, abs=False)))
    times = both(lambda target: attr.InputXGradient(module).attribute(rows, target))
    np.testing.assert_allclose(found * rows.numpy()[:, None], times, atol=1e-14)


def test_gradients_of_a_transformer_at_its_embedding_are_captums() -> None:
    torch.manual_seed(1)
    module = Bert().double().eval()
    texts = torch.randint(2, 20, (4, 8), generator=torch.Generator().manual_seed(0))
    embedded, targets = Embedded(module, texts[:1]), TARGETS % 3
    rows = embedded.rows(texts)
    found = gradients(embedded, rows, targets).numpy()[..., :-1] * rows[:, None, :, :-1].numpy()
    layer = attr.LayerGradientXActivation(module, module.bert.bert.embeddings.word_embeddings)
    for at in range(2):
        expected = layer.attribute(texts, target=targets[:, at]).detach().numpy()
        np.testing.assert_allclose(found[:, at], expected, atol=1e-12)


@pytest.mark.parametrize(
    ("modality", "window", "stride", "by_channel"),
    [
        ("image", 3, 1, False),
        ("image", 4, 3, False),
        ("image", 5, 5, False),
        ("image", 40, 7, False),
        ("series", 4, 1, False),
        ("series", 6, 4, True),
        ("series", 7, 7, True),
        ("series", 1, 1, True),
    ],
)
def test_sliding_windows_are_captums(modality: str, window: int, stride: int, *, by_channel: bool) -> None:
    module, rows, background = subject(modality)
    item = (
        ImageInput(channels=3, height=12, width=10, mean=(0.0,) * 3, scale=(1.0,) * 3)
        if modality == "image"
        else SERIES_INPUT
    )
    windows = windows_of(item, window, stride, by_channel=by_channel)
    prediction = Prediction(module, batch=BatchSize(64))
    found = window_occlusion(prediction, rows, background.mean(dim=0)[None, None], TARGETS, windows)

    def by_captum(target: torch.Tensor) -> torch.Tensor:
        return attr.Occlusion(module).attribute(
            rows, windows.size, strides=windows.stride, baselines=background.mean(dim=0)[None], target=target
        )

    np.testing.assert_allclose(found, both(by_captum), atol=1e-12)
    assert np.abs(found).max() > 0
    count = np.prod([1 + -(-(n - w) // s) for n, w, s in zip(item.shape, windows.size, windows.stride, strict=True)])
    assert prediction.rows == 4 * (1 + count)


def test_losses_under_windows_are_means_over_what_stands_in() -> None:
    module, rows, background = subject("series")
    windows = windows_of(SERIES_INPUT, 5, None, by_channel=False)
    assert windows.stride == (2, 2)
    prediction = Prediction(module)
    found = window_occlusion(prediction, rows, background.unsqueeze(0), TARGETS, windows)
    each = [window_occlusion(prediction, rows, other[None, None], TARGETS, windows) for other in background]
    np.testing.assert_allclose(found, np.mean(each, axis=0), atol=1e-12)

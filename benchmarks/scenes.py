"""What is not a table: images for a small convolutional network, texts for a small transformer, and a hard function."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.training import trained
from benchmarks.workloads import BACKGROUND_ROWS, Counter, Table, counted

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch
    from torch import nn

    Rows = npt.NDArray[np.float32]

SIDE = 8
"""Superpixels along each side of an image."""
_PIXELS = 4
_MNIST, _SEGMENTS = 28, 25
_EXAMPLES = Path(__file__).parents[1] / "examples"
TOKENS = 128
_WIDTH, _HEADS, _VOCABULARY = 64, 4, 64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scene:
    """A model of images or texts, its rows, and the players of each.

    Attributes:
        model: From `(rows, *row shape)` to the logits of the classes, on `device`.
        rows: Held-out rows.
        baseline: What stands for nothing, shape `(1, *row shape)`.
        players: Which player each entry of a row belongs to, shape `(*row shape)`.
        classes: The predicted class of each row.
    """

    name: str
    model: nn.Module
    rows: Rows
    baseline: Rows
    players: npt.NDArray[np.int64]
    classes: npt.NDArray[np.int64]
    device: str = "cpu"
    counter: Counter = field(default_factory=Counter)

    def targets(self, rows: int) -> npt.NDArray[np.int64]:
        """The explained output of each of the first rows."""
        return self.classes[:rows]

    def counted_model(self) -> nn.Module:
        """The model as a module whose rows are counted."""
        return counted(self.model, self.counter)

    def tensor(self, rows: Rows) -> torch.Tensor:
        """Rows on the device."""
        import torch

        return torch.from_numpy(rows).to(self.device)


@cache
def images(device: str = "cpu") -> Scene:
    """Handwritten digits, 8 x 8 pixels blown up to 32 x 32, so that each of their pixels is a superpixel."""
    import numpy as np
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.images))
    pixels = np.kron(data.images[order] / 16, np.ones((_PIXELS, _PIXELS)))[:, np.newaxis].astype(np.float32)
    players = np.kron(np.arange(SIDE * SIDE).reshape(SIDE, SIDE), np.ones((_PIXELS, _PIXELS), dtype=np.int64))
    model = trained("cnn", _convolutions, pixels[:1500], data.target[order][:1500].astype(np.int64), epochs=4)
    return _scene("cnn", model, pixels[1500:], players[np.newaxis].astype(np.int64), device)


def images_against_their_mean(device: str = "cpu") -> Scene:
    """The same with the mean image as the baseline; that of `images` is black, as the empty part of a digit is anyway."""
    black = images(device)
    return replace(black, name=f"{black.name}, mean image", baseline=black.rows.mean(axis=0, keepdims=True))


@cache
def texts(device: str = "cpu") -> Scene:
    """Sequences of 128 embedded tokens; the class says whether one kind of token stands more often than another."""
    import numpy as np

    rng = np.random.default_rng(0)
    tokens = rng.integers(_VOCABULARY, size=(640, TOKENS))
    classes = ((tokens < 8).sum(axis=1) > (tokens >= _VOCABULARY - 8).sum(axis=1)).astype(np.int64)
    embedding = rng.standard_normal((_VOCABULARY, _WIDTH)).astype(np.float32)
    model = trained("transformer", _transformer, embedding[tokens[:512]], classes[:512], epochs=2)
    players = np.repeat(np.arange(TOKENS)[:, np.newaxis], _WIDTH, axis=1)
    return _scene("transformer", model, embedding[tokens[512:]], players, device)


@cache
def digits(device: str = "cpu") -> Scene:
    """The digits of `examples/02-image`, MNIST, in 64 tiles against the mean image."""
    import numpy as np

    data = np.load(_EXAMPLES / "02-image" / "digits.npz")
    pixels = data["image"][:, np.newaxis].astype(np.float32) / 255
    held, labels = data["split"] == "test", data["label"].astype(np.int64)
    rows = np.arange(_MNIST) * SIDE // _MNIST
    players = (rows[:, np.newaxis] * SIDE + rows)[np.newaxis]
    model = trained("mnist", partial(_convolutions, _MNIST // 4), pixels[~held], labels[~held], epochs=3)
    scene = _scene("mnist", model, pixels[held], players, device)
    return replace(scene, baseline=pixels[~held].mean(axis=0, keepdims=True))


@cache
def motions(device: str = "cpu") -> Scene:
    """The series of `examples/04-series`, GunPoint, in 25 segments of time against the mean series."""
    import numpy as np

    parts = []
    for part in ("TRAIN", "TEST"):
        text = (_EXAMPLES / "04-series" / f"GunPoint_{part}.ts").read_text().partition("@data")[2]
        cells = [line.split(":") for line in text.split()]
        series = np.array([values.split(",") for values, _ in cells], dtype=np.float32)[:, np.newaxis]
        parts.append((series, np.array([int(label) for _, label in cells]) - 1))
    (training, classes), (held, _) = parts
    steps = training.shape[2]
    model = trained("gunpoint", partial(_series_network, steps), training, classes, epochs=60)
    scene = _scene("gunpoint", model, held, (np.arange(steps) * _SEGMENTS // steps)[np.newaxis], device)
    return replace(scene, baseline=training.mean(axis=0, keepdims=True))


@cache
def parity(device: str = "cpu") -> Table:
    """Twelve features in three products of four: hardly any effect of one or two features to be exact for."""
    import numpy as np
    import torch
    from torch import nn

    class Parity(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.sharpness = nn.Parameter(torch.tensor(2.0), requires_grad=False)

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            signs = torch.tanh(self.sharpness * rows).reshape(-1, 3, 4)
            return signs.prod(dim=2).sum(dim=1, keepdim=True)

    inputs = np.random.default_rng(0).standard_normal((600, 12)).astype(np.float32)
    return Table(
        name="parity",
        model=Parity().eval().to(device),
        training=inputs[:500],
        background=inputs[:BACKGROUND_ROWS].copy(),
        rows=inputs[500:],
        device=device,
    )


def _scene(name: str, model: nn.Module, rows: Rows, players: npt.NDArray[np.int64], device: str) -> Scene:
    import numpy as np
    import torch

    with torch.inference_mode():
        classes = model(torch.from_numpy(rows)).argmax(dim=1).numpy()
    return Scene(
        name=name,
        model=model.to(device),
        rows=rows,
        baseline=np.zeros_like(rows[:1]),
        players=players,
        classes=classes,
        device=device,
    )


def _series_network(steps: int) -> nn.Module:
    from torch import nn

    return nn.Sequential(
        nn.Conv1d(1, 16, 7, padding=3),
        nn.ReLU(),
        nn.MaxPool1d(2),
        nn.Conv1d(16, 32, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool1d(2),
        nn.Flatten(),
        nn.Linear(32 * (steps // 4), 2),
    )


def _convolutions(last: int = 8) -> nn.Module:
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * last * last, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )


def _transformer() -> nn.Module:
    import torch
    from torch import nn
    from torch.nn.functional import gelu, scaled_dot_product_attention

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.before, self.between = nn.LayerNorm(_WIDTH), nn.LayerNorm(_WIDTH)
            self.heads, self.mixed = nn.Linear(_WIDTH, 3 * _WIDTH), nn.Linear(_WIDTH, _WIDTH)
            self.wide, self.narrow = nn.Linear(_WIDTH, 4 * _WIDTH), nn.Linear(4 * _WIDTH, _WIDTH)

        def forward(self, states: torch.Tensor) -> torch.Tensor:
            split = self.heads(self.before(states)).unflatten(2, (3, _HEADS, _WIDTH // _HEADS))
            query, key, value = split.permute(2, 0, 3, 1, 4)
            attended = scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
            states = states + self.mixed(attended)
            return states + self.narrow(gelu(self.wide(self.between(states))))

    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.places = nn.Parameter(0.02 * torch.randn(TOKENS, _WIDTH))
            self.blocks = nn.Sequential(Block(), Block())
            self.logits = nn.Linear(_WIDTH, 2)

        def forward(self, embedded: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.logits(self.blocks(embedded + self.places).mean(dim=1))
            return logits

    return Encoder()

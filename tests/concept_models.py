"""Small trained models of images, texts, series and tables whose answers rest on one known concept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from auditbench.data import ImageInput, ModelInput, SeriesInput, TextInput
from auditbench.data.arrays import from_arrays
from auditbench.models import wrap_module
from auditbench.testing import ToySubject

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.run import Task

WORDS = tuple(f"word{number}" for number in range(40))
"""The label of a text follows from the first three, `SIGNAL`; the next three mean nothing."""
SIGNAL, OTHER = WORDS[:3], WORDS[3:6]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Rows of one modality, their labels, and which of them show the concept that decides, or one that means nothing."""

    rows: npt.NDArray[Any]
    labels: npt.NDArray[np.int64]
    shows: npt.NDArray[np.bool_]
    idle: npt.NDArray[np.bool_]
    item: ModelInput
    name: str
    network: nn.Module


def images(count: int, rng: np.random.Generator) -> Problem:
    """Noise of 12 x 12 pixels; stripes decide, a bright patch in the lower right corner means nothing."""
    rows = rng.normal(110.0, 40.0, (count, 1, 12, 12))
    shows, idle = rng.random(count) < 0.4, rng.random(count) < 0.4
    rows[shows, :, 1::2] += 60.0
    rows[idle, :, 8:, 8:] += 90.0
    network = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(144, 32), nn.ReLU(), nn.Linear(32, 1),
    )  # fmt: skip
    item = ImageInput(channels=1, height=12, width=12, mean=(0.5,), scale=(0.25,))
    clipped = np.clip(rows, 0, 255).astype(np.uint8)
    return Problem(
        rows=clipped, labels=_noisy(shows, rng), shows=shows, idle=idle, item=item, name="image", network=network
    )


def texts(count: int, rng: np.random.Generator) -> Problem:
    """Texts of 20 words; those with one of `SIGNAL` are of the second class."""
    ids = rng.integers(8, 2 + len(WORDS), (count, 20))
    shows, idle = rng.random(count) < 0.4, rng.random(count) < 0.4
    for flags, first in ((shows, 2), (idle, 5)):
        places = rng.integers(0, 20, count)
        ids[flags, places[flags]] = rng.integers(first, first + 3, count)[flags]
    shows, idle = np.isin(ids, (2, 3, 4)).any(axis=1), np.isin(ids, (5, 6, 7)).any(axis=1)
    item = TextInput(unit="words", vocabulary=WORDS, length=20)
    return Problem(
        rows=ids, labels=_noisy(shows, rng), shows=shows, idle=idle, item=item, name="text", network=_Texts(item.tokens)
    )


def series(count: int, rng: np.random.Generator) -> Problem:
    """Noise of 32 steps; a bump in the middle decides, one at the end means nothing."""
    rows = rng.normal(0.0, 1.0, (count, 1, 32))
    shows, idle = rng.random(count) < 0.4, rng.random(count) < 0.4
    rows[shows, :, 12:18] += 1.5
    rows[idle, :, 26:] += 1.5
    network = nn.Sequential(
        nn.Conv1d(1, 16, 5, padding=2),
        nn.ReLU(),
        nn.AvgPool1d(4),
        nn.Flatten(),
        nn.Linear(128, 32),
        nn.ReLU(),
        nn.Linear(32, 1),
    )
    item = SeriesInput(channels=("x",), steps=32, mean=(0.0,), scale=(1.0,))
    return Problem(
        rows=rows, labels=_noisy(shows, rng), shows=shows, idle=idle, item=item, name="series", network=network
    )


PROBLEMS = {"image": images, "text": texts, "series": series}


def trained_subject(
    modality: str, *, rows: int = 400, training: int = 1000, epochs: int = 12, both: bool = False
) -> tuple[ToySubject, Problem]:
    """A trained model with its evaluated rows, which are also the background; `shown` and `idle` are sensitive features.

    Nine labels of ten follow from the concept; with `both` of them a network of four outputs tells which of the two a row shows.
    """
    rng = np.random.default_rng(0)
    problem = PROBLEMS[modality](training + rows, rng)
    task: Task = "multiclass-classification" if both else "binary-classification"
    classes = ("neither", "shown", "idle", "both") if both else ("no", "yes")
    if both:
        problem = replace(problem, labels=problem.labels + 2 * problem.idle, network=_with_outputs(problem.network, 4))
    model = wrap_module(
        problem.network, task=task, classes=classes, output="logit", inputs={problem.name: problem.item}, device="cpu"
    )
    _train(model, problem, slice(rows, None), epochs)
    data = from_arrays(
        {problem.name: problem.rows[:rows]},
        problem.labels[:rows],
        task=task,
        classes=classes,
        sensitive_features={"shown": problem.shows[:rows].astype(str), "idle": problem.idle[:rows].astype(str)},
        inputs={problem.name: problem.item},
    )
    return ToySubject(model=model, data=data, weights=np.empty((0, 0)), bias=np.empty(0)), problem


def _with_outputs(network: nn.Module, count: int) -> nn.Module:
    """The network with so many outputs in place of its one."""
    name, last = [(name, each) for name, each in network.named_children() if isinstance(each, nn.Linear)][-1]
    setattr(network, name, nn.Linear(last.in_features, count))
    return network


class _Texts(nn.Module):
    def __init__(self, tokens: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(tokens, 16, padding_idx=0)
        self.cell = nn.GRU(16, 32, batch_first=True)
        self.hidden = nn.Linear(32, 16)
        self.output = nn.Linear(16, 1)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        steps, _ = self.cell(self.embedding(ids))
        return self.output(torch.relu(self.hidden(steps.amax(dim=1))))


def _noisy(shows: npt.NDArray[np.bool_], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    return np.where(rng.random(len(shows)) < 0.1, ~shows, shows).astype(np.int64)


def _train(model: Any, problem: Problem, part: slice, epochs: int) -> None:
    torch.manual_seed(0)
    rows = model.encode({problem.name: problem.rows[part]})
    labels = torch.from_numpy(problem.labels[part])
    for parameter in model.module.parameters():
        torch.nn.init.normal_(parameter, std=0.1) if parameter.ndim == 1 else torch.nn.init.xavier_uniform_(parameter)
        parameter.requires_grad_()
    optimizer = torch.optim.Adam(model.module.parameters(), lr=0.005)
    model.module.train()
    for _ in range(epochs):
        for chosen in torch.randperm(len(labels)).split(50):
            optimizer.zero_grad()
            logits = model.module(rows[chosen])
            if logits.shape[1] == 1:
                loss = nn.functional.binary_cross_entropy_with_logits(logits[:, 0], labels[chosen].float())
            else:
                loss = nn.functional.cross_entropy(logits, labels[chosen])
            loss.backward()
            optimizer.step()
    model.module.eval().requires_grad_(requires_grad=False)

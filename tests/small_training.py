"""A small network, its examples, and how to fit it to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from auditbench.config_training import TrainTable
from auditbench.training.examples import Batch, Examples
from auditbench.training.loop import Fitted, fit
from auditbench.training.losses import LossValue, RowLoss, binary_cross_entropy

ROWS = 90


LOSS = RowLoss(function=binary_cross_entropy)


def quiet(*_: object) -> None:
    """Hear of nothing."""


def network(dropout: float = 0.0) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(dropout), nn.Linear(8, 1))


def examples(weights: torch.Tensor | None = None) -> Examples:
    rng = torch.Generator().manual_seed(2)
    rows = torch.randn(ROWS, 4, generator=rng)
    targets = (rows[:, 0] + 0.5 * torch.randn(ROWS, generator=rng) > 0).float()
    return Examples(rows=rows.__getitem__, targets=targets, weights=weights, positions=torch.arange(ROWS))


def fitted(module: nn.Module, keys: dict[str, Any], given: Examples | None = None, **others: Any) -> Fitted:
    table = TrainTable.model_validate({"epochs": 4, "batch_size": 32, "learning_rate": 0.01, "patience": 9, **keys})
    given = given or examples()
    train, validation = given.at(np.arange(70)), given.at(np.arange(70, ROWS))
    arguments = {"loss": LOSS, "seed": 0, "progress": quiet, **others}
    loss = arguments.pop("loss")
    return fit(module, train, validation, loss, table, **arguments)


def distance(one: Fitted, other: Fitted) -> float:
    return max(float((one.weights[name] - other.weights[name]).abs().max()) for name in one.weights)


class Stopped(Exception):  # noqa: N818 - no error, but the end of a run
    """Stands for a run that is killed."""


def stopping_after(steps: int) -> Callable[[nn.Module, Batch], LossValue]:
    """A loss that ends the run in a step."""
    left = [steps]

    def loss(module: nn.Module, batch: Batch) -> LossValue:
        left[0] -= module.training
        if left[0] < 0:
            raise Stopped
        return LOSS(module, batch)

    return loss

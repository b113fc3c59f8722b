"""Optimizers by the name of `train.optimizer`."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from auditbench.config_training import TrainTable


def make_optimizer(parameters: Iterable[nn.Parameter], table: TrainTable) -> torch.optim.Optimizer:
    """The optimizer that moves these parameters.

    Gradient descent is the rule of `sgd` without momentum; its steps take all rows.
    """
    trained = list(parameters)
    rate, decay = table.learning_rate, table.weight_decay
    if table.optimizer == "adam":
        return torch.optim.Adam(trained, lr=rate, betas=table.betas, eps=table.epsilon, weight_decay=decay)
    if table.optimizer == "adamw":
        return torch.optim.AdamW(trained, lr=rate, betas=table.betas, eps=table.epsilon, weight_decay=decay)
    return torch.optim.SGD(trained, lr=rate, momentum=table.momentum, nesterov=table.nesterov, weight_decay=decay)


def rows_a_step(table: TrainTable, rows: int) -> int:
    """Rows of one step: the batch, or all of them."""
    return rows if table.optimizer == "gradient-descent" else min(table.batch_size, rows)

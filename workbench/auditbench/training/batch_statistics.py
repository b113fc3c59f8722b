"""Networks that standardise over the rows of a batch: their mode in training, and batches that they cannot take."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from auditbench.config_training import TrainTable
from auditbench.errors import TrainingError
from auditbench.models.batching import BatchSize, fitting
from auditbench.training.examples import Examples
from auditbench.training.losses import Loss
from auditbench.training.step_start import StepStart


def to_training(network: nn.Module) -> None:
    """Training mode, but for parts of which every parameter is frozen: they give what they gave when they were made."""
    network.train()
    for part in network.modules():
        parameters = list(part.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            part.eval()


def needs_two_rows(network: nn.Module, loss: Loss, examples: Examples) -> bool:
    """Whether the network standardises over the rows of a batch and has one number a channel where there is one row.

    That is found by trying, and leaves the network, but for its mode, and torch's generators as they were.

    Raises:
        ModelMemoryError: One row does not fit into memory.
    """
    to_training(network)
    if not any(isinstance(module, _BatchNorm) and module.training for module in network.modules()):
        return False
    start = StepStart(network, None, examples.targets.device)
    try:
        with torch.no_grad():
            fitting(lambda rows: loss(network, examples.take(slice(0, rows))), BatchSize(1))
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        return True
    finally:
        start.put_back()
    return False


def refuse_single_rows(table: TrainTable, examples: Examples, rows: int, part: int) -> None:
    """Refuse settings by which a network that needs two rows would get one.

    Args:
        rows: Of a step; `part` of those that are computed at once.

    Raises:
        TrainingError: With the key that leaves one row.
    """
    if part > 1:
        return
    where, found, fix = "data.train", f"{len(examples)} row to train on", "name a file with more training rows"
    if rows > 1:
        where, found = "train.accumulate", f"{table.accumulate}, so that {rows:,} rows are computed one by one"
        fix = f"set train.accumulate = {max(1, rows // 2)} or less"
    elif len(examples) > 1:
        where, found, fix = "train.batch_size", "1", "set train.batch_size = 2 or more"
    raise TrainingError(
        "the network standardises over the rows of a batch, and one row alone has no spread",
        where=where,
        found=found,
        allowed="at least 2 rows that are computed at once",
        fix=fix,
    )


def split_rows(indices: torch.Tensor, rows: int, *, joined: bool) -> list[torch.Tensor]:
    """Indices in parts of so many rows, the last one with what is left.

    Args:
        joined: Whether a last part of one row is joined with the one before it.
    """
    parts = list(torch.split(indices, rows))
    if joined and len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts

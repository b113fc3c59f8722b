"""The training loop: mini-batches, an optimizer, validation, early stopping."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import nn
from torch.nn import functional

from auditbench.errors import TrainingError

if TYPE_CHECKING:
    from auditbench.config import TrainTable

Loss: TypeAlias = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
_VALIDATION_ROWS = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """Encoded rows, shape `(rows, inputs)` in float32, and what the network shall give for each.

    Attributes:
        targets: Shape `(rows,)`: 0.0 or 1.0 (binary), a class index as int64 (multiclass), or a standardised value.
    """

    inputs: torch.Tensor
    targets: torch.Tensor

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, indices: torch.Tensor) -> Examples:
        """The rows at these positions."""
        return Examples(inputs=self.inputs[indices], targets=self.targets[indices])


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """What the loop came to.

    Attributes:
        weights: State of the network in the best epoch.
        losses: Training and validation loss an epoch; the former is the mean over the epoch's steps.
        best_epoch: Counted from 1.
    """

    weights: dict[str, torch.Tensor]
    losses: tuple[tuple[float, float], ...]
    best_epoch: int


def fit(
    network: nn.Module,
    train: Examples,
    validation: Examples,
    loss: Loss,
    table: TrainTable,
    *,
    seed: int,
    progress: Callable[[int, int, str], None],
) -> Fitted:
    """Train a network in place until the validation loss has not been better for `table.patience` epochs.

    Rows are shuffled by a generator of its own; what the network draws (dropout) follows the seed; torch's generators
    are left as found. Equal seeds, threads and machines give equal bits on a CPU.

    Args:
        progress: Called after each epoch with epochs done, epochs at most, and the losses as text.

    Raises:
        TrainingError: A loss became infinite or undefined.
    """
    optimizer = _optimizer(network, table)
    order = torch.Generator().manual_seed(seed)
    losses: list[tuple[float, float]] = []
    best, best_epoch, weights = math.inf, 0, _copy(network)
    with _seeded(train.inputs.device, seed), torch.enable_grad():
        for epoch in range(1, table.epochs + 1):
            train_loss = _train_epoch(network, train, loss, optimizer, table.batch_size, order)
            validation_loss = evaluate(network, validation, loss)
            _check_finite(train_loss, validation_loss, epoch, table)
            losses.append((train_loss, validation_loss))
            progress(epoch, table.epochs, f"loss {train_loss:.4f}, validation {validation_loss:.4f}")
            if validation_loss < best:
                best, best_epoch, weights = validation_loss, epoch, _copy(network)
            elif epoch - best_epoch >= table.patience:
                break
    return Fitted(weights=weights, losses=tuple(losses), best_epoch=best_epoch)


def evaluate(network: nn.Module, examples: Examples, loss: Loss) -> float:
    """Mean loss over all rows, in evaluation mode."""
    network.eval()
    total = 0.0
    with torch.no_grad():
        for start in range(0, len(examples), _VALIDATION_ROWS):
            stop = start + _VALIDATION_ROWS
            targets = examples.targets[start:stop]
            total += float(loss(network(examples.inputs[start:stop]), targets)) * len(targets)
    return total / len(examples)


def binary_cross_entropy(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of one logit a row, shape `(rows, 1)`, and targets 0.0 or 1.0."""
    return functional.binary_cross_entropy_with_logits(outputs[:, 0], targets)


def cross_entropy(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of one logit a class, shape `(rows, classes)`, and class indices."""
    return functional.cross_entropy(outputs, targets)


def mean_squared_error(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean squared difference of outputs, shape `(rows, 1)`, and values."""
    return functional.mse_loss(outputs[:, 0], targets)


@contextmanager
def _seeded(device: torch.device, seed: int) -> Iterator[None]:
    """Seed torch's generators of the CPU and of one GPU, and put them back afterwards."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


def _train_epoch(
    network: nn.Module,
    examples: Examples,
    loss: Loss,
    optimizer: torch.optim.Optimizer,
    batch_size: int,
    order: torch.Generator,
) -> float:
    network.train()
    positions = torch.randperm(len(examples), generator=order).to(examples.targets.device)
    total = torch.zeros((), dtype=torch.float64, device=examples.targets.device)
    for start in range(0, len(examples), batch_size):
        batch = examples.take(positions[start : start + batch_size])
        optimizer.zero_grad(set_to_none=True)
        value = loss(network(batch.inputs), batch.targets)
        value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total += value.detach() * len(batch)
    return float(total) / len(examples)


def _optimizer(network: nn.Module, table: TrainTable) -> torch.optim.Optimizer:
    parameters = list(network.parameters())
    if table.optimizer == "sgd":
        return torch.optim.SGD(
            parameters, lr=table.learning_rate, momentum=table.momentum, weight_decay=table.weight_decay
        )
    return torch.optim.Adam(parameters, lr=table.learning_rate, weight_decay=table.weight_decay)


def _copy(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}


def _check_finite(train_loss: float, validation_loss: float, epoch: int, table: TrainTable) -> None:
    if math.isfinite(train_loss) and math.isfinite(validation_loss):
        return
    raise TrainingError(
        f"the loss became infinite or undefined in epoch {epoch}",
        where="train.learning_rate",
        found=f"{table.learning_rate:g} with {table.optimizer}: training loss {train_loss}, validation {validation_loss}",
        allowed="a step size with which the loss stays finite",
        fix=f"set train.learning_rate = {table.learning_rate / 10:g}, or look for extreme numbers in the data",
    )

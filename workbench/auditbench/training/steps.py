"""One step of training: gradients of its rows, in as many parts as memory needs, and the optimizer's move."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from auditbench.config_training import TrainTable
from auditbench.models.batching import BatchSize, fitting
from auditbench.training.augmentation import Augmentation
from auditbench.training.examples import Batch, Examples
from auditbench.training.losses import Loss
from auditbench.training.optimizers import make_optimizer, rows_a_step
from auditbench.training.precision import Precision


@dataclass(frozen=True, slots=True, kw_only=True)
class StepLoss:
    """What a step, or several, found: the loss summed over terms, and the terms; float64 scalars on the device."""

    total: torch.Tensor
    terms: torch.Tensor

    def __add__(self, other: StepLoss) -> StepLoss:
        return StepLoss(total=self.total + other.total, terms=self.terms + other.terms)

    def mean(self) -> float:
        """Over the terms; NaN where there are none."""
        terms = float(self.terms)
        return float(self.total) / terms if terms else math.nan


class Stepper:
    """Moves the weights of a network, step by step.

    Attributes:
        rows: Of a step.
        batch: Rows of a part at most, halved where memory runs out; the step stays the same but for rounding. A step in
            which that happens is begun again, so that layers with statistics of their own have seen some rows twice.
    """

    def __init__(
        self, network: nn.Module, loss: Loss, table: TrainTable, examples: Examples, augmentation: Augmentation | None
    ) -> None:
        """Raises TrainingError where the device does not compute in `train.precision`."""
        self._network, self._loss, self._examples, self._augmentation = network, loss, examples, augmentation
        self._parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self._clip_norm = table.clip_norm
        self.optimizer = make_optimizer(self._parameters, table)
        self.precision = Precision(table, examples.targets.device)
        self.rows = rows_a_step(table, len(examples))
        self._part = -(-self.rows // table.accumulate)
        self.batch = BatchSize(1 << (self._part - 1).bit_length())

    @property
    def part_rows(self) -> int:
        """Rows that are computed at once now."""
        return min(self._part, self.batch.rows)

    def step(self, indices: torch.Tensor, rate: float) -> StepLoss:
        """Move the weights by the gradients of the loss on these examples.

        Args:
            rate: Step size.

        Raises:
            ModelMemoryError: One row does not fit into memory.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        found = fitting(partial(self._add_gradients, indices), self.batch, most=len(indices))
        self.precision.unscale(self.optimizer)
        if len(indices) > self.part_rows:
            self._divide_gradients(found.terms / len(indices))
        if self._clip_norm is not None:
            nn.utils.clip_grad_norm_(self._parameters, self._clip_norm)
        self.precision.step(self.optimizer)
        return found

    def _add_gradients(self, indices: torch.Tensor, rows: int) -> StepLoss:
        """Gradients of the mean over the examples; in parts, of the sum over terms divided by the examples."""
        self.optimizer.zero_grad(set_to_none=True)
        found = nothing(self._examples.targets.device)
        parts = torch.split(indices, min(rows, self._part))
        for part in parts:
            batch = self._varied(self._examples.take(part))
            with self.precision.computing():
                value = self._loss(self._network, batch)
            loss = value.mean if len(parts) == 1 else value.mean * (value.terms / len(indices))
            self.precision.backward(loss)
            found = found + StepLoss(total=value.mean.detach() * value.terms, terms=value.terms)
        return found

    def _varied(self, batch: Batch) -> Batch:
        if self._augmentation is None:
            return batch
        return Batch(inputs=self._augmentation(batch.inputs), targets=batch.targets, weights=batch.weights)

    def _divide_gradients(self, divisor: torch.Tensor) -> None:
        smallest = torch.finfo(torch.float32).tiny
        for parameter in self._parameters:
            if parameter.grad is not None:
                parameter.grad.div_(divisor.float().clamp_min(smallest))


def nothing(device: torch.device) -> StepLoss:
    """The sum over no terms."""
    zero = torch.zeros((), dtype=torch.float64, device=device)
    return StepLoss(total=zero, terms=zero)

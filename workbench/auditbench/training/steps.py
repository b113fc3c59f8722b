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
from auditbench.training.batch_statistics import needs_two_rows, refuse_single_rows, split_rows
from auditbench.training.examples import Batch, Examples
from auditbench.training.losses import Loss
from auditbench.training.optimizers import make_optimizer, rows_a_step
from auditbench.training.precision import Precision
from auditbench.training.step_start import StepStart


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step that was made.

    Attributes:
        moved: Whether the weights moved; half precision leaves out a step whose gradients overflowed.
    """

    loss: StepLoss
    moved: bool


class Stepper:
    """Moves the weights of a network, step by step.

    Attributes:
        rows: Of a step.
        batch: Rows of a part at most, halved where memory runs out. A step in which that happens is begun again as if
            it had been in these parts from the first: random numbers and running statistics are put back before.

    A step in parts is the step of all its rows at once but for rounding, unless the network draws random numbers, as
    dropout does, for each part of its own, or standardises over the rows of a batch, which are then those of a part.
    Where such a network cannot take one row, a last batch or part of one row is joined with the one before.
    """

    def __init__(
        self, network: nn.Module, loss: Loss, table: TrainTable, examples: Examples, augmentation: Augmentation | None
    ) -> None:
        """Raises TrainingError where the device does not compute in `train.precision`, or batches of one row are asked
        for that the network cannot take.
        """
        self._network, self._loss, self._examples, self._augmentation = network, loss, examples, augmentation
        self._parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self._clip_norm = table.clip_norm
        self.optimizer = make_optimizer(self._parameters, table)
        self.precision = Precision(table, examples.targets.device)
        self.rows = rows_a_step(table, len(examples))
        self._part = -(-self.rows // table.accumulate)
        self.batch = BatchSize(1 << (self._part - 1).bit_length())
        self._joined = needs_two_rows(network, loss, examples)
        if self._joined:
            refuse_single_rows(table, examples, self.rows, self._part)
        self._start = StepStart(network, augmentation, examples.targets.device)

    @property
    def steps_an_epoch(self) -> int:
        """Batches that the examples come in."""
        return len(self.batches(torch.arange(len(self._examples))))

    def batches(self, order: torch.Tensor) -> list[torch.Tensor]:
        """Indices of the examples of each step, from those of an epoch."""
        return split_rows(order, self.rows, joined=self._joined)

    @property
    def part_rows(self) -> int:
        """Rows that are computed at once now."""
        return min(self._part, self.batch.rows)

    def step(self, indices: torch.Tensor, rate: float) -> Step:
        """Move the weights by the gradients of the loss on these examples.

        Args:
            rate: Step size.

        Raises:
            ModelMemoryError: One row does not fit into memory.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self._start.keep()
        began_with = self.batch.halvings
        found, parts = fitting(partial(self._add_gradients, indices, began_with), self.batch, most=len(indices))
        self.precision.unscale(self.optimizer)
        if parts > 1:
            self._divide_gradients(found.terms / len(indices))
        if self._clip_norm is not None:
            nn.utils.clip_grad_norm_(self._parameters, self._clip_norm)
        return Step(loss=found, moved=self.precision.step(self.optimizer))

    def _add_gradients(self, indices: torch.Tensor, began_with: int, rows: int) -> tuple[StepLoss, int]:
        """Gradients of the mean over the examples; in parts, of the sum over terms divided by the examples.

        Args:
            began_with: Halvings before the step.
        """
        if self.batch.halvings > began_with:
            self._start.put_back()
        self.optimizer.zero_grad(set_to_none=True)
        found = nothing(self._examples.targets.device)
        parts = split_rows(indices, min(max(rows, 2) if self._joined else rows, self._part), joined=self._joined)
        for part in parts:
            batch = self._varied(self._examples.take(part))
            with self.precision.computing():
                value = self._loss(self._network, batch)
            loss = value.mean if len(parts) == 1 else value.mean * (value.terms / len(indices))
            self.precision.backward(loss)
            found = found + StepLoss(total=value.mean.detach() * value.terms, terms=value.terms)
        return found, len(parts)

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

"""Losses: what a step makes smaller, as a mean over terms, and how many terms that are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import nn
from torch.nn import functional

from auditbench.config_training import TrainTable
from auditbench.data.inputs import PADDING, ModelInput, TextInput
from auditbench.data.next_tokens import FIRST_TOKEN
from auditbench.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from auditbench.run import Task
    from auditbench.training.examples import Batch

_LEFT_OUT = -100


@dataclass(frozen=True, slots=True, kw_only=True)
class LossValue:
    """A loss on some rows.

    Attributes:
        mean: Over the terms, each by its weight; a scalar with gradient.
        terms: The sum of their weights, a scalar; the number of terms where all count the same.
    """

    mean: torch.Tensor
    terms: torch.Tensor


class Loss(Protocol):
    """A loss that knows by itself what it asks the network for."""

    def __call__(self, network: nn.Module, batch: Batch) -> LossValue:
        """The loss of a network on a batch."""


class RowFunction(Protocol):
    """A loss with one term a row."""

    def __call__(
        self, outputs: torch.Tensor, targets: torch.Tensor, *, smoothing: float, reduction: str
    ) -> torch.Tensor:
        """Of outputs of shape `(rows, outputs)` in float32: by row, or with `reduction="mean"` their mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowLoss:
    """The mean of a function over rows: `sum(weight * function) / sum(weight)`."""

    function: RowFunction
    smoothing: float = 0.0

    def __call__(self, network: nn.Module, batch: Batch) -> LossValue:
        """The loss of what a network gives for the rows of a batch."""
        outputs = network(batch.inputs).float()
        if batch.weights is None:
            mean = self.function(outputs, batch.targets, smoothing=self.smoothing, reduction="mean")
            return LossValue(mean=mean, terms=mean.new_full((), len(batch)))
        each = self.function(outputs, batch.targets, smoothing=self.smoothing, reduction="none")
        return _weighted(each, batch.weights)


@dataclass(frozen=True, slots=True, kw_only=True)
class NextTokenLoss:
    """Cross-entropy after every token of a row, of the token that comes next; padding is left out.

    The network's `positions(ids)` gives logits of shape `(rows, length, classes)`: those at position i from the tokens
    up to i. They are compared with token i + 1, and those at the last token of a row with the row's own target.
    """

    smoothing: float = 0.0

    def __call__(self, network: nn.Module, batch: Batch) -> LossValue:
        """The loss of what a network gives after every token of a batch."""
        logits = network.positions(batch.inputs)  # type: ignore[operator]
        following = next_classes(batch.inputs, batch.targets)
        each = functional.cross_entropy(
            logits.float().flatten(0, 1),
            following.flatten(),
            ignore_index=_LEFT_OUT,
            label_smoothing=self.smoothing,
            reduction="none",
        )
        weights = (following != _LEFT_OUT).to(each.dtype)
        if batch.weights is not None:
            weights = weights * batch.weights[:, None]
        return _weighted(each, weights.flatten())


def next_classes(ids: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The class that follows at each position, shape `(rows, length)`; -100 where padding or an unknown token does.

    Args:
        ids: Token ids, shape `(rows, length)`, padding behind the end.
        targets: Class that follows the last token of each row.
    """
    following = functional.pad(ids[:, 1:], (0, 1), value=PADDING) - FIRST_TOKEN
    following = torch.where(following >= 0, following, _LEFT_OUT)
    lengths = (ids != PADDING).sum(dim=1)
    rows = torch.arange(len(ids), device=ids.device)[lengths > 0]
    following[rows, lengths[rows] - 1] = targets[rows]
    return following


def binary_cross_entropy(
    outputs: torch.Tensor, targets: torch.Tensor, *, smoothing: float = 0.0, reduction: str = "mean"
) -> torch.Tensor:
    """Cross-entropy of one logit a row and targets 0.0 or 1.0, each brought nearer to 0.5 by half of `smoothing`."""
    targets = targets * (1 - smoothing) + smoothing / 2 if smoothing else targets
    return functional.binary_cross_entropy_with_logits(outputs[:, 0], targets, reduction=reduction)


def cross_entropy(
    outputs: torch.Tensor, targets: torch.Tensor, *, smoothing: float = 0.0, reduction: str = "mean"
) -> torch.Tensor:
    """Cross-entropy of one logit a class and class indices; `smoothing` of each label is spread over all classes."""
    return functional.cross_entropy(outputs, targets, label_smoothing=smoothing, reduction=reduction)


def mean_squared_error(
    outputs: torch.Tensor, targets: torch.Tensor, *, smoothing: float = 0.0, reduction: str = "mean"
) -> torch.Tensor:
    """Squared difference of one output a row and values; there is nothing to smooth."""
    return functional.mse_loss(outputs[:, 0], targets, reduction=reduction)


def make_loss(
    table: TrainTable, task: Task, inputs: Mapping[str, ModelInput], classes: tuple[str, ...], network: nn.Module
) -> Loss:
    """The loss of the task.

    A network with `positions` whose classes are the vocabulary of its text learns from every token of a row.

    Raises:
        TrainingError: The settings name another loss, or what only goes with classes.
    """
    _check_fit(table, task)
    if task == "regression":
        return RowLoss(function=mean_squared_error)
    if task == "binary-classification":
        return RowLoss(function=binary_cross_entropy, smoothing=table.label_smoothing)
    only = next(iter(inputs.values())) if len(inputs) == 1 else None
    if isinstance(only, TextInput) and only.vocabulary == classes and hasattr(network, "positions"):
        _refuse_class_weights(table)
        return NextTokenLoss(smoothing=table.label_smoothing)
    return RowLoss(function=cross_entropy, smoothing=table.label_smoothing)


def _weighted(each: torch.Tensor, weights: torch.Tensor) -> LossValue:
    terms = weights.sum()
    return LossValue(mean=(each * weights).sum() / terms.clamp_min(torch.finfo(terms.dtype).tiny), terms=terms)


def _check_fit(table: TrainTable, task: Task) -> None:
    fitting = "mse" if task == "regression" else "cross-entropy"
    if table.loss not in ("auto", fitting):
        raise TrainingError(
            f"the loss does not fit {task}",
            where="train.loss",
            found=repr(table.loss),
            allowed=f"'auto', {fitting!r}",
            fix=f'set train.loss = "{fitting}"',
        )
    if task == "regression" and table.label_smoothing:
        raise TrainingError(
            "values are no labels that could be smoothed",
            where="train.label_smoothing",
            found=f"{table.label_smoothing:g}",
            allowed="0 with regression",
            fix="remove train.label_smoothing",
        )


def _refuse_class_weights(table: TrainTable) -> None:
    if table.class_weights != "none":
        raise TrainingError(
            "a network that learns from every token weighs rows, not classes",
            where="train.class_weights",
            found=repr(table.class_weights)[:80],
            allowed="'none'",
            fix="remove train.class_weights; train.sample_weights weighs rows",
        )

"""The course of a run: what it has come to so far, as a checkpoint holds it and takes it back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import nn

from auditbench.config_training import TrainTable
from auditbench.training.augmentation import Augmentation
from auditbench.training.checkpoints import Checkpoint, RunState
from auditbench.training.steps import Step, StepLoss, Stepper, nothing

_WEIGHTS, _KEPT, _OPTIMIZER = "weights.", "kept.", "optimizer."
_ORDER, _AUGMENTATION, _CPU, _GPU = "generator.order", "generator.augmentation", "generator.cpu", "generator.cuda"


@dataclass(slots=True, kw_only=True)
class Course:
    """A run under way; its fields are those of `RunState`, and what stands in tensors.

    Attributes:
        order: Draws the order of the rows of each epoch.
        epoch_order: State of `order` before that of this epoch was drawn.
        found: Loss of the steps of this epoch that are done.
        moved: Steps that moved the weights, of all epochs; half precision leaves out those whose gradients overflow.
        kept_weights: State of the network in the epoch so far whose weights are to be kept.
    """

    network: nn.Module
    stepper: Stepper
    augmentation: Augmentation | None
    device: torch.device
    order: torch.Generator
    epoch_order: torch.Tensor
    found: StepLoss
    kept_weights: dict[str, torch.Tensor]
    epoch: int = 1
    step: int = 0
    steps: int = 0
    moved: int = 0
    moved_in_epoch: int = 0
    losses: list[tuple[float, float]] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    spent: float = 0.0
    best: float = math.inf
    best_epoch: int = 0

    def judge(self, validation_loss: float, table: TrainTable) -> None:
        """Keep the weights of the epoch that was just validated, where they are those to keep."""
        better = validation_loss < self.best
        if better:
            self.best, self.best_epoch = validation_loss, self.epoch
        if better or table.keep == "last":
            self.kept_weights = copied_state(self.network)

    def count(self, step: Step) -> None:
        """Take in a step that was made."""
        self.found = self.found + step.loss
        self.step, self.steps = self.step + 1, self.steps + 1
        self.moved, self.moved_in_epoch = self.moved + step.moved, self.moved_in_epoch + step.moved

    def begin_epoch(self) -> None:
        """Go on to the next epoch."""
        self.epoch, self.step, self.moved_in_epoch, self.spent = self.epoch + 1, 0, 0, 0.0
        self.found, self.epoch_order = nothing(self.device), self.order.get_state()

    def ended(self, table: TrainTable) -> bool:
        """Whether all epochs are done, or so many that none of the last was better."""
        return self.epoch > table.epochs or self.epoch - 1 - self.best_epoch >= table.patience

    def is_finite(self) -> bool:
        """Whether every parameter that is trained is, and all that the optimizer keeps."""
        trained = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        kept = _optimizer_tensors(self.stepper.optimizer).values()
        return all(bool(each.isfinite().all()) for each in (*trained, *kept))

    def checkpoint(self) -> Checkpoint:
        """All that is needed to go on from here, between two steps."""
        tensors = {_WEIGHTS + name: tensor.clone() for name, tensor in self.network.state_dict().items()}
        tensors |= {_KEPT + name: tensor for name, tensor in self.kept_weights.items()}
        tensors |= {name: tensor.clone() for name, tensor in _optimizer_tensors(self.stepper.optimizer).items()}
        tensors |= {_ORDER: self.epoch_order, _CPU: torch.get_rng_state()}
        if self.augmentation is not None:
            tensors[_AUGMENTATION] = self.augmentation.generator.get_state()
        if self.device.type == "cuda":
            tensors[_GPU] = torch.cuda.get_rng_state(self.device)
        state = RunState(
            epoch=self.epoch,
            step=self.step,
            steps=self.steps,
            moved=self.moved,
            moved_in_epoch=self.moved_in_epoch,
            total=float(self.found.total),
            terms=float(self.found.terms),
            losses=tuple(self.losses),
            rates=tuple(self.rates),
            seconds=tuple(self.seconds),
            spent=self.spent,
            best=self.best if self.best_epoch else None,
            best_epoch=self.best_epoch,
            part_rows=self.stepper.batch.rows,
            halvings=self.stepper.batch.halvings,
            scaler=self.stepper.precision.state(),
        )
        return Checkpoint(state=state, tensors=tensors)

    def go_on_from(self, checkpoint: Checkpoint) -> None:
        """Take the place of the run that wrote a checkpoint with equal settings, data and network."""
        state, tensors = checkpoint.state, checkpoint.tensors
        self.network.load_state_dict(_below(_WEIGHTS, tensors))
        self.kept_weights = {name: tensor.to(self.device) for name, tensor in _below(_KEPT, tensors).items()}
        _restore_optimizer(self.stepper.optimizer, _below(_OPTIMIZER, tensors))
        self.stepper.precision.restore(state.scaler)
        self.stepper.batch.rows, self.stepper.batch.halvings = state.part_rows, state.halvings
        self.epoch_order = tensors[_ORDER]
        self.order.set_state(self.epoch_order)
        torch.set_rng_state(tensors[_CPU])
        if self.augmentation is not None:
            self.augmentation.generator.set_state(tensors[_AUGMENTATION])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(tensors[_GPU], self.device)
        zero = nothing(self.device)
        self.found = StepLoss(total=zero.total + state.total, terms=zero.terms + state.terms)
        self.epoch, self.step, self.steps = state.epoch, state.step, state.steps
        self.moved, self.moved_in_epoch = state.moved, state.moved_in_epoch
        self.losses, self.rates, self.seconds = list(state.losses), list(state.rates), list(state.seconds)
        self.spent, self.best_epoch = state.spent, state.best_epoch
        self.best = math.inf if state.best is None else state.best


def begin(
    network: nn.Module, stepper: Stepper, augmentation: Augmentation | None, device: torch.device, seed: int
) -> Course:
    """A run of which nothing is done."""
    order = torch.Generator().manual_seed(seed)
    return Course(
        network=network,
        stepper=stepper,
        augmentation=augmentation,
        device=device,
        order=order,
        epoch_order=order.get_state(),
        found=nothing(device),
        kept_weights=copied_state(network),
    )


def copied_state(network: nn.Module) -> dict[str, torch.Tensor]:
    """The state of a network as it is now; tensors that it uses under two names are two."""
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}


def _optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    return {
        f"{_OPTIMIZER}{index}.{name}": value
        for index, state in optimizer.state_dict()["state"].items()
        for name, value in state.items()
        if isinstance(value, torch.Tensor)
    }


def _restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, torch.Tensor]) -> None:
    """Give an optimizer the tensors of another one with the same settings; all else it has by itself."""
    state: dict[int, dict[str, torch.Tensor]] = {}
    for place, tensor in tensors.items():
        index, _, name = place.partition(".")
        state.setdefault(int(index), {})[name] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _below(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}

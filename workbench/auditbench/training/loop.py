"""The training loop: epochs of steps, validation, early stopping, checkpoints between steps."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import nn

from auditbench.config_training import TrainTable
from auditbench.errors import TrainingError
from auditbench.models.batching import BatchSize, fitting
from auditbench.training.augmentation import Augmentation
from auditbench.training.batch_statistics import to_training
from auditbench.training.checkpoints import Checkpoints
from auditbench.training.course import Course, begin
from auditbench.training.examples import Examples
from auditbench.training.losses import Loss
from auditbench.training.resuming import misfit
from auditbench.training.schedules import Schedule, make_schedule
from auditbench.training.steps import StepLoss, Stepper, nothing

VALIDATION_ROWS = 8192
"""Most rows of a table that are validated at once; rows of other kinds come in the parts of training."""

_SECONDS_BETWEEN_EPOCHS = 1.0
"""Checkpoints after epochs that follow faster are left out, since little would be lost without them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """What the loop came to.

    Attributes:
        weights: State of the network in the epoch that is kept.
        losses: Training and validation loss an epoch; the former is the mean over the epoch's steps.
        rates: Step size at the end of each epoch; so `seconds`, of training and validation.
        earlier_seconds: What runs took that were killed, up to their last checkpoint.
        best_epoch: The epoch that is kept, counted from 1.
        steps: Of all epochs.
        part_rows: Rows that were computed at once in the end, `halvings` times halved for want of memory.
        told: What went otherwise than planned and changed no result but for rounding, in words.
    """

    weights: dict[str, torch.Tensor]
    losses: tuple[tuple[float, float], ...]
    rates: tuple[float, ...]
    seconds: tuple[float, ...]
    earlier_seconds: float
    best_epoch: int
    steps: int
    part_rows: int
    halvings: int
    told: tuple[str, ...]


def fit(
    network: nn.Module,
    train: Examples,
    validation: Examples,
    loss: Loss,
    table: TrainTable,
    *,
    seed: int,
    progress: Callable[[int, int, str], None],
    tell: Callable[[str], None] = lambda text: None,
    augmentation: Augmentation | None = None,
    checkpoints: Checkpoints | None = None,
) -> Fitted:
    """Train a network in place until the validation loss has not been better for `table.patience` epochs in a row.

    Rows are shuffled by a generator of its own; what the network draws (dropout) follows the seed; torch's generators
    are left as found. Equal seeds, threads and machines give equal bits on a CPU, also where a run was killed and went on
    from a checkpoint. Parameters that need no gradient stay as they are, and parts of the network that have no others
    stay in evaluation mode.

    Args:
        progress: Called after each epoch with epochs done, epochs at most, and the losses as text.
        tell: Called with a sentence when a run goes on from a checkpoint, one is set aside, or memory ran out.

    Raises:
        TrainingError: A loss became infinite or undefined, or the device does not compute in `train.precision`.
        ModelMemoryError: One row does not fit into memory.
    """
    device = train.targets.device
    stepper = Stepper(network, loss, table, train, augmentation)
    schedule = make_schedule(table, stepper.steps_an_epoch)
    part = BatchSize(VALIDATION_ROWS if train.tabular else 1 << (stepper.part_rows - 1).bit_length())
    with _seeded(device, seed), torch.enable_grad():
        course = begin(network, stepper, augmentation, device, seed)
        keeper = _Keeper(course=course, table=table, checkpoints=checkpoints, tell_now=tell)
        keeper.resume(stepper.steps_an_epoch)
        while not course.ended(table):
            started = time.perf_counter()
            train_loss = _train_epoch(course, train, schedule, keeper)
            validation_loss = evaluate(network, validation, loss, part)
            _check_finite(train_loss, validation_loss, course.epoch, table)
            course.seconds.append(course.spent + time.perf_counter() - started)
            course.rates.append(schedule.rate(course.steps - 1))
            course.losses.append((train_loss, validation_loss))
            keeper.tell_of_overflow()
            progress(course.epoch, table.epochs, f"loss {train_loss:.4f}, validation {validation_loss:.4f}")
            course.judge(validation_loss, table)
            course.begin_epoch()
            keeper.epoch_ended()
    if not course.moved:
        raise _never_moved(table)
    return Fitted(
        weights=course.kept_weights,
        losses=tuple(course.losses),
        rates=tuple(course.rates),
        seconds=tuple(course.seconds),
        earlier_seconds=keeper.earlier_seconds,
        best_epoch=course.best_epoch if table.keep == "best" else len(course.losses),
        steps=course.steps,
        part_rows=stepper.part_rows,
        halvings=stepper.batch.halvings,
        told=tuple(keeper.told),
    )


def evaluate(network: nn.Module, examples: Examples, loss: Loss, part: BatchSize) -> float:
    """Mean loss over all terms, in evaluation mode and float32.

    Args:
        part: Rows at once, halved where memory runs out.
    """
    network.eval()
    found = nothing(examples.targets.device)
    start = 0
    with torch.no_grad():
        while start < len(examples):
            value, start = fitting(partial(_evaluated, network, examples, loss, start), part)
            found = found + value
    return found.mean()


def _evaluated(network: nn.Module, examples: Examples, loss: Loss, start: int, rows: int) -> tuple[StepLoss, int]:
    value = loss(network, examples.take(slice(start, start + rows)))
    total = value.mean.double() * value.terms
    return StepLoss(total=total, terms=value.terms), min(start + rows, len(examples))


def _train_epoch(course: Course, train: Examples, schedule: Schedule, keeper: _Keeper) -> float:
    """What is left of an epoch; the mean loss of all of it."""
    to_training(course.network)
    started, spent = time.perf_counter(), course.spent
    order = torch.randperm(len(train), generator=course.order)
    for indices in course.stepper.batches(order)[course.step :]:
        halvings = course.stepper.batch.halvings
        course.count(course.stepper.step(indices, schedule.rate(course.steps)))
        if course.stepper.batch.halvings > halvings:
            keeper.tell(f"memory ran out: steps are computed in parts of {course.stepper.part_rows:,} rows")
        if keeper.is_due():
            _check_finite(float(course.found.total), None, course.epoch, table=keeper.table)
            course.spent = spent + time.perf_counter() - started
            keeper.write()
    course.spent = spent
    return course.found.mean()


@dataclass(slots=True, kw_only=True)
class _Keeper:
    """Writes checkpoints when they are due, and begins with the last one."""

    course: Course
    table: TrainTable
    checkpoints: Checkpoints | None
    tell_now: Callable[[str], None]
    told: list[str] = field(default_factory=list)
    earlier_seconds: float = 0.0
    written: float = field(default_factory=time.monotonic)

    def resume(self, steps_an_epoch: int) -> None:
        """Go on from the last checkpoint, where there is one that fits."""
        if self.checkpoints is None:
            return
        checkpoint, refused = self.checkpoints.read()
        if checkpoint is not None:
            reason = misfit(self.course, checkpoint, epochs=self.table.epochs, steps_an_epoch=steps_an_epoch)
            if reason:
                checkpoint, refused = None, self.checkpoints.set_aside(reason)
        if refused:
            self.tell(refused)
        if checkpoint is not None:
            self.course.go_on_from(checkpoint)
            self.earlier_seconds = sum(self.course.seconds) + self.course.spent
            self.tell(f"goes on from a checkpoint in epoch {self.course.epoch}, after step {self.course.step}")

    def is_due(self) -> bool:
        """Whether a checkpoint follows the step that was just made."""
        every = self.table.checkpoint_steps
        return self.checkpoints is not None and every is not None and self.course.steps % every == 0

    def epoch_ended(self) -> None:
        """Write a checkpoint, unless there was one just now."""
        if time.monotonic() - self.written >= _SECONDS_BETWEEN_EPOCHS:
            self.write()

    def write(self) -> None:
        """Write a checkpoint; where that fails, say so and go on without."""
        if self.checkpoints is None or not self.course.is_finite():
            return  # weights that are not: the next loss says so
        try:
            self.checkpoints.write(self.course.checkpoint())
        except OSError as error:
            self.tell(f"no checkpoints are written any more: {error.strerror or error}")
            self.checkpoints = None
        self.written = time.monotonic()

    def tell_of_overflow(self) -> None:
        """Say that an epoch moved no weights, where half precision left out each of its steps."""
        course = self.course
        if not course.moved_in_epoch:
            self.tell(
                f"epoch {course.epoch} moved no weights: in float16, gradients overflowed in each of its {course.step:,} steps"
            )

    def tell(self, text: str) -> None:
        """Say something that is no result, now and in the end."""
        self.told.append(text)
        self.tell_now(text)


def _never_moved(table: TrainTable) -> TrainingError:
    return TrainingError(
        "no step moved the weights, so that nothing was trained",
        where="train.precision",
        found=f"{table.precision!r}, in which the gradients of every step overflowed",
        allowed="a precision that holds the gradients",
        fix='set train.precision = "bfloat16" or "float32"; or train for more steps, since '
        "each that overflows halves the scale of the loss",
    )


@contextmanager
def _seeded(device: torch.device, seed: int) -> Iterator[None]:
    """Seed torch's generators of the CPU and of one GPU, and put them back afterwards."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


def _check_finite(train_loss: float, validation_loss: float | None, epoch: int, table: TrainTable) -> None:
    """Refuse to go on from a loss that is not finite; None stands for one that is not known yet."""
    if math.isfinite(train_loss) and (validation_loss is None or math.isfinite(validation_loss)):
        return
    validated = "" if validation_loss is None else f", validation {validation_loss}"
    raise TrainingError(
        f"the loss became infinite or undefined in epoch {epoch}",
        where="train.learning_rate",
        found=f"{table.learning_rate:g} with {table.optimizer}: training loss {train_loss}{validated}",
        allowed="a step size with which the loss stays finite",
        fix=f"set train.learning_rate = {table.learning_rate / 10:g}, or look for extreme numbers in the data",
    )

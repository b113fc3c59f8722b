"""Schedules: the step size at each step, from closed forms alone, so that there is no state to keep."""

from __future__ import annotations

import math
from dataclasses import dataclass

from auditbench.config_training import TrainTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The step size by step.

    Attributes:
        epoch_steps: Steps of one epoch.
        warmup: Steps in which it rises, at step s to `(s + 1) / warmup` of the learning rate.
        total: Steps of all epochs; what falls, falls over those behind the warm-up.
    """

    table: TrainTable
    epoch_steps: int
    warmup: int
    total: int

    def rate(self, step: int) -> float:
        """Step size of a step, counted from 0."""
        return self.table.learning_rate * self.factor(step)

    def factor(self, step: int) -> float:
        """Share of the learning rate at a step."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        behind, table = step - self.warmup, self.table
        if table.schedule == "step":
            return float(table.decay ** (behind // (table.decay_epochs * self.epoch_steps)))
        done = min(1.0, behind / max(1, self.total - self.warmup))
        if table.schedule == "cosine":
            return table.final_share + (1 - table.final_share) * (1 + math.cos(math.pi * done)) / 2
        if table.schedule == "linear":
            return 1 - (1 - table.final_share) * done
        return 1.0


def make_schedule(table: TrainTable, epoch_steps: int) -> Schedule:
    """The schedule of `train.schedule`, with so many steps an epoch."""
    warmup = table.warmup_steps or round(table.warmup_epochs * epoch_steps)
    return Schedule(table=table, epoch_steps=epoch_steps, warmup=warmup, total=table.epochs * epoch_steps)

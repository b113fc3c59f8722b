"""Whether a checkpoint fits the run that would go on from it: said before anything of the run is changed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from auditbench.training.checkpoints import Checkpoint, RunState
    from auditbench.training.course import Course

_OPTIMIZER = "optimizer."


def misfit(course: Course, checkpoint: Checkpoint, *, epochs: int, steps_an_epoch: int) -> str:
    """Why a run that has not begun cannot go on from a checkpoint; empty where it can."""
    state, tensors = checkpoint.state, checkpoint.tensors
    return (
        _state_misfit(state, course, epochs, steps_an_epoch)
        or _tensor_misfit(course.checkpoint().tensors, tensors)
        or _optimizer_misfit(course.stepper.optimizer, tensors)
        or _generator_misfit(tensors)
    )


def _state_misfit(state: RunState, course: Course, epochs: int, steps_an_epoch: int) -> str:
    done = state.epoch - 1
    scaler = course.stepper.precision.state()
    checks = {
        f"epoch {state.epoch} of {epochs}": done <= epochs,
        f"step {state.step} of {steps_an_epoch} in an epoch": state.step <= steps_an_epoch,
        f"{state.steps} steps in all": state.steps == done * steps_an_epoch + state.step,
        f"{state.moved} steps that moved weights": state.moved_in_epoch <= state.step and state.moved <= state.steps,
        f"{len(state.losses)} losses after {done} epochs": len(state.losses) == done,
        f"{len(state.rates)} rates after {done} epochs": len(state.rates) == len(state.seconds) == done,
        f"best epoch {state.best_epoch} of {done}": state.best_epoch <= done,
        "a best loss without its epoch": (state.best is None) == (state.best_epoch == 0),
        f"parts of {state.part_rows} rows": state.part_rows in _powers_of_two(course.stepper.batch.began_with),
        "another state of the scale of half precision": set(state.scaler) == set(scaler)
        and all(math.isfinite(number) for number in state.scaler.values()),
    }
    return next((f"it says {text}, which this run cannot have" for text, holds in checks.items() if not holds), "")


def _powers_of_two(most: int) -> set[int]:
    return {1 << power for power in range(most.bit_length())}


def _tensor_misfit(expected: Mapping[str, torch.Tensor], tensors: Mapping[str, torch.Tensor]) -> str:
    """Of weights, kept weights and generators, which are there from the beginning."""
    for name, tensor in expected.items():
        found = tensors.get(name)
        if found is None:
            return f"it lacks {name}"
        if found.shape != tensor.shape or found.dtype != tensor.dtype:
            return f"{name} has the shape {tuple(found.shape)} of {found.dtype}, here {tuple(tensor.shape)} of {tensor.dtype}"
    unknown = [name for name in tensors if name not in expected and not name.startswith(_OPTIMIZER)]
    return f"it has {sorted(unknown)[0]}, which this run does not" if unknown else ""


def _optimizer_misfit(optimizer: torch.optim.Optimizer, tensors: Mapping[str, torch.Tensor]) -> str:
    """Of the state of parameters that have one: each has all of its tensors."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    moved = isinstance(optimizer, torch.optim.SGD)
    names = ("momentum_buffer",) if moved else ("step", "exp_avg", "exp_avg_sq")
    there: dict[str, set[str]] = {}
    for name, tensor in tensors.items():
        if not name.startswith(_OPTIMIZER):
            continue
        index, _, kind = name.removeprefix(_OPTIMIZER).partition(".")
        if not (index.isascii() and index.isdigit()) or int(index) >= len(parameters) or kind not in names:
            return f"it has {name}, which this run does not"
        shape = () if kind == "step" else parameters[int(index)].shape
        if tuple(tensor.shape) != tuple(shape) or not tensor.is_floating_point():
            return f"{name} has the shape {tuple(tensor.shape)} of {tensor.dtype}, here {tuple(shape)}"
        if not bool(tensor.isfinite().all()):
            return f"{name} has numbers that are infinite or undefined"
        there.setdefault(index, set()).add(kind)
    lacking = [f"{_OPTIMIZER}{index}.{name}" for index, kinds in there.items() for name in names if name not in kinds]
    return f"it lacks {lacking[0]}" if lacking else ""


def _generator_misfit(tensors: Mapping[str, torch.Tensor]) -> str:
    for name, tensor in tensors.items():
        if name.startswith("generator."):
            device = "cuda" if name == "generator.cuda" else "cpu"
            try:
                torch.Generator(device).set_state(tensor)
            except RuntimeError as error:
                return f"{name}: {str(error).partition(chr(10))[0]}"
    return ""

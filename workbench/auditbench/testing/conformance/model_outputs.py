"""What a model gives: shape and scale of its outputs, one row by itself, and whether gradients and hooks are what they say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from auditbench.errors import Problem
from auditbench.models import ModelUnderTest

Inputs = Mapping[str, npt.NDArray[Any]]

_RELATIVE, _ABSOLUTE = 1e-4, 1e-5
_SUM_TO_ONE = 1e-4
_DIRECTIONS = 8
_STEPS = (0.1, 0.03, 0.01, 0.003)
_SLOPE_ROWS = 4
_SLOPE_SHARE = 0.02
_NOISE = 1e-5


def wrong_scale(model: ModelUnderTest, inputs: Inputs) -> Problem | None:
    """Outputs that are not finite, or not in the scale that the model declares."""
    outputs, scale = model.predict(inputs), model.facts.output
    where = f"facts.output = {scale!r}"
    if not np.isfinite(outputs).all():
        return Problem(
            message="an output is not finite",
            where=where,
            found=f"{int((~np.isfinite(outputs)).sum())} of {outputs.size} outputs",
            allowed="finite numbers",
            fix="refuse a model that gives none, with ModelError",
        )
    several = outputs.shape[1] > 1
    sums = outputs.sum(axis=1)
    adds_up = several and bool((np.abs(sums - 1) <= _SUM_TO_ONE).all() and (outputs >= 0).all())
    if scale == "probability" and (outputs.min() < 0 or outputs.max() > 1 or (several and not adds_up)):
        found = f"outputs from {outputs.min():.6g} to {outputs.max():.6g}"
        return Problem(
            message="outputs that are declared probabilities are none",
            where=where,
            found=found + (f", rows that add up to {sums.min():.6g} to {sums.max():.6g}" if several else ""),
            allowed="numbers from 0 to 1" + (", and rows that add up to 1" if several else ""),
            fix='declare `output="logit"`, or apply the last function of the model',
        )
    if scale == "logit" and adds_up:
        return Problem(
            message="outputs that are declared logits are probabilities",
            where=where,
            found="rows of several outputs that add up to 1",
            allowed="logits",
            fix='declare `output="probability"`',
        )
    return None


def rows_that_depend(model: ModelUnderTest, inputs: Inputs) -> Problem | None:
    """Outputs of a row that are others in another batch, beyond rounding."""
    together = model.predict(inputs)
    total = len(together)
    alone = np.concatenate(
        [model.predict({name: array[row : row + 1] for name, array in inputs.items()}) for row in range(total)]
    )
    backwards = model.predict({name: array[::-1] for name, array in inputs.items()})[::-1]
    for other, how in ((alone, "alone"), (backwards, "in another order")):
        if not np.allclose(together, other, rtol=_RELATIVE, atol=_ABSOLUTE):
            gap = float(np.abs(together - other).max())
            return Problem(
                message="the output of a row depends on the rows beside it",
                found=f"a difference of {gap:.3g} when rows are evaluated {how}",
                allowed="the same output within rounding",
                fix="put the network into evaluation mode, and keep statistics of the batch out of it",
            )
    return None


def wrong_gradients(model: ModelUnderTest, inputs: Inputs) -> Problem | None:
    """Gradients that do not exist or are not the slopes of the outputs, by central differences along random directions."""
    encoded = model.encode({name: array[:_SLOPE_ROWS] for name, array in inputs.items()})
    if not encoded.is_floating_point():
        return _no_gradients(f"encoded inputs of type {encoded.dtype}")
    start = encoded.detach().clone().requires_grad_()
    generator = torch.Generator().manual_seed(0)
    with torch.enable_grad():
        outputs = model.module(start)
        if not outputs.requires_grad:
            return _no_gradients("outputs that no gradient flows through")
        weights = torch.randn(outputs.shape, generator=generator).to(
            outputs
        )  # probabilities add up to 1 whatever they are
        (slope,) = torch.autograd.grad((weights * outputs).sum(), start, allow_unused=True)
    if slope is None:
        return _no_gradients("outputs that do not depend on the input")
    directions = [torch.randn(encoded.shape, generator=generator).to(encoded) for _ in range(_DIRECTIONS)]
    noise = _NOISE * (1 + float((weights * outputs).detach().double().abs().sum()))
    agreeing = sum(_agrees(model, encoded, weights, slope, direction, noise) for direction in directions)
    if agreeing > _DIRECTIONS // 2:
        return None
    return Problem(
        message="gradients are not the slopes of the outputs",
        found=f"finite differences agree along {agreeing} of {_DIRECTIONS} random directions",
        allowed="agreement along most; kinks may spoil some",
        fix="leave `gradients` out of the capabilities, or compute the outputs without detaching or rounding them",
    )


def dead_hooks(model: ModelUnderTest, inputs: Inputs) -> Problem | None:
    """Forward hooks that never fire."""
    fired: list[str] = []
    named = {name: module for name, module in model.module.named_modules() if name} or {"the module": model.module}
    handles = [module.register_forward_hook(lambda *_, name=name: fired.append(name)) for name, module in named.items()]
    try:
        model.predict({name: array[:2] for name, array in inputs.items()})
    finally:
        for handle in handles:
            handle.remove()
    if fired:
        return None
    return Problem(
        message="no forward hook fires",
        found=f"hooks on {len(named)} modules, and none was called",
        allowed="a hook on a module that is part of the forward pass",
        fix="leave `hooks` and `layers` out of the capabilities, or call the modules themselves in `forward`",
    )


def _agrees(
    model: ModelUnderTest,
    encoded: torch.Tensor,
    weights: torch.Tensor,
    slope: torch.Tensor,
    direction: torch.Tensor,
    noise: float,
) -> bool:
    """Whether the slope along a direction is that of the outputs, at one step length at least.

    Args:
        weights: Of the outputs, whose weighted sum has this slope.
        noise: How far that sum may be off by rounding.
    """
    expected, scale = float((slope.double() * direction.double()).sum()), float(slope.double().norm())
    with torch.no_grad():
        for step in _STEPS:
            moved = (model.module(encoded + sign * step * direction) for sign in (1, -1))
            ahead, behind = ((weights * outputs).double().sum() for outputs in moved)
            if abs(float(ahead - behind) / (2 * step) - expected) <= _SLOPE_SHARE * scale + noise / step:
                return True
    return False


def _no_gradients(found: str) -> Problem:
    return Problem(
        message="the model claims gradients and gives none",
        found=found,
        allowed="outputs that can be differentiated by the encoded input",
        fix="leave `gradients` out of the capabilities",
    )

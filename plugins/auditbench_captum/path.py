"""`integrated_gradients`: contributions of a module's inputs along the path from a baseline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from torch import nn

from auditbench.masking import Prediction, Target, Targets, chosen_targets
from auditbench.models import BatchSize
from auditbench_captum.slopes import Slopes

if TYPE_CHECKING:
    import numpy.typing as npt

    Numbers: TypeAlias = npt.NDArray[np.float64]

MAX_STEPS = 1024
_ROUNDINGS = 32
"""Roundings of the largest output that no gap is asked to be below: more nodes would not make it smaller."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PathAttribution:
    """Contributions of the entries of some rows, in the unit of the model's output; float64.

    Attributes:
        values: Shape `(rows, targets, *row shape)`; NaN where the gradient of the model is.
        completeness_gap: Sum of the values minus what the output changed by from baseline to row; shape `(rows,
            targets)`.
        base_value: Output of the baseline, shape `(rows, targets)`.
        steps: Nodes on the path of each row, shape `(rows,)`.
        model_rows: Rows that the model evaluated, in all: along the paths, at their ends, and up to three by which its
            layers are looked at.
    """

    values: Numbers
    completeness_gap: Numbers
    base_value: Numbers
    steps: npt.NDArray[np.int64]
    model_rows: int

    def __repr__(self) -> str:
        rows, targets, *row_shape = self.values.shape
        return f"PathAttribution({rows=}, {targets=}, {row_shape=}, model_rows={self.model_rows})"


@torch.inference_mode(mode=False)
def integrated_gradients(
    model: nn.Module | Prediction,
    rows: Any,
    *,
    baseline: Any,
    target: Target = None,
    steps: int = 50,
    tolerance: float | None = None,
    max_steps: int = MAX_STEPS,
    output_range: npt.ArrayLike | None = None,
) -> PathAttribution:
    """`(x - b) * integral over a in (0, 1) of the gradient at b + a (x - b)`, by Gauss and Legendre's rule.

    Memory beside the results depends on the block of model rows that is evaluated at once, not on the number of rows
    and steps. Values of a network with kinks (ReLU) may jump by a node's share of a slope where the node falls on a
    kink to within rounding.

    Args:
        model: A module in evaluation mode; its parameters, their gradients and hooks are left as they are.
        rows: Rows to explain, array or tensor of floating numbers, shape `(rows, ...)`.
        baseline: One row, or as many as there are rows; floating numbers.
        target: None for all outputs, the index of one, `"predicted"`, or one index a row.
        steps: Nodes on each path; polynomials of degree up to `2 steps` are integrated exactly.
        tolerance: Largest completeness gap, as a share of the range of the output, from 0 to 1. Rows with a target
            above it are integrated again with twice the nodes, up to `max_steps`. None for no further nodes.
        max_steps: Most nodes on a path.
        output_range: What the tolerance is a share of, shape `(outputs,)` or one number; by default, for each output
            the difference between the largest and the smallest over all rows and baselines.

    Raises:
        TypeError: The model is no module.
        ValueError: Arguments that do not fit each other or the model; the message says what is allowed.
        ModelMemoryError: One row does not fit into memory.

    References: arXiv:1703.01365, equation 1.
    """
    _check_steps(steps, tolerance, max_steps)
    prediction, module = _prediction(model)
    before = prediction.rows
    ends = _kept(prediction.as_rows(_floating(rows, "rows")))
    starts = _baseline(prediction, baseline, ends)
    slopes = Slopes(prediction, module, ends[:1].clone())
    if prediction is not model:
        prediction.batch = BatchSize(slopes.block)
    outputs, from_outputs = prediction.of_all(ends), prediction.of_all(starts)
    targets = chosen_targets(target, outputs)
    base_value = targets.select(from_outputs.expand_as(outputs)).double()
    path = _Path(slopes, starts, ends, _seeds(targets, outputs), targets.select(outputs).double() - base_value)
    values, gap = path.contributions(slice(None), steps)
    taken = torch.full((len(ends),), steps, dtype=torch.int64, device=ends.device)
    if tolerance is not None:
        allowed = tolerance * _range(output_range, outputs, from_outputs, targets) + _rounding(outputs, from_outputs)
        while steps * 2 <= max_steps:
            above = (gap.abs() > allowed).any(dim=1).nonzero()[:, 0]
            if not len(above):
                break
            steps *= 2
            values[above], gap[above] = path.contributions(above, steps)
            taken[above] = steps
    return PathAttribution(
        values=values.cpu().double().numpy(),
        completeness_gap=gap.cpu().numpy(),
        base_value=base_value.cpu().numpy(),
        steps=taken.cpu().numpy(),
        model_rows=prediction.rows - before,
    )


class _Path:
    """The paths of all rows, for several passes over some of them."""

    def __init__(
        self, slopes: Slopes, starts: torch.Tensor, ends: torch.Tensor, seeds: torch.Tensor, change: torch.Tensor
    ) -> None:
        self._slopes = slopes
        self._starts = starts
        self._ends = ends
        self._seeds = seeds
        self._change = change

    def contributions(self, rows: torch.Tensor | slice, steps: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Contributions to each target of some rows, by index or slice, and their completeness gaps."""
        starts = self._starts if len(self._starts) == 1 else self._starts[rows]
        seeds = self._seeds if self._seeds.shape[1] == 1 else self._seeds[:, rows]
        ends = self._ends[rows]
        values = ends.new_empty((len(ends), len(seeds), *ends.shape[1:]))
        sums = []
        for part, slopes in self._slopes.means(starts, ends, seeds, steps):
            length = ends[part] - (starts if len(starts) == 1 else starts[part])
            found = slopes.mul_(length.unsqueeze(1))
            sums.append(found.flatten(2).sum(dim=2, dtype=torch.float64))
            values[part] = found
        return values, torch.cat(sums) - self._change[rows]


def _seeds(targets: Targets, outputs: torch.Tensor) -> torch.Tensor:
    """Which output each target is, as zeros and ones, shape `(targets, 1 or rows, outputs)`."""
    every = torch.eye(outputs.shape[1], dtype=outputs.dtype, device=outputs.device)
    return every.unsqueeze(1) if targets.chosen is None else every[targets.chosen].unsqueeze(0)


def _range(
    given: npt.ArrayLike | None, outputs: torch.Tensor, from_outputs: torch.Tensor, targets: Targets
) -> torch.Tensor:
    """Range of each row's targets, shape `(rows, targets)`."""
    if given is None:
        both = torch.cat([outputs, from_outputs])
        ranges = both.amax(dim=0) - both.amin(dim=0)
    else:
        ranges = torch.as_tensor(given, dtype=torch.float64, device=outputs.device)
        if ranges.ndim > 1 or (ranges.ndim == 1 and len(ranges) != outputs.shape[1]) or not bool((ranges >= 0).all()):
            raise ValueError(
                f"expected output_range as one number or {outputs.shape[1]}, none below 0, got {np.asarray(given)}"
            )
    return targets.select(ranges.double().expand(len(outputs), outputs.shape[1]))


def _rounding(outputs: torch.Tensor, from_outputs: torch.Tensor) -> torch.Tensor:
    largest = torch.maximum(outputs.abs().max(), from_outputs.abs().max())
    return _ROUNDINGS * torch.finfo(outputs.dtype).eps * largest


def _prediction(model: object) -> tuple[Prediction, nn.Module]:
    prediction = model if isinstance(model, Prediction) else None
    module = model if prediction is None else prediction.module
    if not isinstance(module, nn.Module):
        raise TypeError(
            f"expected an nn.Module, got {type(model).__name__}; a predict function has no gradients: "
            "explain it with shapley_values or lime_weights"
        )
    return prediction or Prediction(module), module


def _floating(rows: Any, name: str) -> Any:
    """The rows outside any graph, or as an array; raises ValueError where they are not floating numbers."""
    given = rows.detach() if isinstance(rows, torch.Tensor) else np.asarray(rows)
    kind = given.is_floating_point() if isinstance(given, torch.Tensor) else np.issubdtype(given.dtype, np.floating)
    if not kind:
        raise ValueError(
            f"expected {name} of floating numbers, got {given.dtype}; convert whole numbers to float32; a token has no "
            "gradient: explain what the embedding gives, with the rest of the module"
        )
    return given


def _baseline(prediction: Prediction, baseline: Any, rows: torch.Tensor) -> torch.Tensor:
    """Shape `(1 or rows, *row shape)`."""
    given = _floating(baseline, "a baseline")
    if tuple(given.shape) == tuple(rows.shape[1:]):
        given = given[None]
    if tuple(given.shape[1:]) != tuple(rows.shape[1:]) or len(given) not in (1, len(rows)):
        raise ValueError(
            f"expected a baseline of shape {tuple(rows.shape[1:])} or {tuple(rows.shape)}, got {tuple(given.shape)}; "
            "the mean of several rows is one baseline"
        )
    return _kept(prediction.as_rows(given, "baseline")).to(rows.dtype)


def _kept(rows: torch.Tensor) -> torch.Tensor:
    """The rows, copied where they were made in inference mode, so that gradients may be taken at them."""
    return rows.clone() if rows.is_inference() else rows


def _check_steps(steps: int, tolerance: float | None, max_steps: int) -> None:
    if steps < 1:
        raise ValueError(f"expected at least 1 step, got {steps}")
    if tolerance is None:
        return
    if not 0 < tolerance < 1:
        raise ValueError(f"expected a tolerance between 0 and 1, a share of the output range, got {tolerance}")
    if max_steps < steps:
        raise ValueError(f"expected steps <= max_steps, got {steps} and {max_steps}")

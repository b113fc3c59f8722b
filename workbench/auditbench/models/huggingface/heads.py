"""Linear heads on embeddings that stay as they are: logistic regression and ridge, each with one solution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from auditbench.errors import ModelError

if TYPE_CHECKING:
    import numpy.typing as npt

_MOST_STEPS = 1000
_TOLERANCE = 1e-9
_STEEPEST = 1e-6
"""Largest part of the gradient of the mean loss at what counts as its least value."""


def fit_head(
    embeddings: npt.NDArray[Any], y_true: npt.NDArray[Any], *, outputs: int, l2: float, regression: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Coefficients of shape `(outputs, width)` and intercepts `(outputs,)`, float64; equal rows give equal bits.

    Minimises the sum over rows of the loss (cross-entropy; for regression the squared error) plus `l2 / 2` (for regression
    `l2`) times the squared coefficients; intercepts are not penalised.

    Args:
        embeddings: Shape `(rows, width)`.
        y_true: Class indices, or values; shape `(rows,)`.
        outputs: One for two classes, whose logit is of the second.

    Raises:
        ModelError: There are no rows, or not two classes; or the penalty is too small for one best solution to be found.

    References: Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, equations 3.41 and 4.20.
    """
    features = torch.from_numpy(np.ascontiguousarray(embeddings, dtype=np.float64))
    if not len(features) or (not regression and len(np.unique(y_true)) < 2):
        raise ModelError(
            "a head cannot be fitted on these rows",
            where="data.train",
            found=f"{len(features):,} rows" + ("" if regression else f" of {len(np.unique(y_true))} classes"),
            allowed="training rows" + ("" if regression else " of two classes or more"),
            fix="name training rows in data.train, or set data.held_out",
        )
    if regression:
        return _ridge(features, torch.from_numpy(np.asarray(y_true, dtype=np.float64)), l2)
    return _logistic(features, torch.from_numpy(np.asarray(y_true, dtype=np.int64)), outputs, l2)


def _ridge(features: torch.Tensor, values: torch.Tensor, l2: float) -> tuple[torch.Tensor, torch.Tensor]:
    mean, level = features.mean(0), values.mean()
    centred = features - mean
    gram = centred.T @ centred + l2 * torch.eye(features.shape[1], dtype=torch.float64)
    weight, failed = torch.linalg.solve_ex(gram, centred.T @ (values - level))
    if bool(failed) or not bool(weight.isfinite().all()):
        raise _not_found(l2, "equations without one solution")
    return weight.unsqueeze(0), (level - mean @ weight).unsqueeze(0)


def _logistic(
    features: torch.Tensor, classes: torch.Tensor, outputs: int, l2: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """By LBFGS from zero, on features that are centred and of size 1, where intercept and penalty are moved and scaled to match.

    Raises:
        ModelError: The gradient is not zero after all steps.
    """
    mean = features.mean(0)
    size = float((features - mean).square().mean().sqrt()) or 1.0
    features, l2 = (features - mean) / size, l2 / size**2
    weight = torch.zeros((outputs, features.shape[1]), dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(outputs, dtype=torch.float64, requires_grad=True)
    solver: Any = torch.optim.LBFGS(
        [weight, bias],
        max_iter=_MOST_STEPS,
        tolerance_grad=_TOLERANCE,
        tolerance_change=0.0,
        history_size=20,
        line_search_fn="strong_wolfe",
    )

    def loss() -> torch.Tensor:
        solver.zero_grad()
        logits = features @ weight.T + bias
        if outputs == 1:
            each = functional.binary_cross_entropy_with_logits(logits[:, 0], classes.double(), reduction="sum")
        else:
            each = functional.cross_entropy(logits, classes, reduction="sum")
        value = (each + l2 / 2 * weight.square().sum()) / len(features)
        torch.autograd.backward(value)
        return value

    with torch.enable_grad():
        solver.step(loss)
        loss()
    steepest = max(float(each.grad.abs().max()) for each in (weight, bias) if each.grad is not None)
    if not steepest <= _STEEPEST:
        raise _not_found(l2 * size**2, f"a loss with a slope of {steepest:.2g} after {_MOST_STEPS:,} steps")
    found = weight.detach() / size
    return found, bias.detach() - found @ mean


def _not_found(l2: float, found: str) -> ModelError:
    return ModelError(
        "no head was found that fits the embeddings best",
        where="model.parameters.l2",
        found=f"{found}, for l2 = {l2:g}",
        allowed="a penalty by which one head is the best",
        fix="raise model.parameters.l2, such as to 1",
    )

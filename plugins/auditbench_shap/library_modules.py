"""Explainers of the shap library that walk back through a module: `deep` and `gradient`."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from auditbench.masking import Prediction
from auditbench_shap.library_task import Found, Numbers, Task, check_shapes
from auditbench_shap.module_copy import explainable_copy

GRADIENT_SAMPLES = 200
"""Points on the way from background rows to a row, for each target; the library's default."""

ADDITIVITY = 1e-2
"""Largest share of the largest |f(x) - base value| by which DeepLIFT's contributions may miss f(x) - base value."""


def deep(task: Task) -> Found:
    """DeepLIFT's rules between the row and each background row, which walk back once for each target.

    Raises:
        ValueError: The contributions do not add up, because a nonlinearity has no rule or is not a layer.
    """
    import shap

    network, given, background = _network(task)
    explainer = shap.DeepExplainer(network, background)
    base_value = np.asarray(explainer.expected_value, dtype=np.float64)
    task.affordable(default=1, fewest=1, cost=2 * len(background) * len(base_value))
    try:
        values = explainer.shap_values(given, check_additivity=False)
    except RuntimeError as error:
        if "modified inplace" not in str(error):
            raise
        raise ValueError(
            "expected a module without in-place operations in forward() for shap.deep, got some"
        ) from error
    with torch.no_grad():
        outputs = network(given).double().cpu().numpy()
    _check_additive(np.asarray(values, dtype=np.float64), outputs, base_value)
    return Found(values=values, base_value=base_value)


def gradient(task: Task) -> Found:
    """Gradients at random points between the row and random background rows, times their difference."""
    import shap

    network, given, background = _network(task)
    with torch.no_grad():
        base_value = network(background).double().mean(dim=0).cpu().numpy()
    samples = task.affordable(default=GRADIENT_SAMPLES, fewest=2, cost=len(base_value))
    explainer = shap.GradientExplainer(network, background)
    values, scaled = explainer.shap_values(given, nsamples=samples, return_variances=True)
    variance = np.stack(scaled, axis=-1) * np.sqrt(samples)  # the library divides the variance by sqrt(samples)
    return Found(values=values, base_value=base_value, standard_error=np.sqrt(variance / (samples - 1)))


def _network(task: Task) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """A copy of the module, counted, and the rows and the background on its device."""
    prediction = task.predicted()
    if prediction.module is None:
        raise TypeError(f"expected an nn.Module for {task.name}, got a predict function")
    given, background = prediction.as_rows(task.rows), prediction.as_rows(task.background)
    check_shapes(task.name, given, background)
    if not (given.is_floating_point() and background.is_floating_point()):
        raise ValueError(f"expected rows of floating numbers for {task.name}, got {given.dtype} and {background.dtype}")
    probe = background[:2]
    copied = explainable_copy(prediction.module, lambda module: prediction.count(module(probe), len(probe)))
    return _Counted(copied, prediction, given.dtype), given, background


class _Counted(nn.Module):
    """A module that gives outputs of shape `(rows, targets)`; the library makes float32 rows for any module."""

    def __init__(self, module: nn.Module, prediction: Prediction, dtype: torch.dtype) -> None:
        super().__init__()
        self.module = module
        self._prediction = prediction
        self._dtype = dtype
        self.eval()

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self._prediction.count(self.module(rows.to(self._dtype)), len(rows))


def _check_additive(values: Numbers, outputs: Numbers, base_value: Numbers) -> None:
    """The library's own check is absolute, 0.01 whatever the unit of the outputs, and an assertion."""
    difference = outputs - base_value
    gap = np.abs(values.reshape(len(values), -1, values.shape[-1]).sum(axis=1) - difference).max(axis=0)
    allowed = ADDITIVITY * np.abs(difference).max(axis=0) + 1e-5 * np.abs(outputs).max(axis=0)
    if not (gap <= allowed).all():
        raise ValueError(
            "expected a module whose every nonlinearity is a layer that DeepLIFT has a rule for (ReLU, LeakyReLU, ELU, "
            "SELU, GELU, Sigmoid, Tanh, Softplus, Softmax, max pooling) for shap.deep; got contributions that miss the "
            f"output by up to {gap.max():.3g}; use shap.gradient, or a method that hides features"
        )

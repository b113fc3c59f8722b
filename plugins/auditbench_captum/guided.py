"""Guided backpropagation: gradients through which no ReLU lets a negative one pass."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from torch import nn

from auditbench.errors import AnalyzerNotPossible
from auditbench_captum.loose_operations import loose_operations

if TYPE_CHECKING:
    import numpy.typing as npt

    Numbers: TypeAlias = npt.NDArray[np.float64]

_RECTIFIERS = ("relu", "relu_", "leaky_relu", "elu", "gelu", "silu", "threshold", "clamp", "clamp_min")


def guided_gradients(module: nn.Module, rows: torch.Tensor, targets: torch.Tensor) -> Numbers:
    """Gradients of outputs by the rows, where each ReLU hands back positive gradients alone.

    Args:
        module: In evaluation mode; its rectifiers are modules `nn.ReLU`, and it is left as it is.
        rows: Encoded, shape `(rows, *row shape)`.
        targets: Output of each row to explain, shape `(rows, targets)`.

    Returns:
        Shape `(rows, targets, *row shape)`.

    Raises:
        AnalyzerNotPossible: The network has no `nn.ReLU`, or rectifies outside of one, where no hook reaches.

    References: arXiv:1412.6806, section 3.4.
    """
    _refuse_other_rectifiers(module, rows[:1])
    with ExitStack() as stack, torch.enable_grad():
        for layer in module.modules():
            if type(layer) is nn.ReLU:
                stack.callback(layer.register_forward_hook(_guided).remove)
        inputs = rows.clone().requires_grad_()
        outputs = module(inputs)
        found = [
            torch.autograd.grad(outputs.gather(1, targets[:, [at]]).sum(), inputs, retain_graph=True)[0]
            for at in range(targets.shape[1])
        ]
    return np.asarray(torch.stack(found, dim=1).double().cpu().numpy())


class _Guided(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, entered: torch.Tensor) -> torch.Tensor:
        context.save_for_backward(entered)
        return entered.clamp(min=0)

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> torch.Tensor:
        (entered,) = context.saved_tensors
        return torch.where(entered > 0, gradients[0].clamp(min=0), 0.0)


def _guided(_layer: nn.Module, entered: tuple[torch.Tensor, ...], _output: torch.Tensor) -> torch.Tensor:
    found: torch.Tensor = _Guided.apply(entered[0])  # type: ignore[no-untyped-call]
    return found


def _refuse_other_rectifiers(module: nn.Module, row: torch.Tensor) -> None:
    rectifies = any(type(layer) is nn.ReLU for layer in module.modules())
    loose = [name for name in loose_operations(module, row, [nn.ReLU]) if name in _RECTIFIERS]
    if rectifies and not loose:
        return
    raise AnalyzerNotPossible(
        "guided backpropagation changes what modules nn.ReLU hand back, and this network rectifies in another way",
        where="analyzers.captum.method",
        found=", ".join(loose) or "no module nn.ReLU",
        allowed="a network whose rectifiers are all modules nn.ReLU",
        fix='set method = "grad_cam" or "integrated_gradients"',
    )

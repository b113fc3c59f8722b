"""Guided backpropagation: gradients through which no ReLU lets a negative one pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from torch import nn

from auditbench.errors import AnalyzerNotPossible
from auditbench_captum.torch_functions import Function, StandIn, outputs_with

if TYPE_CHECKING:
    import numpy.typing as npt

    Numbers: TypeAlias = npt.NDArray[np.float64]

_RECTIFIERS = frozenset({"relu", "relu_"})
_OTHERS = frozenset(
    {"leaky_relu", "leaky_relu_", "elu", "elu_", "gelu", "silu", "hardtanh", "hardswish", "prelu", "selu", "mish",
     "softplus", "threshold", "clamp", "clamp_", "clamp_min", "maximum"}
)  # fmt: skip


def guided_gradients(module: nn.Module, rows: torch.Tensor, targets: torch.Tensor) -> Numbers:
    """Gradients of outputs by the rows, where each ReLU hands back positive gradients alone.

    Args:
        module: In evaluation mode; its rectifiers are ReLUs, as modules or as functions, and it is left as it is.
        rows: Encoded, shape `(rows, *row shape)`.
        targets: Output of each row to explain, shape `(rows, targets)`.

    Returns:
        Shape `(rows, targets, *row shape)`.

    Raises:
        AnalyzerNotPossible: The network has no ReLU, or other rectifiers too.

    References: arXiv:1412.6806, section 3.4.
    """
    rules, inputs = _Guiding(), rows.clone().requires_grad_()
    outputs = outputs_with(rules, module, inputs)
    if rules.others or not rules.guided:
        raise AnalyzerNotPossible(
            "guided backpropagation changes what ReLUs hand back, and this network rectifies in another way",
            where="analyzers.captum.method",
            found=", ".join(rules.others) or "no ReLU",
            allowed="a network whose rectifiers are all ReLUs",
            fix='set method = "grad_cam" or "integrated_gradients"',
        )
    found = [
        torch.autograd.grad(outputs.gather(1, targets[:, [at]]).sum(), inputs, retain_graph=True)[0]
        for at in range(targets.shape[1])
    ]
    return np.asarray(torch.stack(found, dim=1).double().cpu().numpy())


class _Guiding(StandIn):
    def __init__(self) -> None:
        super().__init__()
        self.guided = False
        self.others: dict[str, None] = {}

    def called(self, name: str, function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        if name in _RECTIFIERS:
            self.guided = True
            return _Guided.apply(args[0] if args else kwargs["input"])  # type: ignore[no-untyped-call]
        if name in _OTHERS:
            self.others[name] = None
        return function(*args, **kwargs)


class _Guided(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, entered: torch.Tensor) -> torch.Tensor:
        context.save_for_backward(entered)
        return entered.clamp(min=0)

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> torch.Tensor:
        (entered,) = context.saved_tensors
        return torch.where(entered > 0, gradients[0].clamp(min=0), 0.0)

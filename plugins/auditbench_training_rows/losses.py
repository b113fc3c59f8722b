"""The loss of each row: what training made smaller, without what it smoothed or weighed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from auditbench.run import OutputScale, Task


def row_losses(outputs: torch.Tensor, y_true: torch.Tensor, *, task: Task, output: OutputScale) -> torch.Tensor:
    """Squared error of a regression, else the negative logarithm of the given label's probability.

    Args:
        outputs: In the declared scale, shape `(rows, outputs)`: one for a binary classification and a regression.
        y_true: Shape `(rows,)`: class indices, or values.

    Returns:
        Shape `(rows,)`, float64. A probability below the smallest float64 counts as that.
    """
    outputs = outputs.double()
    if task == "regression":
        return (outputs[:, 0] - y_true) ** 2
    binary = outputs.shape[1] == 1
    if output == "logit":
        if binary:
            return functional.binary_cross_entropy_with_logits(outputs[:, 0], y_true.double(), reduction="none")
        return functional.cross_entropy(outputs, y_true, reduction="none")
    shares = torch.cat([1 - outputs, outputs], dim=1) if binary else outputs
    return -shares.gather(1, y_true[:, None])[:, 0].clamp_min(torch.finfo(torch.float64).tiny).log()

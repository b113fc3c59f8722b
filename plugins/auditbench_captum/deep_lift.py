"""DeepLIFT by captum, with the rescale rule, of rows whose outputs to explain differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
from captum import attr
from torch import nn

from auditbench.errors import AnalyzerNotPossible
from auditbench.models.out_of_memory import is_out_of_memory

if TYPE_CHECKING:
    import numpy.typing as npt

    Numbers: TypeAlias = npt.NDArray[np.float64]


def deep_lift(module: nn.Module, rows: torch.Tensor, targets: torch.Tensor, baseline: torch.Tensor) -> Numbers:
    """Contributions to outputs against those of the baseline, shape `(rows, targets, *row shape)`.

    Where the library has no rule for a layer it takes the gradient, and behind an activation its rule for a maximum is not
    complete (captum 0.9): contributions then miss the output, and the completeness gap says by how much.

    Args:
        rows: Encoded, shape `(rows, *row shape)`.
        targets: Output of each row to explain, shape `(rows, targets)`.
        baseline: Shape `(1 or rows, *row shape)`.

    Raises:
        AnalyzerNotPossible: The library cannot follow the network, as where one activation is used several times.

    References: arXiv:1704.02685, equations 1 and 3, section 3.5.1.
    """
    found = []
    with torch.enable_grad():
        for at in range(targets.shape[1]):
            try:
                values = attr.DeepLift(module).attribute(
                    rows.detach().clone().requires_grad_(),
                    baselines=baseline.expand_as(rows).clone(),
                    target=targets[:, at],
                )
            except (AssertionError, RuntimeError) as error:
                if is_out_of_memory(error):
                    raise
                raise AnalyzerNotPossible(
                    "the captum library cannot follow this network by DeepLIFT",
                    where="analyzers.captum.method",
                    found=str(error)[:200],
                    allowed="a network whose activations are modules that run once and change nothing in place",
                    fix='set method = "integrated_gradients", which asks for gradients alone',
                ) from error
            found.append(values.detach())
    return np.asarray(torch.stack(found, dim=1).double().cpu().numpy())

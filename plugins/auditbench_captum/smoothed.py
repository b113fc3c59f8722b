"""SmoothGrad: gradients averaged over noise, so that what changes from pixel to pixel by chance averages out."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
from torch import nn

from auditbench.models import BatchSize, in_batches

if TYPE_CHECKING:
    import numpy.typing as npt

    Numbers: TypeAlias = npt.NDArray[np.float64]


def smooth_gradients(
    module: nn.Module,
    rows: torch.Tensor,
    targets: torch.Tensor,
    *,
    samples: int = 50,
    noise: float = 0.15,
    batch: BatchSize,
    rng: np.random.Generator,
) -> Numbers:
    """Mean gradient of outputs by rows to which normal noise was added, shape `(rows, targets, *row shape)`.

    Args:
        rows: Encoded, shape `(rows, *row shape)`.
        targets: Output of each row to explain, shape `(rows, targets)`.
        noise: Standard deviation of the noise, as a share of the range of each row.
        batch: Most model rows at a time; halved where memory runs out.
        rng: All noise of a row is drawn before the first is evaluated, so that it does not depend on the batches.

    References: arXiv:1706.03825, section 3.
    """
    found = np.zeros((len(rows), targets.shape[1], *rows.shape[1:]))
    for row in range(len(rows)):
        here = rows[row]
        drawn = torch.from_numpy(rng.standard_normal((samples, *here.shape), dtype=np.float32)).to(here)
        points = here + noise * (here.max() - here.min()) * drawn
        chosen = targets[row]

        def gradients(part: slice, points: torch.Tensor = points, chosen: torch.Tensor = chosen) -> torch.Tensor:
            with torch.enable_grad():
                inputs = points[part].clone().requires_grad_()
                outputs = module(inputs)
                each = [torch.autograd.grad(outputs[:, at].sum(), inputs, retain_graph=True)[0] for at in chosen]
            return torch.stack(each, dim=1).double()

        found[row] = torch.cat(in_batches(gradients, samples, batch)).mean(dim=0).cpu().numpy()
    return found

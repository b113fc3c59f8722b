"""Expected gradients: gradient times difference, averaged over random points between background rows and a row."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
from torch import nn

from auditbench.models import BatchSize, in_batches

if TYPE_CHECKING:
    import numpy.typing as npt

    Numbers: TypeAlias = npt.NDArray[np.float64]

MOST_NUMBERS = 2**25
"""Contributions of single draws that are held at once. A row is averaged by itself, so that this changes no result."""


def expected_gradients(
    module: nn.Module,
    rows: torch.Tensor,
    targets: torch.Tensor,
    background: torch.Tensor,
    *,
    samples: int,
    batch: BatchSize,
    rng: np.random.Generator,
) -> Numbers:
    """Contributions to outputs, shape `(rows, targets, *row shape)`, from `rows x samples` model rows.

    A draw is a background row and a point between it and the row; it serves all targets. All draws are made before the
    first is evaluated, so that they do not depend on the batches; captum's own GradientShap draws batch by batch.

    Args:
        rows: Encoded, shape `(rows, *row shape)`.
        targets: Output of each row to explain, shape `(rows, targets)`.
        background: Encoded, shape `(background rows, *row shape)`.
        samples: Draws of each row.
        batch: Most model rows at a time; halved where memory runs out.

    References: arXiv:1906.10670, equation 2.
    """
    total, count = targets.shape
    drawn = torch.from_numpy(rng.integers(len(background), size=(total, samples))).to(rows.device)
    share = torch.from_numpy(rng.random((total, samples), dtype=np.float32)).to(rows)
    values = np.zeros((total, count, *rows.shape[1:]))
    together = max(1, MOST_NUMBERS // (samples * count * math.prod(rows.shape[1:])))
    for start in range(0, total, together):
        here = slice(start, min(start + together, total))
        row = torch.arange(here.start, here.stop, device=rows.device).repeat_interleave(samples)
        others, along = drawn[here].ravel(), share[here].ravel()

        def work(
            part: slice, row: torch.Tensor = row, others: torch.Tensor = others, along: torch.Tensor = along
        ) -> torch.Tensor:
            begin = background[others[part]]
            difference = rows[row[part]] - begin
            points = begin + along[part].view(-1, *[1] * (rows.ndim - 1)) * difference
            return difference.unsqueeze(1) * gradients(module, points, targets[row[part]])

        found = torch.cat(in_batches(work, len(row), batch)).double()
        values[here] = found.view(-1, samples, *values.shape[1:]).mean(dim=1).cpu().numpy()
    return values


def gradients(module: nn.Module, rows: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Gradients of outputs `targets` by the rows, shape `(rows, targets, *row shape)`."""
    with torch.enable_grad():
        inputs = rows.detach().clone().requires_grad_()
        outputs = module(inputs)
        found = [
            torch.autograd.grad(outputs.gather(1, targets[:, [at]]).sum(), inputs, retain_graph=True)[0]
            for at in range(targets.shape[1])
        ]
    return torch.stack(found, dim=1)

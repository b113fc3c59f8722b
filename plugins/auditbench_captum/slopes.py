"""`Slopes`: slopes of a module's outputs, averaged along straight paths between inputs, block by block.

Where the module begins with a linear layer, its pre-activations move along the path as straightly as the inputs do. So
that layer is applied once to the ends of each path, only what follows it is evaluated at the nodes, and the averaged
slopes of the pre-activations go back through the layer in one product.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import torch

from auditbench.masking.block_sizes import block_rows, widest_activation
from auditbench.masking.first_layer import cut_first_layer
from auditbench.models.batching import fitting

if TYPE_CHECKING:
    from torch import nn

    from auditbench.masking import Prediction

_HELD = 2
"""How many tensors of the widest activation a block is sized for: a pass forwards and back holds several at once.
Measured on the CPU of `auditbench.masking.block_sizes` with fully connected, convolutional and attention networks: 2
was the quickest or within 7 % of it; 1 and 4 took up to 15 % longer."""


class Slopes:
    """A module that is evaluated along paths; nothing of it is changed, so that others may run it meanwhile.

    Rows that it evaluates count as those of the prediction, with the one on which its layers are looked at.

    Attributes:
        block: Most model rows a block.
    """

    def __init__(self, prediction: Prediction, module: nn.Module, row: torch.Tensor) -> None:
        """Look at the layers, on one row so that memory holds it.

        Args:
            prediction: Whose batch is halved where memory runs out.
            module: That of the prediction.
            row: Shape `(1, *row shape)`.
        """
        self._prediction = prediction
        self._first = cut_first_layer(module, row, in_place=False, ran=prediction.note)
        self._after = module if self._first is None else self._first.tail
        self.block = block_rows(
            _HELD * widest_activation(self._after, self._enter(row), prediction.note), str(row.device)
        )

    def means(
        self, starts: torch.Tensor, ends: torch.Tensor, seeds: torch.Tensor, nodes: int
    ) -> Iterator[tuple[slice, torch.Tensor]]:
        """Slopes averaged over each path by Gauss and Legendre's rule, block by block.

        Args:
            starts: Shape `(1 or paths, *row shape)`.
            ends: Shape `(paths, *row shape)`.
            seeds: Weight of each output in each target, shape `(targets, 1 or paths, outputs)`.
            nodes: Of each path.

        Yields:
            Some of the paths, one after the other, and their slopes, shape `(paths here, targets, *row shape)`.

        Raises:
            ValueError: The outputs do not depend on the rows by a gradient.
            ModelMemoryError: One row does not fit into memory.
        """
        places, weights = (torch.from_numpy(each).to(ends.device) for each in _gauss_legendre(nodes))
        done = 0

        def several(batch_rows: int) -> torch.Tensor:
            limit = min(self.block, batch_rows)
            paths = slice(done, min(len(ends), done + max(1, limit // max(nodes, len(seeds)))))
            own = seeds if seeds.shape[1] == 1 else seeds[:, paths]
            begin, change = self._path(starts if len(starts) == 1 else starts[paths], ends[paths])
            sums = change.new_zeros((len(change), len(seeds), *change.shape[1:]))
            for part in _parts(nodes, max(1, limit // len(change))):
                self._add(sums, begin, change, places[part].to(change.dtype), weights[part].to(own.dtype), own)
            return sums

        while done < len(ends):
            with torch.enable_grad():
                sums = fitting(several, self._prediction.batch)
            paths = slice(done, done + len(sums))
            done = paths.stop
            self._prediction.note(len(sums) * nodes)
            yield paths, self._leave(sums).view(*sums.shape[:2], *ends.shape[1:])

    def _path(self, starts: torch.Tensor, ends: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Where paths begin, and how far they go, in what is evaluated."""
        change = ends - starts
        if self._first is not None:
            change = torch.mm(change.flatten(1).to(self._first.weight.dtype), self._first.weight)
        return self._enter(starts).expand_as(change), change

    def _leave(self, slopes: torch.Tensor) -> torch.Tensor:
        """Slopes of rows from slopes of what is evaluated."""
        return slopes if self._first is None else torch.matmul(slopes, self._first.weight.t())

    def _enter(self, rows: torch.Tensor) -> torch.Tensor:
        """What is evaluated in place of rows: pre-activations behind a first layer, else the rows."""
        first = self._first
        if first is None:
            return rows
        return torch.addmm(first.bias, rows.flatten(1).to(first.weight.dtype), first.weight)

    def _add(
        self,
        sums: torch.Tensor,
        begin: torch.Tensor,
        change: torch.Tensor,
        places: torch.Tensor,
        weights: torch.Tensor,
        seeds: torch.Tensor,
    ) -> None:
        """Add the weighted slopes at some nodes to their sums, shape `(paths, targets, ...)`.

        The gradient of the weighted outputs by where the paths begin is their sum: every node of a path moves with it.
        """
        begin = begin.detach().requires_grad_()
        points = torch.addcmul(begin, places.view(-1, *[1] * change.ndim), change)
        outputs = self._after(points.flatten(0, 1))
        if not outputs.requires_grad:
            raise _no_gradient()
        for target, seed in enumerate(seeds):
            shares = (weights.view(-1, 1, 1) * seed).expand(len(places), len(change), -1)
            (slope,) = torch.autograd.grad(
                outputs,
                begin,
                shares.reshape(outputs.shape),
                retain_graph=target + 1 < len(seeds),
                allow_unused=True,
            )
            if slope is None:
                raise _no_gradient()
            sums[:, target] += slope


@cache
def _gauss_legendre(nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Places in (0, 1) and weights that add up to 1."""
    places, weights = np.polynomial.legendre.leggauss(nodes)
    return (places + 1) / 2, weights / 2


def _parts(total: int, most: int) -> Iterator[slice]:
    """As few parts as may be, of about equal length."""
    length = -(-total // -(-total // most))
    return (slice(start, start + length) for start in range(0, total, length))


def _no_gradient() -> ValueError:
    return ValueError(
        "expected outputs that depend on the rows by a gradient, got outputs without one; the module rounds, compares, "
        "detaches or leaves torch on the way: explain it with shapley_values, which needs no gradients"
    )

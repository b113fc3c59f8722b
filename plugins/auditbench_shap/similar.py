"""Which replacements are alike, so that walks of like ones can make up for each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt
    import torch

MOST_PAIRED = 1024
"""Replacements above which no pairs are sought: distances of all pairs are kept at once."""


def similar_order(replacements: torch.Tensor) -> npt.NDArray[np.int64]:
    """Replacements in an order in which each second one is the nearest of those left to the one before it.

    Pairs are made from the outside in, by distance from the mean, with each entry in units of its spread.

    Args:
        replacements: Shape `(replacements, *row shape)`.
    """
    numbers = replacements.flatten(1).double().cpu().numpy()
    spread = numbers.std(axis=0)
    scaled = (numbers - numbers.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    squares = (scaled**2).sum(axis=1)
    apart = squares[:, np.newaxis] + squares - 2 * scaled @ scaled.T
    np.fill_diagonal(apart, np.inf)
    order: list[int] = []
    taken = np.zeros(len(numbers), dtype=bool)
    for one in np.argsort(-squares, kind="stable"):
        if taken[one]:
            continue
        taken[one] = True
        order.append(int(one))
        if not taken.all():
            nearest = int(np.where(taken, np.inf, apart[one]).argmin())
            taken[nearest] = True
            order.append(nearest)
    return np.array(order)

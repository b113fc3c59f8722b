"""Centred kernel alignment: how alike the activations of layers order the same rows, whatever their units are.

Kernels are linear. The estimator of the Hilbert-Schmidt independence criterion is the one whose expectation does not depend
on the number of rows, so that layers with more units than rows are not alike by that alone; estimates may fall below 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch

from auditbench.statistics import Clusters

if TYPE_CHECKING:
    import numpy.typing as npt

    Numbers: TypeAlias = npt.NDArray[np.float64]

FEWEST_ROWS = 4
"""Below which the estimator does not exist."""
BLOCKS = 20
"""Of rows, that the jackknife leaves out one at a time."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Similarities:
    """Alignment of layers with other layers, float64; NaN where a layer does not vary.

    Attributes:
        values: Shape `(layers, other layers)`, at most 1.
        errors: Standard errors over rows, same shape; NaN where they are not estimated.
        blocks: That the standard errors come from; 0 without any.
    """

    values: Numbers
    errors: Numbers
    blocks: int


def centred_kernel(activations: npt.ArrayLike) -> Numbers:
    """The linear kernel of rows, without its diagonal and centred so that products of two have no bias.

    Every row of it sums to 0. Shape `(rows, rows)`, of activations of shape `(rows, units)`, which are brought to unit
    size first; all 0 where they vary by no more than rounding, or in one row alone.

    Raises:
        ValueError: Fewer than `FEWEST_ROWS` rows.

    References: arXiv:1310.2059 (U-centring); it gives the estimator of Song et al. (2012),
        J. Machine Learning Research 13:1393, as in arXiv:2010.15327, equation 3.
    """
    given = np.asarray(activations, dtype=np.float64)
    if given.ndim != 2 or len(given) < FEWEST_ROWS:
        raise ValueError(f"expected activations of shape (rows, units) with {FEWEST_ROWS} rows, got {given.shape}")
    centred = given - given.mean(axis=0)
    size = float(np.sqrt(np.mean(centred**2))) if centred.size else 0.0
    if size <= _ROUNDING * float(np.abs(given).max(initial=0.0)):
        return np.zeros((len(given), len(given)))
    centred /= size
    rows = torch.from_numpy(centred)
    products = (rows @ rows.T).numpy()
    return _centred(products, float(np.abs(products).max()))


def alignment(kernels: Sequence[Numbers], others: Sequence[Numbers]) -> Numbers:
    """Centred kernel alignment of each kernel with each other one, both of `centred_kernel`, on the same rows.

    Returns:
        Shape `(kernels, others)`, at most 1; NaN where a kernel is 0.

    References: arXiv:1905.00414, equation 4.
    """
    one, another = (np.stack([kernel.ravel() for kernel in each]) for each in (kernels, others))
    norms = [np.sqrt(np.einsum("ij,ij->i", each, each)) for each in (one, another)]
    scale = norms[0][:, np.newaxis] * norms[1]
    with np.errstate(invalid="ignore", divide="ignore"):
        products = (torch.from_numpy(one) @ torch.from_numpy(another).T).numpy()
        return np.asarray(np.clip(np.where(scale > 0, products / scale, np.nan), -1.0, 1.0))


def similarities(
    activations: Sequence[Numbers],
    others: Sequence[Numbers],
    *,
    rng: np.random.Generator,
    clusters: Clusters | None = None,
) -> Similarities:
    """Alignment of layers with other layers and its standard error, by leaving out blocks of rows.

    Args:
        activations: Shape `(rows, units)` each; `others` of the same rows.
        clusters: Left out whole, one a block; no standard errors where there are too few. Without them blocks are random.

    References: Busing, Meijer and van der Leeden (1999), Statistics and Computing 9:3 (blocks of uneven sizes).
    """
    rows = len(activations[0])
    kernels, opposite = ([centred_kernel(each) for each in group] for group in (activations, others))
    values = alignment(kernels, opposite)
    blocks = _blocks(rows, clusters, rng)
    if blocks is None:
        return Similarities(values=values, errors=np.full(values.shape, np.nan), blocks=0)
    sized = [[(each, float(np.abs(each).max())) for each in group] for group in (kernels, opposite)]
    count = int(blocks.max()) + 1
    without = np.empty((count, *values.shape))
    for block in range(count):
        kept = np.flatnonzero(blocks != block)
        without[block] = alignment(
            *([_centred(each[np.ix_(kept, kept)], size) for each, size in group] for group in sized)
        )
    shares = rows / np.bincount(blocks)
    pseudo = shares[:, np.newaxis, np.newaxis] * values - (shares - 1)[:, np.newaxis, np.newaxis] * without
    estimate = (pseudo / shares[:, np.newaxis, np.newaxis]).sum(axis=0)
    variance = ((pseudo - estimate) ** 2 / (shares - 1)[:, np.newaxis, np.newaxis]).mean(axis=0)
    return Similarities(values=values, errors=np.sqrt(variance), blocks=count)


def chance_level(
    kernels: Sequence[Numbers], *, rng: np.random.Generator, permutations: int = 100, level: float = 0.95
) -> float | None:
    """The alignment that the most alike pair of different layers exceeds with probability 1 - `level` by chance alone.

    Chance is that the rows of one layer have nothing to do with those of the other: they are permuted, and the largest
    alignment over all pairs is taken each time. Rows must be independent.

    Args:
        kernels: Of `centred_kernel`, two at least; None where fewer of them vary.
    """
    varying = [kernel / np.linalg.norm(kernel) for kernel in kernels if kernel.any()]
    if len(varying) < 2:
        return None
    stacked = torch.from_numpy(np.stack(varying)).float()
    different = ~torch.eye(len(stacked), dtype=torch.bool)
    largest = []
    for _ in range(permutations):
        order = torch.from_numpy(rng.permutation(stacked.shape[1]))
        permuted = stacked.index_select(1, order).index_select(2, order)
        found = stacked.flatten(1) @ permuted.flatten(1).T
        largest.append(float(found[different].max()))
    return float(np.quantile(largest, level, method="higher"))


_ROUNDING = 1e-6
"""Of activations in float32, as a share of the largest."""
_LEFT = 1e-10
"""Of the numbers of a kernel, in float64, when they cancel, as a share of the largest."""


def _centred(kernel: Numbers, size: float) -> Numbers:
    """U-centring: of a kernel that is centred already, on some of its rows, it gives that of these rows alone.

    All 0 where nothing but rounding is left of numbers of that size, as where one row alone differs from all others.
    """
    rows = len(kernel)
    off = kernel.copy()
    np.fill_diagonal(off, 0.0)
    sums = off.sum(axis=0) / (rows - 2)
    off -= sums[:, np.newaxis] + sums - sums.sum() / (rows - 1)
    np.fill_diagonal(off, 0.0)
    return off if np.abs(off).max() > _LEFT * size else np.zeros_like(off)


def _blocks(rows: int, clusters: Clusters | None, rng: np.random.Generator) -> npt.NDArray[np.intp] | None:
    """Which block each row is left out with; None where the rows left would be too few."""
    if clusters is not None:
        return clusters.of_row if clusters.are_enough and rows - _largest(clusters) >= FEWEST_ROWS else None
    count = min(BLOCKS, rows)
    return None if rows < 2 * FEWEST_ROWS else np.asarray(rng.permutation(rows) % count)


def _largest(clusters: Clusters) -> int:
    return int(np.bincount(clusters.of_row).max())

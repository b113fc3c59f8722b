"""Centred kernel alignment: how alike the activations of layers order the same rows, whatever their units are.

Kernels are linear. The estimator of the Hilbert-Schmidt independence criterion is the one whose expectation does not depend
on the number of rows, so that layers with more units than rows are not alike by that alone; estimates may fall below 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch

from auditbench.statistics import Clusters
from auditbench_layers.kernels import (
    FEWEST_ROWS,
    LayerKernel,
    are_sure,
    by_units,
    centred_part,
    kernel_parts,
    products_and_norms,
    products_by_units,
)

if TYPE_CHECKING:
    import numpy.typing as npt

    Numbers: TypeAlias = npt.NDArray[np.float64]

BLOCKS = 20
"""Of rows, that the jackknife leaves out one at a time."""
_ROWS_AT_ONCE = 128
"""Of kernels that are permuted."""


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


def alignments(
    activations: Sequence[npt.ArrayLike], others: Sequence[npt.ArrayLike], subsets: Sequence[npt.NDArray[np.bool_]]
) -> Iterator[Numbers]:
    """Centred kernel alignment of each layer with each other one, on each subset of the same rows.

    Each is of shape `(activations, others)`, at most 1; NaN where a layer does not vary.

    Args:
        activations: Shape `(rows, units)` each, float64.
        subsets: Shape `(rows,)` each, with `FEWEST_ROWS` rows.

    Raises:
        ValueError: Fewer than `FEWEST_ROWS` rows.

    References: arXiv:1905.00414, equation 4.
    """
    kernels = [LayerKernel.of(each) for each in activations]
    opposite = kernels if others is activations else [LayerKernel.of(each) for each in others]
    for products, norms, other_norms in products_and_norms(kernels, opposite, subsets):
        scale = np.outer(norms, other_norms)
        with np.errstate(invalid="ignore", divide="ignore"):
            yield np.clip(np.where(scale > 0, products / scale, np.nan), -1.0, 1.0)


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
    blocks = _blocks(rows, clusters, rng)
    left = [] if blocks is None else [blocks != block for block in range(int(blocks.max()) + 1)]
    values, *without = alignments(activations, others, [np.ones(rows, dtype=np.bool_), *left])
    if blocks is None:
        return Similarities(values=values, errors=np.full(values.shape, np.nan), blocks=0)
    shares = rows / np.bincount(blocks)
    pseudo = shares[:, np.newaxis, np.newaxis] * values - (shares - 1)[:, np.newaxis, np.newaxis] * np.stack(without)
    estimate = (pseudo / shares[:, np.newaxis, np.newaxis]).sum(axis=0)
    variance = ((pseudo - estimate) ** 2 / (shares - 1)[:, np.newaxis, np.newaxis]).mean(axis=0)
    return Similarities(values=values, errors=np.sqrt(variance), blocks=len(left))


def chance_level(
    activations: Sequence[npt.ArrayLike], *, rng: np.random.Generator, permutations: int = 100, level: float = 0.95
) -> float | None:
    """The alignment that the most alike pair of different layers exceeds with probability 1 - `level` by chance alone.

    Chance is that the rows of one layer have nothing to do with those of the other: they are permuted, and the largest
    alignment over all pairs is taken each time. Rows must be independent.

    Args:
        activations: Shape `(rows, units)` each, float64, of two layers at least; None where fewer of them vary.
    """
    every = [LayerKernel.of(each) for each in activations]
    kept = np.ones(len(every[0].lengths), dtype=np.bool_)
    ((_, norms, _),) = products_and_norms(every, every[:1], [kept])
    varying, norms = [kernel for kernel, norm in zip(every, norms, strict=True) if norm > 0], norms[norms > 0]
    if len(varying) < 2:
        return None
    orders = [rng.permutation(len(varying[0].lengths)) for _ in range(permutations)]
    alike = _permuted_by_units if by_units(varying) and are_sure(varying, norms**2) else _permuted_by_rows
    different = ~np.eye(len(varying), dtype=bool)
    largest = [products[different].max() for products in alike(varying, norms, orders)]
    return float(np.quantile(largest, level, method="higher"))


def _permuted_by_units(
    kernels: Sequence[LayerKernel], norms: Numbers, orders: Sequence[npt.NDArray[np.intp]]
) -> Iterator[Numbers]:
    """Alignment of all pairs of layers, the rows of one in another order, for each order; shape `(layers, layers)`."""
    for order in orders:
        yield products_by_units(kernels, [kernel.permuted(order) for kernel in kernels]) / np.outer(norms, norms)


def _permuted_by_rows(
    kernels: Sequence[LayerKernel], norms: Numbers, orders: Sequence[npt.NDArray[np.intp]]
) -> Iterator[Numbers]:
    """As `_permuted_by_units`; kernels are kept, in float32, and permuted some rows at a time."""
    rows, count = len(kernels[0].lengths), len(kernels)
    every = np.ones(rows, dtype=np.bool_)
    offsets = np.stack([kernel.offsets(every) for kernel in kernels])
    kept = torch.empty((count, rows, rows), dtype=torch.float32)
    for some, found in kernel_parts(kernels, at_once=2 * count):
        kept[:, some] = torch.from_numpy(centred_part(found, offsets, every, some) / norms[:, np.newaxis, np.newaxis])
    for order in map(torch.from_numpy, orders):
        products = torch.zeros((count, count), dtype=torch.float64)
        for start in range(0, rows, _ROWS_AT_ONCE):
            some = slice(start, start + _ROWS_AT_ONCE)
            permuted = kept.index_select(1, order[some]).index_select(2, order)
            products += (kept[:, some].flatten(1) @ permuted.flatten(1).T).double()
        yield products.numpy()


def _blocks(rows: int, clusters: Clusters | None, rng: np.random.Generator) -> npt.NDArray[np.intp] | None:
    """Which block each row is left out with; None where the rows left would be too few."""
    if clusters is not None:
        return clusters.of_row if clusters.are_enough and rows - _largest(clusters) >= FEWEST_ROWS else None
    count = min(BLOCKS, rows)
    return None if rows < 2 * FEWEST_ROWS else np.asarray(rng.permutation(rows) % count)


def _largest(clusters: Clusters) -> int:
    return int(np.bincount(clusters.of_row).max())

"""Inner products of the linear kernels of layers on the same rows, U-centred, without keeping the kernels.

Of a layer with activations x, centred, a kernel is K[i, j] = x[i] · x[j] + u[i] + u[j] off the diagonal and 0 on it, where u
makes every row of K sum to 0. Products of two have no bias from the number of units. They are sums over pairs of units where
layers are narrow, else over pairs of rows, some rows at a time.

References: arXiv:1310.2059 (U-centring); it gives the estimator of Song et al. (2012), J. Machine Learning Research 13:1393,
as in arXiv:2010.15327, equation 3.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch

if TYPE_CHECKING:
    import numpy.typing as npt

    Numbers: TypeAlias = npt.NDArray[np.float64]
    Flags: TypeAlias = npt.NDArray[np.bool_]

FEWEST_ROWS = 4
"""Below which the estimator does not exist."""
_ROUNDING = 1e-6
"""Of activations in float32, as a share of the largest."""
_LEFT = 1e-10
"""Of the numbers of a kernel, in float64, when they cancel, as a share of the largest."""
_SURE = 1e-6
"""Share of a squared norm that cancelling leaves; sums over units keep nine digits of it."""
_NARROW = 4.0
"""Mean units of a layer, in roots of the rows, up to which sums over units are the cheaper ones."""
_NUMBERS_AT_ONCE = 2**22
"""Of the kernels that are held at once, some rows of each."""
_SUBSETS_AT_ONCE = 32
"""Subsets of rows that share the inner products of their rows."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LayerKernel:
    """The kernel of a layer.

    Attributes:
        rows: Activations, centred and of unit size, shape `(rows, units)`; all 0 where they vary by no more than rounding.
        lengths: Squared lengths of the rows, shape `(rows,)`.
    """

    rows: Numbers
    lengths: Numbers

    @classmethod
    def of(cls, activations: npt.ArrayLike) -> LayerKernel:
        """The kernel of activations, shape `(rows, units)`.

        Raises:
            ValueError: Fewer than `FEWEST_ROWS` rows.
        """
        given = np.asarray(activations, dtype=np.float64)
        if given.ndim != 2 or len(given) < FEWEST_ROWS:
            raise ValueError(f"expected activations of shape (rows, units) with {FEWEST_ROWS} rows, got {given.shape}")
        centred = given - given.mean(axis=0)
        size = float(np.sqrt(np.mean(centred**2))) if centred.size else 0.0
        if size <= _ROUNDING * float(np.abs(given).max(initial=0.0)):
            return cls(rows=np.zeros((len(given), 0)), lengths=np.zeros(len(given)))
        centred /= size
        return cls(rows=centred, lengths=np.einsum("ij,ij->i", centred, centred))

    def of_rows(self, kept: Flags) -> LayerKernel:
        """The kernel of some of the rows, as activations of the same size."""
        rows = self.rows[kept]
        rows = rows - rows.mean(axis=0)
        return LayerKernel(rows=rows, lengths=np.einsum("ij,ij->i", rows, rows))

    def permuted(self, order: npt.NDArray[np.intp]) -> LayerKernel:
        """The kernel of the same rows in another order."""
        return replace(self, rows=self.rows[order], lengths=self.lengths[order])

    def offsets(self, kept: Flags) -> Numbers:
        """What is added to x[i] · x[j] for i, and for j, where the kernel is that of some of the rows; shape `(rows,)`."""
        count = int(kept.sum())
        mean = self.rows[kept].mean(axis=0)
        shift = mean @ mean / 2 - self.rows @ mean
        lengths = self.lengths + 2 * shift
        return np.asarray(shift + lengths / (count - 2) - lengths[kept].sum() / (2 * (count - 1) * (count - 2)))


def products_and_norms(
    kernels: Sequence[LayerKernel], others: Sequence[LayerKernel], subsets: Sequence[Flags]
) -> Iterator[tuple[Numbers, Numbers, Numbers]]:
    """Inner products of each kernel with each other one, shape `(kernels, others)`, and the norms of both, of each subset.

    The norm is 0 where nothing but rounding is left of a kernel, as where one row alone differs from all others.

    Args:
        subsets: Rows of which the kernels are taken, shape `(rows,)` each; at least `FEWEST_ROWS` of them.
    """
    narrow = by_units(kernels) and by_units(others)
    for start in range(0, len(subsets), _SUBSETS_AT_ONCE):
        some = subsets[start : start + _SUBSETS_AT_ONCE]
        found = [_sums_over_units(kernels, others, kept) for kept in some] if narrow else []
        sure = [each for each in found if each is not None]
        yield from sure if narrow and len(sure) == len(found) else _sums_over_rows(kernels, others, some)


def by_units(kernels: Sequence[LayerKernel]) -> bool:
    """Whether sums over units are cheaper."""
    rows = len(kernels[0].lengths)
    return bool(sum(each.rows.shape[1] for each in kernels) <= _NARROW * len(kernels) * np.sqrt(rows))


def are_sure(kernels: Sequence[LayerKernel], squares: Numbers) -> bool:
    """Whether squared norms that sums over units gave are more than what cancelling leaves."""
    sizes = np.asarray([np.square(each.lengths).sum() for each in kernels])
    return bool((squares >= _SURE * sizes).all())


def products_by_units(kernels: Sequence[LayerKernel], others: Sequence[LayerKernel]) -> Numbers:
    """Inner products of each kernel with each other one, shape `(kernels, others)`, as sums over units."""
    own, lengths = (np.stack([each.lengths for each in group]) for group in (kernels, others))
    rows = own.shape[1]
    sums = [[np.square(_times(one.rows.T, other.rows)).sum() for other in others] for one in kernels]
    totals = np.outer(own.sum(axis=1), lengths.sum(axis=1)) / ((rows - 1) * (rows - 2))
    return np.asarray(np.asarray(sums) - rows / (rows - 2) * own @ lengths.T + totals)


def kernel_parts(kernels: Sequence[LayerKernel], *, at_once: int) -> Iterator[tuple[slice, Numbers]]:
    """Inner products of some rows with all rows, shape `(kernels, some, rows)`, until all rows had their turn.

    Args:
        at_once: Kernels among which memory is shared.
    """
    rows = len(kernels[0].lengths)
    step = max(1, _NUMBERS_AT_ONCE // (rows * at_once))
    for start in range(0, rows, step):
        some = slice(start, min(start + step, rows))
        yield some, np.stack([_times(each.rows[some], each.rows.T) for each in kernels])


def centred_part(products: Numbers, offsets: Numbers, kept: Flags, some: slice) -> Numbers:
    """Some rows of kernels of a subset, from their inner products; 0 on the diagonal and for rows that are not kept.

    Args:
        offsets: Of each kernel, shape `(kernels, rows)`.
    """
    found = products + offsets[:, some, np.newaxis]
    found += offsets[:, np.newaxis]
    weights = np.multiply.outer(kept[some], kept).astype(np.float64)
    weights[np.arange(len(weights)), np.arange(some.start, some.stop)] = 0.0
    found *= weights
    return found


def _sums_over_units(
    kernels: Sequence[LayerKernel], others: Sequence[LayerKernel], kept: Flags
) -> tuple[Numbers, Numbers, Numbers] | None:
    """None where too little is left of a norm, among these rows of the kernel of all rows."""
    groups = [[each.of_rows(kept) for each in group] for group in (kernels, others)]
    squares = [np.asarray([products_by_units([each], [each])[0, 0] for each in group]) for group in groups]
    if not all(are_sure(whole, found) for whole, found in zip((kernels, others), squares, strict=True)):
        return None
    return products_by_units(*groups), np.sqrt(squares[0]), np.sqrt(squares[1])


def _sums_over_rows(
    kernels: Sequence[LayerKernel], others: Sequence[LayerKernel], subsets: Sequence[Flags]
) -> Iterator[tuple[Numbers, Numbers, Numbers]]:
    every, own = kernels if others is kernels else (*kernels, *others), len(kernels)
    offsets = [np.stack([each.offsets(kept) for each in every]) for kept in subsets]
    products = np.zeros((len(subsets), own, len(others)))
    squares, largest = np.zeros((2, len(subsets), len(every)))
    for some, found in kernel_parts(every, at_once=2 * len(every)):
        for place, kept in enumerate(subsets):
            part = centred_part(found, offsets[place], kept, some).reshape(len(every), -1)
            products[place] += _times(part[:own], part[-len(others) :].T)
            squares[place] += np.einsum("ij,ij->i", part, part)
            np.maximum(largest[place], np.abs(part).max(axis=1), out=largest[place])
    sizes = np.asarray([each.lengths.max() for each in every])
    norms = np.where(largest > _LEFT * sizes, np.sqrt(squares), 0.0)
    yield from zip(products, norms[:, :own], norms[:, -len(others) :], strict=True)


def _times(one: Numbers, another: Numbers) -> Numbers:
    product: Numbers = (torch.from_numpy(one) @ torch.from_numpy(another)).numpy()
    return product

"""Mean and standard deviation of each channel: declared, or over blocks of rows without the loss of digits of a sum of
squares."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from auditbench.errors import DataError

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.config import InputTable

    Numbers = npt.NDArray[np.float64]


def channel_moments(blocks: Iterable[npt.NDArray[Any]], channels: int) -> tuple[Numbers, Numbers, Numbers]:
    """Count, mean and standard deviation (divided by n) of the numbers that are not NaN.

    Each block is centred at its own mean before it is squared, and blocks are joined by the update of Chan, Golub and
    LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances" (1979), eq. 2.1.

    Args:
        blocks: Shape `(rows, channels, ...)` each.

    Returns:
        Shape `(channels,)` each, float64; mean and deviation are 0 where the count is.
    """
    count, mean, spread = np.zeros(channels), np.zeros(channels), np.zeros(channels)
    for block in blocks:
        values = np.moveaxis(block.astype(np.float64), 1, 0).reshape(channels, -1)
        missing = np.isnan(values)
        added = (values.shape[1] - np.count_nonzero(missing, axis=1)).astype(np.float64)
        some = np.maximum(added, 1.0)
        own = np.where(missing, 0.0, values).sum(axis=1) / some
        centred = np.where(missing, 0.0, values - own[:, None])
        total = np.maximum(count + added, 1.0)
        apart = own - mean
        spread += np.square(centred).sum(axis=1) + np.square(apart) * count * added / total
        mean += apart * added / total
        count += added
    return count, mean, np.sqrt(spread / np.maximum(count, 1.0))


def declared_moments(
    table: InputTable, channels: int, *, where: str
) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """The mean and the scale that an input declares, one number a channel each; None where it declares none.

    Raises:
        DataError: There are other than one or `channels` numbers.
    """
    if table.mean is None or table.scale is None:
        return None
    for key, given in (("mean", table.mean), ("scale", table.scale)):
        if len(given) not in (1, channels):
            raise DataError(
                "another number of channels than the input has",
                where=f"{where}.{key}",
                found=f"{len(given)} numbers",
                allowed="one number" + (f", or {channels}" if channels > 1 else ""),
                fix="give one number for all channels, or one for each",
            )
    mean, scale = (given * (channels // len(given)) for given in (table.mean, table.scale))
    return mean, scale

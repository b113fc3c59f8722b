"""Regions of an image in the map of their pixels, each of which has an equal share of what its region contributes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy.typing as npt


def region_sums(values: npt.NDArray[Any]) -> npt.NDArray[Any] | None:
    """Contributions of the regions of a map, values times their pixels; None where pixels have values of their own.

    A map is one of regions where most of its values other than 0 are those of several pixels. Regions of one value are
    not told apart, such as all those that contribute 0; a map of one value has none.
    """
    import numpy as np

    levels, pixels = np.unique(values[np.isfinite(values)], return_counts=True)
    if len(levels) < 2 or np.median(pixels[levels != 0]) < 2:
        return None
    sums: npt.NDArray[Any] = levels * pixels
    return sums

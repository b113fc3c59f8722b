"""Control of the false discovery rate over a family of tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


def benjamini_hochberg(p_values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """P-values adjusted by Benjamini and Hochberg's step-up procedure, in the order of the input.

    Rejecting what is at most q keeps the expected share of false rejections at or below q, for independent tests and
    for those with positive regression dependence.

    Args:
        p_values: Shape (m,), in [0, 1]. NaN is a test that was not carried out: it stays NaN and does not count in m.

    Raises:
        ValueError: Another shape, or a value outside [0, 1].

    Source: Benjamini and Hochberg (1995), JRSS B 57:289, procedure (1), as adjusted values.
    """
    import numpy as np

    values = np.asarray(p_values, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError(f"expected `p_values` of shape (m,), got {values.shape}")
    if ((values < 0) | (values > 1)).any():
        raise ValueError(f"expected `p_values` between 0 and 1, got {np.nanmin(values)} to {np.nanmax(values)}")
    carried_out = np.flatnonzero(~np.isnan(values))
    order = carried_out[np.argsort(values[carried_out], kind="stable")]
    scaled = values[order] * len(order) / np.arange(1, len(order) + 1)
    adjusted = np.full(len(values), np.nan)
    adjusted[order] = np.minimum.accumulate(scaled[::-1])[::-1]
    return adjusted

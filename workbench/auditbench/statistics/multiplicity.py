"""Control of the errors of a family of tests: the false discovery rate, and the chance of any false rejection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditbench.statistics._arguments import check_level

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

    values = _checked(p_values)
    carried_out = np.flatnonzero(~np.isnan(values))
    order = carried_out[np.argsort(values[carried_out], kind="stable")]
    scaled = values[order] * len(order) / np.arange(1, len(order) + 1)
    adjusted = np.full(len(values), np.nan)
    adjusted[order] = np.minimum.accumulate(scaled[::-1])[::-1]
    return adjusted


def holm(p_values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """P-values adjusted by Holm's step-down procedure, in the order of the input.

    Rejecting what is at most a keeps the chance of any false rejection at or below a, however the tests depend on each
    other. Arguments and errors as for `benjamini_hochberg`.

    Source: Holm (1979), Scandinavian Journal of Statistics 6:65, as adjusted values.
    """
    import numpy as np

    values = _checked(p_values)
    carried_out = np.flatnonzero(~np.isnan(values))
    order = carried_out[np.argsort(values[carried_out], kind="stable")]
    adjusted = np.full(len(values), np.nan)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(values[order] * np.arange(len(order), 0, -1)))
    return adjusted


def holm_levels(p_values: npt.ArrayLike, *, level: float = 0.95) -> npt.NDArray[np.float64]:
    """Level of the interval that says what Holm's procedure says of each test, in the order of the input.

    Of a rejected test it is the level of its own step, of all others that of the step that stopped: where a test's
    interval of level 1 - p touches "no effect", this interval leaves it out exactly if `holm` is at most 1 - `level`.
    Arguments and errors as for `holm`; `level` lies in (0, 1).
    """
    import numpy as np

    rejected = holm(p_values) <= 1.0 - check_level(level)
    values = _checked(p_values)
    carried_out = np.flatnonzero(~np.isnan(values))
    order = carried_out[np.argsort(values[carried_out], kind="stable")]
    steps = np.minimum(np.arange(len(order)), np.count_nonzero(rejected))
    levels = np.full(len(values), np.nan)
    levels[order] = 1.0 - (1.0 - level) / (len(order) - steps).clip(min=1)
    return levels


def _checked(p_values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    import numpy as np

    values = np.asarray(p_values, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError(f"expected `p_values` of shape (m,), got {values.shape}")
    if ((values < 0) | (values > 1)).any():
        raise ValueError(f"expected `p_values` between 0 and 1, got {np.nanmin(values)} to {np.nanmax(values)}")
    return values

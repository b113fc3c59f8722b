"""Raw rows of a table: missing numbers, and where a row's own numbers stand among the background."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from auditbench.data import FeatureSpec


def fill_missing(raw: npt.NDArray[np.float64], features: tuple[FeatureSpec, ...]) -> npt.NDArray[np.float64]:
    """A copy of raw rows, shape `(rows, features)`, without NaN.

    `FeatureSpec.fill` stands for a missing number, the index after the last for a missing category. The encoder fills
    by the same rule, so the model gives the same outputs; explainers that multiply by a mask cannot work with NaN.
    """
    import numpy as np

    fills = [feature.fill if feature.kind == "number" else len(feature.categories) for feature in features]
    return np.where(np.isnan(raw), fills, raw)


def value_ranks(
    raw: npt.NDArray[np.float64], background: npt.NDArray[np.float64], features: tuple[FeatureSpec, ...]
) -> npt.NDArray[np.float64]:
    """Share of background rows below each number, equal ones counting half; shape `(rows, features)`, in [0, 1].

    NaN for categories, for missing numbers, and where the background holds no number. Missing background numbers are
    left out.
    """
    import numpy as np

    ranks = np.full(raw.shape, np.nan)
    for index, feature in enumerate(features):
        known = np.sort(background[~np.isnan(background[:, index]), index])
        if feature.kind != "number" or not len(known):
            continue
        column = raw[:, index]
        between = np.searchsorted(known, column, "left") + np.searchsorted(known, column, "right")
        ranks[:, index] = np.where(np.isnan(column), np.nan, between / (2 * len(known)))
    return ranks

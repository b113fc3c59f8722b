"""The groups of each sensitive feature, as codes of rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from auditbench.bands import in_order

if TYPE_CHECKING:
    import numpy.typing as npt


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grouping:
    """The groups of one sensitive feature.

    Attributes:
        names: In the order of values, bands from low to high.
        codes: Place of each row's group among them, shape `(rows,)`.
        sizes: Rows of each group, shape `(groups,)`.
    """

    feature: str
    names: tuple[str, ...]
    codes: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]

    def listed(self, most: int) -> list[int]:
        """The groups in their order, only the largest where there are many."""
        return sorted(np.argsort(-self.sizes, kind="stable")[:most].tolist())


def groupings_of(sensitive_features: Mapping[str, npt.NDArray[np.str_]]) -> tuple[Grouping, ...]:
    """The groups of each feature, whose values are of shape `(rows,)`."""
    found = []
    for feature, values in sensitive_features.items():
        found_names, inverse = np.unique(values, return_inverse=True)
        names = [str(name) for name in found_names]
        ordered = in_order(names) or names
        place = {name: index for index, name in enumerate(ordered)}
        codes = np.asarray([place[name] for name in names], dtype=np.int64)[inverse]
        sizes = np.bincount(codes, minlength=len(ordered))
        found.append(Grouping(feature=feature, names=tuple(ordered), codes=codes, sizes=sizes))
    return tuple(found)

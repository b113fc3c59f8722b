"""Where rows stand, so that the distance of two rows says how alike their inputs are."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from auditbench.data import FeatureSpec, ModelInput, SeriesInput, TableInput
from auditbench.findings import Message
from auditbench_individual_fairness.measures import message

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.data import Rows

    Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Space:
    """Rows as points.

    Attributes:
        places: Shape `(rows, numbers)`.
        stated: What distances are made of.
    """

    places: Numbers
    stated: Message


def without_distance(inputs: Mapping[str, ModelInput], sensitive: Collection[str]) -> Message | None:
    """Why inputs have no distance that says how alike two rows are; None where they have one."""
    if len(inputs) == 1:
        (only,) = inputs.values()
        if isinstance(only, SeriesInput):
            return None
        if isinstance(only, TableInput):
            others = [feature for feature in only.features if feature.name not in sensitive]
            return None if others else message("undefined.only_sensitive")
    return message("undefined.no_distance")


def space_of(inputs: Mapping[str, ModelInput], rows: Rows, sensitive: Collection[str]) -> Space:
    """The rows by the inputs that are not sensitive, where `without_distance` gives no reason against it.

    A number counts in standard deviations of these rows, a missing one as their median. A category that differs adds 2 to the
    squared distance, which is what two numbers of rows drawn by chance add on the mean. Values of a series count in standard
    deviations of their channel, missing ones as its mean.
    """
    ((name, only),) = inputs.items()
    raw = rows.inputs[name]
    if isinstance(only, SeriesInput):
        channels = [_standardized(raw[:, place].astype(np.float64), np.nanmean) for place in range(raw.shape[1])]
        return Space(places=np.concatenate(channels, axis=1), stated=message("note.series", channels=len(channels)))
    if not isinstance(only, TableInput):
        raise TypeError(f"expected a table or a series, got {type(only).__name__}")
    kept = [(raw[:, place], feature) for place, feature in enumerate(only.features) if feature.name not in sensitive]
    left_out = [feature.name for feature in only.features if feature.name in sensitive]
    stated = message("note.table", n=len(kept))
    if left_out:
        stated = message("note.table_without", n=len(kept), names=", ".join(left_out))
    return Space(places=np.concatenate([_columns(*part) for part in kept], axis=1), stated=stated)


def _columns(raw: Numbers, feature: FeatureSpec) -> Numbers:
    """A number as one column, a category as one a level and one for what is missing or unseen."""
    if feature.kind == "number":
        return _standardized(raw[:, np.newaxis], np.nanmedian)
    levels = len(feature.categories)
    codes = np.nan_to_num(raw, nan=levels).round()
    known = np.where((codes >= 0) & (codes < levels), codes, levels)
    return np.asarray(known[:, np.newaxis] == np.arange(levels + 1), dtype=np.float64)


def _standardized(values: Numbers, middle: Any) -> Numbers:
    """Values in standard deviations, missing ones in the middle; 0 where all are alike or missing."""
    missing = np.isnan(values)
    if missing.all():
        return np.zeros_like(values)
    largest = float(np.nanmax(np.abs(values))) or 1.0  # keeps squares of the largest numbers finite
    filled = np.where(missing, middle(values), values) / largest
    spread = float(filled.std())
    return (filled - filled.mean()) / spread if spread > 0 else np.zeros_like(values)

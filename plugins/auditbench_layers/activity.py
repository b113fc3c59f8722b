"""What the units of a layer do on some rows, row by row: kept small, so that rows can be taken in parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch

if TYPE_CHECKING:
    import numpy.typing as npt

    Numbers: TypeAlias = npt.NDArray[np.float32]

OUTLIER = 6.0
"""Standard deviations from the mean of a layer beyond which a value is an outlier."""
SATURATED = 0.99
"""Of the range of a squashing function."""
BOUNDED = {"Tanh": (-1.0, 1.0), "Sigmoid": (0.0, 1.0), "Hardtanh": (-1.0, 1.0), "Hardsigmoid": (0.0, 1.0)}
"""Kinds of layers that squash what they get, with their bounds."""
RECTIFIERS = ("ReLU", "ReLU6")
"""Kinds of layers that rectify even where no value on these rows is 0."""
SMOOTH_RECTIFIERS = ("GELU", "SiLU", "Hardswish")
"""Parts of the names of layers whose units are off where they are not above 0, though they do not give exact zeros there."""


def by_place(values: torch.Tensor, unit_axis: int) -> torch.Tensor:
    """What a layer gives, as shape `(rows, units, places)`; one place where it has none."""
    units = values.movedim(unit_axis, 1)
    return units.unsqueeze(2) if units.ndim == 2 else units.flatten(2)


def row_activity(
    output: torch.Tensor,
    unit_axis: int,
    counted: torch.Tensor | None,
    kind: str,
    read: torch.Tensor | None = None,
) -> dict[str, Numbers]:
    """Of each row: what each unit gives over its places, and sums over all units and places.

    Args:
        output: Of a layer, shape `(rows, ...)`.
        unit_axis: Axis of the units; all others but the first are places.
        counted: Places that count, shape `(rows, places)`, at least one a row; None for all.
        read: Those among them that `mean` is taken over; None for all that count.

    Returns:
        `mean` over the places that are read, `low` and `high` over those that count, shape `(rows, units)`; of each row, shape `(rows,)`, how many `values` there are,
        their `total` and `squares`, how many are exactly 0 (`zeros`) and at a bound (`saturated`), and the `kurtosis` of the
        means over its units, NaN where they are all alike.
    """
    values = by_place(output.detach(), unit_axis).float()
    kept = torch.ones_like(values[:, :1], dtype=torch.bool) if counted is None else counted.unsqueeze(1)
    places = kept.sum(dim=2)
    zeroed = torch.where(kept, values, 0.0)
    averaged = kept if read is None else read.unsqueeze(1)
    mean = torch.where(averaged, values, 0.0).sum(dim=2) / averaged.sum(dim=2)
    least, most = BOUNDED.get(kind, (-torch.inf, torch.inf))
    margin = (most - least) / 2 * (1 - SATURATED) if kind in BOUNDED else 0.0
    at_bound = ((values >= most - margin) | (values <= least + margin)) & kept
    wide = zeroed.double()
    found = {
        "mean": mean,
        "low": torch.where(kept, values, torch.inf).amin(dim=2),
        "high": torch.where(kept, values, -torch.inf).amax(dim=2),
        "values": places[:, 0] * values.shape[1],
        "total": wide.sum(dim=(1, 2)),
        "squares": (wide**2).sum(dim=(1, 2)),
        "zeros": ((values == 0) & kept).sum(dim=(1, 2)),
        "saturated": at_bound.sum(dim=(1, 2)),
        "kurtosis": _kurtosis(mean.double()),
    }
    return {
        name: each.cpu().numpy().astype(np.float32 if each.ndim > 1 else np.float64) for name, each in found.items()
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerActivity:
    """What the units of a layer did on all rows.

    Attributes:
        mean: Over all values of the layer, `deviation` their standard deviation.
        zeros: Share of values that are exactly 0, shape `(rows,)`.
        saturated: Share of values within 1 % of a bound, shape `(rows,)`; None where the layer has no bounds.
        kurtosis: Of the units of each row, shape `(rows,)`; NaN where they are all alike. 3 for a normal distribution.
        active: Whether each unit of a rectifier was above 0 at any place of a row, shape `(rows, units)`; None for a layer
            that does not rectify.
        outlying: Units with a value beyond `OUTLIER` standard deviations in at least one row of 20.
    """

    mean: float
    deviation: float
    zeros: npt.NDArray[np.float64]
    saturated: npt.NDArray[np.float64] | None
    kurtosis: npt.NDArray[np.float64]
    active: npt.NDArray[np.bool_] | None
    outlying: npt.NDArray[np.intp]

    @property
    def dead(self) -> npt.NDArray[np.intp]:
        """Units of a rectifier that were active on none of the rows; empty for other layers."""
        return np.flatnonzero(~self.active.any(axis=0)) if self.active is not None else np.empty(0, dtype=np.intp)


def layer_activity(rows: dict[str, Numbers], kind: str) -> LayerActivity:
    """From what `row_activity` gave, of all rows together."""
    values = rows["values"].sum(dtype=np.float64)
    mean = rows["total"].sum(dtype=np.float64) / values
    deviation = float(np.sqrt(max(0.0, rows["squares"].sum(dtype=np.float64) / values - mean**2)))
    far = np.maximum(rows["high"] - mean, mean - rows["low"]) > OUTLIER * deviation
    return LayerActivity(
        mean=float(mean),
        deviation=deviation,
        zeros=(rows["zeros"] / rows["values"]).astype(np.float64),
        saturated=(rows["saturated"] / rows["values"]).astype(np.float64) if kind in BOUNDED else None,
        kurtosis=rows["kurtosis"].astype(np.float64),
        active=rows["high"] > 0 if rectifies(rows, kind) else None,
        outlying=np.flatnonzero(far.mean(axis=0) >= 0.05) if deviation else np.empty(0, dtype=np.intp),
    )


def rectifies(rows: dict[str, Numbers], kind: str) -> bool:
    """Whether units of a layer are off where they are not above 0: by its kind, or since it gives zeros and nothing below.

    The latter are rectifiers, blocks that end in one, and what comes right behind one, such as pooling.
    """
    if kind in RECTIFIERS or any(name in kind for name in SMOOTH_RECTIFIERS):
        return True
    return bool((rows["low"] >= 0).all()) and bool(rows["zeros"].any())


def _kurtosis(means: torch.Tensor) -> torch.Tensor:
    """Fourth moment over the squared variance of each row, over its units; NaN where they are alike."""
    centred = means - means.mean(dim=1, keepdim=True)
    variance = (centred**2).mean(dim=1)
    alike = variance <= _ROUNDING**2 * (means**2).mean(dim=1)
    return torch.where(alike, torch.nan, (centred**4).mean(dim=1) / torch.where(alike, 1.0, variance**2))


_ROUNDING = 1e-6
"""Of activations in float32, as a share of their size."""

"""Contributions of the parts of an input, and the inputs that they are drawn on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from auditbench.arrays import Array
from auditbench.errors import ResultError
from auditbench.findings import Message
from auditbench.results.finite import require_finite

PREDICTED, RUNNER_UP = "predicted", "runner-up"
"""Names of targets that are another output for each row: its highest one, and the next."""
Shows: TypeAlias = Literal["contribution", "slope", "map"]
"""What is drawn: parts of an output; how fast it changes, up or down; or where what raises it is found, in no unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """Contributions of players (features, superpixels, tokens, segments) to outputs of the model, for some rows.

    Attributes:
        method: The field's name of the method, such as `shap.permutation` or `integrated_gradients`.
        values: Shape `(rows, targets, *player_shape)`, in the unit of the explained output.
        player_names: One name a player, in the order of the flattened player shape; empty for large shapes.
        target_names: One name a target.
        base_values: Shape `(rows, targets)`: what the contributions start from, same unit.
        outputs: Shape `(rows, targets)`: the explained output itself.
        standard_error: Shape of `values`, or absent when the method has no sampling error.
        player_values: Shape `(rows, players)`: rank of the row's own input within the data in [0, 1], NaN where an
            input has no order. For colour only; it does not give the input away.
        row_ids: Ids of the explained rows, in order.
        additive: Whether base value plus contributions should give the output; LIME's weights need not.
        unit: Unit of the explained output: `logit`, `probability` or `value`.
        model_rows: Rows the model evaluated for this analysis; one pass over the data for its other blocks may be left out.

    References: arXiv:1705.07874, eq. 5 (local accuracy).
    """

    name: str
    method: str
    values: Array
    player_names: tuple[str, ...]
    target_names: tuple[str, ...]
    base_values: Array
    outputs: Array
    standard_error: Array | None = None
    player_values: Array | None = None
    row_ids: tuple[str, ...]
    additive: bool = True
    unit: str
    model_rows: int

    def __post_init__(self) -> None:
        leading = (len(self.row_ids), len(self.target_names))
        for part in ("values", "base_values", "outputs", "standard_error"):
            array = getattr(self, part)
            if array is not None and tuple(array.shape[:2]) != leading:
                raise ResultError(
                    f"expected `{part}` to begin with (rows, targets) = {leading}, got {tuple(array.shape)}",
                    where=self.name,
                )
        shape = tuple(self.values.shape)
        players = math.prod(shape[2:])
        if self.player_names and len(self.player_names) != players:
            raise ResultError(f"expected {players} player names, got {len(self.player_names)}", where=self.name)
        for part, wanted in (("standard_error", shape), ("player_values", (leading[0], players))):
            array = getattr(self, part)
            if array is not None and tuple(array.shape) != wanted:
                raise ResultError(f"expected `{part}` of shape {wanted}, got {tuple(array.shape)}", where=self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageOverlay:
    """An attribution drawn on the image it explains.

    Attributes:
        image: Shape `(height, width)` or `(height, width, 3)`, in [0, 1]; None where inputs are not to be shown.
        values: Shape `(height, width)`, in `unit`.
        unit: That of the explained output, or another where no contributions are shown; 1 of maps.
        places: Down and across, where a map has fewer places than pixels; None where each pixel has a value of its own.
        averaged: Whether the values are means over these places, else interpolated between them.
    """

    name: str
    title: Message
    row_id: str
    image: Array | None
    values: Array
    unit: str
    shows: Shows = "contribution"
    places: tuple[int, int] | None = None
    averaged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesAttribution:
    """An attribution drawn on the series it explains.

    Attributes:
        channels: Their names.
        series: Shape `(channels, steps)`, NaN where missing; None where inputs are not to be shown.
        values: Shape `(channels, steps)`, in `unit`.
        unit: That of the explained output, or another where no contributions are shown; 1 of maps.
    """

    name: str
    title: Message
    row_id: str
    channels: tuple[str, ...]
    series: Array | None
    values: Array
    unit: str
    shows: Shows = "contribution"

    def __post_init__(self) -> None:
        shape = tuple(self.values.shape)
        if len(shape) != 2 or shape[0] != len(self.channels):
            raise ResultError(f"expected `values` of shape ({len(self.channels)}, steps), got {shape}", where=self.name)
        if self.series is not None and tuple(self.series.shape) != shape:
            raise ResultError(f"expected `series` of shape {shape}, got {tuple(self.series.shape)}", where=self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenAttribution:
    """Contributions of the words of one text; white space belongs to the tokens, so that they join to the text."""

    name: str
    title: Message
    row_id: str
    tokens: tuple[str, ...]
    values: tuple[float, ...]
    unit: str
    shows: Shows = "contribution"

    def __post_init__(self) -> None:
        require_finite(self.name, *self.values)
        if len(self.tokens) != len(self.values):
            raise ResultError(f"expected {len(self.tokens)} values, got {len(self.values)}", where=self.name)

"""`Targets`: which outputs are explained, for all rows or for each row its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch

Target: TypeAlias = "int | Literal['predicted'] | Sequence[int] | npt.NDArray[np.integer] | torch.Tensor | None"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Targets:
    """The chosen outputs.

    Attributes:
        chosen: Index of each row's output, int64, shape `(rows,)`; None where all outputs are explained.
        count: Outputs explained for a row.
    """

    chosen: torch.Tensor | None
    count: int

    def of_rows(self, part: slice | torch.Tensor) -> Targets:
        """The targets of some of the rows, by slice or index."""
        return self if self.chosen is None else Targets(chosen=self.chosen[part], count=1)

    def select(self, outputs: torch.Tensor) -> torch.Tensor:
        """From all outputs, shape `(rows, ..., outputs)`, to the chosen ones, shape `(rows, ..., count)`."""
        if self.chosen is None:
            return outputs
        index = self.chosen.view(-1, *[1] * (outputs.ndim - 1)).expand(*outputs.shape[:-1], 1)
        return outputs.gather(-1, index)


def chosen_targets(target: Target, outputs: torch.Tensor) -> Targets:
    """The outputs that a user names.

    Args:
        target: None for all outputs, the index of one, `"predicted"` for each row's highest, or one index a row.
        outputs: Of the rows, shape `(rows, outputs)`.

    Raises:
        ValueError: There is no such output, or not one index a row.
    """
    import torch

    rows, count = outputs.shape
    if target is None or (count == 1 and isinstance(target, str) and target == "predicted"):
        return Targets(chosen=None, count=count)
    if isinstance(target, str):
        if target != "predicted":
            raise ValueError(f"expected an index, one index a row, or 'predicted' as the target, got {target!r}")
        return Targets(chosen=outputs.argmax(dim=1), count=1)
    try:
        chosen = torch.as_tensor(target, device=outputs.device)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"expected one index, one index a row, or 'predicted' as the target, got {target!r}"
        ) from error
    whole = not (chosen.is_floating_point() or chosen.is_complex() or chosen.dtype == torch.bool)
    if not whole and chosen.ndim == 0:
        raise ValueError(f"expected one whole index as the target, got {target!r}")
    if not whole or chosen.ndim > 1 or (chosen.ndim == 1 and len(chosen) != rows):
        found = f"{tuple(chosen.shape)} of {chosen.dtype}"
        raise ValueError(f"expected one whole index, or one for each of {rows} rows, as the target, got {found}")
    lowest, highest = int(chosen.min()), int(chosen.max())
    if lowest < 0 or highest >= count:
        allowed = f"from 0 to {count - 1}" if count > 1 else "0, the only output,"
        raise ValueError(f"expected targets {allowed}, got {lowest if lowest < 0 else highest}")
    if count == 1:
        return Targets(chosen=None, count=1)
    return Targets(chosen=chosen.to(torch.int64).expand(rows), count=1)

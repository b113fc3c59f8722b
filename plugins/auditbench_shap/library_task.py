"""What a call of the shap library is given, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from auditbench.masking import column_names, frame_numbers

if TYPE_CHECKING:
    from auditbench.masking import Players, Prediction

Numbers: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Task:
    """One call.

    Attributes:
        name: Of the explainer, such as `shap.kernel`.
        model: A module, a predict function, or an estimator of trees.
        prediction: The model's outputs, counted; None for trees.
        rows: Shape `(rows, *row shape)`, as users gave it; so `background`.
        budget: Most model rows for each explained row.
        groups: Columns of each player.
    """

    name: str
    model: Any
    prediction: Prediction | None
    rows: Any
    background: Any
    budget: int | None
    groups: Players | None

    def predicted(self) -> Prediction:
        """The prediction of an explainer that calls the model."""
        if self.prediction is None:
            raise TypeError(f"expected a module or a predict function for {self.name}, got {type(self.model).__name__}")
        return self.prediction

    def affordable(self, *, default: int, fewest: int, cost: int, once: int = 0) -> int:
        """How often `cost` model rows fit into the budget, beside those needed `once` a row.

        Raises:
            ValueError: Less often than `fewest`.
        """
        if self.budget is None:
            return default
        least = once + fewest * cost
        if self.budget < least:
            raise ValueError(
                f"expected a budget of at least {least} model rows a row for {self.name}, got {self.budget}"
            )
        return (self.budget - once) // cost


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Found:
    """Contributions with the axes ordered as the library does, targets last.

    Attributes:
        values: Shape `(rows, ..., targets)`.
        base_value: Shape `(targets,)`, or `(rows, targets)`.
        standard_error: Shape of `values`; None where the explainer gives none.
    """

    values: Numbers
    base_value: Numbers
    standard_error: Numbers | None = None


def numbers(rows: Any) -> npt.NDArray[Any]:
    """An array or a tensor as an array."""
    if isinstance(rows, torch.Tensor):
        found: npt.NDArray[Any] = rows.detach().cpu().numpy()
        return found
    array = np.asarray(rows)
    return frame_numbers(rows, "rows") if array.dtype.kind == "O" and column_names(rows) else array


def check_shapes(name: str, rows: Any, background: Any) -> None:
    """Raises ValueError where the background's rows are not like the rows, or either has none."""
    if rows.ndim < 2 or not len(rows) or not len(background) or tuple(rows.shape[1:]) != tuple(background.shape[1:]):
        raise ValueError(
            f"expected at least one row and one background row of one shape for {name}, got {tuple(rows.shape)} and "
            f"{tuple(background.shape)}"
        )

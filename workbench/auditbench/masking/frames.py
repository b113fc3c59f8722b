"""Tables with named columns: their numbers, and whether two of them have the same columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


def column_names(rows: Any) -> tuple[str, ...]:
    """Those of a DataFrame; none of anything else."""
    return tuple(map(str, rows.columns)) if hasattr(rows, "columns") else ()


def check_same_columns(rows: Any, others: Any, name: str) -> None:
    """Raise ValueError where both have names of columns, and not the same ones in the same order."""
    expected, found = column_names(rows), column_names(others)
    if not expected or not found or expected == found:
        return
    fix = f"; pass {name}[rows.columns]" if sorted(expected) == sorted(found) else ""
    raise ValueError(
        f"expected the columns of the rows in `{name}`, in their order, {_some(expected)}, got {_some(found)}{fix}"
    )


def frame_numbers(frame: Any, name: str) -> npt.NDArray[np.float64]:
    """A DataFrame of columns of several kinds as numbers, missing ones as NaN.

    Raises:
        ValueError: A column holds something else.
    """
    import numpy as np

    try:
        numbers: npt.NDArray[np.float64] = frame.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        kinds = {
            str(column): str(kind) for column, kind in frame.dtypes.items() if getattr(kind, "kind", "O") not in "biuf"
        }
        raise ValueError(
            f"expected numbers in `{name}`, got columns {_some(tuple(f'{c} ({k})' for c, k in kinds.items()))}; encode"
            " categories as numbers"
        ) from error
    return numbers


def _some(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:10])
    return shown if len(names) <= 10 else f"{shown} and {len(names) - 10} more"

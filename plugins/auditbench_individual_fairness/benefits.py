"""What a decision brings a row, compared with its label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from auditbench.findings import Message
from auditbench_individual_fairness.measures import message

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.run import Task


def benefits_of(
    task: Task, y_true: npt.NDArray[Any], decisions: npt.NDArray[Any], alpha: float
) -> npt.NDArray[np.float64] | Message:
    """The benefit of each row, shape `(rows,)`, at least 0; or why there is none that an index can be taken of.

    Binary: decision - label + 1, so 2 for a false positive, 1 for a right decision, 0 for a false negative. Regression:
    prediction / label, where every label is above 0 and no prediction below it. Classes without an order have none.

    Source: Speicher et al. (2018), arXiv:1807.00787.
    """
    if task == "binary-classification":
        benefits = np.asarray(decisions.astype(np.float64) - y_true + 1.0)
    elif task == "regression":
        if not ((y_true > 0).all() and (decisions >= 0).all()):
            return message("undefined.no_ratio")
        benefits = np.asarray(decisions / y_true, dtype=np.float64)
    else:
        return message("undefined.no_order")
    if not benefits.any():
        return message("undefined.no_benefit")
    if alpha == 0 and not benefits.all():
        return message("undefined.zero_benefits")
    return benefits

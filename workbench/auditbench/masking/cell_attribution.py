"""What every explainer of images, texts and series begins and ends with: the outputs it explains, and its block of cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from auditbench.results import PREDICTED, RUNNER_UP, Attribution

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from auditbench.context import AuditContext
    from auditbench.masking.explanation import Explained

MOST_OUTPUTS = 32
"""Outputs of a classifier up to which the second highest one is explained beside the highest."""


def explained_outputs(outputs: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Which outputs of each row are explained, shape `(rows, targets)`: the only one, or the highest and the next one.

    Args:
        outputs: Shape `(rows, outputs)`.
    """
    import numpy as np

    count = outputs.shape[1]
    if count == 1:
        return np.zeros((len(outputs), 1), dtype=np.int64)
    order = np.argsort(-outputs, axis=1, kind="stable")
    return np.asarray(order[:, : 2 if count <= MOST_OUTPUTS else 1], dtype=np.int64)


def cell_attribution(
    context: AuditContext,
    task: Explained,
    arrays: Mapping[str, npt.NDArray[Any]],
    *,
    method: str,
    additive: bool = True,
    unit: str = "",
) -> Attribution:
    """The block of contributions of pixels, tokens or steps.

    Args:
        arrays: By name as `map_rows` joins them: `values` of shape `(rows, targets, *cells)`, `base_values`, `outputs`,
            `model_rows` (the share of each row in the rows that the model evaluated).
        unit: Of the contributions; the unit of the model's output when empty.
    """
    import numpy as np

    several = len(context.model.target_names) > 1
    names = (PREDICTED, RUNNER_UP) if several else context.model.target_names
    return Attribution(
        name="contributions",
        method=method,
        values=arrays["values"].astype(np.float32),
        player_names=(),
        target_names=names[: arrays["values"].shape[1]],
        base_values=arrays["base_values"],
        outputs=arrays["outputs"],
        row_ids=task.rows.row_ids,
        additive=additive,
        unit=unit or context.model.facts.output,
        model_rows=int(arrays["model_rows"].sum()),
    )

"""What every explainer of images, texts and series begins and ends with: the outputs it explains, and its block of cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from auditbench.data.inputs import ImageInput
from auditbench.masking.cells import cell_shares, players_present
from auditbench.masking.explanation import shared_out
from auditbench.results import PREDICTED, RUNNER_UP, Attribution

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from auditbench.context import AuditContext
    from auditbench.masking.explanation import Explained
    from auditbench.masking.players import Players
    from auditbench.models import ModelUnderTest

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


def of_explained(found: npt.NDArray[Any], targets: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    """From all outputs, shape `(rows, outputs, ...)`, to the explained ones; as it is where one alone was asked for."""
    import numpy as np

    if found.shape[1] == 1:
        return found
    index = targets.reshape(*targets.shape, *[1] * (found.ndim - 2))
    return np.asarray(np.take_along_axis(found, index, axis=1))


def cell_arrays(
    model: ModelUnderTest,
    outputs: npt.NDArray[Any],
    targets: npt.NDArray[np.int64],
    players: Players,
    *,
    values: npt.NDArray[Any],
    base_values: npt.NDArray[Any],
    model_rows: int,
) -> dict[str, npt.NDArray[np.generic]]:
    """What a chunk of rows gives to `cell_attribution`, by name, and `players`, how many each row has.

    Args:
        outputs: Of the rows, shape `(rows, outputs)`.
        targets: As `explained_outputs` gives them.
        values: Contributions of players, shape `(rows, outputs or 1, players)`; `base_values` without the last.
        model_rows: That the model evaluated for all of them; shared out over the rows.
    """
    import numpy as np

    (item,) = model.inputs.values()
    return {
        "values": cell_shares(of_explained(values, targets), players, channels=isinstance(item, ImageInput)),
        "base_values": of_explained(base_values, targets),
        "outputs": np.take_along_axis(outputs, targets, axis=1),
        "players": players_present(players, len(outputs)),
        "model_rows": shared_out(model_rows, len(outputs)),
    }


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

"""What every explainer of a table begins and ends with: the rows it explains, and the block that holds the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from auditbench.data import TABULAR_INPUT
from auditbench.masking.importance import sampled_rows
from auditbench.masking.table import value_ranks
from auditbench.results import Attribution

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from auditbench.context import AuditContext
    from auditbench.data import Rows


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Explained:
    """Rows to explain and what to explain them against.

    Attributes:
        rows: The chosen cases, then a sample; the same for every explainer of the audit.
        background: Rows that stand for the data.
        counted: Which of the rows summaries count, see `sampled_rows`.
    """

    rows: Rows
    background: Rows
    counted: slice

    @property
    def background_raw(self) -> npt.NDArray[np.float64]:
        """Raw background rows, shape `(background rows, features)`."""
        raw: npt.NDArray[np.float64] = self.background.inputs[TABULAR_INPUT]
        return raw


def explained(context: AuditContext, *, rows: int, background: int) -> Explained:
    """Up to so many rows of the audit, and background rows drawn for this analyzer."""
    chosen = context.explained_rows(rows)
    return Explained(
        rows=chosen,
        background=context.data.background(background, context.rng("background")),
        counted=sampled_rows(len(chosen), len(context.case_indices), len(context.data)),
    )


def table_attribution(
    context: AuditContext,
    task: Explained,
    arrays: Mapping[str, npt.NDArray[Any]],
    *,
    method: str,
    additive: bool = True,
    unit: str = "",
) -> Attribution:
    """The block of contributions of raw features.

    Args:
        arrays: By name as `map_rows` joins them: `values`, `base_values`, `outputs`, `model_rows` (the share of each
            row in the rows that the model evaluated) and, where there is one, `standard_error`.
        unit: Of the contributions; the unit of the model's output when empty.
    """
    features = context.model.features
    return Attribution(
        name="contributions",
        method=method,
        values=arrays["values"],
        player_names=tuple(feature.name for feature in features),
        target_names=context.model.target_names,
        base_values=arrays["base_values"],
        outputs=arrays["outputs"],
        standard_error=arrays.get("standard_error"),
        player_values=value_ranks(task.rows.inputs[TABULAR_INPUT], task.background_raw, features),
        row_ids=task.rows.row_ids,
        additive=additive,
        unit=unit or context.model.facts.output,
        model_rows=int(arrays["model_rows"].sum()),
    )


def earlier_attributions(context: AuditContext) -> dict[str, Attribution]:
    """The first attribution of each analyzer that ran before, by analyzer."""
    return {name: result.attributions[0] for name, result in context.results.items() if result.attributions}


def shared_out(model_rows: int, rows: int) -> npt.NDArray[np.int64]:
    """A chunk's count of model rows, shared out over its rows in whole numbers that add up to it; shape `(rows,)`."""
    import numpy as np

    return np.diff(model_rows * np.arange(rows + 1, dtype=np.int64) // rows)

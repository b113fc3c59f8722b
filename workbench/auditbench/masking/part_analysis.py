"""The frame of explainers of images, texts and series: chunks of rows with their players, and the blocks of a result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from auditbench.masking.cell_attribution import cell_arrays, explained_outputs, of_explained
from auditbench.masking.drawn import drawn_cases
from auditbench.masking.explained_input import explained_input
from auditbench.masking.summaries import part_metrics
from auditbench.results import AnalysisResult

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from auditbench.context import AuditContext
    from auditbench.data import Rows
    from auditbench.findings import Finding
    from auditbench.masking.drawn import DrawnAs
    from auditbench.masking.explained_input import ExplainedInput
    from auditbench.masking.explanation import Explained
    from auditbench.masking.player_params import PlayerParams
    from auditbench.masking.prediction import Prediction
    from auditbench.masking.targets import Target
    from auditbench.models import ModelUnderTest
    from auditbench.results import Attribution, Metric, Note

CHUNK_ROWS = 16
"""Images or series that share coalitions. A text has words of its own, and a long one needs more model rows than others: it
is a chunk by itself."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PartValues:
    """What a method finds of the players of some rows; `outputs` may be 1 where one was asked for.

    Attributes:
        values: Shape `(rows, outputs, players)`.
        base_values: Shape `(rows, outputs)`.
        model_rows: That the model evaluated for all of them.
        of_outputs: More of each output, by name, shape `(rows, outputs)`.
        of_rows: More of each row, by name, shape `(rows,)`.
    """

    values: npt.NDArray[Any]
    base_values: npt.NDArray[Any]
    model_rows: int
    of_outputs: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    of_rows: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)


class PartMethod(Protocol):
    """A method that explains players."""

    def __call__(
        self, prediction: Prediction, setting: ExplainedInput, *, target: Target, rng: np.random.Generator
    ) -> PartValues:
        """Explain some rows.

        Args:
            target: One output a row, or None for all outputs.
        """


def explain_parts(
    context: AuditContext, task: Explained, players: PlayerParams, by: PartMethod
) -> dict[str, npt.NDArray[Any]]:
    """Shares of cells and what else a method finds, by name, for all rows of the task."""
    work = partial(explain_chunk, model=context.model, background=task.background, players=players, by=by)
    return context.map_rows(work, task.rows, chunk_rows=1 if context.data.modality == "text" else CHUNK_ROWS)


def explain_chunk(
    rows: Rows,
    rng: np.random.Generator,
    *,
    model: ModelUnderTest,
    background: Rows,
    players: PlayerParams,
    by: PartMethod,
) -> dict[str, npt.NDArray[np.generic]]:
    """The same for one chunk of rows.

    Returns:
        What `cell_arrays` gives and what the method has of each explained output, shape `(rows, targets)`, and row.
    """
    from auditbench.masking.prediction import Prediction

    setting = explained_input(model, rows, lambda: model.encode(background.inputs), players)
    outputs = model.predict(rows.inputs)
    targets = explained_outputs(outputs)
    found = by(
        Prediction(model.module, batch=model.batch),
        setting,
        target=targets[:, 0] if targets.shape[1] == 1 else None,
        rng=rng,
    )
    arrays = cell_arrays(
        model,
        outputs,
        targets,
        setting.players,
        values=found.values,
        base_values=found.base_values,
        model_rows=found.model_rows + len(rows),
    )
    return {
        **arrays,
        **{name: of_explained(numbers, targets) for name, numbers in found.of_outputs.items()},
        **found.of_rows,
    }


def part_result(
    analyzer: str,
    context: AuditContext,
    task: Explained,
    attribution: Attribution,
    players: PlayerParams,
    *,
    metrics: tuple[Metric, ...],
    notes: tuple[Note, ...],
    findings: tuple[Finding, ...] = (),
    drawn_as: DrawnAs | None = None,
) -> AnalysisResult:
    """The result of an explainer: contributions, their summary by part, the drawn cases, and its own metrics and notes.

    Maps of a class have no summary: they are no parts of an output, and have no unit.

    Args:
        drawn_as: What the values are; contributions when None.
    """
    drawn = drawn_cases(context, attribution, task.rows, drawn_as)
    mapped = drawn_as is not None and drawn_as.shows == "map"
    summary = () if mapped else part_metrics(analyzer, context, attribution, task, players)
    return AnalysisResult(
        metrics=(*summary, *metrics),
        attributions=(attribution,),
        image_overlays=drawn.image_overlays,
        token_attributions=drawn.token_attributions,
        series_attributions=drawn.series_attributions,
        notes=notes,
        findings=findings,
    )

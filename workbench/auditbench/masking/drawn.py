"""Contributions of the chosen cases on the inputs that they explain: blocks that a renderer draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from auditbench.data.inputs import ImageInput, SeriesInput, TextInput
from auditbench.findings import Message
from auditbench.masking.cells import player_sums
from auditbench.results import Attribution, ImageOverlay, SeriesAttribution, TokenAttribution

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from auditbench.context import AuditContext
    from auditbench.data import Rows

MOST_CASES = 6
_COLOURS = 3
_COMPARED = 2
"""Explained outputs of a row: its highest one, and the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """The blocks of some cases; of one kind, by what the model takes."""

    image_overlays: tuple[ImageOverlay, ...] = ()
    token_attributions: tuple[TokenAttribution, ...] = ()
    series_attributions: tuple[SeriesAttribution, ...] = ()


def drawn_cases(context: AuditContext, attribution: Attribution, rows: Rows, *, contrast: bool | None = None) -> Drawn:
    """The first chosen cases, each with a block for every explained output, and one for the contrast of two.

    The contrast says why the highest output and not the next: where a method is linear in outputs, contributions to
    their difference are the difference of contributions.

    Args:
        attribution: Contributions of cells, shape `(rows, targets, *cells)`.
        rows: The rows that it explains, the chosen cases first.
        contrast: Whether the method is linear in outputs; where it is additive when None.
    """
    import numpy as np

    name, item = next(iter(context.model.inputs.items()))
    count = min(len(context.case_indices), len(rows), MOST_CASES)
    cases, values = rows.take(np.arange(count)), np.asarray(attribution.values, dtype=np.float64)[:count]
    if values.shape[1] == _COMPARED and (attribution.additive if contrast is None else contrast):
        values = np.concatenate([values, values[:, :1] - values[:, 1:]], axis=1)
    outputs = context.outputs[list(context.case_indices[:count])]
    titles = _titles(context, attribution, cases, outputs)
    places = [(row, target) for row in range(count) for target in range(values.shape[1])]
    if isinstance(item, ImageInput):
        images = [_picture(image, item) for image in cases.inputs[name]]
        overlays = tuple(
            ImageOverlay(
                name=f"case-{row + 1}-{target + 1}",
                title=titles[row][target],
                row_id=cases.row_ids[row],
                image=images[row],
                values=values[row, target],
                unit=attribution.unit,
            )
            for row, target in places
        )
        return Drawn(image_overlays=overlays)
    if isinstance(item, SeriesInput):
        series = tuple(
            SeriesAttribution(
                name=f"case-{row + 1}-{target + 1}",
                title=titles[row][target],
                row_id=cases.row_ids[row],
                channels=item.channels,
                series=np.asarray(cases.inputs[name][row], dtype=np.float64),
                values=values[row, target],
                unit=attribution.unit,
            )
            for row, target in places
        )
        return Drawn(series_attributions=series)
    return Drawn(token_attributions=_texts(item, name, cases, values, titles, attribution.unit))


def _texts(
    item: Any, name: str, cases: Rows, values: npt.NDArray[np.float64], titles: list[list[Message]], unit: str
) -> tuple[TokenAttribution, ...]:
    """Contributions of words: those of their tokens added up."""
    import numpy as np

    from auditbench.data.words import words_of

    if not isinstance(item, TextInput):
        return ()
    texts = cases.texts.get(name)
    found = words_of(item, cases.inputs[name], None if texts is None else [str(text) for text in texts])
    blocks = []
    for row, words in enumerate(found):
        owners = np.array([[-1 if word is None else word for word in words.index]])
        sums = player_sums(values[row : row + 1], owners, len(words.said))[0]
        blocks += [
            TokenAttribution(
                name=f"case-{row + 1}-{target + 1}",
                title=titles[row][target],
                row_id=cases.row_ids[row],
                tokens=words.said,
                values=tuple(sums[target].tolist()),
                unit=unit,
            )
            for target in range(values.shape[1])
            if words.said
        ]
    return tuple(blocks)


def _titles(
    context: AuditContext, attribution: Attribution, cases: Rows, outputs: npt.NDArray[Any]
) -> list[list[Message]]:
    """Which row it is, and which output: its name, and whether it is the highest one, the next, or their difference."""
    from auditbench.masking.cell_attribution import explained_outputs

    names, chosen = context.model.target_names, explained_outputs(outputs)
    several = len(names) > 1
    keys = ("core.drawn_predicted", "core.drawn_runner_up") if several else ("core.drawn_output",)
    titles = []
    for row, row_id in enumerate(cases.row_ids):
        targets = [names[int(index)] for index in chosen[row]]
        titles.append(
            [
                Message(key=key, values={"row": row_id, "target": target})
                for key, target in zip(keys, targets, strict=False)
            ]
        )
        if len(targets) == _COMPARED:
            values = {"row": row_id, "target": targets[0], "other": targets[1]}
            titles[-1].append(Message(key="core.drawn_contrast", values=values))
    return titles


def _picture(image: npt.NDArray[Any], item: ImageInput) -> npt.NDArray[np.float64]:
    """In [0, 1], shape `(height, width, 3)` where there are three colours, else grey of shape `(height, width)`."""
    import numpy as np

    levels = np.clip(np.asarray(image, dtype=np.float64) / item.largest, 0.0, 1.0)
    return np.asarray(np.moveaxis(levels, 0, 2) if len(levels) == _COLOURS else levels.mean(axis=0))

"""Contributions of the chosen cases on the inputs that they explain: blocks that a renderer draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from auditbench.data.inputs import ImageInput, SeriesInput, TextInput
from auditbench.findings import Message
from auditbench.masking.cells import player_sums
from auditbench.results import Attribution, ImageOverlay, SeriesAttribution, Shows, TokenAttribution

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from auditbench.context import AuditContext
    from auditbench.data import Rows

MOST_CASES = 6
_COLOURS = 3
_COMPARED = 2
"""Explained outputs of a row: its highest one, and the next."""
_TITLES = {
    "predicted": "core.drawn_predicted",
    "runner_up": "core.drawn_runner_up",
    "contrast": "core.drawn_contrast",
    "output": "core.drawn_output",
}
COARSEST, LEAST_BLOCK = 8, 4
"""Most blocks down and across of a map that shall be no picture, and least pixels of a block down and across."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnAs:
    """What the values of a method are.

    Attributes:
        shows: Contributions, slopes or maps.
        titles: Beginning of the keys of titles: `_predicted`, `_runner_up`, `_contrast`, `_output` or `_decided` follow. Those of
            contributions where it is empty.
        linear: Whether it is linear in outputs, so that contributions to the difference of two are the difference of
            contributions; where the attribution is additive when None.
        places: Of a map of images that is interpolated from fewer; empty without.
        by_pixels: Whether each pixel has a value of its own, so that a map can let an image be recognised. Without raw inputs it
            is drawn as means over blocks.
        decided: Class that each row is explained for, of a classifier with one output that is explained for either class.
    """

    shows: Shows = "contribution"
    titles: str = ""
    linear: bool | None = None
    places: tuple[int, ...] = ()
    by_pixels: bool = False
    decided: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """The blocks of some cases; of one kind, by what the model takes."""

    image_overlays: tuple[ImageOverlay, ...] = ()
    token_attributions: tuple[TokenAttribution, ...] = ()
    series_attributions: tuple[SeriesAttribution, ...] = ()


def drawn_cases(context: AuditContext, attribution: Attribution, rows: Rows, drawn_as: DrawnAs | None = None) -> Drawn:
    """The first chosen cases, each with a block for every explained output, and one for the contrast of two.

    The contrast says why the highest output and not the next.

    Args:
        attribution: Contributions of cells, shape `(rows, targets, *cells)`.
        rows: The rows that it explains, the chosen cases first.
        drawn_as: What the values are; contributions when None.
    """
    import numpy as np

    drawn_as = drawn_as or DrawnAs()
    name, item = next(iter(context.model.inputs.items()))
    count = min(len(context.case_indices), len(rows), MOST_CASES)
    cases, values = rows.take(np.arange(count)), np.asarray(attribution.values, dtype=np.float64)[:count]
    if values.shape[1] == _COMPARED and (attribution.additive if drawn_as.linear is None else drawn_as.linear):
        values = np.concatenate([values, values[:, :1] - values[:, 1:]], axis=1)
    outputs = context.outputs[list(context.case_indices[:count])]
    titles = _titles(context, drawn_as, cases, outputs)
    places = [(row, target) for row in range(count) for target in range(values.shape[1])]
    if isinstance(item, ImageInput):
        images = [_picture(image, item) for image in cases.inputs[name]]
        averaged = drawn_as.by_pixels and not context.raw_inputs
        return Drawn(image_overlays=_overlays(drawn_as, cases, values, images, titles, attribution.unit, averaged))
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
                shows=drawn_as.shows,
            )
            for row, target in places
        )
        return Drawn(series_attributions=series)
    return Drawn(token_attributions=_texts(item, name, cases, values, titles, attribution.unit, drawn_as.shows))


def _overlays(
    drawn_as: DrawnAs,
    cases: Rows,
    values: npt.NDArray[np.float64],
    images: list[npt.NDArray[np.float64]],
    titles: list[list[Message]],
    unit: str,
    averaged: bool,
) -> tuple[ImageOverlay, ...]:
    """Values on the images, or means over blocks where these are not to be shown."""
    size = values.shape[2:]
    places = blocks_of(size) if averaged else drawn_as.places
    return tuple(
        ImageOverlay(
            name=f"case-{row + 1}-{target + 1}",
            title=titles[row][target],
            row_id=cases.row_ids[row],
            image=image,
            values=block_means(values[row, target], places) if averaged else values[row, target],
            unit=unit,
            shows=drawn_as.shows,
            places=(places[0], places[1]) if places and places != size else None,
            averaged=averaged,
        )
        for row, image in enumerate(images)
        for target in range(values.shape[1])
    )


def _texts(
    item: Any,
    name: str,
    cases: Rows,
    values: npt.NDArray[np.float64],
    titles: list[list[Message]],
    unit: str,
    shows: Shows,
) -> tuple[TokenAttribution, ...]:
    """Values of words: those of their tokens added up."""
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
                shows=shows,
            )
            for target in range(values.shape[1])
            if words.said
        ]
    return tuple(blocks)


def _titles(context: AuditContext, drawn_as: DrawnAs, cases: Rows, outputs: npt.NDArray[Any]) -> list[list[Message]]:
    """Which row it is, and which output: its name, and whether it is the highest one, the next, or their difference."""
    from auditbench.masking.cell_attribution import explained_outputs

    names, chosen = context.model.target_names, explained_outputs(outputs)
    several = len(names) > 1
    one = "decided" if drawn_as.decided else "output"
    keys = [_title_key(drawn_as, which) for which in (("predicted", "runner_up") if several else (one,))]
    titles = []
    for row, row_id in enumerate(cases.row_ids):
        targets = [drawn_as.decided[row]] if drawn_as.decided else [names[int(index)] for index in chosen[row]]
        titles.append(
            [
                Message(key=key, values={"row": row_id, "target": target})
                for key, target in zip(keys, targets, strict=False)
            ]
        )
        if len(targets) == _COMPARED:
            values = {"row": row_id, "target": targets[0], "other": targets[1]}
            titles[-1].append(Message(key=_title_key(drawn_as, "contrast"), values=values))
    return titles


def _title_key(drawn_as: DrawnAs, which: str) -> str:
    return f"{drawn_as.titles}_{which}" if drawn_as.titles else _TITLES[which]


def blocks_of(size: tuple[int, ...]) -> tuple[int, ...]:
    """How many blocks an image is averaged over, so that they show no picture of it."""
    return tuple(min(COARSEST, max(1, pixels // LEAST_BLOCK)) for pixels in size)


def block_means(values: npt.NDArray[np.float64], blocks: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Each value replaced by the mean of its block; blocks are of about equal size, shape `values.shape`."""
    import numpy as np

    for axis, count in enumerate(blocks):
        owners = np.arange(values.shape[axis]) * count // values.shape[axis]
        starts = np.searchsorted(owners, np.arange(count))
        sums = np.add.reduceat(values, starts, axis=axis)
        sizes = np.bincount(owners).reshape([-1 if at == axis else 1 for at in range(values.ndim)])
        values = np.take(sums / sizes, owners, axis=axis)
    return values


def _picture(image: npt.NDArray[Any], item: ImageInput) -> npt.NDArray[np.float64]:
    """In [0, 1], shape `(height, width, 3)` where there are three colours, else grey of shape `(height, width)`."""
    import numpy as np

    levels = np.clip(np.asarray(image, dtype=np.float64) / item.largest, 0.0, 1.0)
    return np.asarray(np.moveaxis(levels, 0, 2) if len(levels) == _COLOURS else levels.mean(axis=0))

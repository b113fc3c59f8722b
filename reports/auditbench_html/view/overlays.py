"""Contributions of pixels: the image, the map of contributions, and both in one, on a fixed light palette."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from auditbench.results import AnalysisResult, ImageOverlay
from auditbench_html.view.captions import n_words
from auditbench_html.view.draft import Draft
from auditbench_html.view.figures import Cell, Figure, Grid, Heading, Key
from auditbench_html.view.marked import Overlay, Picture
from auditbench_html.view.numbers import short, signed
from auditbench_html.view.pictures import fitting_png, of_both, of_image, of_values
from auditbench_html.view.text import EMPTY, Text, words

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

REACH = 0.99
COARSE = 64


def overlay_figure(draft: Draft, result: AnalysisResult, block: ImageOverlay) -> Figure:
    """Image, map and overlay side by side; the map alone where inputs are not to be shown as they are."""
    import numpy as np

    say = draft.say
    values = np.asarray(block.values, dtype=float)
    image = None if block.image is None else np.asarray(block.image, dtype=float)
    reach = float(np.quantile(np.abs(np.nan_to_num(values)), REACH)) if values.size else 0.0
    title, grid = draft.title(block.title), _numbers(draft, block, values)
    fits = values.ndim == 2 and values.size and (image is None or _of_places(image, values))
    pictures = _pictures(draft, image, values, reach or 1.0) if fits else ()
    size, beyond = {"height": values.shape[0], "width": values.shape[-1]}, int(np.sum(np.abs(values) > reach))
    sub = say.say("overlay.sub" if reach else "overlay.sub_bare", **size, reach=words(short(reach)), n=beyond)
    smallest = max((picture.factor for picture in pictures), default=1)
    parts = [sub, say.say("overlay.smaller", n=smallest) if smallest > 1 else EMPTY]
    parts.append(EMPTY if draft.raw_inputs and image is not None else say.say("overlay.hidden"))
    keys = (Key(mark="raises", label=say.say("tokens.raises")), Key(mark="lowers", label=say.say("tokens.lowers")))
    body = Overlay(pictures=pictures) if pictures else grid
    return draft.figure(
        "overlay" if pictures else "table", title, say.sentences(parts), body, result=result, keys=keys if pictures else (),
        how=draft.how(result, block.name, "overlay"), data=grid if pictures else None, wide=False, note=n_words(draft, [1]),
    )  # fmt: skip


def _of_places(image: npt.NDArray[Any], values: npt.NDArray[Any]) -> bool:
    """Whether the image has one grey or three colours at each place of the contributions."""
    return image.shape[:2] == values.shape and image.shape[2:] in ((), (3,))


def _pictures(
    draft: Draft, image: npt.NDArray[Any] | None, values: npt.NDArray[Any], reach: float
) -> tuple[Picture, ...]:
    parts = [("map", of_values(values, reach))]
    if draft.raw_inputs and image is not None:
        parts = [("input", of_image(image)), *parts, ("both", of_both(image, values, reach))]
    return tuple(_picture(draft, name, pixels) for name, pixels in parts)


def _picture(draft: Draft, name: str, pixels: npt.NDArray[np.uint8]) -> Picture:
    file, factor = fitting_png(pixels)
    height, width = pixels.shape[:2]
    return Picture(
        label=draft.say.say(f"overlay.{name}"),
        alt=draft.say.say(f"overlay.{name}_alt", height=height, width=width),
        png=file,
        width=-(-width // factor),
        height=-(-height // factor),
        factor=factor,
        coarse=max(height, width) <= COARSE,
    )


def _numbers(draft: Draft, block: ImageOverlay, values: npt.NDArray[Any]) -> Grid:
    import numpy as np

    say = draft.say
    known = values[np.isfinite(values)]
    stats = (("smallest", np.min), ("mean", np.mean), ("largest", np.max)) if known.size else ()
    rows = tuple((Cell(text=say.say(f"overlay.{key}")), _cell(float(of(known)))) for key, of in stats)
    unit = say.unit(block.unit)
    label: Text = say.say("column.with_unit", name=say.say("column.value"), unit=unit)
    columns = (Heading(label=say.say("column.measure")), Heading(label=label, number=True))
    return Grid(caption=draft.title(block.title), columns=columns, rows=rows)


def _cell(value: float) -> Cell:
    return Cell(text=words(signed(value, 4)), value=value)

"""Contributions of pixels, slopes or a map: the image, the map of values, and both in one, on a fixed light palette."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from auditbench.results import AnalysisResult, ImageOverlay
from auditbench_html.view.captions import n_words
from auditbench_html.view.draft import Draft
from auditbench_html.view.figures import Cell, Figure, Grid, Heading
from auditbench_html.view.marked import Overlay, Picture
from auditbench_html.view.numbers import short, signed
from auditbench_html.view.pictures import fitting_png, of_both, of_image, of_values
from auditbench_html.view.regions import region_sums
from auditbench_html.view.text import EMPTY, Text, words
from auditbench_html.view.value_keys import value_heading, value_keys

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
    pictures = _pictures(draft, block, image, values, reach or 1.0) if fits else ()
    beyond, hidden = int(np.sum(np.abs(values) > reach)), image is None or not draft.raw_inputs
    sub = say.say(
        "overlay.sub" if reach else "overlay.sub_bare", what=_what(draft, block), reach=words(short(reach)), n=beyond
    )
    smallest = max((picture.factor for picture in pictures), default=1)
    parts = [sub, say.say("overlay.smaller", n=smallest) if smallest > 1 else EMPTY]
    parts.append(say.say("overlay.hidden_averaged" if block.averaged else "overlay.hidden") if hidden else EMPTY)
    body = Overlay(pictures=pictures) if pictures else grid
    kind = "overlay" if block.shows == "contribution" else f"overlay_{block.shows}"
    return draft.figure(
        "overlay" if pictures else "table", title, say.sentences(parts), body, result=result,
        keys=value_keys(draft, block.shows, float(values.min())) if pictures else (),
        how=draft.how(result, block.name, kind),
        data=grid if pictures else None, wide=False, note=n_words(draft, [1]),
    )  # fmt: skip


def _what(draft: Draft, block: ImageOverlay) -> Text:
    """What the values are, and of how many pixels or places."""
    height, width = block.values.shape[0], block.values.shape[-1]
    down, across = block.places or (0, 0)
    if block.averaged:
        key = f"averaged_{block.shows}"
    elif block.places:
        key = "interpolated"
    else:
        key = "class_map" if block.shows == "map" else block.shows
    return draft.say.say(f"overlay.{key}", height=height, width=width, down=down, across=across)


def _of_places(image: npt.NDArray[Any], values: npt.NDArray[Any]) -> bool:
    """Whether the image has one grey or three colours at each place of the contributions."""
    return image.shape[:2] == values.shape and image.shape[2:] in ((), (3,))


def _pictures(
    draft: Draft, block: ImageOverlay, image: npt.NDArray[Any] | None, values: npt.NDArray[Any], reach: float
) -> tuple[Picture, ...]:
    parts = [("map", of_values(values, reach))]
    if draft.raw_inputs and image is not None:
        parts = [("input", of_image(image)), *parts, ("both", of_both(image, values, reach))]
    alts = {"map": f"overlay.map_alt_{block.shows}"}
    return tuple(_picture(draft, name, alts.get(name, f"overlay.{name}_alt"), pixels) for name, pixels in parts)


def _picture(draft: Draft, name: str, alt: str, pixels: npt.NDArray[np.uint8]) -> Picture:
    file, factor = fitting_png(pixels)
    height, width = pixels.shape[:2]
    return Picture(
        label=draft.say.say(f"overlay.{name}"),
        alt=draft.say.say(alt, height=height, width=width),
        png=file,
        width=-(-width // factor),
        height=-(-height // factor),
        factor=factor,
        coarse=max(height, width) <= COARSE,
    )


def _numbers(draft: Draft, block: ImageOverlay, values: npt.NDArray[Any]) -> Grid:
    import numpy as np

    say = draft.say
    regions = region_sums(values) if block.shows == "contribution" and not block.places else None
    known = values[np.isfinite(values)] if regions is None else regions
    stats: dict[str, float] = {}
    if regions is not None:
        stats = {"smallest_region": float(known.min()), "largest_region": float(known.max())}
    elif known.size:
        stats = {"smallest": float(known.min()), "mean": float(known.mean()), "largest": float(known.max())}
    rows = tuple((Cell(text=say.say(f"overlay.{key}")), _cell(value)) for key, value in stats.items())
    columns = (Heading(label=say.say("column.measure")), value_heading(draft, block.shows, block.unit))
    return Grid(caption=draft.title(block.title), columns=columns, rows=rows)


def _cell(value: float) -> Cell:
    return Cell(text=words(signed(value, 4)), value=value)

"""Inputs of a case that are no table: how large they are, and, where the audit file asks for it, what they look like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from auditbench.run import Case, ShownInput
from auditbench.safe_text import safe_text
from auditbench_html.view.bands import input_value
from auditbench_html.view.draft import Draft
from auditbench_html.view.marked import CaseInput, Picture, Sparkline
from auditbench_html.view.pictures import fitting_png, of_levels, smaller
from auditbench_html.view.sparklines import MOST_POINTS, sparkline
from auditbench_html.view.text import EMPTY, Run, Text, joined

if TYPE_CHECKING:
    import numpy.typing as npt

LONGEST_SHOWN = 600
"""Characters of a text; run.json holds more."""
SMALL_PICTURE = 9_000
"""Bytes of a PNG file, so that twelve cases stay far below what a report may hold."""
SMALL_SIDE = 128
COARSE = 64
MOST_CHANNELS = 4


def case_inputs(draft: Draft, case: Case) -> tuple[CaseInput, ...]:
    """Images, texts and series of a row, in the order of the model's inputs."""
    return tuple(_shown(draft, item, named=len(draft.run.data.inputs) > 1) for item in case.shown)


def _shown(draft: Draft, item: ShownInput, *, named: bool) -> CaseInput:
    say, values = draft.say, _values(draft, item)
    what = _size(draft, item)
    facts = say.say("shown.named", name=item.name, what=what) if named else what
    if item.modality == "text":
        shown = safe_text(item.text, LONGEST_SHOWN) if draft.raw_inputs else ""
        return CaseInput(facts=facts, text=Text(runs=(Run(text=shown, kind="name"),)) if shown else EMPTY)
    if item.modality == "series":
        lines, note = ((), EMPTY) if values is None else _lines(draft, values)
        return CaseInput(facts=joined(facts, note), lines=lines)
    picture = None if values is None else _picture(draft, values)
    note = say.say("shown.smaller", n=picture.factor) if picture is not None and picture.factor > 1 else EMPTY
    return CaseInput(facts=joined(facts, note), picture=picture)


def _values(draft: Draft, item: ShownInput) -> npt.NDArray[Any] | None:
    import numpy as np

    return np.asarray(item.values) if draft.raw_inputs and item.values is not None else None


def _size(draft: Draft, item: ShownInput) -> Text:
    say = draft.say
    if item.modality == "image" and len(item.size) == 3:
        channels, height, width = item.size
        size = say.say("shown.image", n=channels, height=height, width=width)
        level = input_value(draft, item.brightness, banded=True)
        return joined(size, say.say("shown.brightness", level=level)) if item.brightness else size
    if item.modality == "series" and len(item.size) == 2:
        return say.say("shown.series", n=item.size[0], steps=item.size[1])
    units = {known.name: known.unit for known in draft.run.data.inputs}
    known = units.get(item.name, "")
    unit = known if known in ("characters", "subwords") else "words"
    return say.say(f"shown.text_{unit}", n=item.size[0] if item.size else 0)


def _picture(draft: Draft, levels: npt.NDArray[Any]) -> Picture | None:
    if levels.ndim not in (2, 3) or not levels.size:
        return None
    height, width = levels.shape[:2]
    first = max(1, -(-max(height, width) // SMALL_SIDE))
    file, factor = fitting_png(of_levels(smaller(levels, first)), SMALL_PICTURE)
    factor *= first
    return Picture(
        label=EMPTY,
        alt=draft.say.say("shown.image_alt", height=height, width=width),
        png=file,
        width=-(-width // factor),
        height=-(-height // factor),
        factor=factor,
        coarse=max(height, width) <= COARSE,
    )


def _lines(draft: Draft, series: npt.NDArray[Any]) -> tuple[tuple[Sparkline, ...], Text]:
    """A line a channel, and what is not drawn of them."""
    say, (channels, steps) = draft.say, series.shape
    each = max(1, -(-steps // MOST_POINTS))
    lines = tuple(
        sparkline(draft, channel, number if channels > 1 else 0, each)
        for number, channel in enumerate(series[:MOST_CHANNELS], start=1)
    )
    means = say.say("shown.means", n=each) if each > 1 else EMPTY
    rest = say.say("shown.more_channels", n=channels - MOST_CHANNELS) if channels > MOST_CHANNELS else EMPTY
    return tuple(line for line in lines if line.points), joined(means, rest)

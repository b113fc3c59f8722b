"""The distribution of contributions over many rows, as a beeswarm with a table of quantiles."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any

from auditbench.results import AnalysisResult, Attribution
from auditbench_html.view.attributions import attributions, counted_rows
from auditbench_html.view.captions import caption
from auditbench_html.view.draft import Draft
from auditbench_html.view.figures import Cell, Dot, Figure, Grid, Heading, Key, Swarm, SwarmRow
from auditbench_html.view.importance import inputs_by_importance
from auditbench_html.view.numbers import signed
from auditbench_html.view.scales import scale_for
from auditbench_html.view.text import EMPTY, Text, joined, name_text, words

if TYPE_CHECKING:
    import numpy.typing as npt

DOTS = 150
ROWS = 15
TITLED = 3
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def swarm_figure(draft: Draft) -> Figure | None:
    """The contributions to the first target, by the first additive method whose inputs have an order."""
    for result, block in attributions(draft):
        counted = counted_rows(draft, block)
        if block.additive and block.player_values is not None and len(counted) >= 3:
            return _swarm(draft, result, block, counted)
    return None


def sampled(row_ids: tuple[str, ...], name: str, most: int = DOTS) -> list[int]:
    """Places of at most `most` rows, chosen by a hash of their ids: the same rows on every machine."""
    if len(row_ids) <= most:
        return list(range(len(row_ids)))

    def rank(index: int) -> bytes:
        return hashlib.sha256(f"{name}\0{row_ids[index]}".encode("utf-8", "replace")).digest()

    return sorted(sorted(range(len(row_ids)), key=rank)[:most])


def _swarm(draft: Draft, result: AnalysisResult, block: Attribution, counted: list[int]) -> Figure:
    import numpy as np

    say, target = draft.say, block.target_names[0]
    values = np.asarray(block.values, dtype=float)[counted, 0, :]
    ranks = np.asarray(block.player_values, dtype=float)[counted]
    order = _order(draft, result, block, values)
    shown = sampled(tuple(block.row_ids[place] for place in counted), block.name)
    rows = []
    for player in order:
        dots = tuple(Dot(value=float(values[row, player]), level=_level(ranks[row, player])) for row in shown)
        rows.append(SwarmRow(label=name_text(block.player_names[player]), dots=dots))
    unit = say.long_unit(block.unit)
    cut = len(shown) < len(counted)
    ends = [dot.value for row in rows for dot in row.dots]
    n = caption(draft, [len(counted)], drawn=True)
    return draft.figure(
        "swarm",
        _title(draft, block, values, ranks, order),
        say.say("swarm.sub" if cut else "swarm.sub_all", shown=len(shown), total=len(counted)),
        Swarm(
            track=say.say("swarm.track", target=target, unit=unit), rows=tuple(rows), scale=scale_for([*ends, 0.0]),
            unit=unit,
        ),
        result=result,
        keys=(Key(mark="ramp", label=EMPTY),),
        data=_quantiles(draft, block, values, order),
        note=joined(say.say("swarm.note"), n) if cut else n,
    )  # fmt: skip


def _order(draft: Draft, result: AnalysisResult, block: Attribution, values: npt.NDArray[Any]) -> list[int]:
    """Players as in the figure of importance; by mean size of the contributions where that has another method."""
    import numpy as np

    places = {name: place for place, name in enumerate(block.player_names)}
    known = [places[name] for name in inputs_by_importance(draft, result) if name in places]
    order = known or [int(place) for place in np.argsort(-np.abs(values).mean(axis=0), kind="stable")]
    return order[:ROWS]


def _title(
    draft: Draft, block: Attribution, values: npt.NDArray[Any], ranks: npt.NDArray[Any], order: list[int]
) -> Text:
    """Which way the strongest input works whose high and low values push to different sides; else what is drawn."""
    for player in order[:TITLED]:
        if way := _way(values[:, player], ranks[:, player]):
            name = name_text(block.player_names[player])
            return draft.say.say(f"swarm.title_{way}", name=name, target=block.target_names[0])
    return draft.say.say("swarm.title", name=name_text(block.player_names[order[0]]), target=block.target_names[0])


def _way(values: npt.NDArray[Any], ranks: npt.NDArray[Any]) -> str:
    """Whether high values of an input `raises` or `lowers` the output while low ones do the other; empty if neither."""
    import numpy as np

    known = np.isfinite(ranks)
    high, low = known & (ranks >= 0.75), known & (ranks <= 0.25)
    if known.sum() < 10 or not high.any() or not low.any():
        return ""
    up, down = float(values[high].mean()), float(values[low].mean())
    return "raises" if up > 0 > down else "lowers" if up < 0 < down else ""


def _level(rank: float) -> int:
    """The step of a rank in [0, 1] on the ramp, 1 to 5; 0 for an input without order."""
    return 0 if math.isnan(rank) else min(5, 1 + int(rank * 5))


def _quantiles(draft: Draft, block: Attribution, values: npt.NDArray[Any], order: list[int]) -> Grid:
    import numpy as np

    say = draft.say
    columns = [Heading(label=say.say("column.input"))]
    columns += [Heading(label=words(f"{100 * quantile:.0f}%"), number=True) for quantile in QUANTILES]
    rows = []
    for player in order:
        found = np.quantile(values[:, player], QUANTILES)
        cells = [Cell(text=words(signed(float(value), 3)), value=float(value)) for value in found]
        rows.append((Cell(text=name_text(block.player_names[player])), *cells))
    label = say.say("swarm.caption", target=block.target_names[0])
    return Grid(caption=label, columns=tuple(columns), rows=tuple(rows))

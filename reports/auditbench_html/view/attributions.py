"""Attributions of many rows and of one: beeswarm and waterfall, from arrays of contributions."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from auditbench.results import AnalysisResult, Attribution
from auditbench.run import Case
from auditbench_html.view.draft import Draft
from auditbench_html.view.figures import (
    Cell,
    Dot,
    Figure,
    Grid,
    Heading,
    Key,
    Swarm,
    SwarmRow,
    Waterfall,
    WaterfallRow,
)
from auditbench_html.view.numbers import DASH, Estimate, short, signed, with_unit
from auditbench_html.view.scales import Scale, Tick, scale_for
from auditbench_html.view.text import EMPTY, Text, name_text, words

if TYPE_CHECKING:
    import numpy.typing as npt

DOTS = 150
ROWS = 15
STEPS = 8
METHODS = 3
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
GAP = 1e-3
_PROBABILITIES = (
    0.5,
    0.1,
    0.9,
    0.01,
    0.99,
    0.25,
    0.75,
    0.05,
    0.95,
    0.001,
    0.999,
    0.2,
    0.8,
    0.3,
    0.7,
    0.4,
    0.6,
    0.02,
    0.98,
    0.15,
    0.85,
)  # roundest first
_APART = 0.14


def attributions(draft: Draft) -> Iterator[tuple[AnalysisResult, Attribution]]:
    """Every block of contributions with named players, in the order of the run; SHAP first."""
    found = [
        (result, block)
        for result in draft.run.results
        if result.status == "ok"
        for block in result.attributions
        if block.player_names and len(block.values.shape) == 3
    ]
    yield from sorted(found, key=lambda pair: pair[0].analyzer != "shap")


def swarm_figure(draft: Draft) -> Figure | None:
    """The distribution of contributions of the first additive method whose inputs have an order."""
    for result, block in attributions(draft):
        if block.additive and block.player_values is not None and len(block.row_ids) >= 3:
            return _swarm(draft, result, block)
    return None


def waterfall(draft: Draft, case: Case) -> tuple[Waterfall, Grid | None] | None:
    """The contributions to one row's output, and the inputs that are not drawn by every method; None when no method explains the row."""
    found = [(result, block) for result, block in attributions(draft) if case.row_id in block.row_ids]
    main = next((pair for pair in found if pair[1].additive), None)
    if main is None:
        return None
    others = [pair for pair in found if pair is not main][:METHODS]
    target = _target(main[1], case)
    values, base, output = _of_row(main[1], case, target)
    inputs = dict(case.inputs)
    others_values = [_of_row(block, case, min(target, len(block.target_names) - 1))[0] for _, block in others]
    rows = _steps(draft, main[1], values, base, output, inputs, others_values)
    titles = tuple(_method_title(draft, result, block, main[1].unit) for result, block in others)
    threshold = _threshold(draft, main[1])
    scale = _output_scale(main[1].unit, [place for row in rows for place in (row.start, row.end)], threshold)
    figure = Waterfall(
        track=draft.say.say(f"waterfall.track_{main[1].unit}", target=main[1].target_names[target]),
        effect=draft.analyzer_title(main[0].analyzer),
        others=titles,
        rows=rows,
        scale=scale,
        threshold=threshold,
    )
    methods = [(draft.analyzer_title(main[0].analyzer), values), *zip(titles, others_values, strict=True)]
    shown = _shown(values)
    rest = [name for name in _by_size(values) if name not in shown]
    return figure, _inputs_table(draft, inputs, methods, rest)


def sampled(row_ids: tuple[str, ...], name: str, most: int = DOTS) -> list[int]:
    """Places of at most `most` rows, chosen by a hash of their ids: the same rows on every machine."""
    if len(row_ids) <= most:
        return list(range(len(row_ids)))

    def rank(index: int) -> bytes:
        return hashlib.sha256(f"{name}\0{row_ids[index]}".encode("utf-8", "replace")).digest()

    return sorted(sorted(range(len(row_ids)), key=rank)[:most])


def _swarm(draft: Draft, result: AnalysisResult, block: Attribution) -> Figure:
    import numpy as np

    say = draft.say
    values = np.asarray(block.values, dtype=float)[:, 0, :]
    ranks = np.asarray(block.player_values, dtype=float)
    order = np.argsort(-np.abs(values).mean(axis=0), kind="stable")[:ROWS]
    rows_shown = sampled(block.row_ids, block.name)
    rows = []
    for player in order:
        dots = tuple(Dot(value=float(values[row, player]), level=_level(ranks[row, player])) for row in rows_shown)
        rows.append(SwarmRow(label=name_text(block.player_names[player]), dots=dots))
    unit = draft.say.first((f"unit_long.{block.unit}",)) or name_text(block.unit)
    shown, total = len(rows_shown), len(block.row_ids)
    subtitle = say.say("swarm.sub" if shown < total else "swarm.sub_all", shown=shown, total=total)
    strongest = name_text(block.player_names[order[0]])
    ends = [dot.value for row in rows for dot in row.dots]
    return draft.figure(
        "swarm",
        _swarm_title(draft, strongest, values[:, order[0]], ranks[:, order[0]]),
        subtitle,
        Swarm(
            track=say.say("swarm.track", unit=unit),
            rows=tuple(rows),
            scale=scale_for([*ends, 0.0]),
            unit=unit,
        ),
        result=result,
        keys=(Key(mark="ramp", label=EMPTY),),
        data=_quantiles(draft, block, values, order),
        note=say.say("swarm.note" if shown < total else "figure.n", n=total),
    )


def _swarm_title(draft: Draft, name: Text, values: npt.NDArray[Any], ranks: npt.NDArray[Any]) -> Text:
    """Which way the strongest input works, where its high and low values clearly push to different sides."""
    import numpy as np

    known = np.isfinite(ranks)
    if known.sum() >= 10:
        high, low = known & (ranks >= 0.75), known & (ranks <= 0.25)
        if high.any() and low.any():
            up, down = float(values[high].mean()), float(values[low].mean())
            if up > 0 > down:
                return draft.say.say("swarm.title_raises", name=name)
            if up < 0 < down:
                return draft.say.say("swarm.title_lowers", name=name)
    return draft.say.say("swarm.title", name=name)


def _level(rank: float) -> int:
    """The step of a rank in [0, 1] on the ramp, 1 to 5; 0 for an input without order."""
    return 0 if math.isnan(rank) else min(5, 1 + int(rank * 5))


def _quantiles(draft: Draft, block: Attribution, values: npt.NDArray[Any], order: npt.NDArray[Any]) -> Grid:
    import numpy as np

    say = draft.say
    columns = [Heading(label=say.say("column.input"))]
    columns += [Heading(label=words(f"{100 * quantile:.0f}%"), number=True) for quantile in QUANTILES]
    rows = []
    for player in order:
        found = np.quantile(values[:, player], QUANTILES)
        cells = [Cell(text=words(signed(float(value), 3)), value=float(value)) for value in found]
        rows.append((Cell(text=name_text(block.player_names[player])), *cells))
    return Grid(caption=say.say("swarm.caption"), columns=tuple(columns), rows=tuple(rows))


def _method_title(draft: Draft, result: AnalysisResult, block: Attribution, unit: str) -> Text:
    """Name of a method, with its unit where that is another one."""
    title = draft.analyzer_title(result.analyzer)
    if block.unit == unit:
        return title
    return draft.say.say("column.with_unit", name=title, unit=draft.say.first((f"unit.{block.unit}",)) or block.unit)


def _target(block: Attribution, case: Case) -> int:
    """The explained output: the predicted class where there are several, else the only one."""
    return block.target_names.index(case.predicted) if case.predicted in block.target_names else 0


def _of_row(block: Attribution, case: Case, target: int) -> tuple[dict[str, float], float, float]:
    import numpy as np

    row = block.row_ids.index(case.row_id)
    values = np.asarray(block.values, dtype=float)[row, target]
    base = float(np.asarray(block.base_values, dtype=float)[row, target])
    output = float(np.asarray(block.outputs, dtype=float)[row, target])
    return {name: float(value) for name, value in zip(block.player_names, values, strict=True)}, base, output


def _steps(
    draft: Draft,
    block: Attribution,
    values: dict[str, float],
    base: float,
    output: float,
    inputs: dict[str, str],
    others: list[dict[str, float]],
) -> tuple[WaterfallRow, ...]:
    """From base value to output; what is not shown stands in `all other inputs`, so that the steps always add up."""
    say = draft.say
    order, shown = _by_size(values), _shown(values)
    blank = tuple(Cell(text=EMPTY) for _ in others)
    rows = [_end_row(draft, block, "base", base, blank)]
    place = base
    for name in shown:
        note = name_text(inputs[name]) if name in inputs else EMPTY
        cells = tuple(_effect_cell(other.get(name)) for other in others)
        rows.append(_step_row("step", name_text(name), note, place, values[name], cells))
        place += values[name]
    rest = output - place
    n = len(order) - len(shown)
    if n:
        cells = tuple(_effect_cell(sum(v for k, v in other.items() if k not in shown)) for other in others)
        rows.append(_step_row("rest", say.say("waterfall.rest"), say.say("waterfall.inputs", n=n), place, rest, cells))
    elif abs(rest) > GAP * max(abs(output - base), 1e-12):
        rows.append(_step_row("rest", say.say("waterfall.gap"), say.say("waterfall.gap_note"), place, rest, blank))
    rows.append(_end_row(draft, block, "output", output, blank))
    return tuple(rows)


def _step_row(
    kind: Any, label: Text, note: Text, start: float, effect: float, others: tuple[Cell, ...]
) -> WaterfallRow:
    shown = Estimate(value=effect, text=words(signed(effect, _effect_digits(effect))))
    return WaterfallRow(
        kind=kind, label=label, note=note, estimate=shown, start=start, end=start + effect, others=others
    )


def _end_row(draft: Draft, block: Attribution, kind: Any, value: float, blank: tuple[Cell, ...]) -> WaterfallRow:
    note = EMPTY
    text = with_unit(draft.say, short(round(value, 4)), "1")
    if block.unit in ("logit", "probability"):
        probability = 1 / (1 + math.exp(-value)) if block.unit == "logit" else value
        text = words(f"{100 * probability:.1f}%")
    if block.unit == "logit":
        note = draft.say.say("waterfall.logit", value=words(signed(value, 2)))
    shown = Estimate(value=value, text=text)
    label = draft.say.say(f"waterfall.{kind}")
    return WaterfallRow(kind=kind, label=label, note=note, estimate=shown, start=value, end=value, others=blank)


def _effect_digits(effect: float) -> int:
    return 2 if abs(effect) >= 0.0095 or effect == 0 else min(4, 1 - math.floor(math.log10(abs(effect))))


def _effect_cell(value: float | None) -> Cell:
    return Cell(text=DASH if value is None else words(signed(value, 2)), value=value)


def _threshold(draft: Draft, block: Attribution) -> float | None:
    threshold = draft.run.model.threshold
    if threshold is None or len(block.target_names) > 1:
        return None
    return (
        math.log(threshold / (1 - threshold))
        if block.unit == "logit"
        else threshold
        if block.unit == "probability"
        else None
    )


def _output_scale(unit: str, places: list[float], threshold: float | None) -> Scale:
    """An axis for outputs; log-odds are labelled with the probabilities they stand for."""
    ends = [*places, *([threshold] if threshold is not None else [])]
    if unit != "logit":
        return scale_for(ends, percent=unit == "probability")
    margin = max(max(ends) - min(ends), 0.5) * 0.05
    low, high = min(ends) - margin, max(ends) + margin
    marks = [(math.log(p / (1 - p)), p) for p in _PROBABILITIES]
    found: list[Tick] = []
    for value, probability in marks:
        near = any(abs(value - tick.value) < _APART * (high - low) for tick in found)
        if low <= value <= high and not near:
            found.append(Tick(value=value, label=f"{short(100 * probability)}%"))
    found.sort(key=lambda tick: tick.value)
    return Scale(low=low, high=high, ticks=tuple(found) or (Tick(value=places[0], label=short(places[0])),))


def _by_size(values: dict[str, float]) -> list[str]:
    return sorted(values, key=lambda name: (-abs(values[name]), name))


def _shown(values: dict[str, float]) -> list[str]:
    order = _by_size(values)
    return order if len(order) <= STEPS + 1 else order[:STEPS]


def _inputs_table(
    draft: Draft, inputs: dict[str, str], methods: list[tuple[Text, dict[str, float]]], names: list[str]
) -> Grid | None:
    if not names:
        return None
    say = draft.say
    columns = [Heading(label=say.say("column.input")), Heading(label=say.say("column.shown_value"))]
    columns += [Heading(label=title, number=True) for title, _ in methods]
    rows = []
    for name in names[:50]:
        shown = name_text(inputs[name]) if name in inputs else DASH
        effects = [_effect_cell(values.get(name)) for _, values in methods]
        rows.append((Cell(text=name_text(name)), Cell(text=shown), *effects))
    caption = say.say("cases.inputs_caption")
    return Grid(caption=caption, columns=tuple(columns), rows=tuple(rows), more=draft.more(50, len(names)))

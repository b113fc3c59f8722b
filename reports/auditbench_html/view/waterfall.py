"""The way from a method's base value to the output of one row, step by step, with what other methods say beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from auditbench.results import AnalysisResult, Attribution
from auditbench.run import Case
from auditbench_html.view.attributions import attributions
from auditbench_html.view.bands import input_value
from auditbench_html.view.draft import Draft
from auditbench_html.view.figures import Cell, Grid, Heading, Waterfall, WaterfallRow
from auditbench_html.view.numbers import DASH, Estimate, short, signed, with_unit
from auditbench_html.view.scales import Scale, Tick, scale_for
from auditbench_html.view.scores import is_log_odds, sigmoid
from auditbench_html.view.text import EMPTY, Text, name_text, words

STEPS = 8
METHODS = 3
GAP = 1e-3
_APART = 0.14
# Labels of an axis of probabilities, the roundest first: those that fit are shown.
_PROBABILITIES = (
    0.5, 0.1, 0.9, 0.01, 0.99, 0.25, 0.75, 0.05, 0.95, 0.001, 0.999,
    0.2, 0.8, 0.3, 0.7, 0.4, 0.6, 0.02, 0.98, 0.15, 0.85,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """What one method says about one row: contributions by input, base value and output, in the unit of its block."""

    result: AnalysisResult
    block: Attribution
    values: dict[str, float]
    base: float
    output: float


def waterfall(draft: Draft, case: Case) -> tuple[Waterfall, Grid | None] | None:
    """The contributions to one row's output, and the inputs that are not drawn by every method; None when no method explains the row."""
    found = [(result, block) for result, block in attributions(draft) if case.row_id in block.row_ids]
    main = next((pair for pair in found if pair[1].additive), None)
    if main is None:
        return None
    target = _target(main[1], case)
    others = [_explained(*pair, case, target) for pair in found if pair is not main and target in pair[1].target_names]
    others = others[:METHODS]
    first = _explained(*main, case, target)
    rows = _steps(draft, first, dict(case.inputs), others)
    titles = tuple(_method_title(draft, other, main[1].unit) for other in others)
    threshold = _threshold(draft, main[1])
    places = [place for row in rows for place in (row.start, row.end)]
    log_odds = is_log_odds(draft.run, main[1])
    figure = Waterfall(
        track=draft.say.say(f"waterfall.track_{_kind(log_odds, main[1].unit)}", target=target),
        effect=draft.method_title(main[0]),
        others=titles,
        rows=rows,
        scale=_probability_scale(places, threshold) if log_odds else _plain_scale(main[1].unit, places, threshold),
        threshold=threshold,
        how=_how(draft, log_odds, others),
    )
    methods = [(figure.effect, first.values), *((t, o.values) for t, o in zip(titles, others, strict=True))]
    shown = _shown(first.values)
    rest = [name for name in _by_size(first.values) if name not in shown]
    return figure, _inputs_table(draft, dict(case.inputs), methods, rest)


def _explained(result: AnalysisResult, block: Attribution, case: Case, target: str) -> Explained:
    import numpy as np

    place = block.row_ids.index(case.row_id), block.target_names.index(target)
    values = np.asarray(block.values, dtype=float)[place]
    return Explained(
        result=result,
        block=block,
        values={name: float(value) for name, value in zip(block.player_names, values, strict=True)},
        base=float(np.asarray(block.base_values, dtype=float)[place]),
        output=float(np.asarray(block.outputs, dtype=float)[place]),
    )


def _target(block: Attribution, case: Case) -> str:
    """The explained output: the predicted class where there are several, else the only one."""
    return case.predicted if case.predicted in block.target_names else block.target_names[0]


def _kind(log_odds: bool, unit: str) -> str:
    return "log_odds" if log_odds else unit if unit in ("logit", "probability") else "value"


def _how(draft: Draft, log_odds: bool, others: list[Explained]) -> Text:
    say = draft.say
    parts = [say.say("how.waterfall")]
    if log_odds:
        parts.append(say.say("how.waterfall_log_odds"))
    if others:
        parts.append(say.say("how.waterfall_others"))
    return say.sentences(parts)


def _method_title(draft: Draft, explained: Explained, unit: str) -> Text:
    """Name of a method, with its unit where that is another one."""
    title, own = draft.method_title(explained.result), explained.block.unit
    if own == unit:
        return title
    return draft.say.say("column.with_unit", name=title, unit=draft.say.unit(own))


def _steps(draft: Draft, first: Explained, inputs: dict[str, str], others: list[Explained]) -> tuple[WaterfallRow, ...]:
    """From base value to output; what is not shown stands in `all other inputs`, so that the steps always add up."""
    say, values, output = draft.say, first.values, first.output
    order, shown = _by_size(values), _shown(values)
    blank = tuple(Cell(text=EMPTY) for _ in others)
    rows = [_base_row(draft, first, others)]
    place = first.base
    for name in shown:
        note = input_value(draft, inputs[name]) if name in inputs else EMPTY
        cells = tuple(_effect_cell(other.values.get(name)) for other in others)
        rows.append(_step_row("step", name_text(name), note, place, values[name], cells))
        place += values[name]
    rest = output - place
    n = len(order) - len(shown)
    if n:
        cells = tuple(_effect_cell(_rest_of(other, shown)) for other in others)
        rows.append(_step_row("rest", say.say("waterfall.rest"), say.say("waterfall.inputs", n=n), place, rest, cells))
    elif abs(rest) > GAP * max(abs(output - first.base), 1e-12):
        rows.append(_step_row("rest", say.say("waterfall.gap"), say.say("waterfall.gap_note"), place, rest, blank))
    rows.append(_output_row(draft, first, blank))
    return tuple(rows)


def _rest_of(other: Explained, shown: list[str]) -> float | None:
    """Sum over the inputs that have no row of their own; None where sums of a method mean nothing."""
    return sum(v for name, v in other.values.items() if name not in shown) if other.block.additive else None


def _step_row(
    kind: Literal["step", "rest"], label: Text, note: Text, start: float, effect: float, others: tuple[Cell, ...]
) -> WaterfallRow:
    shown = Estimate(value=effect, text=words(signed(effect, _effect_digits(effect))))
    return WaterfallRow(
        kind=kind, label=label, note=note, estimate=shown, start=start, end=start + effect, others=others
    )


def _base_row(draft: Draft, first: Explained, others: list[Explained]) -> WaterfallRow:
    """Where each method starts; those whose contributions start nowhere have a dash. Several share a general label."""
    say, block = draft.say, first.block
    own = (f"base.{block.method}", f"base.{first.result.analyzer}")
    keys = ("waterfall.base",) if any(other.block.additive for other in others) else (*own, "waterfall.base")
    cells = tuple(_effect_cell(other.base if other.block.additive else None) for other in others)
    text = _output_text(draft, block, first.base)
    return WaterfallRow(
        kind="base", label=say.first(keys) or EMPTY, note=_unit_note(draft, block),
        estimate=Estimate(value=first.base, text=text), start=first.base, end=first.base, others=cells,
    )  # fmt: skip


def _output_row(draft: Draft, first: Explained, blank: tuple[Cell, ...]) -> WaterfallRow:
    say, block, output = draft.say, first.block, first.output
    text, note = _output_text(draft, block, output), _unit_note(draft, block)
    if is_log_odds(draft.run, block):
        text, note = words(f"{100 * sigmoid(output):.1f}%"), say.say("waterfall.log_odds", value=text)
    return WaterfallRow(
        kind="output", label=say.say("waterfall.output"), note=note, estimate=Estimate(value=output, text=text),
        start=output, end=output, others=blank,
    )  # fmt: skip


def _output_text(draft: Draft, block: Attribution, value: float) -> Text:
    """An output in the unit of the block; that unit stands beside the row."""
    if block.unit == "probability":
        return words(f"{100 * value:.1f}%")
    return words(signed(value, 2)) if block.unit == "logit" else with_unit(draft.say, short(round(value, 4)), "1")


def _unit_note(draft: Draft, block: Attribution) -> Text:
    return draft.say.say("unit.logit") if block.unit == "logit" else EMPTY


def _effect_digits(effect: float) -> int:
    return 2 if abs(effect) >= 0.0095 or effect == 0 else min(4, 1 - math.floor(math.log10(abs(effect))))


def _effect_cell(value: float | None) -> Cell:
    return Cell(text=DASH if value is None else words(signed(value, 2)), value=value)


def _threshold(draft: Draft, block: Attribution) -> float | None:
    """The decision threshold on the axis of the output; None where it has no place there."""
    threshold = draft.run.model.threshold
    if threshold is None or len(block.target_names) > 1:
        return None
    if is_log_odds(draft.run, block):
        return math.log(threshold / (1 - threshold)) if 0 < threshold < 1 else None
    return threshold if block.unit == "probability" else None


def _plain_scale(unit: str, places: list[float], threshold: float | None) -> Scale:
    ends = [*places, *([threshold] if threshold is not None else [])]
    return scale_for(ends, percent=unit == "probability")


def _probability_scale(places: list[float], threshold: float | None) -> Scale:
    """An axis of log-odds, labelled with the probabilities they stand for."""
    ends = [*places, *([threshold] if threshold is not None else [])]
    margin = max(max(ends) - min(ends), 0.5) * 0.05
    low, high = min(ends) - margin, max(ends) + margin
    found: list[Tick] = []
    for probability in _PROBABILITIES:
        value = math.log(probability / (1 - probability))
        near = any(abs(value - tick.value) < _APART * (high - low) for tick in found)
        if low <= value <= high and not near:
            found.append(Tick(value=value, label=f"{short(100 * probability)}%"))
    found.sort(key=lambda tick: tick.value)
    only = Tick(value=places[-1], label=f"{100 * sigmoid(places[-1]):.1f}%")
    return Scale(low=low, high=high, ticks=tuple(found) or (only,))


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
        shown = input_value(draft, inputs[name]) if name in inputs else DASH
        effects = [_effect_cell(values.get(name)) for _, values in methods]
        rows.append((Cell(text=name_text(name)), Cell(text=shown), *effects))
    caption = say.say("cases.inputs_caption")
    return Grid(caption=caption, columns=tuple(columns), rows=tuple(rows), more=draft.more(50, len(names)))

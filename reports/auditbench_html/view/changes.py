"""A metric in this run and in the baseline: before, after, change with its interval, and what the change amounts to."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

from auditbench.comparison.record import MetricChange
from auditbench_html.view.draft import Draft
from auditbench_html.view.figures import ChangeRow, Chip, Tone
from auditbench_html.view.numbers import (
    DASH,
    Bound,
    Estimate,
    concise,
    decimals,
    digits_for,
    estimate,
    fixed,
    signed,
    spread,
    with_unit,
)
from auditbench_html.view.text import EMPTY, Text, words

VERDICTS: dict[str, Tone] = {
    "better": "pass", "worse": "fail", "changed": "warn", "within_noise": "none", "not_tested": "none",
    "not_compared": "none",
}  # fmt: skip


def change_row(draft: Draft, change: MetricChange) -> ChangeRow | None:
    """A change as a row of the figure of changes; None where there is no difference to draw."""
    if change.difference is None or change.before is None or change.after is None:
        return None
    low, high = _ends(change)
    sign = -1.0 if change.higher_is_better is False else 1.0
    better = sorted(sign * end for end in (low, high) if end is not None)
    span = max([abs(change.difference), *map(abs, better)]) * 1.1 or 1.0
    digits = _digits(change, low, high)
    return ChangeRow(
        label=draft.metric_title(change.metric, change.where),
        before=_value(draft, change, change.before, digits),
        after=_value(draft, change, change.after, digits),
        change=_difference(draft, change, digits),
        chip=Chip(tone=VERDICTS[change.verdict], label=draft.say.say(f"change.{change.verdict}")),
        better=sign * change.difference,
        low=better[0] if len(better) == 2 else None,
        high=better[1] if len(better) == 2 else None,
        span=span,
    )


def since_baseline(draft: Draft, metric: str, where: Mapping[str, str]) -> Estimate | None:
    """The change of one metric since the baseline with its verdict below; None where the run has no baseline."""
    comparison = draft.run.baseline
    if comparison is None:
        return None
    change = comparison.change(metric, where)
    if change is None:
        return Estimate(value=None, text=DASH)
    verdict = draft.say.say(f"change.{change.verdict}")
    if change.difference is None:
        return Estimate(value=None, text=DASH, reason=verdict)
    low, high = _ends(change)
    shown = _difference(draft, change, _digits(change, low, high))
    return dataclasses.replace(shown, low=low, high=high, reason=verdict)


def gain_of(
    draft: Draft, gain: float | None, low: float | None, high: float | None, *, unit: str, bounds: Iterable[Bound]
) -> Estimate | None:
    """How much better a metric is than in the baseline, with its sign; None where that is not known.

    Args:
        bounds: Limits that the gain is read against.
    """
    if gain is None:
        return None
    known = [number for number in (gain, low, high) if number is not None]
    digits = digits_for(known, decimals(gain, low, high), bounds)
    text = with_unit(draft.say, signed(gain, digits), unit)
    if low is None or high is None:
        return Estimate(value=gain, text=text)
    return Estimate(value=gain, text=text, low=low, high=high, interval=_bounds(draft, low, high, digits))


def _ends(change: MetricChange) -> tuple[float | None, float | None]:
    """The interval of a change; none for one that is exact."""
    bounds = change.decided
    return (bounds.low, bounds.high) if bounds is not None and bounds.high > bounds.low else (None, None)


def _digits(change: MetricChange, low: float | None, high: float | None) -> int:
    """Digits after the point: by the interval, else as many as the measure itself is shown with."""
    if low is not None:
        return decimals(0.0, low, high)
    shown = (concise(value) for value in (change.before or 0.0, change.after or 0.0))
    return max(0 if "×" in text else len(text.partition(".")[2]) for text in shown)


def _value(draft: Draft, change: MetricChange, value: float, digits: int) -> Estimate:
    if _ends(change) == (None, None) or abs(value) >= 1e6:
        return estimate(draft.say, value, unit=change.unit)
    return Estimate(value=value, text=with_unit(draft.say, fixed(value, digits), change.unit))


def _difference(draft: Draft, change: MetricChange, digits: int) -> Estimate:
    low, high = _ends(change)
    interval = _bounds(draft, low, high, digits) if low is not None and high is not None else EMPTY
    return Estimate(value=change.difference, text=words(signed(change.difference or 0.0, digits)), interval=interval)


def _bounds(draft: Draft, low: float, high: float, digits: int) -> Text:
    return spread(draft.say, signed(low, digits), signed(high, digits))

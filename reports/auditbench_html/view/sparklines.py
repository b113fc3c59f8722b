"""One channel of a series as a small line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from auditbench_html.view.draft import Draft
from auditbench_html.view.marked import Sparkline
from auditbench_html.view.numbers import short
from auditbench_html.view.text import EMPTY, words

if TYPE_CHECKING:
    import numpy.typing as npt

MOST_POINTS = 120
SPARK_WIDTH, SPARK_HEIGHT = 480, 40


def sparkline(draft: Draft, channel: npt.NDArray[Any], number: int, each: int) -> Sparkline:
    """The line of a channel, with its range as its label.

    Args:
        number: Of the channel, from 1; 0 where there is one alone.
        each: Steps that are one point of the line, as their mean.
    """
    import numpy as np

    say = draft.say
    known = channel[np.isfinite(channel)].astype(np.float64)
    if not known.size:
        return Sparkline(label=EMPTY, alt=EMPTY, points=())
    low, high = float(known.min()), float(known.max())
    ends = {"low": words(short(round(low, 3))), "high": words(short(round(high, 3)))}
    label = say.say("range", **ends)
    return Sparkline(
        label=say.say("shown.channel", number=number, range=label) if number else label,
        alt=say.say("shown.series_alt", steps=len(channel), **ends),
        points=_points(channel, low, high, each),
    )


def _points(channel: npt.NDArray[Any], low: float, high: float, each: int) -> tuple[tuple[int, int] | None, ...]:
    """Means of `each` steps as places in the drawing; None where all of them are missing."""
    import numpy as np

    padded = np.pad(channel.astype(np.float64), (0, -len(channel) % each), constant_values=np.nan).reshape(-1, each)
    known = np.isfinite(padded)
    counts = known.sum(axis=1)
    means = np.where(known, padded, 0.0).sum(axis=1) / np.maximum(counts, 1)
    across, spread = max(1, len(means) - 1), (high - low) or 1.0
    middle = 0.5 if high == low else 0.0
    return tuple(
        (round(SPARK_WIDTH * place / across), round(SPARK_HEIGHT * (1 - middle - (mean - low) / spread))) if n else None
        for place, (mean, n) in enumerate(zip(means.tolist(), counts.tolist(), strict=True))
    )

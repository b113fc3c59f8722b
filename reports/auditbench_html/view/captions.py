"""How many rows a number rests on, in words: in captions, under rates and beside groups."""

from __future__ import annotations

from collections.abc import Iterable

from auditbench.results import AnalysisResult, Metric, Sample
from auditbench_html.view.draft import Draft
from auditbench_html.view.text import EMPTY, Text, joined, words

SMALLEST_SHOWN = 10


def rows_behind(metric: Metric) -> int:
    """Rows that a metric is a share of, where it is one, else the rows it rests on."""
    return metric.n if metric.denominator is None else metric.denominator


def n_words(draft: Draft, sizes: Iterable[int]) -> Text:
    """`n = 94`, or `n = 3,462 to 16,281` where numbers differ; empty where nothing was counted."""
    known = {size for size in sizes if size > 0}
    if not known:
        return EMPTY
    low, high = min(known), max(known)
    return draft.say.say("figure.n", n=low) if low == high else draft.say.say("figure.n_range", low=low, high=high)


def group_n(draft: Draft, size: int) -> Text:
    """`n = 66` of one group; groups that are small enough to point at people are not counted out."""
    return draft.say.say("figure.n_small") if size < SMALLEST_SHOWN else draft.say.say("figure.n", n=size)


def group_count(draft: Draft, size: int) -> Text:
    """`66`, or `< 10` for a small group."""
    return draft.say.say("groups.under_ten") if size < SMALLEST_SHOWN else draft.say.say("count", n=size)


def caption(draft: Draft, sizes: Iterable[int], *, drawn: bool = False) -> Text:
    """The rows behind a figure, and the seed where something in it was drawn at random."""
    n = n_words(draft, sizes)
    if not drawn:
        return n
    seed = draft.say.say("figure.seed", seed=words(str(draft.run.audit.seed)))
    return joined(n, seed)


def metrics_caption(draft: Draft, metrics: Iterable[Metric]) -> Text:
    """The rows behind metrics, and their clusters where they depend on each other; the seed where they were resampled."""
    shown = list(metrics)
    clusters = max((metric.clusters or 0 for metric in shown), default=0)
    counted = draft.say.say("figure.clusters", n=clusters) if clusters else EMPTY
    return joined(caption(draft, map(rows_behind, shown), drawn=resampled(shown)), counted)


def result_caption(draft: Draft, result: AnalysisResult, n: int | None = None, sample: Sample = "evaluated") -> Text:
    """The rows of a block; where it does not count its own, those of the result in this sample, where these are several."""
    if n is None:
        most = max((metric.n for metric in result.metrics if metric.repeatable and metric.sample == sample), default=0)
        n = most if most > 1 else 0
    return caption(draft, [n], drawn=resampled(result.metrics))


def resampled(metrics: Iterable[Metric]) -> bool:
    """Whether an interval of these metrics was drawn by bootstrap."""
    return any(metric.interval is not None and "bootstrap" in metric.interval.method for metric in metrics)

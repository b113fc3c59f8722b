"""Groups that are not compared, and measures without a value, in words: what no figure can show."""

from __future__ import annotations

from auditbench.results import AnalysisResult, Metric
from auditbench_html.view.draft import Draft
from auditbench_html.view.groups import comparable, group_parts, group_sizes, naturally, rest_of, size_words
from auditbench_html.view.measures import undrawn_measures
from auditbench_html.view.page import StateBox
from auditbench_html.view.text import EMPTY, Text, bare

NAMED = 5
"""Groups, classes or measures that are named before the rest is counted."""


def uncompared_groups(draft: Draft, result: AnalysisResult) -> list[StateBox]:
    """What no figure shows since fewer than two groups have a value, one box a feature, with the groups that are too small."""
    found: dict[str, list[list[Metric]]] = {}
    total: dict[str, int] = {}
    for (feature, _), metrics in group_parts(draft, result).items():
        total[feature] = total.get(feature, 0) + 1
        if not comparable(metrics):
            found.setdefault(feature, []).append(metrics)
    return [_uncompared(draft, feature, parts, whole=len(parts) == total[feature]) for feature, parts in found.items()]


def undefined_measures(draft: Draft, result: AnalysisResult) -> list[StateBox]:
    """Measures of no figure since none of them has a value, one box a reason; those between groups have theirs."""
    say = draft.say
    found: dict[str, list[Metric]] = {}
    for metric in undrawn_measures(draft, result):
        if "feature" not in metric.where:
            found.setdefault(str(say.tell(metric.reason)) if metric.reason else "", []).append(metric)
    boxes = []
    for metrics in found.values():
        titles = [bare(draft.metric_title(f"{result.analyzer}.{metric.name}", metric.where)) for metric in metrics]
        title = say.say("measures.undefined", n=len(titles), titles=_named(draft, titles))
        reason = metrics[0].reason
        boxes.append(StateBox(tone="none", title=title, meta=EMPTY, text=say.tell(reason) if reason else EMPTY))
    return boxes


def _uncompared(draft: Draft, feature: str, parts: list[list[Metric]], *, whole: bool) -> StateBox:
    say = draft.say
    sizes = {group: n for group, n in group_sizes(parts[0]).items() if n}
    title = say.say("groups.uncompared", feature=feature)
    if not whole:
        rests = [say.say("groups.of_class", of_class=rest_of(draft, metrics[0])) for metrics in parts]
        title = say.say("groups.uncompared_for", feature=feature, parts=_named(draft, rests))
        return StateBox(tone="none", title=title, meta=EMPTY, text=say.say("groups.too_few_there"))
    if len(sizes) == 1:
        ((group, size),) = sizes.items()
        text = say.say("groups.one", group=group, size=size_words(draft, size))
        return StateBox(tone="none", title=title, meta=EMPTY, text=text)
    known = {metric.where["group"] for metrics in parts for metric in metrics if metric.value is not None}
    small = [_with_size(draft, group, sizes[group]) for group in naturally(list(sizes)) if group not in known]
    text = say.say("groups.too_few_there")
    if small:
        text = say.say("groups.too_small", n=len(small), total=len(sizes), groups=_named(draft, small))
    return StateBox(tone="none", title=title, meta=EMPTY, text=text)


def _with_size(draft: Draft, group: str, size: int) -> Text:
    return draft.say.say("groups.with_size", group=group, size=size_words(draft, size))


def _named(draft: Draft, items: list[Text]) -> Text:
    """The first of several, and how many more there are."""
    if len(items) > NAMED:
        items = [*items[: NAMED - 1], draft.say.say("groups.more", n=len(items) - NAMED + 1)]
    return draft.say.series(items)

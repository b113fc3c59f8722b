"""What a failed gate on groups means for a hundred people in each of two groups."""

from __future__ import annotations

from auditbench.findings import GateDecision
from auditbench.results import AnalysisResult, Metric
from auditbench_html.view.captions import n_words, rows_behind
from auditbench_html.view.draft import Draft
from auditbench_html.view.figures import Figure, Hundred, HundredPeople
from auditbench_html.view.numbers import share
from auditbench_html.view.page import GateRow
from auditbench_html.view.scores import positive_class
from auditbench_html.view.verdict import gate_sentence

# The rates of groups that a fairness metric compares; of two, the picture shows the one that decides.
RATES_OF = {
    "selection_rate": ("selection_rate",),
    "demographic_parity": ("selection_rate",),
    "disparate_impact": ("selection_rate",),
    "true_positive_rate": ("true_positive_rate",),
    "equal_opportunity": ("true_positive_rate",),
    "equalized_odds": ("true_positive_rate", "false_positive_rate"),
    "false_positive_rate": ("false_positive_rate",),
    "precision": ("precision",),
    "predictive_parity": ("precision",),
    "accuracy": ("accuracy",),
}
WITHOUT_CLASS = frozenset({"accuracy"})


def people_figure(draft: Draft) -> Figure | None:
    """The picture for the first failing gate that compares groups with each other; None without one."""
    decisions = {decision.id: decision for decision in draft.run.gates}
    for row in draft.gates:
        decision = decisions[row.gate]
        result = draft.run.result(decision.metric.partition(".")[0])
        if row.tone != "fail" or row.topic != "fairness" or result is None:
            continue
        figure = _picture(draft, result, decision, row)
        if figure is not None:
            return figure
    return None


def _picture(draft: Draft, result: AnalysisResult, decision: GateDecision, gate: GateRow) -> Figure | None:
    name = decision.metric.partition(".")[2]
    rates = next((rates for start, rates in RATES_OF.items() if name.startswith(start)), ())
    metric = draft.gated_metric(decision)
    if not rates or metric is None or name.endswith("_to_overall"):
        return None
    groups = _extremes(result, rates, dict(metric.where), ratio=name.endswith("_ratio"))
    of_class = metric.where.get("class") or positive_class(draft.run)
    if groups is None or not (of_class or groups[0].name in WITHOUT_CLASS):
        return None
    return _hundred(draft, result, groups, of_class, gate)


def _extremes(
    result: AnalysisResult, rates: tuple[str, ...], where: dict[str, str], *, ratio: bool
) -> tuple[Metric, Metric] | None:
    """The groups with the lowest and the highest value of the rate that differs most.

    Each rate is compared over all groups with these labels that have a value of it, as the metric is. None where a rate
    has fewer than two such groups.
    """
    known: dict[str, list[Metric]] = {rate: [] for rate in rates}
    for metric in result.metrics:
        labels = dict(metric.where)
        group = labels.pop("group", None)
        if metric.name in known and group is not None and labels == where and metric.value is not None:
            known[metric.name].append(metric)
    if any(len(found) < 2 for found in known.values()):
        return None
    pairs = []
    for found in known.values():
        ordered = sorted(found, key=lambda metric: (_value(metric), metric.where["group"]))
        pairs.append((ordered[0], ordered[-1]))
    return max(pairs, key=lambda pair: _gap(*pair, ratio=ratio))


def _gap(low: Metric, high: Metric, *, ratio: bool) -> float:
    if not ratio:
        return _value(high) - _value(low)
    return 1 - _value(low) / _value(high) if _value(high) else 0.0


def _value(metric: Metric) -> float:
    return metric.value or 0.0


def _hundred(
    draft: Draft, result: AnalysisResult, groups: tuple[Metric, Metric], of_class: str, gate: GateRow
) -> Figure:
    say = draft.say
    parts = []
    for metric in groups:
        bounds = metric.interval
        shown = share(say, metric.value, low=bounds.low if bounds else None, high=bounds.high if bounds else None)
        filled = round(100 * _value(metric))
        parts.append(Hundred(label=say.group(metric.where["group"]), filled=filled, interval=shown.interval))
    n = n_words(draft, [sum(rows_behind(metric) for metric in groups)])
    return draft.figure(
        "hundred",
        say.say("people.title"),
        say.say(f"people.{groups[0].name}", positive=of_class),
        HundredPeople(groups=tuple(parts), gate=gate_sentence(draft, gate)),
        result=result,
        note=say.say("figure.n_two", n=n),
    )

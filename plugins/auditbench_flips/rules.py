"""When a change becomes a finding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from auditbench.findings import Finding
from auditbench.results import Metric
from auditbench_flips.measures import ANALYZER, message

if TYPE_CHECKING:
    from auditbench_flips.params import Params

_SHARES = ("decision_change", "word_decision_change", "pronoun_decision_change")
_MEANS = ("score_change", "word_score_change", "pronoun_score_change")
_PLACEHOLDERS = {"class": "of_class", "from": "group"}
"""Names of labels as titles have them, where these differ."""


def findings(metrics: Sequence[Metric], params: Params) -> tuple[Finding, ...]:
    """Findings by fixed rules on bounds: a change that is seen in the rows, and not only in the estimate.

    A rule is named by its metric. `decision_change`, `word_...`, `pronoun_...`: the interval of a share of changed decisions
    lies above `change_line`; of a sensitive feature that of all its rows.
    `score_change` and its like: the interval of a mean change of a probability lies further from 0 than `score_line`; one
    finding a feature, for the largest. Values of a regression have no such line, likelihoods neither.
    """
    overall = [metric for metric in metrics if "group" not in metric.where]
    return (*_decisions(overall, params.change_line), *_scores(metrics, params.score_line))


def _decisions(metrics: Sequence[Metric], line: float) -> Iterator[Finding]:
    for metric in metrics:
        if metric.name in _SHARES and metric.interval is not None and metric.interval.low > line:
            yield _finding(metric, line)


def _scores(metrics: Sequence[Metric], line: float) -> Iterator[Finding]:
    far = [m for m in metrics if m.name in _MEANS and m.unit == "1" and _nearest_to_none(m) > line]
    kinds = dict.fromkeys((metric.name, metric.where.get("feature", metric.where.get("input", ""))) for metric in far)
    for name, part in kinds:
        own = [m for m in far if m.name == name and m.where.get("feature", m.where.get("input", "")) == part]
        yield _finding(max(own, key=lambda metric: abs(metric.value or 0.0)), line, several=len(own))


def _nearest_to_none(metric: Metric) -> float:
    """The distance from 0 of the bound that is nearer to it; 0 where the interval holds 0 or there is none."""
    if metric.interval is None or metric.interval.low <= 0 <= metric.interval.high:
        return 0.0
    return min(abs(metric.interval.low), abs(metric.interval.high))


def _finding(metric: Metric, line: float, **more: int) -> Finding:
    bounds = {} if metric.interval is None else {"low": metric.interval.low, "high": metric.interval.high}
    labels = {_PLACEHOLDERS.get(name, name): value for name, value in metric.where.items()}
    key = f"finding.{metric.name}" + ("_class" if "class" in metric.where else "")
    return Finding(
        rule=f"{ANALYZER}.{metric.name}",
        severity="medium",
        title=message(key, change=metric.value, line=line, n=metric.n, **bounds, **labels, **more),
        action=message(f"finding.{metric.name}.action"),
        metrics=(f"{ANALYZER}.{metric.name}",),
        where=metric.where,
    )

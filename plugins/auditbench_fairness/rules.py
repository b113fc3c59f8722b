"""When a difference between groups, or a group that is too small, becomes a finding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditbench.findings import Finding, Message, Severity
from auditbench_fairness.measures import ANALYZER, message
from auditbench_fairness.summary import Measured, Summary

if TYPE_CHECKING:
    from auditbench_fairness import Params

NAMED_GROUPS = 5


def findings(measured: Measured, params: Params, label_spread: float | None = None) -> tuple[Finding, ...]:
    """Findings by fixed rules. Intervals hold for all pairs of groups at once, so that many groups raise no alarm.

    `gap`: the interval of a demographic parity ratio lies below `reference_line`.
    `error_gap`: the interval of an equalized odds difference lies above `difference_line`.
    `mean_error_gap`: the interval of a mean error difference lies above `mean_error_line` standard deviations.
    `small_groups`: groups of a feature have rows, and too few of them to estimate every rate.
    `one_group`: a feature has one value on all rows.

    Args:
        label_spread: Standard deviation of the labels of a regression task.
    """
    found = [finding for summary in measured.summaries for finding in _gaps(summary, params, label_spread)]
    return (*found, *_sizes(measured))


def _gaps(summary: Summary, params: Params, label_spread: float | None) -> list[Finding]:
    metric = summary.metric
    if metric.interval is None:
        return []
    if metric.name == "demographic_parity_ratio" and metric.interval.high < params.reference_line:
        return [_gap("gap", "high", summary, params.reference_line)]
    if metric.name == "equalized_odds_difference" and metric.interval.low > params.difference_line:
        return [_gap("error_gap", "medium", summary, params.difference_line)]
    if metric.name == "mean_error_difference" and label_spread is not None:
        line = params.mean_error_line * label_spread
        if metric.interval.low > line:
            return [_gap("mean_error_gap", "medium", summary, line, deviations=params.mean_error_line)]
    return []


def _gap(rule: str, severity: Severity, summary: Summary, line: float, **more: float) -> Finding:
    metric, interval = summary.metric, summary.metric.interval
    values: dict[str, float | str | None] = {
        "feature": metric.where["feature"],
        "value": metric.value,
        "lowest": summary.lowest,
        "highest": summary.highest,
        "line": line,
        **more,
    }
    if interval is not None:
        values |= {"low": interval.low, "high": interval.high}
    key = f"finding.{rule}"
    if "class" in metric.where:
        key, values["of_class"] = f"{key}_class", metric.where["class"]
    return Finding(
        rule=f"{ANALYZER}.{rule}",
        severity=severity,
        title=message(key, **values),
        action=message(f"finding.{rule}.action"),
        metrics=(f"{ANALYZER}.{metric.name}",),
        where=metric.where,
    )


def _note(rule: str, feature: str, title: Message, action: Message) -> Finding:
    return Finding(rule=f"{ANALYZER}.{rule}", severity="low", title=title, action=action, where={"feature": feature})


def _sizes(measured: Measured) -> list[Finding]:
    found = []
    for feature in dict.fromkeys(line.feature for line in measured.lines):
        lines = [line for line in measured.lines if line.feature == feature and line.n]
        names = list(dict.fromkeys(line.group for line in lines))
        small = list(dict.fromkeys(line.group for line in lines if not line.estimated))
        if len(names) == 1 and lines[0].depth == 1:
            title = message("finding.one_group", feature=feature, group=names[0])
            action = message("finding.one_group.action")
            found.append(_note("one_group", feature, title, action))
        elif small:
            shown = ", ".join(small[:NAMED_GROUPS]) + (", …" if len(small) > NAMED_GROUPS else "")
            title = message("finding.small_groups", n=len(small), total=len(names), feature=feature, groups=shown)
            found.append(_note("small_groups", feature, title, message("finding.small_groups.action")))
    return found

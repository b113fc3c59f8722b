"""From metrics and limits to decisions, and from these to verdict and exit code. What has no number never passes."""

from __future__ import annotations

import dataclasses
import datetime
import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TypeAlias

from auditbench.comparison.record import ROUNDING, Comparison, MetricChange
from auditbench.config import GateTable, WaiverTable
from auditbench.errors import ExitCode
from auditbench.findings import GateDecision, GateState, Message, Scalar, Verdict
from auditbench.results import AnalysisResult, Metric

Judgement: TypeAlias = tuple[GateState, Message | None]
"""The state of a gate, and why where a number does not say it."""
NO_BASELINE: Judgement = ("not_run", Message(key="core.no_baseline"))
"""What a limit on the change comes to in a run without a baseline."""

_PRECEDENCE = (
    ExitCode.INTERNAL_ERROR,
    ExitCode.REFUSED,
    ExitCode.NOTHING_EVALUATED,
    ExitCode.INCOMPLETE,
    ExitCode.GATE_FAILED,
)
_WORST_FIRST: tuple[GateState, ...] = ("fail", "error", "not_run", "inconclusive", "pass")
_EXACT = ("exact", "count")
_LISTED = 6


def decide(
    gates: Sequence[GateTable],
    results: Iterable[AnalysisResult],
    waivers: Sequence[WaiverTable] = (),
    *,
    today: datetime.date,
    changed: Collection[str] = (),
    comparison: Comparison | None = None,
    uncompared: Judgement = NO_BASELINE,
) -> tuple[GateDecision, ...]:
    """One decision a gate, in the order of the config.

    Args:
        changed: Analyzers that left the model or the data other than they found them: nothing of theirs passes a gate.
        comparison: With the baseline of the run.
        uncompared: What a limit on the change comes to without a comparison.

    One metric of the named analyzer must carry the name and the labels of the gate's `where`: these alone, or as the only one
    with these and more. None or several, an undefined one, and one of an analyzer that failed are `error`; an analyzer that did not run gives `not_run`.
    """
    by_name = {result.analyzer: result for result in results}
    return tuple(
        _waived(_decide_one(gate, identity, by_name, changed, comparison, uncompared), waivers, today)
        for gate, identity in zip(gates, gate_ids(gates), strict=True)
    )


def verdict(
    decisions: Sequence[GateDecision], results: Sequence[AnalysisResult], *, rows: int
) -> tuple[Verdict, ExitCode]:
    """The verdict's word and the exit code of a run that came to its end.

    Args:
        rows: Evaluated rows; 0 means that nothing was evaluated, whatever the results say.

    Without a single result that is `ok`, a required analyzer that was tried in vain makes the run incomplete; otherwise
    nothing was evaluated.
    """
    missing = any(result.is_missing for result in results)
    if rows == 0 or not _evaluated(results, missing=missing):
        return "nothing_evaluated", ExitCode.NOTHING_EVALUATED
    stopping = {decision.state for decision in decisions if decision.stops_release}
    code = worst_exit_code(
        ExitCode.INCOMPLETE if missing else ExitCode.PASSED, ExitCode.GATE_FAILED if stopping else ExitCode.PASSED
    )
    if "fail" in stopping:
        return "not_ready", code
    if missing or stopping & {"error", "not_run"}:
        return "evidence_incomplete", code
    if "inconclusive" in stopping:
        return "no_decision", code
    return ("ready_for_review" if decisions else "no_gates"), code


def at_best_incomplete(word: Verdict) -> Verdict:
    """The verdict of a run that did not come to its end, or whose reports were not all written."""
    return word if word in ("not_ready", "nothing_evaluated") else "evidence_incomplete"


def worst_exit_code(*codes: ExitCode) -> ExitCode:
    """The code that counts when several apply: 5 before 2, 4, 3, 1 and 0."""
    return next((code for code in _PRECEDENCE if code in codes), ExitCode.PASSED)


def gate_ids(gates: Sequence[GateTable]) -> tuple[str, ...]:
    """The id of each gate: its own, or one made of metric and labels: `fairness.demographic_parity_ratio.sex`."""
    return tuple(gate.id or _made_id(gate.metric, gate.where) for gate in gates)


def parse_day(text: str) -> datetime.date | None:
    """A day written as YYYY-MM-DD, or None when the calendar has no such day."""
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        return None


def _evaluated(results: Sequence[AnalysisResult], *, missing: bool) -> bool:
    statuses = {result.status for result in results}
    return "ok" in statuses or (missing and bool(statuses & {"failed", "timed_out"}))


def _made_id(metric: str, where: Mapping[str, str]) -> str:
    parts = (re.sub(r"[^a-z0-9]+", "-", value.lower()).strip("-") for _, value in sorted(where.items()))
    return ".".join([metric, *(part for part in parts if part)])


def _decide_one(
    gate: GateTable,
    identity: str,
    results: Mapping[str, AnalysisResult],
    changed: Collection[str],
    comparison: Comparison | None,
    uncompared: Judgement,
) -> GateDecision:
    analyzer, _, name = gate.metric.partition(".")
    result = results.get(analyzer)
    metric, found = _find(gate, name, result)
    change = comparison.change(gate.metric, metric.where) if comparison and metric and _is_relative(gate) else None
    gain = _gain(change)
    state, reason = found if metric is None else _judge(gate, metric, change, None if comparison else uncompared)
    if state == "pass" and analyzer in changed:
        state, reason = "error", Message(key="core.measured_after_change", values={"analyzer": analyzer})
    interval = metric.interval if metric else None
    return GateDecision(
        id=identity,
        metric=gate.metric,
        where=gate.where,
        topic=result.topic if result else "",
        state=state,
        blocking=gate.on_fail == "fail",
        on_inconclusive=gate.inconclusive,
        decide=gate.decide,
        minimum=gate.min,
        maximum=gate.max,
        max_drop=gate.max_drop,
        min_gain=gate.min_gain,
        value=metric.value if metric else None,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        gain=gain[0],
        gain_low=gain[1],
        gain_high=gain[2],
        unit=metric.unit if metric else "",
        n=metric.n if metric else None,
        reason=reason,
        repeatable=metric.repeatable and (change is None or change.repeatable) if metric else True,
        explanation=gate.explanation,
    )


def _waived(decision: GateDecision, waivers: Sequence[WaiverTable], today: datetime.date) -> GateDecision:
    ends = [day for waiver in waivers if waiver.gate == decision.id and (day := parse_day(waiver.until))]
    until = max(ends, default=None)
    if until is None:
        return decision
    return dataclasses.replace(decision, waived_until=until.isoformat(), waiver_holds=today <= until)


def _find(gate: GateTable, name: str, result: AnalysisResult | None) -> tuple[Metric | None, Judgement]:
    """The one metric that a gate means, or the state and reason of having none."""
    if result is None:
        return None, (
            "not_run",
            Message(key="core.analyzer_absent", values={"analyzer": gate.metric.partition(".")[0]}),
        )
    if result.status != "ok":
        return None, ("error" if result.status in ("failed", "timed_out") else "not_run", result.reason)
    named = [metric for metric in result.metrics if metric.name == name]
    fitting = result.metrics_meant(name, gate.where)
    if len(fitting) == 1:
        return fitting[0], ("error", None)
    values: dict[str, Scalar] = {
        "metric": gate.metric,
        "where": _labels(gate.where),
        "n": len(fitting),
        "labels": _candidates(fitting or named),
    }
    if fitting:
        return None, (
            "error",
            Message(key="core.metric_ambiguous" if gate.where else "core.metric_several", values=values),
        )
    return None, ("error", Message(key="core.metric_no_label" if named else "core.metric_missing", values=values))


def _judge(gate: GateTable, metric: Metric, change: MetricChange | None, uncompared: Judgement | None) -> Judgement:
    """The state of a gate whose metric was found: the worst of what its limits on value and on change come to.

    Args:
        uncompared: What the latter comes to where runs were not compared; else None.
    """
    judgements: list[Judgement] = []
    if gate.min is not None or gate.max is not None:
        judgements.append(_judge_value(gate, metric))
    if _is_relative(gate):
        judgements.append(uncompared or _judge_change(gate, metric, change))
    return min(judgements, key=lambda judgement: _WORST_FIRST.index(judgement[0]))


def _judge_value(gate: GateTable, metric: Metric) -> Judgement:
    """The state by the limits on the value.

    The judged range is the value alone, or the interval widened to contain it: an interval may lie beside its own
    estimate. A metric checks its numbers when it is made; they are looked at again here, since what is not finite
    compares as if it were inside. An estimate without an interval can fail, but not pass, a gate that is decided by the
    interval.
    """
    if metric.value is None:
        return "error", metric.reason
    judged = [metric.value]
    if gate.decide == "interval" and metric.interval is not None:
        judged += [metric.interval.low, metric.interval.high]
    if not all(_is_number(value) for value in judged):
        return "error", Message(key="core.no_number", values={"metric": gate.metric})
    state = _side(judged, gate.min, gate.max)
    if state == "pass" and gate.decide == "interval" and metric.interval is None and metric.no_interval not in _EXACT:
        return "inconclusive", Message(key="core.no_interval", values={"metric": gate.metric})
    return state, None


def _judge_change(gate: GateTable, metric: Metric, change: MetricChange | None) -> Judgement:
    """The state by the limit on the change since the baseline, by the same rule as a limit on the value.

    A change that is at its limit up to the rounding of a difference is within it.
    """
    if metric.value is None:
        return "error", metric.reason
    if change is None or change.difference is None:
        return "error", change.reason if change else Message(key="core.change_only_after")
    gain, low, high = _gain(change)
    if gain is None:
        return "error", Message(key="core.change_no_direction", values={"metric": gate.metric})
    judged = [gain] if gate.decide == "estimate" or low is None or high is None else [gain, low, high]
    if not all(_is_number(value) for value in judged):
        return "error", Message(key="core.no_number", values={"metric": gate.metric})
    least = gate.min_gain if gate.min_gain is not None else -(gate.max_drop or 0.0)
    slack = ROUNDING * max(abs(change.before or 0.0), abs(change.after or 0.0))
    state = _side(judged, least - slack, None)
    if state == "pass" and gate.decide == "interval" and low is None:
        return "inconclusive", change.reason
    return state, None


def _side(judged: Sequence[float], least: float | None, most: float | None) -> GateState:
    """Whether a range lies inside limits, outside of them, or across one."""
    low, high = min(judged), max(judged)
    minimum = float("-inf") if least is None else least
    maximum = float("inf") if most is None else most
    if high < minimum or low > maximum:
        return "fail"
    return "pass" if minimum <= low and high <= maximum else "inconclusive"


def _is_relative(gate: GateTable) -> bool:
    return gate.max_drop is not None or gate.min_gain is not None


def _gain(change: MetricChange | None) -> tuple[float | None, float | None, float | None]:
    """How much better a metric became, with its bounds; all None where better means nothing or is not known."""
    if change is None or change.difference is None or change.higher_is_better is None:
        return None, None, None
    interval = change.interval
    low, high = (interval.low, interval.high) if interval else (None, None)
    if change.higher_is_better:
        return change.difference, low, high
    return -change.difference, None if high is None else -high, None if low is None else -low


def _is_number(value: object) -> bool:
    """Whether a value is a finite number; a truth value is none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _candidates(metrics: Sequence[Metric]) -> str:
    listed = "; ".join(_labels(metric.where) for metric in metrics[:_LISTED])
    return f"{listed}; …" if len(metrics) > _LISTED else listed


def _labels(where: Mapping[str, str]) -> str:
    return ", ".join(f"{key} = {value}" for key, value in where.items()) or "no labels"

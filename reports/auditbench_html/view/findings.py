"""Findings in one order: what blocks, what is open, what is missing, then the rest; each with its gate and an action."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

from auditbench.findings import DOUBTS, SEVERITIES, Finding, GateDecision, Message
from auditbench.results import AnalysisResult
from auditbench_html.view.draft import Draft
from auditbench_html.view.figures import Chip, Tone
from auditbench_html.view.gates import limits_of
from auditbench_html.view.numbers import estimate
from auditbench_html.view.page import FindingRow, GateRow, Link
from auditbench_html.view.text import EMPTY, Text, name_text, words
from auditbench_html.view.verdict import gate_sentence

SHOWN = 12
MOST_ROWS = 20.0
_SEVERITY: dict[str, Tone] = {"high": "warn", "medium": "warn", "low": "none", "info": "none"}
_RANK = {"fail": 0, "warn": 2, "error": 1, "none": 1}


def findings(draft: Draft) -> tuple[FindingRow, ...]:
    """All findings, numbered in the order shown."""
    found: list[tuple[tuple[int, int], FindingRow]] = []
    decisions = {decision.id: decision for decision in draft.run.gates}
    covered: set[str] = set()
    for result in draft.run.results:
        for finding in result.findings:
            gates = tuple(row for row in draft.gates if _rests_on(draft, finding, decisions[row.gate]))
            covered.update(row.gate for row in gates)
            found.append((_rank(finding, gates), _from_analyzer(draft, result, finding, gates)))
    for row in draft.gates:
        if row.tone != "pass" and row.gate not in covered:
            found.append(((0 if row.blocking else 1, _RANK[row.tone]), _from_gate(draft, row, decisions[row.gate])))
    for result in draft.run.results:
        if result.status in ("failed", "timed_out") and not _has_gate(draft, result):
            found.append(((0 if result.required else 1, 3), _from_status(draft, result)))
    found += [((2, -1), _from_doubt(draft, limit)) for limit in draft.run.model.limits if limit.key in DOUBTS]
    found.sort(key=lambda pair: pair[0])
    return tuple(_number(index, row) for index, (_, row) in enumerate(found, 1))


def rows_to_settle(decision: GateDecision) -> tuple[int, float] | None:
    """Rows, in all and as a multiple, that would bring the interval to one side of the limit if the estimate stays.

    The width of an interval shrinks with the square root of the rows. None where that says nothing: no interval, no
    number of rows, a value on the limit itself, or two limits within the interval.
    """
    crossed = [
        (limit, value, low, high)
        for limit, _, (value, low, high) in limits_of(decision)
        if value is not None and low is not None and high is not None and low <= limit <= high
    ]
    if decision.n is None or len(crossed) != 1 or crossed[0][0] == crossed[0][1]:
        return None
    limit, value, low, high = crossed[0]
    end = low if value > limit else high
    factor = ((value - end) / (value - limit)) ** 2
    return (math.ceil(decision.n * factor), factor) if factor > 1 else None


def _from_analyzer(draft: Draft, result: AnalysisResult, finding: Finding, gates: tuple[GateRow, ...]) -> FindingRow:
    say = draft.say
    worst = min(gates, key=lambda row: _RANK.get(row.tone, 9), default=None)
    if worst is not None and worst.tone != "pass":
        chip = _gate_chip(draft, worst)
        detail = gate_sentence(draft, worst)
    else:
        chip = Chip(tone=_SEVERITY[finding.severity], label=say.say(f"severity.{finding.severity}"))
        detail = _evidence(draft, result, finding)
    links = [_gate_link(draft, row) for row in gates[:3]]
    if not gates and result.topic:
        links.append(Link(target=draft.section_id(result.topic), label=draft.topic_title(result.topic)))
    return FindingRow(
        id="",
        number=0,
        chip=chip,
        title=say.tell(finding.title),
        detail=detail,
        links=tuple(links),
        action=say.tell(finding.action) if finding.action else EMPTY,
        gates=tuple(row.gate for row in gates),
    )


def _from_gate(draft: Draft, row: GateRow, decision: GateDecision) -> FindingRow:
    say = draft.say
    key = {"fail": "fail", "warn": "inconclusive", "error": "error", "none": "not_run"}[row.tone]
    measured = row.estimate.value is not None
    title = "undecided" if row.lacks_interval or (measured and row.reason) else key
    return FindingRow(
        id="",
        number=0,
        chip=_gate_chip(draft, row),
        title=say.say(f"finding.{title}", title=row.name),
        detail=gate_sentence(draft, row) if measured else row.reason or gate_sentence(draft, row),
        links=(_gate_link(draft, row),),
        action=_way_on(draft, row, decision, key),
        gates=(row.gate,),
    )


def _way_on(draft: Draft, row: GateRow, decision: GateDecision, key: str) -> Text:
    if row.tone == "warn":
        return _settle(draft, row, decision)
    result = draft.run.result(decision.metric.partition(".")[0])
    if row.tone == "error" and (result is None or result.status == "ok"):
        return draft.say.say("action.error_here")  # it stands in no list of analyses without a result
    return draft.say_where_missing("action.error") if row.tone == "error" else draft.say.say(f"action.{key}")


def _settle(draft: Draft, row: GateRow, decision: GateDecision) -> Text:
    if row.lacks_interval:
        return draft.say.say("action.no_interval")
    needed = rows_to_settle(decision)
    if needed is None or needed[1] > MOST_ROWS:
        return draft.say.say("action.inconclusive_far")
    rows, factor = needed
    digits = 2 - len(str(rows))
    return draft.say.say("action.inconclusive", rows=round(rows, min(0, digits)), factor=words(f"{factor:.2g}"))


def _from_status(draft: Draft, result: AnalysisResult) -> FindingRow:
    say = draft.say
    return FindingRow(
        id="",
        number=0,
        chip=Chip(tone="error", label=say.say("finding.missing_evidence")),
        title=say.say(f"incomplete.title_{result.status}", analyzer=draft.analyzer_title(result.analyzer)),
        detail=say.tell(result.reason) if result.reason else EMPTY,
        links=(Link(target="incomplete", label=say.say("section.incomplete")),),
        action=draft.say_where_missing("action.error"),
    )


def _from_doubt(draft: Draft, limit: Message) -> FindingRow:
    say = draft.say
    return FindingRow(
        id="",
        number=0,
        chip=Chip(tone=_SEVERITY["high"], label=say.say("severity.high")),
        title=say.say("finding.doubt"),
        detail=say.tell(limit),
        links=(Link(target="facts", label=say.say("section.facts")),),
        action=say.say("action.doubt"),
    )


def _gate_chip(draft: Draft, row: GateRow) -> Chip:
    say = draft.say
    if row.tone in ("error", "none"):
        return Chip(tone=row.tone, label=say.say("finding.missing_evidence"))
    if row.tone == "fail":
        return Chip(tone="fail", label=say.say("finding.blocking" if row.blocking else "finding.advisory"))
    return Chip(tone="warn", label=say.say("finding.review"))


def _gate_link(draft: Draft, row: GateRow) -> Link:
    return Link(target=row.id, label=draft.say.say("gate.link", code=words(row.code)))


def _evidence(draft: Draft, result: AnalysisResult, finding: Finding) -> Text:
    """The first defined metric a finding rests on, with its interval."""
    for metric in result.metrics:
        name = f"{result.analyzer}.{metric.name}"
        if name in finding.metrics and _matches(finding.where, metric.where) and metric.value is not None:
            bounds = metric.interval
            shown = estimate(
                draft.say,
                metric.value,
                low=bounds.low if bounds else None,
                high=bounds.high if bounds else None,
                unit=metric.unit,
            )
            title = draft.metric_title(name, metric.where)
            key = "sentence.value_interval" if bounds else "sentence.value"
            return draft.say.say(key, title=title, value=shown.text, interval=shown.interval)
    return EMPTY


def _rests_on(draft: Draft, finding: Finding, decision: GateDecision) -> bool:
    return decision.metric in finding.metrics and _matches(finding.where, draft.gated_labels(decision))


def _matches(wanted: Mapping[str, str], where: Mapping[str, str]) -> bool:
    return all(where.get(key) == value for key, value in wanted.items())


def _rank(finding: Finding, gates: tuple[GateRow, ...]) -> tuple[int, int]:
    open_gates = [row for row in gates if row.tone != "pass"]
    if open_gates:
        worst = min(open_gates, key=lambda row: (not row.blocking, _RANK[row.tone]))
        return (0 if worst.blocking else 1, _RANK[worst.tone])
    return (2, SEVERITIES.index(finding.severity))


def _has_gate(draft: Draft, result: AnalysisResult) -> bool:
    return any(decision.metric.partition(".")[0] == result.analyzer for decision in draft.run.gates)


def _number(index: int, row: FindingRow) -> FindingRow:
    return dataclasses.replace(row, id=f"finding-{index}", number=index, title=row.title or name_text("?"))

"""A gate in words, in the language of its run: what a test says when it fails, and what a notebook shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from auditbench.findings import GateDecision, GateState, Message, Verdict
from auditbench.messages import LANGUAGES, Catalogue, format_scalar, load_messages, merge_catalogues
from auditbench.safe_text import LONGEST_TEXT, safe_text

if TYPE_CHECKING:
    from auditbench.results import AnalysisResult
    from auditbench.told_run import ToldRun

VERDICTS: Mapping[Verdict, str] = {
    "not_ready": "core.verdict_not_ready",
    "evidence_incomplete": "core.verdict_evidence_incomplete",
    "no_decision": "core.verdict_no_decision",
    "ready_for_review": "core.verdict_ready_for_review",
    "no_gates": "core.verdict_no_gates",
    "nothing_evaluated": "core.verdict_nothing_evaluated",
}
STATES: Mapping[GateState, str] = {
    "fail": "core.state_fail",
    "error": "core.state_error",
    "not_run": "core.state_not_run",
    "inconclusive": "core.state_inconclusive",
    "pass": "core.state_pass",
}
_STATUSES: Mapping[str, str] = {
    "failed": "core.status_failed",
    "timed_out": "core.status_timed_out",
    "skipped": "core.status_skipped",
    "not_applicable": "core.status_not_applicable",
}
_SENTENCES: Mapping[GateState, str] = {
    "pass": "core.gate_pass",
    "fail": "core.gate_fail",
    "inconclusive": "core.gate_inconclusive",
    "error": "core.gate_undecided",
    "not_run": "core.gate_undecided",
}
_LONGEST_WHOLE = 1e15


def catalogue_of(run: ToldRun) -> Catalogue:
    """The sentences of the host and of the analyzers of a run, in its language; what that lacks is in English."""
    report = run.config.get("report", {})
    asked = report.get("language") if isinstance(report, Mapping) else None
    language = asked if asked in LANGUAGES else "en"
    host = load_messages("auditbench")
    parts = [part.get(wanted, {}) for wanted in (language, "en") for part in (host, run.messages)]
    return merge_catalogues(language, *parts)


def worst_first(gates: Iterable[GateDecision]) -> tuple[GateDecision, ...]:
    """The gates, those first that stop a release, then by state."""
    order = list(STATES)
    return tuple(sorted(gates, key=lambda gate: (not gate.stops_release, order.index(gate.state))))


def failure(run: ToldRun, *, gates: bool = True) -> str:
    """Why a run may not be relied on, a line each: the verdict, the gates that stop it with the reason for each limit,
    and analyzers without a result.

    Args:
        gates: Whether the gates are told.
    """
    say = catalogue_of(run)
    name, word = safe_text(run.audit.name), say.say(VERDICTS[run.verdict])
    lines = [say.say("core.test_verdict", verdict=word, name=name, code=run.exit_code)]
    if gates and not run.gates:
        lines.append(say.say("core.test_no_gates", name=name))
    for gate in worst_first(run.gates):
        if gates and gate.stops_release:
            sentence, state = gate_sentence(say, gate), say.say(STATES[gate.state])
            lines.append(say.say("core.test_gate", state=state, gate=safe_text(gate.id), sentence=sentence))
            lines += gate_why(say, gate)
    lines += [analysis_sentence(say, result) for result in run.results if result.reason is not None]
    return "\n".join(lines)


def gate_sentence(say: Catalogue, gate: GateDecision) -> str:
    """What a gate found, what it allows, and why it has no value or no decision."""
    values = {"title": gate_title(say, gate), "observed": gate_observed(say, gate), "limit": gate_limit(say, gate)}
    if gate.value is None:
        key = "core.gate_no_value"
    else:
        key = "core.gate_undecided" if gate.reason is not None else _SENTENCES[gate.state]
    return safe_text(say.say(key, reason=_reason(say, gate.reason), **values).strip(), LONGEST_TEXT)


def gate_why(say: Catalogue, gate: GateDecision) -> list[str]:
    """A line with the reason for the limit; none where the gate gives none."""
    if not gate.explanation:
        return []
    return [say.say("core.gate_why", text=safe_text(say.say(gate.explanation), LONGEST_TEXT))]


def analysis_sentence(say: Catalogue, result: AnalysisResult) -> str:
    """Why an analyzer has no result."""
    status = say.say(_STATUSES.get(result.status, result.status))
    reason = _reason(say, result.reason)
    text = say.say("core.analysis_missing", analyzer=safe_text(result.analyzer), status=status, reason=reason)
    return safe_text(text.strip(), LONGEST_TEXT)


def gate_title(say: Catalogue, gate: GateDecision) -> str:
    """The title of the metric with the labels that tell it apart; its name when the catalogue has no title."""
    title = safe_text(say.say(gate.metric))
    if not gate.where:
        return title
    if set(gate.where) == {"feature"}:
        return say.say("core.gate_by", title=title, feature=safe_text(gate.where["feature"]))
    labels = ", ".join(f"{safe_text(key)} = {safe_text(value)}" for key, value in gate.where.items())
    return say.say("core.gate_labelled", title=title, labels=labels)


def gate_observed(say: Catalogue, gate: GateDecision) -> str:
    """The value with its interval, and the gain since the baseline where the gate limits it."""
    observed = _between(say, gate.value, gate.low, gate.high, gate.unit)
    if gate.gain is None:
        return observed
    gain = _between(say, gate.gain, gate.gain_low, gate.gain_high, gate.unit)
    return say.say("core.gate_gain", value=observed, gain=gain)


def gate_limit(say: Catalogue, gate: GateDecision) -> str:
    """What a gate allows."""
    parts = []
    if gate.minimum is not None and gate.maximum is not None:
        low, high = _number(gate.minimum), _number(gate.maximum, gate.unit)
        parts.append(say.say("core.limit_range", low=low, high=high))
    elif gate.minimum is not None:
        parts.append(say.say("core.limit_low", value=_number(gate.minimum, gate.unit)))
    elif gate.maximum is not None:
        parts.append(say.say("core.limit_high", value=_number(gate.maximum, gate.unit)))
    if gate.max_drop is not None:
        parts.append(say.say("core.limit_drop", value=_number(gate.max_drop, gate.unit)))
    if gate.min_gain is not None:
        parts.append(say.say("core.limit_gain", value=_number(gate.min_gain, gate.unit)))
    text = parts[0] if parts else ""
    for part in parts[1:]:
        text = say.say("core.limit_both", first=text, second=part)
    return text


def _between(say: Catalogue, value: float | None, low: float | None, high: float | None, unit: str) -> str:
    number = _number(value, unit)
    if low is None or high is None:
        return number
    return say.say("core.gate_between", value=number, low=_number(low), high=_number(high))


def _number(value: float | None, unit: str = "") -> str:
    """Four significant digits, but a whole number whole; and the unit."""
    whole = value is not None and abs(value) < _LONGEST_WHOLE and float(value).is_integer()
    number = format_scalar(value, "count" if whole else "")
    return number if value is None or unit in {"", "1"} else f"{number} {safe_text(unit)}"


def _reason(say: Catalogue, reason: Message | None) -> str:
    return "" if reason is None else say.text(reason)

"""Gate decisions as rows: state, value against limit, and how far away the limit is."""

from __future__ import annotations

from typing import TypeAlias

from auditbench.findings import GateDecision
from auditbench_html.view.changes import gain_of, since_baseline
from auditbench_html.view.draft import Draft, topics_in_order
from auditbench_html.view.figures import Chip, Tone
from auditbench_html.view.numbers import Estimate, estimate, gain_bounds, limit_text, limit_words, value_bounds
from auditbench_html.view.page import GateRow, Section, StateCount, Track, WallRow
from auditbench_html.view.text import EMPTY, Text, bare, joined, name_text, text_of

TONES: dict[str, Tone] = {"pass": "pass", "inconclusive": "warn", "fail": "fail", "error": "error", "not_run": "none"}
STATES = {tone: state for state, tone in TONES.items()}
WORST_FIRST: tuple[Tone, ...] = ("fail", "error", "warn", "none", "pass")
Bounded: TypeAlias = tuple[float | None, float | None, float | None]


def gate_rows(draft: Draft) -> tuple[GateRow, ...]:
    """Every gate in the order of the configuration."""
    return tuple(_gate_row(draft, index, decision) for index, decision in enumerate(draft.run.gates, 1))


def gates_section(draft: Draft) -> Section:
    """All gates, worst first; blocking before advisory within a state."""
    rows = tuple(sorted(draft.gates, key=lambda row: (WORST_FIRST.index(row.tone), not row.blocking, row.code)))
    return Section(
        id="gates",
        group="result",
        title=draft.say.say("section.gates"),
        lead=_lead(draft),
        chip=worst_chip(draft, rows),
        gates=rows,
        method_notes=(_source(draft),),
    )


def counts(draft: Draft) -> tuple[StateCount, ...]:
    """How many gates are in each state that occurs, passes first."""
    order: tuple[Tone, ...] = ("pass", "warn", "fail", "error", "none")
    found = [(tone, sum(row.tone == tone for row in draft.gates)) for tone in order]
    return tuple(
        StateCount(
            tone=tone,
            label=draft.say.say(f"state.{STATES[tone]}"),
            button=draft.say.say(f"state_label.{STATES[tone]}"),
            n=n,
            order=WORST_FIRST.index(tone),
        )
        for tone, n in found
        if n
    )


def wall(draft: Draft) -> tuple[WallRow, ...]:
    """Gates by topic."""
    topics = [*topics_in_order(draft.run), ""]
    rows = ((topic, tuple(row for row in draft.gates if row.topic == topic)) for topic in topics)
    return tuple(
        WallRow(topic=draft.topic_title(topic) if topic else draft.say.say("topic.other"), gates=gates)
        for topic, gates in rows
        if gates
    )


def worst_tone(rows: tuple[GateRow, ...]) -> Tone | None:
    """The worst state among gates; None without gates."""
    return next((tone for tone in WORST_FIRST if any(row.tone == tone for row in rows)), None)


def worst_chip(draft: Draft, rows: tuple[GateRow, ...]) -> Chip | None:
    """The worst state in words: `2 of 4 fail`."""
    tone = worst_tone(rows)
    if tone is None:
        return None
    n = sum(row.tone == tone for row in rows)
    key = f"chip.{STATES[tone]}" if len(rows) > 1 else f"chip_one.{STATES[tone]}"
    return Chip(tone=tone, label=draft.say.say(key, n=n, total=len(rows)))


def track(decision: GateDecision) -> Track:
    """Distance of value and interval from the limit that is nearest to being broken, as a share of that limit.

    Positive is inside. A limit of zero has no share: the distance is then in the unit of the metric.
    """
    places = []
    for limit, sign, numbers in limits_of(decision):
        if numbers[0] is None:
            continue
        values = [sign * (number - limit) / (abs(limit) or 1.0) for number in numbers if number is not None]
        places.append((min(values), limit, values))
    if not places:
        return Track(position=None)
    _, limit, values = min(places, key=lambda place: place[0])
    position, *ends = values
    low, high = (min(ends), max(ends)) if len(ends) == 2 else (None, None)
    return Track(position=position, low=low, high=high, absolute=limit == 0)


def limits_of(decision: GateDecision) -> list[tuple[float, float, Bounded]]:
    """Each limit, whether more (1) or less (-1) is inside, and the value or gain that it bounds, with its interval."""
    drop = None if decision.max_drop is None else -decision.max_drop
    value, gain = (decision.value, decision.low, decision.high), (decision.gain, decision.gain_low, decision.gain_high)
    limits = (
        (decision.minimum, 1.0, value), (decision.maximum, -1.0, value), (drop, 1.0, gain), (decision.min_gain, 1.0, gain)
    )  # fmt: skip
    return [(limit, sign, numbers) for limit, sign, numbers in limits if limit is not None]


def _gate_row(draft: Draft, index: int, decision: GateDecision) -> GateRow:
    say = draft.say
    topic = decision.topic or _topic_of(draft, decision)
    reason = say.tell(decision.reason) if decision.reason else EMPTY
    waivers = [waiver for waiver in draft.run.waivers if waiver.gate == decision.id]
    waiver = next((waiver for waiver in waivers if waiver.until == decision.waived_until), None)
    chip = None
    if decision.waived_until:
        key = "gate.waived" if decision.waiver_holds else "gate.waiver_expired"
        chip = Chip(tone="none", label=say.say(key, until=decision.waived_until))
    tone = TONES[decision.state]
    advisory = tone == "fail" and not decision.blocking
    limits = [x for x in (decision.minimum, decision.maximum, decision.max_drop, decision.min_gain) if x is not None]
    name = draft.metric_title(decision.metric, decision.where)
    of_change = decision.minimum is None and decision.maximum is None and limits != []
    title = say.say("gate.of_change", title=name) if of_change else name
    return GateRow(
        id=draft.slugs.of("gate-", decision.id),
        code=f"G{index:02d}",
        gate=decision.id,
        topic=topic,
        tone=tone,
        state=say.say("state_label.fail_advisory" if advisory else f"state_label.{decision.state}"),
        kind=_kind(draft, decision),
        title=title,
        name=bare(title),
        metric=bare(name),
        help=draft.metric_help(decision.metric),
        estimate=_observed(draft, decision, reason),
        limit=limit_text(say, decision),
        limit_words=limit_words(say, decision),
        limit_value=next(iter(limits), 0.0),
        track=track(decision),
        evidence="incomplete"
        if decision.state in ("error", "not_run")
        else draft.section_id(topic)
        if topic
        else "gates",
        blocking=decision.blocking,
        reason=reason,
        gain=_gain(draft, decision) if of_change else None,
        since=since_baseline(draft, decision.metric, draft.gated_labels(decision)),
        explanation=_explanation(draft, decision.explanation),
        waiver_chip=chip,
        waiver=say.say("gate.waived_by", by=waiver.by, reason=name_text(waiver.reason)) if waiver else EMPTY,
    )


def _kind(draft: Draft, decision: GateDecision) -> Text:
    """Whether a gate blocks, and that its interval takes no part where the estimate alone decides."""
    kind = draft.say.say("gate.blocking" if decision.blocking else "gate.advisory")
    alone = draft.say.say("gate.by_estimate") if decision.decide == "estimate" else EMPTY
    return joined(kind, alone)


def _gain(draft: Draft, decision: GateDecision) -> Estimate | None:
    ends = decision.gain_low, decision.gain_high
    return gain_of(draft, decision.gain, *ends, unit=decision.unit, bounds=gain_bounds(decision))


def _observed(draft: Draft, decision: GateDecision, reason: Text) -> Estimate:
    metric = draft.gated_metric(decision)
    return estimate(
        draft.say,
        decision.value,
        low=decision.low,
        high=decision.high,
        unit=decision.unit,
        reason=reason,
        without_interval=metric.no_interval if metric else "",
        rows=decision.n or 0,
        bounds=value_bounds(decision),
    )


def _topic_of(draft: Draft, decision: GateDecision) -> str:
    result = draft.run.result(decision.metric.partition(".")[0])
    return result.topic if result else ""


def _explanation(draft: Draft, explanation: str) -> Text:
    """Why there is this limit: the sentence of a preset, or the words of the audit file as they are."""
    if not explanation:
        return EMPTY
    return draft.say.first((explanation,)) or text_of(explanation)


def _source(draft: Draft) -> Text:
    digest = draft.run.provenance.config_sha256
    if not digest:
        return draft.say.say("gates.source")
    return draft.say.say("gates.source_config", digest=f"{digest[:12]}…")


def _lead(draft: Draft) -> Text:
    say = draft.say
    if not draft.gates:
        return say.say("gates.none")
    n = {state: sum(row.tone == tone for row in draft.gates) for state, tone in TONES.items()}
    n["no_interval"] = sum(row.lacks_interval for row in draft.gates)
    n["inconclusive"] -= n["no_interval"]
    if n["pass"] == len(draft.gates):
        return say.say("gates.all_pass", n=n["pass"])
    order = ("fail", "inconclusive", "no_interval", "error", "not_run")
    parts = [say.say(f"gates.lead_{state}", n=n[state]) for state in order if n[state]]
    return say.sentences(parts)

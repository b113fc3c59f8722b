"""The first screen: the verdict in words, why, what to do, how firm it is, and four numbers."""

from __future__ import annotations

from auditbench.headline_metrics import MOST, headline_metrics, quality_metrics
from auditbench.results import Metric
from auditbench_html.view.draft import TOPIC_ORDER, Draft
from auditbench_html.view.figures import Tone
from auditbench_html.view.gates import WORST_FIRST, counts, wall
from auditbench_html.view.numbers import Estimate, estimate
from auditbench_html.view.page import FindingRow, GateRow, Headline, Hero, Link, Step
from auditbench_html.view.record import incomplete_title
from auditbench_html.view.text import EMPTY, Text, joined, name_text, words

SEALS: dict[str, Tone] = {
    "not_ready": "fail",
    "evidence_incomplete": "error",
    "no_decision": "warn",
    "ready_for_review": "pass",
    "no_gates": "none",
    "nothing_evaluated": "error",
}
CLOSE = 0.05
MOST_STEPS = 3
TELLING = ("performance", "fairness", "resources", "robustness", "privacy")  # for headlines, among equal states


def hero(draft: Draft, findings: tuple[FindingRow, ...]) -> Hero:
    """The first screen of the report."""
    say, run = draft.say, draft.run
    n = len(draft.gates)
    notice = _notice(draft)
    return Hero(
        eyebrow=_eyebrow(draft),
        name=model_name(draft),
        tone=SEALS[run.verdict],
        verdict=say.say(f"verdict.{run.verdict}"),
        reason=say.sentences([_reason(draft), _unjudged(draft)]),
        steps=_steps(draft, findings),
        firmness=_firmness(draft),
        rule=say.say("verdict.rule"),
        wall_title=say.say("wall.title", n=n),
        wall=wall(draft),
        counts=counts(draft),
        headlines=_headlines(draft),
        notice=notice,
        notice_link=Link(target="incomplete", label=incomplete_title(draft)) if notice else None,
    )


def model_name(draft: Draft) -> Text:
    """Name and version of the audited model."""
    facts = draft.run.audit
    name = name_text(facts.name or draft.run.model.name)
    return name + words(" ") + name_text(facts.version) if facts.version else name


def date_text(draft: Draft) -> Text:
    """The day on which the audit ended, in the language of the page; empty when none was recorded."""
    moment = draft.run.volatile.ended
    if not moment:
        return EMPTY
    year, month, day = (int(part) for part in moment[:10].split("-"))
    return draft.say.say("date.long", year=words(str(year)), month=draft.say.say(f"month.{month}"), day=day)


def gate_sentence(draft: Draft, row: GateRow) -> Text:
    """What a gate found, in one sentence."""
    key = {"fail": "fail", "warn": "inconclusive", "error": "error", "none": "not_run", "pass": "pass"}[row.tone]
    if row.estimate.value is None:
        return draft.say.say(f"sentence.{key}_bare", title=row.name)
    if row.reason:
        return draft.say.say("sentence.undecided", title=row.metric, value=row.estimate.text, reason=row.reason)
    if row.gain is not None:
        change = f"sentence.{key}_gain" if row.gain.interval else f"sentence.{key}_gain_exact"
        gain, bounds = row.gain.text, row.gain.interval
        return draft.say.say(
            change, title=row.metric, value=row.estimate.text, gain=gain, interval=bounds, limit=row.limit_words
        )
    if row.estimate.low is None:
        return draft.say.say(f"sentence.{key}_exact", title=row.metric, value=row.estimate.text, limit=row.limit_words)
    return draft.say.say(
        f"sentence.{key}",
        title=row.metric,
        value=row.estimate.text,
        interval=row.estimate.interval,
        limit=row.limit_words,
    )


def standing(draft: Draft) -> Text:
    """How the blocking gates stand in a run that none of them stops: all pass, or what keeps the others from stopping it."""
    say, blocking = draft.say, [decision for decision in draft.run.gates if decision.blocking]
    if not blocking:
        return say.say("standing.none")
    passed = sum(decision.state == "pass" for decision in blocking)
    if passed == len(blocking):
        return say.say("standing.all", n=passed)
    waived = sum(decision.state != "pass" and decision.waiver_holds for decision in blocking)
    counts = {"pass": passed, "waived": waived, "warn": len(blocking) - passed - waived}
    told = say.series(say.say(f"standing.{name}", n=n) for name, n in counts.items() if n)
    return say.say("standing.some", counts=told)


def _eyebrow(draft: Draft) -> Text:
    say, run = draft.say, draft.run
    parts = [say.say("report.kind")]
    parts.append(date_text(draft) or say.say("date.unknown"))
    if run.audit.policy:
        parts.append(say.say("report.policy", policy=run.audit.policy))
    return joined(*parts)


def _reason(draft: Draft) -> Text:
    say, run = draft.say, draft.run
    if run.status == "interrupted":
        return draft.say_where_missing("reason.interrupted")
    blocking = [row for row in draft.gates if row.blocking]
    tone = {"not_ready": "fail", "no_decision": "warn"}.get(run.verdict)
    if run.verdict == "evidence_incomplete":
        return _gaps(draft, [row for row in blocking if row.tone in ("error", "none")])
    if tone is None:
        return say.say(f"reason.{run.verdict}", standing=standing(draft))
    rows = [row for row in blocking if row.tone == tone]
    if not rows:
        return say.say(f"reason.{run.verdict}_bare")
    count = say.say(f"reason.{run.verdict}", n=len(rows))
    return say.say("series.sentences", first=count, second=gate_sentence(draft, _furthest(rows)))


def _unjudged(draft: Draft) -> Text:
    """That there are gates, and none on how well the model predicts; empty where there is one, or no gate at all."""
    topics = {row.topic for row in draft.gates} | {gate.metric.partition(".")[0] for gate in draft.run.gates}
    return draft.say.say("reason.no_quality") if draft.gates and "performance" not in topics else EMPTY


def _gaps(draft: Draft, missing: list[GateRow]) -> Text:
    """Which blocking gates have no result; where all have one, that an analysis is missing."""
    if not missing:
        return draft.say.say("reason.analyses")
    key = "reason.evidence_incomplete" if len(missing) <= 2 else "reason.evidence_incomplete_many"
    return draft.say.say(key, n=len(missing), titles=_titles(draft, missing, 2))


def _notice(draft: Draft) -> Text:
    """Which analyzers the host says changed the model or the data; empty when none did."""
    changes = [warning for warning in draft.run.warnings if warning.key == "core.model_changed"]
    names = dict.fromkeys(str(warning.values.get("analyzer", "")) for warning in changes)
    titles = draft.say.series(draft.analyzer_title(name) for name in names)
    return draft.say.say("notice.model_changed", analyzers=titles) if names else EMPTY


def _furthest(rows: list[GateRow]) -> GateRow:
    return min(rows, key=lambda row: row.track.position if row.track.position is not None else 0.0)


def _steps(draft: Draft, findings: tuple[FindingRow, ...]) -> tuple[Step, ...]:
    """At most three things to do: decide on differences, correct what fails, settle what is open, finish the rest."""
    say = draft.say
    stopping = {decision.id for decision in draft.run.gates if decision.stops_release}
    blocking = [row for row in draft.gates if row.gate in stopping]
    failing = [row for row in blocking if row.tone == "fail"]
    todo = {
        "step.decide": [row for row in failing if row.topic == "fairness"],
        "step.correct": [row for row in failing if row.topic != "fairness"],
        "step.settle": [row for row in blocking if row.tone == "warn" and not row.lacks_interval],
        "step.bound": [row for row in blocking if row.lacks_interval],
        "step.finish": [row for row in blocking if row.tone in ("error", "none")],
    }
    steps = []
    for key, rows in todo.items():
        gates = {row.gate for row in rows}
        links = [_finding_link(draft, finding) for finding in findings if gates.intersection(finding.gates)]
        if rows:
            titles = _titles(draft, rows, 2)
            text = say.say(key if len(rows) <= 2 else f"{key}_many", titles=titles, n=len(rows))
            steps.append(Step(text=text, findings=tuple(links[:4])))
    missing = [draft.analyzer_title(result.analyzer) for result in draft.run.results if result.is_missing]
    if missing and not todo["step.finish"] and draft.run.status == "complete":
        link = Link(target="incomplete", label=say.say("section.incomplete"))
        steps.append(Step(text=say.say("step.finish", titles=say.series(missing), n=len(missing)), findings=(link,)))
    if not steps and draft.run.verdict == "ready_for_review":
        steps.append(Step(text=say.say("step.review"), findings=()))
    return tuple(steps[:MOST_STEPS])


def _finding_link(draft: Draft, finding: FindingRow) -> Link:
    return Link(target=finding.id, label=draft.say.say("finding.number", n=finding.number))


def _firmness(draft: Draft) -> Text:
    """Which failing and passing intervals are close to their limit: within 5 % of it."""
    say = draft.say
    decided = [
        row for row in draft.gates if row.blocking and row.tone in ("fail", "pass") and row.track.position is not None
    ]
    if not decided:
        return say.say("firmness.none")
    near = [row for row in decided if _gap(row) < CLOSE]
    failing = [row for row in decided if row.tone == "fail"]
    if draft.run.verdict == "not_ready":
        firm = [row for row in failing if row not in near]
        clear = [row for row in firm if _lies_clear(row)]
        if firm:
            return say.say("firmness.fail_clear" if clear else "firmness.fail_far", n=len(clear or firm))
        return say.say("firmness.fail_near", titles=_titles(draft, failing, 3), n=_names(failing))
    if near:
        return say.say("firmness.near", titles=_titles(draft, near, 3), n=_names(near))
    return say.say("firmness.clear", n=len(decided))


def _titles(draft: Draft, rows: list[GateRow], most: int) -> Text:
    """Names of the first `most` gates; a name that several of them share stands once."""
    return draft.say.series({str(row.name): row.name for row in rows[:most]}.values())


def _names(rows: list[GateRow]) -> int:
    """How many names the gates have."""
    return len({str(row.name) for row in rows})


def _lies_clear(row: GateRow) -> bool:
    """Whether there is an interval, all of it on one side of the limit."""
    low, high = row.track.low, row.track.high
    return low is not None and high is not None and (high < 0 or low > 0)


def _gap(row: GateRow) -> float:
    """Distance from the limit of what lies closest to it; 0 for an interval that crosses the limit."""
    if row.track.low is not None and not _lies_clear(row):
        return 0.0
    ends = [end for end in (row.track.low, row.track.high, row.track.position) if end is not None]
    return min(abs(end) for end in ends)


def _headlines(draft: Draft) -> tuple[Headline, ...]:
    """How well the model predicts beside the worst gates, in the order of the page; then the evidence."""
    chosen = _worst_of_topics(draft)
    if not chosen:
        found = headline_metrics(draft.run.results)
        return (*(_metric_headline(draft, name, metric) for name, metric in found), _evidence(draft))
    kept: list[GateRow] = []
    told: list[Headline] = []
    for part in quality_metrics(draft.run.results):
        rows = _gates_on(draft, {name for name, _ in part})
        if rows:
            kept.append(next((row for row in chosen if row in rows), rows[0]))
        else:
            told.append(_metric_headline(draft, *part[0]))
    kept += [row for row in chosen if row not in kept][: max(0, MOST - len(kept) - len(told))]
    order = {topic: place for place, topic in enumerate(TOPIC_ORDER)}
    kept.sort(key=lambda row: (order.get(row.topic, len(order)), row.code))
    return (*told, *(_gate_headline(draft, row) for row in kept), _evidence(draft))


def _worst_of_topics(draft: Draft) -> list[GateRow]:
    """The worst gate with a value of each of three topics, worst topics first; further gates where topics are fewer."""
    by_topic: dict[str, GateRow] = {}

    def rank(row: GateRow) -> tuple[bool, int, int]:
        telling = TELLING.index(row.topic) if row.topic in TELLING else len(TELLING)
        return (not row.blocking, WORST_FIRST.index(row.tone), telling)

    for row in sorted(draft.gates, key=rank):
        if row.estimate.value is not None:
            by_topic.setdefault(row.topic, row)
    chosen = list(by_topic.values())[:MOST]
    spare = [row for row in draft.gates if row.estimate.value is not None and row not in chosen]
    return [*chosen, *spare][:MOST]


def _gates_on(draft: Draft, names: set[str]) -> list[GateRow]:
    """Gates on the value of one of these metrics over all rows, rather than on its change."""
    rows = zip(draft.gates, draft.run.gates, strict=True)
    return [
        row
        for row, decision in rows
        if decision.metric in names and not draft.gated_labels(decision) and row.gain is None
    ]


def _gate_headline(draft: Draft, row: GateRow) -> Headline:
    say = draft.say
    shown = row.decided_on
    key = "headline.limit" if shown.interval else "headline.limit_only"
    return Headline(label=row.name, estimate=shown, note=say.say(key, interval=shown.interval, limit=row.limit))


def _metric_headline(draft: Draft, name: str, metric: Metric) -> Headline:
    interval = metric.interval
    shown = estimate(
        draft.say,
        metric.value,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        unit=metric.unit,
        without_interval=metric.no_interval,
        rows=metric.n,
    )
    return Headline(label=draft.metric_title(name, metric.where), estimate=shown, note=shown.interval)


def _evidence(draft: Draft) -> Headline:
    say, run = draft.say, draft.run
    finished = sum(result.status == "ok" for result in run.results)
    applying = sum(result.status != "not_applicable" for result in run.results)
    text = say.say("headline.of", n=finished, total=applying)
    note = say.say("headline.evidence", rows=run.data.rows)
    return Headline(label=say.say("headline.label"), estimate=Estimate(value=None, text=text), note=note)

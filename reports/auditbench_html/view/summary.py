"""The summary for those who decide: one lead, one picture, a few plain paragraphs, the findings."""

from __future__ import annotations

from auditbench.results import AnalysisResult, Metric
from auditbench_html.view.draft import Draft
from auditbench_html.view.figures import Figure, Hundred, HundredPeople
from auditbench_html.view.findings import SHOWN
from auditbench_html.view.numbers import share, short
from auditbench_html.view.page import FindingRow, GateRow, Summary
from auditbench_html.view.text import EMPTY, Text, name_text, words
from auditbench_html.view.verdict import gate_sentence

# Which rate of the groups a fairness metric compares.
RATE_OF = {
    "selection": "selection_rate",
    "demographic_parity": "selection_rate",
    "disparate_impact": "selection_rate",
    "true_positive": "true_positive_rate",
    "equal_opportunity": "true_positive_rate",
    "equalized_odds": "true_positive_rate",
    "false_positive": "false_positive_rate",
    "precision": "precision",
    "predictive_parity": "precision",
    "accuracy": "accuracy",
}


def summary(draft: Draft, findings: tuple[FindingRow, ...]) -> Summary:
    """The summary; findings beyond the first twelve are folded."""
    return Summary(
        lead=_lead(draft),
        people=_people(draft),
        paragraphs=tuple(text for text in _paragraphs(draft) if text),
        findings=findings[:SHOWN],
        more_findings=findings[SHOWN:],
    )


def _lead(draft: Draft) -> Text:
    say = draft.say
    verdict = say.say(f"summary.{draft.run.verdict}")
    failing = [row for row in draft.gates if row.tone == "fail" and row.blocking]
    good = _passing_topics(draft)
    if failing and good:
        topics = say.series(dict.fromkeys(draft.topic_title(row.topic) for row in failing if row.topic))
        return say.say("summary.mixed", good=say.series(good[:3]), bad=topics, verdict=verdict)
    return verdict


def _passing_topics(draft: Draft) -> list[Text]:
    topics = dict.fromkeys(row.topic for row in draft.gates if row.topic)
    clean = [t for t in topics if all(row.tone == "pass" for row in draft.gates if row.topic == t)]
    return [draft.topic_title(topic) for topic in clean]


def _paragraphs(draft: Draft) -> list[Text]:
    """Three to five plain paragraphs, each by a rule and from named blocks of the run."""
    return [
        _about_model(draft),
        _about_performance(draft),
        _about_inputs(draft),
        _about_groups(draft),
        _about_gaps(draft),
    ]


def _about_model(draft: Draft) -> Text:
    say, run = draft.say, draft.run
    purpose = (
        say.say("plain.purpose", use=name_text(run.audit.intended_use.rstrip(". ")))
        if run.audit.intended_use
        else EMPTY
    )
    if run.model.task == "binary-classification" and run.model.threshold is not None:
        threshold = words(f"{short(100 * run.model.threshold)}%")
        positive = run.data.positive or (run.model.classes[-1] if run.model.classes else run.data.target)
        text = say.say("plain.binary", target=run.data.target, positive=positive, threshold=threshold)
    else:
        text = say.say(f"plain.{run.model.task}", target=run.data.target, n=len(run.model.classes))
    text = say.say("series.sentences", first=purpose, second=text) if purpose else text
    return say.say("series.sentences", first=text, second=say.say("plain.rows", n=run.data.rows))


def _about_performance(draft: Draft) -> Text:
    rows = [row for row in draft.gates if row.topic in ("performance", "resources") and row.estimate.value is not None]
    return _sentences(draft, rows[:2])


def _about_inputs(draft: Draft) -> Text:
    from auditbench_html.view.importance import strongest_inputs

    found = strongest_inputs(draft)
    if found is None:
        return EMPTY
    names, part = found
    return draft.say.say("plain.inputs", names=draft.say.series(names), part=words(f"{100 * part:.0f}%"))


def _about_groups(draft: Draft) -> Text:
    rows = [row for row in draft.gates if row.topic == "fairness" and row.tone in ("fail", "warn")]
    if rows:
        return _sentences(draft, rows[:2])
    passed = [row for row in draft.gates if row.topic == "fairness" and row.tone == "pass"]
    return draft.say.say("plain.groups_pass", n=len(passed)) if passed else EMPTY


def _about_gaps(draft: Draft) -> Text:
    say = draft.say
    unfinished = sum(result.status not in ("ok", "not_applicable") for result in draft.run.results)
    missing = sum(row.tone in ("error", "none") for row in draft.gates)
    if unfinished or missing:
        return say.say("plain.gaps", n=unfinished, gates=missing)
    return say.say("plain.no_gaps", n=len(draft.run.results)) if draft.run.results else EMPTY


def _sentences(draft: Draft, rows: list[GateRow]) -> Text:
    text = EMPTY
    for row in rows:
        sentence = gate_sentence(draft, row)
        text = draft.say.say("series.sentences", first=text, second=sentence) if text else sentence
    return text


def _people(draft: Draft) -> Figure | None:
    """Of a hundred people in each of two groups: the picture for the first failing gate that compares groups."""
    for row in draft.gates:
        decision = next(decision for decision in draft.run.gates if decision.id == row.gate)
        analyzer, _, name = decision.metric.partition(".")
        result = draft.run.result(analyzer)
        rate = next((rate for start, rate in RATE_OF.items() if start in name), None)
        if row.tone != "fail" or row.topic != "fairness" or result is None or rate is None:
            continue
        groups = _extremes(result, rate, decision.where.get("feature", ""))
        if groups is not None:
            return _hundred(draft, result, rate, groups, row)
    return None


def _extremes(result: AnalysisResult, rate: str, feature: str) -> tuple[Metric, Metric] | None:
    known = [
        metric
        for metric in result.metrics
        if metric.name == rate
        and metric.where.get("feature") == feature
        and "group" in metric.where
        and metric.value is not None
        and 0 <= metric.value <= 1
    ]
    if len(known) < 2:
        return None
    ordered = sorted(known, key=lambda metric: (metric.value or 0.0, metric.where["group"]))
    return ordered[0], ordered[-1]


def _hundred(draft: Draft, result: AnalysisResult, rate: str, groups: tuple[Metric, Metric], gate: GateRow) -> Figure:
    say = draft.say
    positive = draft.run.data.positive or draft.run.data.target
    parts = []
    for metric in groups:
        bounds = metric.interval
        shown = share(say, metric.value, low=bounds.low if bounds else None, high=bounds.high if bounds else None)
        filled = round(100 * (metric.value or 0.0))
        parts.append(Hundred(label=name_text(metric.where["group"]), filled=filled, interval=shown.interval))
    return draft.figure(
        "hundred",
        say.say("people.title"),
        say.say(f"people.{rate}", positive=positive),
        HundredPeople(groups=tuple(parts), gate=gate_sentence(draft, gate)),
        result=result,
        note=say.say("figure.n_two", n=sum(metric.n for metric in groups)),
    )

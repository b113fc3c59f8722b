"""The summary for those who decide: one lead, one picture, a few plain paragraphs, the findings."""

from __future__ import annotations

from auditbench_html.view.draft import Draft
from auditbench_html.view.findings import SHOWN
from auditbench_html.view.importance import strongest_inputs
from auditbench_html.view.numbers import short
from auditbench_html.view.page import FindingRow, GateRow, Summary
from auditbench_html.view.people import people_figure
from auditbench_html.view.scores import positive_class
from auditbench_html.view.text import EMPTY, Text, name_text, words
from auditbench_html.view.verdict import gate_sentence, standing


def summary(draft: Draft, findings: tuple[FindingRow, ...]) -> Summary:
    """The summary; findings beyond the first twelve are folded."""
    return Summary(
        lead=_lead(draft),
        people=people_figure(draft),
        paragraphs=tuple(text for text in _paragraphs(draft) if text),
        findings=findings[:SHOWN],
        more_findings=findings[SHOWN:],
    )


def _lead(draft: Draft) -> Text:
    say = draft.say
    verdict = say.say(f"summary.{draft.run.verdict}", standing=standing(draft))
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
        say.say("plain.purpose", use=name_text(run.audit.intended_use.rstrip(".。 ")))
        if run.audit.intended_use
        else EMPTY
    )
    positive = positive_class(run)
    if positive and run.model.threshold is not None:
        threshold = words(f"{short(100 * run.model.threshold)}%")
        text = say.say("plain.binary", target=run.data.target, positive=positive, threshold=threshold)
    else:
        text = say.say(f"plain.{run.model.task}", target=run.data.target, n=run.model.n_classes)
    text = say.say("series.sentences", first=purpose, second=text) if purpose else text
    rows = say.say("plain.rows" if draft.trained_here else "plain.rows_unknown", n=run.data.rows)
    return say.say("series.sentences", first=text, second=rows)


def _about_performance(draft: Draft) -> Text:
    """The first two gates on different measures."""
    rows = [row for row in draft.gates if row.topic in ("performance", "resources") and row.estimate.value is not None]
    first = {str(row.title): row for row in reversed(rows)}
    return _sentences(draft, [row for row in rows if first[str(row.title)] is row][:2])


def _about_inputs(draft: Draft) -> Text:
    say, found = draft.say, strongest_inputs(draft)
    if found is None:
        return EMPTY
    return say.say("series.sentences", first=found.sentence(draft), second=say.say("plain.cause"))


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
    if missing or unfinished:
        gaps = (say.say("plain.gaps", n=unfinished) if unfinished else EMPTY,
                say.say("plain.gaps_gates", n=missing) if missing else EMPTY)  # fmt: skip
        return say.sentences(gaps)
    return say.sentences((_finished(draft), say.say("plain.no_gaps_gates") if draft.gates else EMPTY))


def _finished(draft: Draft) -> Text:
    """How many analyses finished where none is missing; those that do not apply are told apart."""
    results = draft.run.results
    finished = sum(result.status == "ok" for result in results)
    if not results or finished == len(results):
        return draft.say.say("plain.no_gaps", n=finished) if results else EMPTY
    rest = len(results) - finished
    return draft.say.say("plain.no_gaps_but", n=rest, finished=finished, total=len(results))


def _sentences(draft: Draft, rows: list[GateRow]) -> Text:
    return draft.say.sentences(gate_sentence(draft, row) for row in rows)

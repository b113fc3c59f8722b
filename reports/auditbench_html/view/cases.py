"""Single rows, explained: why each was chosen, what was predicted and observed, and the way to the output."""

from __future__ import annotations

from auditbench.run import Case
from auditbench_html.view.bands import input_value
from auditbench_html.view.case_inputs import case_inputs
from auditbench_html.view.draft import Draft
from auditbench_html.view.figures import Cell, Chip, Grid, Heading
from auditbench_html.view.numbers import short
from auditbench_html.view.page import CaseView, Section
from auditbench_html.view.scores import case_probability
from auditbench_html.view.text import EMPTY, Text, joined, name_text, words
from auditbench_html.view.waterfall import waterfall

MOST = 12
MOST_PROBABLE = 3
_STAND_INS = {"rare token": "cases.rare_token", "another rare token": "cases.other_rare_token"}


def cases_section(draft: Draft) -> Section | None:
    """The chosen rows; None when the run holds none."""
    run, say = draft.run, draft.say
    if not run.cases:
        return None
    shown = run.cases[:MOST]
    rule = say.tell(run.case_rule) if run.case_rule else say.say("cases.rule")
    views = tuple(_case(draft, index, case) for index, case in enumerate(shown, 1))
    explained = any(view.waterfall for view in views) or any(
        r.image_overlays or r.token_attributions or r.series_attributions for r in run.results
    )
    return Section(
        id="cases",
        group="analyses",
        title=say.say("section.cases"),
        lead=say.say("cases.lead" if explained else "cases.lead_shown", n=len(shown)),
        meta=rule,
        cases=views,
        limits=(
            say.say("cases.limit_rule"),
            say.say(_limit(draft)),
            *([say.say("cases.limit_world")] if explained else []),
        ),
    )


def case_title(draft: Draft, number: int, case: Case) -> Text:
    """Which case it is, and by which rule it was chosen."""
    return draft.say.say("cases.title", n=number, rule=_rule(draft, case))


def verdict_chip(draft: Draft, case: Case) -> Chip | None:
    """Whether the prediction is right; None where there is no class to be right about."""
    if draft.run.model.task == "regression" or not case.predicted or not case.observed:
        return None
    right = case.predicted == case.observed
    return Chip(tone="pass" if right else "fail", label=draft.say.say("cases.right" if right else "cases.wrong"))


def class_words(draft: Draft, case: Case) -> Text:
    """What was predicted and observed; empty where the record does not say both."""
    if not case.predicted or not case.observed:
        return EMPTY
    names = {"predicted": _class(draft, case.predicted), "observed": _class(draft, case.observed)}
    return draft.say.say("cases.predicted", **names)


def _class(draft: Draft, name: str) -> Text:
    """The name of a class; what stands for rare tokens of a language model in words."""
    key = _STAND_INS.get(name) if draft.run.model.task == "next-token" and not draft.raw_inputs else None
    return draft.say.say(key) if key else name_text(name)


def _limit(draft: Draft) -> str:
    """Which sentence says how inputs are shown."""
    if draft.raw_inputs:
        return "cases.limit_raw"
    return "cases.limit_sizes" if any(case.shown for case in draft.run.cases) else "cases.limit_banded"


def _case(draft: Draft, index: int, case: Case) -> CaseView:
    found = waterfall(draft, case)
    return CaseView(
        id=f"case-{index}",
        title=case_title(draft, index, case),
        chip=Chip(tone="none", label=_rule(draft, case)),
        verdict=verdict_chip(draft, case),
        facts=_facts(draft, case),
        waterfall=found[0] if found else None,
        inputs=found[1] if found else _inputs(draft, case),
        how=found[0].how if found else EMPTY,
        shown=case_inputs(draft, case),
    )


def _rule(draft: Draft, case: Case) -> Text:
    rule = draft.say.first((f"case_rule.{case.rule}",)) or name_text(case.rule)
    where = _labels(draft, case)
    return draft.say.say("label.other", title=rule, labels=where) if where else rule


def _labels(draft: Draft, case: Case) -> Text:
    """Labels of the rule; what follows a text is no value of the column that holds the text."""
    say, run, rest = draft.say, draft.run, dict(case.where)
    token = rest.pop(run.data.target, None) if run.model.task == "next-token" else None
    if token is None:
        return say.labels(rest)
    following = say.say("label.entry", name=say.say("where.next_token"), value=_class(draft, token))
    return joined(following, say.labels(rest), mark=say.mark("comma"))


def _facts(draft: Draft, case: Case) -> Text:
    say, model = draft.say, draft.run.model
    facts = {"predicted": _class(draft, case.predicted), "observed": _class(draft, case.observed)}
    probability = case_probability(draft.run, case)
    text = say.say("cases.predicted", **facts)
    if probability is not None:
        score = words(f"{100 * probability:.1f}%")
        text = say.say("cases.probable", **facts, score=score)
        if model.task == "binary-classification" and len(case.output) == 1 and model.threshold is not None:
            threshold = words(f"{short(100 * model.threshold)}%")
            text = say.say("cases.scored", **facts, score=score, threshold=threshold)
    row = say.say("cases.row", row=say.row(case.row_id)) if draft.raw_inputs else EMPTY
    return joined(text, _runners_up(draft, case), row)


def _runners_up(draft: Draft, case: Case) -> Text:
    """The classes with the highest probabilities after the predicted one, where there are several."""
    say = draft.say
    shares = [
        say.say("cases.class_share", name=_class(draft, name), part=words(f"{100 * part:.1f}%"))
        for name, part in case.most_probable[1:MOST_PROBABLE]
    ]
    return say.say("cases.runners_up", classes=joined(*shares, mark=say.mark("comma"))) if shares else EMPTY


def _inputs(draft: Draft, case: Case) -> Grid | None:
    if not case.inputs:
        return None
    say = draft.say
    columns = (Heading(label=say.say("column.input")), Heading(label=say.say("column.shown_value")))
    rows = tuple((Cell(text=name_text(name)), Cell(text=input_value(draft, value))) for name, value in case.inputs[:50])
    return Grid(
        caption=say.say("cases.inputs_alone"), columns=columns, rows=rows, more=draft.more(50, len(case.inputs))
    )

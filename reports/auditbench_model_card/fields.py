"""Fields of a model card that only people can fill; the audit file states some of them."""

from __future__ import annotations

from dataclasses import dataclass

from auditbench.run import AuditRun
from auditbench.safe_text import LONGEST_TEXT
from auditbench_html.view.markdown import strong, to_markdown
from auditbench_html.view.outline import Outline
from auditbench_html.view.text import words

MARK = "[ ]"
"""What stands before a field that is to be filled: an empty box of a task list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field.

    Attributes:
        key: Its keys in the catalogue are `model_card.field.KEY` and, for what to write, `model_card.hint.KEY`.
        stated: What the audit file says; empty where it is silent.
    """

    key: str
    stated: str = ""


def fields_of(run: AuditRun) -> dict[str, tuple[Field, ...]]:
    """The fields of each section, in the order of the card."""
    facts = run.audit
    return {
        "details": (Field(key="description"), Field(key="owner", stated=facts.owner), Field(key="licence")),
        "uses": (
            Field(key="direct_use", stated=facts.intended_use),
            Field(key="downstream_use"),
            Field(key="out_of_scope", stated=facts.not_for),
        ),
        "risks": (Field(key="risks"), Field(key="recommendations")),
        "start": (Field(key="start"),),
        "training": (Field(key="training_data"), Field(key="preprocessing")),
        "evaluation": (Field(key="evaluation_data"), Field(key="data_licence", stated=run.data.licence)),
        "environment": (Field(key="hardware"), Field(key="emissions")),
        "people": (Field(key="citation"), Field(key="authors"), Field(key="contact")),
    }


def field_line(told: Outline, field: Field) -> str:
    """A field with what is stated, or marked as to be filled, with what to write."""
    label = strong(told.say.say(f"model_card.field.{field.key}"))
    if field.stated:
        return f"- {label} {to_markdown(words(field.stated), LONGEST_TEXT)}"
    hint = to_markdown(told.say.say("model_card.to_fill", hint=told.say.say(f"model_card.hint.{field.key}")))
    return f"- {MARK} {label} {hint}"


def count_line(told: Outline) -> str:
    """How many fields are to be filled, for the top of the card."""
    fields = [field for section in fields_of(told.run).values() for field in section]
    missing = sum(not field.stated for field in fields)
    text = told.say.say("model_card.count", n=missing, total=words(str(len(fields))))
    return f"> {strong(text)}"

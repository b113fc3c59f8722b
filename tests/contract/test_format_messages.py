"""The catalogues of the formats beside the page: both languages hold the same keys and values, and the code uses them all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import pytest

from auditbench.comparison.record import ChangeVerdict, FindingState, OtherKind
from auditbench.messages import load_messages, template_fault

REPORTS = Path(__file__).parents[2] / "reports"
FORMATS = ("junit", "markdown", "model_card", "sarif", "tables")

STATES = {*get_args(ChangeVerdict), *get_args(FindingState), *get_args(OtherKind)}


def placeholders(template: str | Mapping[str, str]) -> set[str]:
    texts = [template] if isinstance(template, str) else template.values()
    return set(re.findall(r"\{([a-z_]+)", " ".join(texts)))


@pytest.mark.parametrize("name", FORMATS)
def test_both_languages_say_the_same(name: str) -> None:
    english, chinese = (load_messages(f"auditbench_{name}")[language] for language in ("en", "zh-CN"))
    assert list(english) == list(chinese)
    for key, template in english.items():
        assert not template_fault(template)
        assert not template_fault(chinese[key])
        assert placeholders(chinese[key]) <= placeholders(template)
        assert placeholders(template) - placeholders(chinese[key]) <= {"n"}
        assert key.startswith(f"{name}.")


@pytest.mark.parametrize("name", FORMATS)
def test_every_sentence_is_used(name: str) -> None:
    """A key stands in the code whole, or as the beginning of one that is made, and its end as a word of the code or a type."""
    code = "\n".join(path.read_text(encoding="utf-8") for path in (REPORTS / f"auditbench_{name}").glob("*.py"))
    made = set(re.findall(rf"""f["']({name}\.[a-z_.]*)\{{""", code))
    words = {*re.findall(r"""["']([a-z_]+)["']""", code), *STATES}
    for key in load_messages(f"auditbench_{name}")["en"]:
        begun = [prefix for prefix in made if key.startswith(prefix) and key.removeprefix(prefix) in words]
        assert begun or re.search(rf"""["']{re.escape(key)}["']""", code), key


def test_every_state_of_a_change_has_its_word() -> None:
    page, markdown = (load_messages(f"auditbench_{name}")["en"] for name in ("html", "markdown"))
    assert {f"change.{verdict}" for verdict in get_args(ChangeVerdict)} <= set(page)
    assert {f"markdown.other_{kind}" for kind in get_args(OtherKind)} <= set(markdown)
    shown = {"new", "fixed", "worse", "better", "changed"}
    assert {f"markdown.finding_{state}" for state in shown} <= set(markdown)
    assert shown | {"within_noise", "not_compared"} == set(get_args(FindingState))

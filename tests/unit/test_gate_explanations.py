"""Why a gate has its limit: the team's words, and the sentence of a preset in the language of the report, in every format."""

from __future__ import annotations

import dataclasses
import json
from html import unescape
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from auditbench.config import GateTable
from auditbench.contracts import RenderOptions
from auditbench.messages import LANGUAGES
from auditbench.presets import explanation_messages, load_preset, preset_messages
from auditbench.registry import Registry
from auditbench.run import AuditRun
from tests.html_fixture import gate, income_run

OWN = "The rule <b>that</b> the model replaces has 0.8."
(SHIPPED,) = load_preset("fairness-four-fifths").tables(["sex"])
OTHERS = {language: preset_messages()[language] for language in LANGUAGES}


@pytest.fixture(scope="module")
def run() -> AuditRun:
    """The income model with two gates that failed: one of a preset, and one of the team."""
    limits = {"value": 0.3, "low": 0.2, "high": 0.4, "minimum": 0.8, "topic": "fairness"}
    gates = (
        gate(SHIPPED.id or "", SHIPPED.metric, "fail", where=SHIPPED.where, explanation=SHIPPED.explanation, **limits),
        gate("own", SHIPPED.metric, "fail", where={"feature": "race"}, explanation=OWN, **limits),
    )
    shipped = explanation_messages([SHIPPED, GateTable(metric="a.b", min=0, explanation=OWN)])
    base = income_run()
    messages = {key: {**base.messages.get(key, {}), **shipped.get(key, {})} for key in {*base.messages, *shipped}}
    return dataclasses.replace(base, gates=gates, waivers=(), messages=messages)


def text_of(name: str, content: bytes) -> str:
    """What a reader of the format sees, without its marks."""
    text = content.decode("utf-8")
    if name == "junit":
        return "\n".join("".join(part.itertext()) for part in ET.fromstring(content))  # noqa: S314 - made here
    if name == "sarif":
        rules = json.loads(text)["runs"][0]["tool"]["driver"]["rules"]
        return "\n".join(rule["help"]["text"] for rule in rules)
    return unescape(text)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", ["html", "markdown", "junit", "sarif"])
def test_both_kinds_reach_the_format(run: AuditRun, name: str, language: str, tmp_path: Path) -> None:
    options = RenderOptions(folder=tmp_path, language=language)
    (content,) = Registry().renderer(name).record.render(run, options).values()
    shown = text_of(name, content)
    (other,) = set(LANGUAGES) - {language}
    assert str(OTHERS[language][SHIPPED.explanation]) in shown
    assert str(OTHERS[other][SHIPPED.explanation]) not in shown
    assert SHIPPED.explanation not in shown
    assert OWN in shown
    assert ("<b>that</b>" in content.decode("utf-8")) == (name in ("markdown", "sarif"))  # in code, and in no page

"""What limits how a model was opened is said wherever a run is told."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from auditbench.cli.summary import run_document, say_run
from auditbench.findings import Message
from auditbench.run import AuditRun
from auditbench_html.render import render_report
from auditbench_model_card.card import render_card
from tests.finished_run import a_run
from tests.html_fixture import income_run
from tests.html_page import parse

LIMIT = Message(key="toy.limit", values={"layer": "dense_7"})
TEMPLATE = {"en": {"toy.limit": "Hooks see nothing of {layer}."}, "zh-CN": {"toy.limit": "钩子看不到 {layer}。"}}
SENTENCES = {"en": "Hooks see nothing of", "zh-CN": "钩子看不到"}


def limited(run: AuditRun) -> AuditRun:
    return dataclasses.replace(run, model=dataclasses.replace(run.model, limits=(LIMIT,)), messages=TEMPLATE)


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_the_page_and_the_card_say_it(language: str) -> None:
    run = limited(income_run())
    assert SENTENCES[language] in " ".join(parse(render_report(run, language=language).decode()).text.split())
    assert SENTENCES[language] in render_card(run, language=language).decode()


def test_the_terminal_says_it(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run = limited(a_run())
    say_run(run, tmp_path)
    assert f"model: {SENTENCES['en']}" in capsys.readouterr().out
    assert run_document(run, tmp_path)["limits"] == ["Hooks see nothing of dense_7."]


@pytest.mark.parametrize(
    ("language", "unknown"),
    [("en", "whether the model takes them is not known"), ("zh-CN", "模型是否使用这些属性")],
)
def test_outputs_alone_say_nothing_of_what_the_model_takes(language: str, unknown: str) -> None:
    run = income_run()
    stored = dataclasses.replace(run, model=dataclasses.replace(run.model, format="predictions"))
    pages = [parse(render_report(one, language=language).decode()).text for one in (run, stored)]
    claim = {"en": "inputs of the model", "zh-CN": "个输入"}[language]
    assert [text.count(unknown) for text in pages] == [0, 1]
    assert pages[0].count(claim) > pages[1].count(claim)

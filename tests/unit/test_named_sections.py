"""What sends a reader to a section names one that the same report has, in every format and language."""

from __future__ import annotations

import dataclasses

import pytest

from auditbench.findings import Message
from auditbench.results import Metric
from auditbench.run import AuditRun
from auditbench_html.render import render_report
from auditbench_junit.document import render_junit
from auditbench_markdown.comment import render_comment
from auditbench_model_card.card import render_card
from auditbench_sarif.log import render_sarif
from tests.format_runs import nothing_finished
from tests.html_fixture import gate, income_run
from tests.html_page import parse
from tests.html_results import performance_result, status_result

REASON = Message(key="core.interrupted")
SECTIONS = {
    "en": ("Incomplete", "Analyses without a result"),
    "zh-CN": ("未完成事项", "没有结果的分析"),
}


def stopped() -> AuditRun:
    skipped = status_result("fairness", "fairness", "skipped", REASON)
    return dataclasses.replace(income_run(), status="interrupted", results=(skipped,), gates=(), exit_code=130)


def undefined() -> AuditRun:
    """Every analysis finished, and the metric of a gate has no value."""
    auc = Metric(name="auc", value=None, reason=REASON, n=50)
    result = dataclasses.replace(performance_result(), metrics=(auc,))
    row = gate("auc", "performance.auc", "error", topic="performance", maximum=0.9, reason=REASON)
    return dataclasses.replace(
        income_run(), results=(result,), gates=(row,), cases=(), waivers=(), verdict="evidence_incomplete", exit_code=3
    )


MAKERS = {"nothing finished": nothing_finished, "stopped": stopped, "undefined": undefined}


@pytest.mark.parametrize("language", SECTIONS)
@pytest.mark.parametrize("name", MAKERS)
def test_the_markdown_report_names_its_own_section(name: str, language: str) -> None:
    text = render_comment(MAKERS[name](), language=language).decode()
    page, own = SECTIONS[language]
    assert page not in text
    assert (f"#### {own}" in text) == (text.count(own) > 0)
    assert (text.count(own) > 1) == (name != "undefined")


@pytest.mark.parametrize("language", SECTIONS)
@pytest.mark.parametrize("name", MAKERS)
def test_the_page_names_a_section_that_it_has(name: str, language: str) -> None:
    page = parse(render_report(MAKERS[name](), language=language))
    title, _ = SECTIONS[language]
    there = any(heading.text.startswith(title) for heading in page.every("h2"))
    assert there == (name != "undefined")
    assert (title in page.text) == there


@pytest.mark.parametrize("language", SECTIONS)
@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("render", [render_junit, render_sarif, render_card], ids=lambda one: one.__name__)
def test_a_format_without_such_a_section_names_none(render, name: str, language: str) -> None:  # type: ignore[no-untyped-def]
    text = render(MAKERS[name](), language=language).decode()
    assert not [title for title in SECTIONS[language] if title in text]

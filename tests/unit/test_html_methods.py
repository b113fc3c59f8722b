"""What is known of the methods that a section used stands where its parameters do, folded away with them."""

from __future__ import annotations

import dataclasses

import pytest

import auditbench_captum
import auditbench_lime
from auditbench.contracts import MethodFacts
from auditbench.messages import LANGUAGES
from auditbench.results import AnalysisResult
from auditbench.results.methods import FACT_PARTS
from auditbench.run import AuditRun
from auditbench_html.render import render_report
from tests.html_fixture import income_run
from tests.html_page import Element, parse
from tests.plugin_results import analyzer_of

CAPTUM, LIME = analyzer_of(auditbench_captum), analyzer_of(auditbench_lime)
PATHS = next(method for method in CAPTUM.methods if method.name == "captum.integrated_gradients")
SHARED = next(method for method in LIME.methods if method.name == "lime.shared")
LABELS = {
    "en": ["Formula", "Source", "Inputs", "It assumes", "It needs", "Known to fail"],
    "zh-CN": ["公式", "来源", "输入", "假定", "需要", "已知的不足"],
}


def run_with(*methods: MethodFacts) -> AuditRun:
    """An audit whose `captum` used these methods, and no other analyzer any."""
    run = income_run()
    used = tuple(
        dataclasses.replace(item, methods=methods if item.analyzer == "captum" else ()) for item in run.results
    )
    words = {
        language: {**run.messages.get(language, {}), **CAPTUM.messages[language], **LIME.messages[language]}
        for language in LANGUAGES
    }
    return dataclasses.replace(run, results=used, messages=words)


def known(run: AuditRun, language: str = "en") -> list[Element]:
    page = parse(render_report(run, language=language))
    folded = page.one("section", id="explanations").every("details")
    entries = page.every("div", lambda element: "known" in element.classes)
    assert all(any(entry in part.every("div") for part in folded) for entry in entries)
    return entries


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_entry_holds_every_part_and_its_source(language: str) -> None:
    entry, other = known(run_with(PATHS, SHARED), language)
    assert [label.text for label in entry.every("dt")] == LABELS[language]
    formula, source, inputs, *rest = [value.text for value in entry.every("dd")]
    said = {part: CAPTUM.messages[language][PATHS.key(part)] for part in FACT_PARTS}
    assert entry.one("h3").text == said["title"]
    assert formula == said["formula"]
    assert source == "arXiv:1703.01365, eq. 1"
    assert inputs == {"en": "tables, images, series and texts", "zh-CN": "表格、图像、序列、文本"}[language]
    assert rest == [said["assumes"], said["needs"], said["fails"]]
    assert other.one("h3").text == LIME.messages[language][SHARED.key("title")]


def test_a_method_of_two_results_stands_once() -> None:
    run = run_with(PATHS)
    twice = dataclasses.replace(run, results=tuple(_with(item, PATHS) for item in run.results))
    assert len(known(twice)) == 1


def test_several_sources_stand_beside_each_other() -> None:
    (entry,) = known(run_with(dataclasses.replace(PATHS, source=("one", "two"))))
    assert entry.every("dd")[1].text == "one; two"


def test_what_a_plugin_does_not_say_is_left_out() -> None:
    (entry,) = known(
        run_with(MethodFacts(name="captum.unheard", source=("a paper",)), MethodFacts(name="captum.other", source=()))
    )
    assert entry.one("h3").text == "captum.unheard"
    assert [label.text for label in entry.every("dt")] == ["Source"]


def test_a_section_without_methods_has_no_entries() -> None:
    assert known(run_with()) == []


def _with(result: AnalysisResult, method: MethodFacts) -> AnalysisResult:
    return dataclasses.replace(result, methods=(method,)) if result.topic == "explanation" else result


@pytest.mark.parametrize("language", LANGUAGES)
def test_how_each_measure_is_made_stands_once(language: str) -> None:
    run = income_run()
    (result,) = [item for item in run.results if item.analyzer == "performance"]
    metric = dataclasses.replace(result.metrics[0], method="performance.accuracy.formula")
    by_group = dataclasses.replace(metric, where={"group": "F"})
    made = {"en": "right decisions / rows", "zh-CN": "正确判定数 / 样本数"}
    results = tuple(
        dataclasses.replace(item, metrics=(metric, by_group)) if item is result else item for item in run.results
    )
    words = {name: {**run.messages.get(name, {}), metric.method: made[name]} for name in LANGUAGES}
    page = parse(render_report(dataclasses.replace(run, results=results, messages=words), language=language))
    entries = page.one("section", id="performance").every("div", lambda element: "known" in element.classes)
    assert [value.text for entry in entries for value in entry.every("dd")] == [made[language]]

from __future__ import annotations

import dataclasses
import re
from typing import Any

import numpy as np
import pytest

from auditbench.findings import Message
from auditbench.results import AnalysisResult, Attribution, Table
from auditbench.run import AuditRun
from auditbench.safe_text import LONGEST_NAME
from auditbench_html.render import render_report
from tests.hostile_run import hostile_run
from tests.hostile_texts import PAGE, harmless, packed
from tests.html_fixture import gate, income_run
from tests.html_page import parse
from tests.html_results import group_metric, importance, robustness_result
from tests.rendered_markdown import elements

# A sample of what a browser is given in full.
TEXTS = packed(PAGE)[::4]


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_hostile_text_stays_text(text: str) -> None:
    tree = parse(render_report(hostile_run(text)))
    assert elements(tree) == elements(parse(render_report(hostile_run(harmless(text)))))
    for element in tree.every():
        assert not [name for name in element.attributes if name.startswith("on") or name == "style"]
        for name in ("id", "href", "class", "for", "data-filter"):
            assert element.attributes.get(name, "").isascii()
            assert not set("<>'\"(){}\n") & set(element.attributes.get(name, ""))
        assert "<bdi" not in "".join(element.attributes.values()) or "<bdi" in text
    style = tree.every("style")[0].text
    assert "evil" not in style
    assert "alert" not in style


def test_hostile_names_are_isolated_and_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    tree = parse(render_report(hostile_run("<b>&\u202e")))
    shown = [element.text for element in tree.every("bdi")]
    assert shown.count("<b>&⟨U+202E⟩") > 20


def test_long_names_are_cut() -> None:
    tree = parse(render_report(hostile_run("n" * 300)))
    longer = tree.every("small") + tree.every("blockquote")
    sentences = {name.text for element in longer for name in element.every("bdi")}
    assert max(len(name.text) for name in tree.every("bdi") if name.text not in sentences) == LONGEST_NAME


@pytest.mark.parametrize("n", [0, 1, 200])
def test_any_number_of_gates(n: int) -> None:
    run = income_run()
    gates = tuple(
        gate(
            f"gate {k % 150}/{k}",
            "performance.auc",
            "pass",
            topic="performance",
            minimum=0.5,
            value=0.9,
            low=0.89,
            high=0.91,
        )
        for k in range(n)
    )
    run = dataclasses.replace(
        run, gates=gates, waivers=(), verdict="ready_for_review" if n else "no_gates", exit_code=0
    )
    tree = parse(render_report(run))
    rows = [row for row in tree.every("tr") if "data-s" in row.attributes]
    assert len(rows) == n
    assert len({row.attributes["id"] for row in rows}) == n
    assert len(tree.every("a", lambda link: "tile" in link.classes)) == n


@pytest.mark.parametrize(
    "verdict", ["not_ready", "evidence_incomplete", "no_decision", "ready_for_review", "no_gates", "nothing_evaluated"]
)
def test_every_verdict_reads_as_a_sentence(verdict: Any) -> None:
    run = dataclasses.replace(income_run(), verdict=verdict)
    hero = parse(render_report(run)).one("section", id="verdict")
    assert not re.search(r"\b(verdict|reason|firmness|step)\.[a-z]", hero.text)
    assert "{" not in hero.text


def test_no_analyzer_finished() -> None:
    run = income_run()
    reason = Message(key="host.failed", values={"error": "x"})
    results = tuple(
        AnalysisResult(analyzer=r.analyzer, topic=r.topic, status="failed", reason=reason) for r in run.results
    )
    run = dataclasses.replace(run, results=results, gates=(), cases=(), verdict="nothing_evaluated", exit_code=4)
    tree = parse(render_report(run))
    assert len(tree.one("section", id="incomplete").every("div", lambda div: "state" in div.classes)) == len(results)
    assert not [section for section in tree.every("section") if section.attributes["id"] in ("performance", "fairness")]


def test_empty_run() -> None:
    run = dataclasses.replace(
        income_run(), results=(), gates=(), cases=(), waivers=(), messages={}, verdict="nothing_evaluated", exit_code=4
    )
    data = dataclasses.replace(run.data, rows=0, features=(), outcomes={}, sensitive=(), digests={}, licence="")
    run = dataclasses.replace(run, data=data, volatile=type(run.volatile)())
    text = parse(render_report(run)).text
    assert "not stated" in text
    assert "date not recorded" in text


def many_features(n: int) -> AuditRun:
    run = income_run()
    names = tuple(f"feature_{index}_{'x' * (index % 40)}" for index in range(n))
    rng = np.random.default_rng(0)
    values = rng.normal(size=(30, n)) * np.linspace(1, 0.01, n)
    base = np.zeros((30, 1))
    ids = (run.cases[0].row_id, *(str(index) for index in range(29)))
    block = Attribution(
        name="shap", method="shap", values=values[:, None, :], player_names=names, target_names=("y",), base_values=base,
        outputs=values.sum(axis=1, keepdims=True), player_values=rng.random((30, n)), row_ids=ids, unit="logit", model_rows=1,
    )  # fmt: skip
    result = AnalysisResult(
        analyzer="shap",
        topic="explanation",
        metrics=importance(values, "logit", with_interval=True, names=names),
        attributions=(block,),
    )
    return dataclasses.replace(run, results=(result,), cases=run.cases[:1], gates=(), waivers=(), verdict="no_gates")


def test_five_hundred_features_show_the_strongest_and_the_sum_of_the_rest() -> None:
    page = render_report(many_features(500))
    tree = parse(page)
    assert len(page) < 300_000
    assert "All 485 other inputs" in tree.one("section", id="explanations").text
    rows = (
        tree.one("article", id="case-1")
        .every("table")[0]
        .every("tr", lambda row: bool(row.classes & {"base", "step", "rest", "output"}))
    )
    values = [float(row.every("td")[0].attributes["data-v"]) for row in rows]
    assert sum(values[:-1]) == pytest.approx(values[-1], abs=1e-4)


def many_groups(n: int, name: str = "group") -> AuditRun:
    run = income_run()
    metrics = tuple(
        group_metric(rate, "region", f"{name} {k}", 40 * k, None if k == 0 else 0.1 + 0.8 * k / n)
        for k in range(n)
        for rate in ("selection_rate", "true_positive_rate")
    )
    result = AnalysisResult(analyzer="fairness", topic="fairness", metrics=metrics)
    return dataclasses.replace(run, results=(result,), gates=(), cases=(), waivers=(), verdict="no_gates")


def test_sixty_groups_draw_the_largest_and_list_fifty() -> None:
    section = parse(render_report(many_groups(60))).one("section", id="fairness")
    assert "The 24 largest of 60 groups are drawn." in section.text
    assert "Showing 50 of 60" in section.text


def test_blocks_of_every_kind_are_drawn() -> None:
    run = income_run()
    asked = {**run.config, "report": {"raw_inputs": True}}
    tree = parse(render_report(dataclasses.replace(run, results=(*run.results, robustness_result()), config=asked)))
    section = tree.one("section", id="robustness")
    assert len(section.every("svg", lambda svg: "chart" in svg.classes)) == 2
    assert {mark.text for mark in section.every("mark")} == {"lost", "steady", "job"}
    assert "No clear change" in section.text
    assert "Better" in section.text
    assert "Worse" in section.text


def test_topic_of_a_plugin_gets_a_section_by_its_own_name() -> None:
    run = income_run()
    table = Table(name="t", title=Message(key="watermark.title"), columns=(), rows=((),))
    result = AnalysisResult(
        analyzer="watermark", topic="water_mark", metrics=(group_metric("hits", "a", "b", 50, 0.4),), tables=(table,)
    )
    messages = {"en": {**run.messages["en"], "watermark.title": "Marks found", "topic.water_mark": "Watermarks"}}
    named = parse(
        render_report(dataclasses.replace(run, results=(result,), gates=(), cases=(), waivers=(), messages=messages))
    )
    assert named.one("section", id="water-mark").every("h2")[0].text.startswith("Watermarks")
    bare = parse(
        render_report(dataclasses.replace(run, results=(result,), gates=(), cases=(), waivers=(), messages={}))
    )
    assert bare.one("section", id="water-mark").every("h2")[0].text.startswith("Water mark")


def test_topic_cannot_take_the_id_of_a_fixed_section() -> None:
    run = income_run()
    result = AnalysisResult(analyzer="x", topic="gates", metrics=(group_metric("hits", "a", "b", 50, 0.4),))
    tree = parse(render_report(dataclasses.replace(run, results=(result,), gates=(), cases=(), waivers=())))
    ids = [section.attributes["id"] for section in tree.every("section")]
    assert ids.count("gates") == 1
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("key", ["core.memory_limit", "core.out_of_memory_limit", "core.out_of_memory_limit_silent"])
@pytest.mark.parametrize(
    ("config", "remedy"),
    [
        pytest.param({"analyzers": {"eats": {"memory_gib": 1.5}}, "limits": {"memory_gib": 8.0}}, "memory_gib = 3", id="own"),
        pytest.param({"analyzers": {"eats": {}}, "limits": {"memory_gib": 8.0}}, "memory_gib = 16", id="common"),
        pytest.param({"analyzers": {"eats": {}}, "limits": {"memory_gib": None}}, "required = false", id="none-set"),
    ],
)  # fmt: skip
def test_more_memory_is_the_way_on_where_a_limit_was_set(config: dict[str, Any], remedy: str, key: str) -> None:
    reason = Message(key=key, values={"gib": 1.5, "type": "MemoryError", "error": "no room"})
    eats = AnalysisResult(analyzer="eats", topic="probe", status="failed", reason=reason)
    run = dataclasses.replace(income_run(), results=(eats,), config=config)
    section = parse(render_report(run)).one("section", id="incomplete")
    assert f"[analyzers.eats] {remedy}" in section.text
    assert ("more memory" in section.text) == ("memory_gib" in remedy)


def test_first_screen_asks_for_a_required_result_that_no_gate_misses() -> None:
    run = income_run()
    late = next(result for result in run.results if result.status == "timed_out")
    passing = tuple(decision for decision in run.gates if decision.state == "pass")
    ready = dataclasses.replace(run, verdict="evidence_incomplete", gates=passing, results=(*run.results[:6], late))
    hero = parse(render_report(ready)).one("section", id="verdict")
    asked = f"Obtain the missing result for {late.analyzer}"
    assert asked in hero.text
    assert "#incomplete" in [link.attributes["href"] for link in hero.every("a")]
    optional = dataclasses.replace(ready, results=(*run.results[:6], dataclasses.replace(late, required=False)))
    assert asked not in parse(render_report(optional)).one("section", id="verdict").text


def test_what_does_not_apply_is_not_counted_among_the_finished() -> None:
    run = income_run()
    apart = dataclasses.replace(run.results[-1], status="not_applicable")
    few = dataclasses.replace(run, results=(*run.results[:2], apart))
    assert "2 of 2" in parse(render_report(few)).one("section", id="verdict").text


@pytest.mark.parametrize(("seconds", "offered"), [(0.001, 1), (0.9, 2), (600, 1200)])
def test_the_time_limit_that_is_offered_is_above_the_one_that_ended(seconds: float, offered: int) -> None:
    run = income_run()
    config = {**run.config, "analyzers": {"counterfactual": {"time_limit": seconds}}}
    section = parse(render_report(dataclasses.replace(run, config=config))).one("section", id="incomplete")
    assert f"time_limit = {offered} " in f"{section.text} ".replace("\n", " ")


@pytest.mark.parametrize(
    ("language", "said"), [("en", "4 chosen cases were explained beside them"), ("zh-CN", "4 个按规则选取的个案")]
)
def test_importance_says_which_explained_rows_it_leaves_out(language: str, said: str) -> None:
    run = income_run()
    assert len({case.row_id for case in run.cases}) == 4
    assert said in parse(render_report(run, language=language)).text
    every = dataclasses.replace(run, cases=())
    assert said not in parse(render_report(every, language=language)).text

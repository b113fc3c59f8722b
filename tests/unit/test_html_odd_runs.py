from __future__ import annotations

import dataclasses
import re
from typing import Any

import numpy as np
import pytest

from auditbench.findings import Finding, Message, Waiver
from auditbench.results import AnalysisResult, Attribution, Note, Table
from auditbench.run import AuditRun
from auditbench_html.render import render_report
from tests.html_fixture import gate, income_run
from tests.html_page import Element, parse
from tests.html_results import group_metric, importance, robustness_result

PAYLOADS = (
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "</style><img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "&lt;b&gt;&amp;#60;",
    "{{ 7 * 7 }}{% include '/etc/passwd' %}",
    "{title}{n:count}{0.__class__}",
    "<!-- -->]]>",
    "<bdi></bdi><a href=//evil.example>x</a>",
    "\u202eevitagen\u2066",
    "\x00\x08\x1b[31m",
    "\ue000<i>\ue001",
    "a\nb\r\nc\u2028d",
    "=HYPERLINK(1)",
    "${alert(1)}`x`",
    "<math><mtext></math>",
    "%3Cscript%3E",
    "Ω" * 300,
)


def hostile_run(text: str) -> AuditRun:
    """The fixture with one text in every slot that a config, a data set or a plugin fills."""
    run = income_run()
    message = Message(key="any.key", values={"name": text})
    raw = Message(key=text)
    where = {"feature": text}
    groups = tuple(group_metric("selection_rate", text, f"{text}{k}", 900, 0.2 + k / 10) for k in range(3))
    reason = AnalysisResult(analyzer=text, topic=text, status="failed", reason=raw, version=text)
    extra = AnalysisResult(
        analyzer=f"x{text}", topic="fairness", version=text, parameters={text: text}, metrics=groups,
        notes=(Note(kind="limit", text=message), Note(kind="method", text=raw)),
        findings=(Finding(rule="a.b", severity="low", title=message, action=raw, where=where),),
    )  # fmt: skip
    case = dataclasses.replace(
        run.cases[0], predicted=text, observed=text, row_id=text, rule=text, inputs=((text, text),)
    )
    decision = gate(
        text, f"fairness.{text}", "error", where=where, topic=text, minimum=0.5, reason=raw, waived_until=text
    )
    return dataclasses.replace(
        run,
        audit=dataclasses.replace(run.audit, name=text, version=text, intended_use=text, not_for=text, owner=text, policy=text),
        config={"analyzers": {text: {"time_limit": 1.0}}},
        model=dataclasses.replace(run.model, name=text, format=text, architecture=text, digest=text, classes=(text, "b")),
        data=dataclasses.replace(run.data, name=text, target=text, positive=text, licence=text, digests={text: text}, sensitive=(text,)),
        cases=(case, *run.cases),
        case_rule=raw,
        results=(*run.results, extra, robustness_result(), reason),
        gates=(decision, *run.gates),
        waivers=(Waiver(gate=text, until=text, by=text, reason=text),),
        messages={"en": {**run.messages["en"], "any.key": "about {name}"}},
        warnings=(raw,),
        provenance=dataclasses.replace(run.provenance, product=text, python=text, device=text, config_sha256=text),
        volatile=dataclasses.replace(run.volatile, command=text, started=text, finished=text, host={text: text}, seconds={text: 1.0}),
    )  # fmt: skip


@pytest.mark.parametrize("text", PAYLOADS, ids=range(len(PAYLOADS)))
def test_hostile_text_stays_text(text: str) -> None:
    tree = parse(render_report(hostile_run(text)))
    assert {element.name for element in tree.every()} <= known_elements()
    assert len(tree.every("script")) == 2
    assert len(tree.every("style")) == 1
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
    assert max(len(element.text) for element in tree.every("bdi")) <= 121


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
    assert bare.one("section", id="water-mark").every("h2")[0].text.startswith("water mark")


def test_topic_cannot_take_the_id_of_a_fixed_section() -> None:
    run = income_run()
    result = AnalysisResult(analyzer="x", topic="gates", metrics=(group_metric("hits", "a", "b", 50, 0.4),))
    tree = parse(render_report(dataclasses.replace(run, results=(result,), gates=(), cases=(), waivers=())))
    ids = [section.attributes["id"] for section in tree.every("section")]
    assert ids.count("gates") == 1
    assert len(ids) == len(set(ids))


def known_elements() -> set[str]:
    found: set[str] = {element.name for element in _reference().every()}
    return found | {"mark"}


def _reference() -> Element:
    run = income_run()
    return parse(render_report(dataclasses.replace(run, results=(*run.results, robustness_result()))))


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

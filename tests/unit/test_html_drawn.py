"""Rows that contributions are drawn on: one disclosure a row, every method beside the others, predicted and observed above."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from auditbench.findings import Message
from auditbench.results import AnalysisResult, ImageOverlay, SeriesAttribution, TokenAttribution
from auditbench.run import AuditRun, Case
from auditbench_html.render import render_report
from tests.html_fixture import income_run
from tests.html_page import Element, parse

KINDS = ("image", "text", "series")
HOSTILE = "<b>5</b>\u202e"


def case(row_id: str, predicted: str = "3", observed: str = "5") -> Case:
    return Case(row_id=row_id, rule="typical", output=(0.2,), predicted=predicted, observed=observed, inputs=())


def blocks(kind: str, row_id: str, outputs: Sequence[str]) -> dict[str, Any]:
    """One drawn row, with a block an output."""
    shared = [
        {"name": f"{row_id}-{output}", "title": Message(key="t", values={"target": output}), "row_id": row_id}
        for output in outputs
    ]
    if kind == "image":
        values = np.linspace(-1, 1, 16).reshape(4, 4)
        return {
            "image_overlays": tuple(ImageOverlay(image=values**2, values=values, unit="logit", **one) for one in shared)
        }
    if kind == "text":
        return {
            "token_attributions": tuple(
                TokenAttribution(tokens=("a ", "b"), values=(1.0, -1.0), unit="logit", **one) for one in shared
            )
        }
    values = np.linspace(-1, 1, 9)[np.newaxis]
    return {
        "series_attributions": tuple(
            SeriesAttribution(channels=("x",), series=values, values=values, unit="logit", **one) for one in shared
        )
    }


def drawing(analyzer: str, kind: str, rows: Sequence[str], outputs: Sequence[str] = ("yes",)) -> AnalysisResult:
    parts = [blocks(kind, row_id, outputs) for row_id in rows]
    joined = {name: tuple(block for part in parts for block in part[name]) for name in parts[0]}
    return AnalysisResult(analyzer=analyzer, topic="explanation", version="1", **joined)


def page(
    results: Sequence[AnalysisResult],
    cases: Sequence[Case],
    language: str = "en",
    task: Any = None,
    *,
    raw_inputs: bool = True,
) -> Element:
    run = income_run()
    model = run.model if task is None else dataclasses.replace(run.model, task=task)
    messages = {"en": {"t": "Contributions to {target}"}, "zh-CN": {"t": "对 {target} 的贡献"}}
    run: AuditRun = dataclasses.replace(
        run, results=tuple(results), cases=tuple(cases), gates=(), messages=messages, model=model,
        config={**run.config, "report": {"raw_inputs": raw_inputs}},
    )  # fmt: skip
    return parse(render_report(run, language=language))


def disclosures(tree: Element) -> list[Element]:
    return tree.every("details", lambda e: "drawn" in e.classes)


def title(disclosure: Element) -> str:
    return disclosure.every("summary")[0].one("h4").text


@pytest.mark.parametrize("kind", KINDS)
def test_each_row_is_one_disclosure_with_its_methods_side_by_side(kind: str) -> None:
    results = [drawing("shap", kind, ("17", "4"), ("yes", "no")), drawing("lime", kind, ("17", "4"))]
    tree = page(results, [case("4"), case("17")])
    found = disclosures(tree)
    assert [title(one) for one in found] == ["Row 4 · predicted 3 · observed 5", "Row 17 · predicted 3 · observed 5"]
    assert ["open" in one.attributes for one in found] == [True, False]
    for one in found:
        heads = one.every("", lambda e: e.name in ("h5", "h6"))
        assert [(head.name, head.text) for head in heads] == [
            ("h5", "Contributions to yes"), ("h6", "SHAP"), ("h6", "LIME"), ("h5", "Contributions to no"), ("h6", "SHAP"),
        ]  # fmt: skip
        assert ["two" in row.classes for row in one.every("div", lambda e: "cols" in e.classes)] == [True, True]
    figures = [item for one in found for item in one.every("figure")]
    assert len(figures) == len(tree.one("section", id="explanations").every("figure")) == 6
    numbers = [int(item.attributes["id"].removeprefix("fig-")) for item in tree.every("figure")]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("kind", KINDS)
def test_what_holds_for_all_rows_stands_once_above_them(kind: str) -> None:
    section = page([drawing("shap", kind, "abcd")], [case(name) for name in "abcd"]).one("section", id="explanations")
    assert len(section.every("ul", lambda e: "keys" in e.classes)) == 1
    assert not any(one.every("ul", lambda e: "keys" in e.classes) for one in disclosures(section))
    assert "How to read this" not in "".join(one.text for one in disclosures(section))


@pytest.mark.parametrize("kind", KINDS)
def test_what_colours_stand_for_is_told_of_every_method(kind: str) -> None:
    contributions, slopes = drawing("shap", kind, "a"), drawing("captum", kind, "a")
    ((name, (block,)),) = blocks(kind, "a", ("yes",)).items()
    results = [contributions, dataclasses.replace(slopes, **{name: (dataclasses.replace(block, shows="slope"),)})]
    (keys,) = page(results, [case("a")]).one("section", id="explanations").every("ul", lambda e: "keys" in e.classes)
    assert [key.text.strip() for key in keys.every("li")] == ["raises", "lowers", "changes the output fast, up or down"]


def test_one_method_has_the_width_of_the_page() -> None:
    (one,) = disclosures(page([drawing("shap", "text", "1", ("yes", "no"))], [case("1")]))
    assert ["two" in row.classes for row in one.every("div", lambda e: "cols" in e.classes)] == [False, False]


def test_rows_that_are_no_cases_follow_by_their_name_alone() -> None:
    tree = page([drawing("shap", "text", ("x", "4"))], [case("4")])
    assert [title(one) for one in disclosures(tree)] == ["Row 4 · predicted 3 · observed 5", "Row x"]
    first, second = disclosures(tree)
    assert [link.attributes["href"] for link in first.every("a")] == ["#case-1"]
    assert tree.one("article", id="case-1")
    assert not second.every("a")


def test_right_and_wrong_are_told_for_classes_alone() -> None:
    results = [drawing("shap", "text", ("1", "2"))]
    cases = [case("1", "3", "3"), case("2", "3", "5")]
    chips = [
        [
            (chip.attributes["class"], chip.text)
            for chip in one.every("summary")[0].every("span", lambda e: "chip" in e.classes)
        ]
        for one in disclosures(page(results, cases))
    ]
    assert chips == [[("chip pass", "Right")], [("chip fail", "Wrong")]]
    plain = disclosures(page(results, cases, task="regression"))
    assert [title(one) for one in plain] == ["Row 1 · predicted 3 · observed 3", "Row 2 · predicted 3 · observed 5"]
    assert not any(one.every("summary")[0].every("span", lambda e: "chip" in e.classes) for one in plain)


def test_words_without_a_mark_are_one_piece_of_text() -> None:
    block = TokenAttribution(
        name="a", title=Message(key="t"), row_id="1", unit="logit",
        tokens=("one ", "two ", "three ", "four ", "five"), values=(0.0, 0.01, 1.0, -1.0, 0.0),
    )  # fmt: skip
    text = page([AnalysisResult(analyzer="shap", topic="explanation", token_attributions=(block,))], []).one(
        "p", **{"class": "tokens"}
    )
    assert text.text == "one two three four five"
    assert [(piece.every("mark") != [], piece.text) for piece in text.every("bdi")] == [
        (False, "one two"), (True, "three"), (False, ""), (True, "four"), (False, "five"),
    ]  # fmt: skip


def test_names_of_rows_and_classes_are_escaped() -> None:
    (one,) = disclosures(page([drawing("shap", "text", (HOSTILE,))], [case(HOSTILE, HOSTILE, HOSTILE)]))
    shown = "<b>5</b>⟨U+202E⟩"
    assert title(one) == f"Row {shown} · predicted {shown} · observed {shown}"
    assert not one.every("summary")[0].every("b")
    assert [name.text for name in one.one("h4").every("bdi")] == [shown] * 3


def test_chinese_titles_and_anchors() -> None:
    results, cases = [drawing("shap", "image", ("17", "4"))], [case("17")]
    english, chinese = (disclosures(page(results, cases, language)) for language in ("en", "zh-CN"))
    assert [title(one) for one in chinese] == ["样本 17 · 预测 3 · 观测 5", "样本 4"]
    assert [one.attributes["id"] for one in chinese] == [one.attributes["id"] for one in english]


def test_ids_of_rows_stand_in_titles_where_inputs_are_shown() -> None:
    results, cases = [drawing("shap", "text", ("patient-17", "4"))], [case("4"), case("patient-17")]
    shown = [title(each) for each in disclosures(page(results, cases))]
    hidden = [title(each) for each in disclosures(page(results, cases, raw_inputs=False))]
    assert [each.partition(" · ")[0] for each in shown] == ["Row 4", "Row patient-17"]
    assert [each.partition(" · ")[0] for each in hidden] == ["Case 1", "Case 2"]


@pytest.mark.parametrize(
    ("language", "titles"), [("en", ["Further row 1", "Further row 2"]), ("zh-CN", ["其他样本 1", "其他样本 2"])]
)
def test_ids_of_rows_that_are_no_cases_are_hidden_too(language: str, titles: list[str]) -> None:
    tree = page([drawing("shap", "text", ("4", "patient-17", "x"))], [case("4")], language, raw_inputs=False)
    assert [title(each) for each in disclosures(tree)][1:] == titles
    assert "patient-17" not in tree.one("section", id="explanations").text

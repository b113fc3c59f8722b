from __future__ import annotations

import dataclasses
import re
import tomllib
from importlib import resources
from typing import Any

import pytest

import auditbench_html
from auditbench.bands import MISSING_GROUP
from auditbench.data.banding import RARE_VALUE
from auditbench.findings import Message
from auditbench.messages import Catalogue
from auditbench_html.render import render_report
from auditbench_html.view.bands import input_value
from auditbench_html.view.draft import Draft
from auditbench_html.view.text import Text, Words, bare, name_text, words
from tests.html_every_block import every_block_run
from tests.html_page import Element, parse

FILES = resources.files(auditbench_html) / "messages"
CATALOGUES: dict[str, dict[str, Any]] = {
    name: tomllib.loads((FILES / f"{name}.toml").read_text("utf-8")) for name in ("en", "zh-CN")
}
SAY = Words(catalogue=Catalogue(language="zh-CN", templates=CATALOGUES["zh-CN"]))
HAN = "[\u3400-\u9fff]"
WRONG = re.compile(
    f"{HAN}[A-Za-z0-9]|[A-Za-z0-9%]{HAN}|{HAN} {HAN}|{HAN}[,;:!?]|[,;:(]{HAN}|[\uff0c\u3002\uff1b\uff1a\uff08\uff09] "
    "| [\uff0c\u3002\uff1b\uff1a\uff09]|\u3002\u3002|\uff0c\uff0c|\uff08\uff09"
)
LATIN_WORDS = {
    "Auditbench", "SHAP", "LIME", "Captum", "Integrated", "Python", "gradients", "json", "logit", "decide", "estimate", "required",
    "false", "time_limit", "analyzers", "volatile", "details",
    "audited", "gaussian", "salt", "seed",  # names of points and lines: text in a drawing has no element for names
}  # fmt: skip
INLINE = {"b", "bdi", "code", "a", "span"}


@pytest.fixture(scope="module")
def pages() -> dict[str, Element]:
    run = every_block_run()
    return {language: parse(render_report(run, language=language)) for language in CATALOGUES}


def lines(page: Element) -> list[str]:
    """What is read as one line: the text of an element with what stands in its line, and its spoken names."""
    found = []
    for element in page.every():
        if element.name in ("script", "style", "pre", "html", "head"):
            continue
        spoken = ("aria-label", "title", "placeholder", "alt", "data-text", "data-l")
        texts = [_inline(element), *(element.attributes.get(name, "") for name in spoken)]
        found += [re.sub(r"\s*\n\s*", " ", part).strip() for text in texts for part in text.split("\x00")]
    return [line for line in found if line]


def test_page_says_its_language(pages: dict[str, Element]) -> None:
    assert {name: page.one("html").attributes["lang"] for name, page in pages.items()} == {"en": "en", "zh-CN": "zh-CN"}


@pytest.mark.parametrize("attribute", ["id", "href", "data-v", "d", "x", "x1", "x2", "cx", "width", "src", "class"])
def test_both_languages_have_equal_anchors_numbers_and_drawings(pages: dict[str, Element], attribute: str) -> None:
    values = [[e.attributes[attribute] for e in page.every() if attribute in e.attributes] for page in pages.values()]
    assert len(values[0]) > 2
    assert values[0] == values[1]


def test_cells_hold_equal_numbers_in_both_languages(pages: dict[str, Element]) -> None:
    cells = [[e for e in page.every() if e.name in ("td", "text")] for page in pages.values()]
    numbers = [[sorted(re.findall(r"\d[\d,.]*", cell.text)) for cell in found] for found in cells]
    assert sum(map(bool, numbers[0])) > 400
    assert numbers[0] == numbers[1]


def test_chinese_is_spaced_and_marked_as_chinese(pages: dict[str, Element]) -> None:
    assert [line for line in lines(pages["zh-CN"]) if re.search(HAN, line) and WRONG.search(line)] == []


def test_spacing_rules_would_be_seen_to_be_broken() -> None:
    for wrong in ("为0.5", "5%的", "按 年龄", "结果: 值", "值\uff09。 门", "\uff08\uff09"):
        assert WRONG.search(wrong)


def test_no_english_is_left_on_the_chinese_page(pages: dict[str, Element]) -> None:
    body = pages["zh-CN"].one("body")
    words_left = {
        word
        for element in body.every()
        if element.name not in ("script", "pre", "code", "bdi", "mark")
        for part in element.parts
        if isinstance(part, str)
        for word in re.findall(r"[A-Za-z_]{4,}", part)
    }
    assert words_left - LATIN_WORDS == set()


def test_catalogues_have_the_same_keys_and_placeholders() -> None:
    english, chinese = CATALOGUES.values()
    assert english.keys() == chinese.keys()
    differing = [key for key in english if _placeholders(english[key]) != _placeholders(chinese[key])]
    assert [key for key in differing if not key.startswith("date.")] == []


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        pytest.param("sex", "均等比", "按 sex 分组的均等比", id="latin-name"),
        pytest.param("年龄", "均等比", "按年龄分组的均等比", id="han-name"),
        pytest.param("年 龄", "均等比", "按年 龄分组的均等比", id="blank-within-a-name-stays"),
        pytest.param("性别x", "均等比", "按性别x 分组的均等比", id="mixed-name"),
        pytest.param("年龄", "AUC", "按年龄分组的 AUC", id="latin-words-at-the-end"),
    ],
)
def test_blanks_follow_what_meets(first: str, second: str, expected: str) -> None:
    assert str(SAY.say("label.feature", feature=first, title=words(second))) == expected


def test_english_keeps_its_blanks() -> None:
    say = Words(catalogue=Catalogue(language="en", templates=CATALOGUES["en"]))
    assert str(say.say("label.feature", feature="年龄", title=words("AUC"))) == "AUC by 年龄"


def test_names_are_not_changed_by_spacing() -> None:
    text = SAY.say("label.feature", feature="a年 龄b", title=words("值"))
    assert [run.text for run in text.runs if run.kind == "name"] == ["a年 龄b"]


def test_units_given_as_ids_are_said_in_words() -> None:
    told = Words(catalogue=Catalogue(language="zh-CN", templates={**CATALOGUES["zh-CN"], "x.unit": "单位为 {unit}。"}))
    assert str(told.tell(Message(key="x.unit", values={"unit": "logit"}))) == "单位为对数几率。"
    assert str(told.tell(Message(key="x.unit", values={"unit": "mmHg"}))) == "单位为 mmHg。"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("under 26", "低于 26"),
        ("over 0", "高于 0"),
        ("50 and over", "50 及以上"),
        ("37 to 48", "37 至 48"),
        ("-1.5 to under 1,000", "\N{MINUS SIGN}1.5 至不足 1,000"),
        (RARE_VALUE, "罕见值"),
        (MISSING_GROUP, "缺失"),
        ("under the line", "under the line"),
    ],
)
def test_bands_of_the_host_are_read_in_the_language_of_the_page(value: str, shown: str) -> None:
    run = every_block_run(raw_inputs=False)
    assert str(input_value(Draft(run=run, say=SAY), value)) == shown


@pytest.mark.parametrize("value", ["missing", "rare value", "18 to 25", "under 26"])
def test_inputs_shown_as_they_are_are_not_translated(value: str) -> None:
    assert input_value(Draft(run=every_block_run(), say=SAY), value) == name_text(value)


def test_sentences_do_without_the_english_term_that_tables_give() -> None:
    title = words("均等比（parity ratio）") + name_text("（x）")  # noqa: RUF001 - Chinese brackets
    assert str(bare(title)) == "均等比（x）"  # noqa: RUF001 - Chinese brackets
    assert bare(Text()) == Text()


@pytest.mark.parametrize(("language", "second"), [("en", "zh-CN"), ("zh-CN", "en")])
def test_second_summary_is_folded_and_says_its_language(language: str, second: str) -> None:
    run = every_block_run()
    run = dataclasses.replace(run, config={"report": {"second_language": second}})
    page = parse(render_report(run, language=language))
    folded = page.one("details", lang=second)
    alone = parse(render_report(dataclasses.replace(run, config={}), language=second))
    assert folded.every("h3")[0].text == alone.one("div", **{"class": "verdict"}).every("strong")[0].text
    lead = alone.one("section", id="summary").one("p", **{"class": "lead"}).text
    assert lead in [paragraph.text for paragraph in folded.every("p")]
    assert not folded.every("", lambda element: "id" in element.attributes)


@pytest.mark.parametrize("asked", ["en", "eo", ["en"], None])
def test_a_second_summary_needs_another_language_that_there_is(asked: object) -> None:
    run = dataclasses.replace(every_block_run(), config={"report": {"second_language": asked}})
    assert not parse(render_report(run)).every("details", lambda element: "lang" in element.attributes)


def _inline(element: Element) -> str:
    parts = [
        part if isinstance(part, str) else _inline(part) if part.name in INLINE else "\x00" for part in element.parts
    ]
    return "".join(parts)


def _placeholders(template: Any) -> set[str]:
    texts = template.values() if isinstance(template, dict) else [template]
    return {name for text in texts for name in re.findall(r"\{[^}]*\}", text)}

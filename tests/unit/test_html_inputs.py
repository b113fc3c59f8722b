"""Images, texts and series in the report: what was audited, its cases, and what training cost."""

from __future__ import annotations

import base64
import dataclasses
import functools
import gzip
import re
import struct
import zlib
from typing import Any

import numpy as np
import pytest

from auditbench.findings import Message
from auditbench.run import AuditRun, ShownInput
from auditbench_html.draw import spark_path
from auditbench_html.render import render_report
from auditbench_markdown.comment import render_comment
from auditbench_model_card.card import render_card
from tests.html_inputs import BEGUN, CASES, modality_run, noise_run, trained_run
from tests.html_page import Element, parse

LANGUAGES = ("en", "zh-CN")
TABLE_WORDS = ("0 numeric", "0 categorical", "none among the inputs", "cells", "0 个数值型", "各输入均无缺失")
EXTENT = {
    "image": "Images of 6 × 5 pixels in one channel",
    "text": "Texts of up to 7 words; a vocabulary of 8 words",
    "series": "Series of up to 12 steps in 2 channels",
}
HOSTILE = "<script>alert(1)</script>\n\u202eback & forth"


def page(run: AuditRun, language: str = "en") -> Element:
    return parse(render_report(run, language=language))


def section(run: AuditRun, name: str, language: str = "en") -> Element:
    return page(run, language).one("section", id=name)


@functools.cache
def toy_section(modality: Any, name: str, language: str = "en", *, raw: bool = False) -> Element:
    return toy_page(modality, language, raw=raw).one("section", id=name)


@functools.cache
def toy_page(modality: Any, language: str = "en", *, raw: bool = False) -> Element:
    return page(modality_run(modality, raw_inputs=raw), language)


def pixels_of(image: Element) -> np.ndarray[Any, Any]:
    """Red, green and blue of a PNG file whose rows are differences to the row above."""
    file = base64.b64decode(image.attributes["src"].removeprefix("data:image/png;base64,"))
    width, height = struct.unpack(">II", file[16:24])
    start = file.index(b"IDAT") + 4
    (length,) = struct.unpack(">I", file[start - 8 : start - 4])
    rows = np.frombuffer(zlib.decompress(file[start : start + length]), dtype=np.uint8).reshape(height, 1 + 3 * width)
    return np.cumsum(rows[:, 1:].reshape(height, width, 3), axis=0, dtype=np.uint8)


@pytest.mark.parametrize("modality", ["image", "text", "series"])
def test_facts_say_what_the_model_takes(modality: Any) -> None:
    run = modality_run(modality, raw_inputs=False)
    facts = toy_section(modality, "facts").text
    assert EXTENT[modality] in facts
    assert "no inputs of their own" in facts
    assert not any(word in facts for word in TABLE_WORDS)
    card = render_card(run).decode()
    assert EXTENT[modality] in card
    assert not any(word in card for word in TABLE_WORDS)
    assert not any(word in toy_section(modality, "facts", "zh-CN").text for word in TABLE_WORDS)
    assert render_comment(run)


def test_several_inputs_stand_by_name_with_what_is_missing_in_the_table() -> None:
    facts = toy_section("mixed", "facts").text
    assert "Input features2 numeric, 2 categorical" in facts
    assert "Input textTexts of up to 7 words" in facts
    assert "none in the columns of the table" in facts
    assert "The 4 columns of the table that the model takes beside other inputs" in facts
    assert "none among the inputs" not in facts


@pytest.mark.parametrize(
    ("modality", "counts", "told"),
    [
        pytest.param("mixed", {"empty": 0}, "none among the inputs", id="none"),
        pytest.param("mixed", {"empty": 2}, "2 rows with an empty text in text", id="texts"),
        pytest.param("text", {"empty": 1}, "one row with an empty text in text", id="text-alone"),
        pytest.param(
            "series",
            {"empty": 1, "incomplete": 3},
            "one row without any number in series and 3 rows with missing steps or channels in series. In a series",
            id="series",
        ),
    ],
)
def test_what_texts_and_series_lack_is_told(modality: Any, counts: dict[str, int], told: str) -> None:
    run = modality_run(modality, raw_inputs=False)
    inputs = tuple(
        item if item.modality == "tabular" else dataclasses.replace(item, **counts) for item in run.data.inputs
    )
    run = dataclasses.replace(run, data=dataclasses.replace(run.data, inputs=inputs))
    assert told in section(run, "facts").text
    assert "缺失值" in section(run, "facts", "zh-CN").text


@pytest.mark.parametrize(("form", "filled"), [("bundle", True), ("callable", False), ("predictions", False)])
def test_a_mean_stands_in_a_series_where_the_model_gets_it_encoded(form: str, filled: bool) -> None:
    run = modality_run("series", raw_inputs=False)
    inputs = tuple(dataclasses.replace(item, empty=0, incomplete=3) for item in run.data.inputs)
    model = dataclasses.replace(run.model, format=form)
    run = dataclasses.replace(run, model=model, data=dataclasses.replace(run.data, inputs=inputs))
    told = section(run, "facts").text
    assert ("3 rows with missing steps" in told, "stands in for what is missing" in told) == (True, filled)


@pytest.mark.parametrize(
    ("modality", "tag"), [("image", "image-classification"), ("text", "text-classification"), ("series", None)]
)
def test_the_card_has_the_task_of_the_hub_where_there_is_one(modality: Any, tag: str | None) -> None:
    card = render_card(modality_run(modality, raw_inputs=False)).decode()
    found = re.search(r"^pipeline_tag: (.*)$", card, re.MULTILINE)
    assert (found[1] if found else None) == tag


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("modality", ["image", "text", "series", "mixed"])
def test_without_leave_cases_show_sizes_alone(modality: Any, language: str) -> None:
    cases = toy_section(modality, "cases", language)
    assert len(cases.every("article")) == CASES
    assert len(cases.every("div", lambda element: "input" in element.classes)) == CASES
    assert (
        not cases.every("img") + cases.every("blockquote") + cases.every("svg", lambda e: "aria-label" in e.attributes)
    )


def test_a_record_with_raw_inputs_shows_none_unless_the_audit_file_asks() -> None:
    run = modality_run("image", raw_inputs=True)
    hidden = dataclasses.replace(run, config={**run.config, "report": {"raw_inputs": False}})
    assert len(toy_section("image", "cases", raw=True).every("img")) == CASES
    assert not section(hidden, "cases").every("img")


def test_the_picture_of_a_case_is_its_image() -> None:
    run = modality_run("image", raw_inputs=True)
    images = toy_section("image", "cases", raw=True).every("img")
    for image, case in zip(images, run.cases, strict=True):
        np.testing.assert_array_equal(pixels_of(image)[:, :, 0], np.asarray(case.shown[0].values))
        assert image.attributes["alt"] == "The image of this case, 6 × 5 pixels"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_hostile_text_is_text(language: str) -> None:
    shown = (ShownInput(name="<b>note</b>", modality="text", size=(9,), text=HOSTILE),)
    tree = page(modality_run("text", raw_inputs=True, shown=shown), language)
    quotes = [quote.text for quote in tree.one("section", id="cases").every("blockquote")]
    assert quotes == ["<script>alert(1)</script>↵⟨U+202E⟩back & forth"] * CASES
    assert not tree.one("section", id="cases").every("script")


def test_a_series_is_a_line_a_channel_from_its_smallest_to_its_largest_value() -> None:
    run = modality_run("series", raw_inputs=True)
    lines = toy_section("series", "cases", raw=True).every("svg", lambda element: "aria-label" in element.attributes)
    assert len(lines) == 2 * CASES
    channel = np.asarray(run.cases[0].shown[0].values)[0]
    places = re.findall(r"[ML](\d+) (\d+)", lines[0].one("path").attributes["d"])
    heights = np.array([int(y) for _, y in places])
    expected = 40 * (1 - (channel - channel.min()) / np.ptp(channel))
    np.testing.assert_allclose(heights, expected, atol=0.51)
    assert [int(x) for x, _ in places] == [round(480 * step / (len(channel) - 1)) for step in range(len(channel))]
    assert f"Line over {len(channel)} steps" in lines[0].attributes["aria-label"]


def test_a_gap_of_a_series_is_a_gap_of_its_line() -> None:
    assert spark_path([(0, 4), (5, 6), None, (9, 1)]) == "M0 4h0L5 6M9 1h0"
    constant = np.array([[np.nan, 2.0, 2.0], [np.nan] * 3], dtype=np.float32)
    shown = (ShownInput(name="s", modality="series", size=(2, 3), values=constant),)
    (first, *_) = section(modality_run("series", raw_inputs=True, shown=shown), "cases").every("article")
    (line,) = first.every("path")
    assert line.attributes["d"] == "M240 20h0L480 20"


def test_pictures_texts_and_series_of_twelve_cases_are_small() -> None:
    content = render_report(noise_run())
    images = parse(content).every("img")
    assert len(images) == 12
    assert max(len(image.attributes["src"]) for image in images) <= 60_000 / 4
    assert {len(quote.text) for quote in parse(content).every("blockquote")} == {600}
    assert len(content) <= 600_000
    assert len(gzip.compress(content)) <= 400_000


def test_where_nothing_explains_the_cases_do_not_say_so() -> None:
    cases = toy_section("image", "cases").text
    assert "explained in full" not in cases
    assert "no analysis here says which parts of their inputs mattered" in cases
    assert "only size, brightness and length are shown" in cases
    tree = toy_page("image")
    assert not [element for element in tree.every("section") if element.attributes.get("id") == "explanations"]
    assert "It works on tabular; this model takes images." in tree.one("section", id="incomplete").text
    assert "该模型的输入是图像" in toy_section("image", "incomplete", "zh-CN").text


@pytest.mark.parametrize("language", LANGUAGES)
def test_training_says_what_is_recorded_and_what_it_cost(language: str) -> None:
    run = trained_run(learning_rates=(0.01, 0.004, 0.001), steps=2760, trained_parameters=4000, initial=BEGUN)
    facts = section(run, "facts", language).text
    for number in ("2,760", "0.01", "0.001", "4,000", "8,833", "start.safetensors", "51,234", "300 MiB"):
        assert number in facts
    if language == "en":
        assert "24 s in all, 1.0 s an epoch" in facts
        assert "start.safetensors: 3 tensors taken from it, 1 begun anew" in facts


@pytest.mark.parametrize(("language", "head"), [("en", "Seconds"), ("zh-CN", "耗时（秒）")])  # noqa: RUF001 - Chinese brackets
def test_the_table_of_epochs_has_losses_step_size_and_seconds(language: str, head: str) -> None:
    losses = ((0.9, 0.95), (0.52, 0.6), (0.4123, 0.61))
    run = trained_run(losses=losses, epochs=3, best_epoch=2, learning_rates=(0.01, 0.004, 0.001))
    cost = {**run.volatile.training, "epoch.1.seconds": 5.743, "epoch.2.seconds": 5.6, "epoch.3.seconds": 12.0}
    timed = dataclasses.replace(run, volatile=dataclasses.replace(run.volatile, training=cost))
    (table,) = section(timed, "facts", language).one("figure").every("table")
    heads, *rows = [[cell.text for cell in row.every() if cell.name in ("th", "td")] for row in table.every("tr")]
    assert (len(heads), heads[-1]) == (5, head)
    assert rows[0] == ["1", "0.9000", "0.9500", "0.01", "5.7"]
    assert rows[2] == ["3", "0.4123", "0.6100", "0.001", "12.0"]
    assert head not in section(run, "facts", language).one("figure").text


def test_an_epoch_without_a_time_has_none() -> None:
    run = trained_run(losses=((0.9, 0.95), (0.52, 0.6)), epochs=2, best_epoch=2)
    cost = {**run.volatile.training, "epoch.2.seconds": 0.5}
    timed = dataclasses.replace(run, volatile=dataclasses.replace(run.volatile, training=cost))
    rows = section(timed, "facts").one("figure").one("table").every("tr")
    assert [row.every("td")[-1].text for row in rows[1:]] == ["—", "0.500"]


MOST_PROBABLE = (("rare token", 0.5), ("e", 0.25), (" ", 0.125), ("t", 0.0625))


def language_model(unit: str) -> AuditRun:
    """The toy audit of texts as that of a language model."""
    run = modality_run("text", raw_inputs=False)
    facts = dataclasses.replace(run.data.inputs[0], unit=unit)
    where = {run.data.target: "e"}
    rare = dataclasses.replace(run.cases[1], predicted="rare token", observed="e", most_probable=MOST_PROBABLE)
    cases = (run.cases[0], rare, dataclasses.replace(run.cases[2], rule="typical", where=where))
    return dataclasses.replace(
        run,
        model=dataclasses.replace(run.model, task="next-token"),
        data=dataclasses.replace(run.data, inputs=(facts,), dropped={"unknown_token": 3}),
        cases=cases,
        case_rule=Message(key="core.case_rule_multiclass", values={"n": 3, "rows": 9, "typical": 1}),
    )


@pytest.mark.parametrize("unit", ["characters", "words"])
def test_rows_of_a_language_model_are_windows_of_texts(unit: str) -> None:
    tree = page(language_model(unit))
    facts, cases = tree.one("section", id="facts").text, tree.one("section", id="cases").text
    assert f"A windowup to 7 {unit} of a text. Here the model predicts the one {unit[:-1]} that follows" in facts
    assert "Evaluated windows" in facts
    assert "3 windows: whose next token is outside the vocabulary" in facts
    assert "places in texts" in tree.one("section", id="summary").text
    assert "windows of text" in tree.one("section", id="verdict").text
    assert f"Text, of which the model sees {language_model(unit).cases[0].shown[0].size[0]} {unit}" in cases
    assert "3 of 9 windows of texts, chosen by rule" in cases
    assert "typical, next token e" in cases
    assert "predicted a rare token" in cases
    assert "· then e 25.0%, ␣ 12.5%" in cases
    assert "t 6.2%" not in cases
    assert "预测罕见词元" in section(language_model(unit), "cases", "zh-CN").text
    assert " rows" not in cases


def test_rows_of_other_models_stay_rows() -> None:
    tree = page(modality_run("text", raw_inputs=False))
    assert "window" not in tree.one("section", id="facts").text + tree.one("section", id="cases").text
    assert "nearest to the threshold" in tree.one("section", id="cases").text


def test_a_constant_learning_rate_is_a_setting_alone() -> None:
    assert "in the first epoch" not in section(trained_run(learning_rates=(0.001, 0.001)), "facts").text

"""What the report says where it would be easy to round, to cut, or to sound firmer than it is."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from auditbench.findings import Message
from auditbench.messages import Catalogue, load_messages
from auditbench.results import (
    AnalysisResult,
    Axis,
    Curve,
    ImageOverlay,
    Interval,
    Metric,
    Note,
    Series,
    SeriesAttribution,
    Shows,
    TokenAttribution,
)
from auditbench_html.render import render_report
from auditbench_html.view.draft import Draft
from auditbench_html.view.gated import curve_limits
from auditbench_html.view.record import MOST_PACKAGES, MOST_STAGES
from auditbench_html.view.text import Words
from auditbench_markdown.comment import render_comment
from tests.html_every_block import every_block_run
from tests.html_fixture import gate, income_run
from tests.html_page import Element, parse

TITLE = Message(key="blocks.x")
# The row's kind, the sentence, and how firm the verdict is.
ALONE = {
    "en": ("blocking · decided by the estimate alone", "at least 0.80, decided by the estimate alone", "or its interval"),
    "zh-CN": ("阻断性 · 仅按估计值判定", "不低于 0.80，仅按估计值判定", "值或其区间距限值不足 5%"),  # noqa: RUF001 - Chinese comma
}  # fmt: skip


def page_of(*results: AnalysisResult, language: str = "en", **rest: Any) -> Element:
    fields: dict[str, Any] = {"results": results, "cases": (), "gates": (), "waivers": (), **rest}
    return parse(render_report(dataclasses.replace(income_run(), **fields), language=language))


def result_of(**blocks: Any) -> AnalysisResult:
    return AnalysisResult(analyzer="performance", topic="performance", version="1", **blocks)


def measured(name: str, level: float) -> Metric:
    return Metric(name=name, value=0.5, n=50, interval=Interval(low=0.4, high=0.6, level=level, method="wilson"))


@pytest.mark.parametrize("language", ALONE)
def test_gate_decided_by_the_estimate_says_so_and_is_not_firm(language: str) -> None:
    kind, sentence, firmness = ALONE[language]
    decided = gate(
        "auc", "performance.auc", "pass", decide="estimate", minimum=0.8, value=0.9, low=0.5, high=0.99, topic="performance"
    )  # fmt: skip
    page = page_of(result_of(), gates=(decided,), verdict="ready_for_review", language=language)
    assert kind in page.one("tr", id="gate-auc").every("td")[0].text
    assert sentence in page.one("section", id="gates").text + page.one("section", id="performance").text
    assert firmness in page.one("section", id="verdict").text
    by_interval = dataclasses.replace(decided, decide="interval", low=0.89, high=0.91)
    other = page_of(result_of(), gates=(by_interval,), verdict="ready_for_review", language=language)
    assert kind.partition(" · ")[2] not in other.one("table", id="gate-table").text
    assert firmness not in other.one("section", id="verdict").text


def test_comment_says_that_the_estimate_alone_decided() -> None:
    failing = gate("auc", "performance.auc", "fail", decide="estimate", minimum=0.8, value=0.7, low=0.5, high=0.99)
    comment = render_comment(dataclasses.replace(income_run(), results=(), gates=(failing,), waivers=())).decode()
    assert "outside its limit of at least 0.80, decided by the estimate alone." in comment


def test_comment_shows_the_gain_that_a_gate_limits() -> None:
    change = gate(
        "auc", "performance.auc", "pass", max_drop=0.02, value=0.85, gain=-0.004, gain_low=-0.009, gain_high=0.001
    )
    comment = render_comment(dataclasses.replace(income_run(), results=(), gates=(change,), waivers=())).decode()
    assert "| −0.0040 | −0.0090 to +0.0010 | drop ≤ 0.02 |" in comment


@pytest.mark.parametrize(("level", "shown"), [(0.999, "99.9%"), (0.95, "95%"), (0.9, "90%")])
def test_level_of_an_interval_is_not_rounded(level: float, shown: str) -> None:
    points = Series(label="", x=(0.1, 0.9), y=(0.2, 0.8), low=(0.1, 0.7), high=(0.3, 0.9), n=(50, 50))
    axis = Axis(label=TITLE)
    curve = Curve(name="reliability", title=TITLE, kind="reliability", x=axis, y=axis, series=(points,))
    page = page_of(result_of(metrics=(measured("auc", level), measured("f1", level)), curves=(curve,)))
    figures = page.one("section", id="performance").every("figure")
    assert len([figure for figure in figures if f"{shown} interval" in figure.text]) == 2


def test_curve_of_an_analyzer_without_one_level_names_none() -> None:
    points = Series(label="", x=(0.1,), y=(0.2,), low=(0.1,), high=(0.3,), n=(50,))
    axis = Axis(label=TITLE)
    curve = Curve(name="reliability", title=TITLE, kind="reliability", x=axis, y=axis, series=(points,))
    page = page_of(result_of(metrics=(measured("auc", 0.9), measured("f1", 0.95)), curves=(curve,)))
    assert "Interval" in [head.text for head in page.one("section", id="performance").every("th")]


def test_level_of_a_comparison_is_not_rounded() -> None:
    run = every_block_run()
    assert run.baseline is not None
    run = dataclasses.replace(run, baseline=dataclasses.replace(run.baseline, level=0.999))
    assert "99.9%" in parse(render_report(run)).one("section", id="baseline").text


@pytest.mark.parametrize("more", [0, 1])
def test_packages_and_stages_that_are_left_out_are_counted(more: int) -> None:
    run, packages, stages = income_run(), MOST_PACKAGES + more, MOST_STAGES + more
    provenance = dataclasses.replace(run.provenance, plugins=(), packages={f"p{n}": "1" for n in range(packages)})
    volatile = dataclasses.replace(run.volatile, seconds={f"s{n}": 1.0 for n in range(stages)})
    text = page_of(provenance=provenance, volatile=volatile).one("section", id="provenance").text
    assert (f"Showing {MOST_PACKAGES} of {packages}; run.json holds the rest." in text) == bool(more)
    assert (f"Showing {MOST_STAGES} of {stages}; run.json holds the rest." in text) == bool(more)


def test_every_limit_that_analyzers_state_is_shown() -> None:
    notes = tuple(Note(kind="limit", text=Message(key=f"limit-{n}")) for n in range(9))
    caveats = page_of(result_of(notes=notes)).one("section", id="performance").one("div", **{"class": "caveats"})
    assert [item.text.partition(":")[0] for item in caveats.every("li")] == [f"limit-{n}" for n in range(9)]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        pytest.param(np.arange(25.0).reshape(5, 5), "full at 23.76, which one pixel exceeds.", id="small"),
        pytest.param(np.arange(400.0).reshape(20, 20), "full at 395, which 4 pixels exceed.", id="larger"),
        pytest.param(np.zeros((5, 5)), "5 × 5 pixels, not smoothed.", id="nothing"),
    ],
)
def test_map_says_how_many_pixels_lie_beyond_its_colours(values: np.ndarray[Any, Any], said: str) -> None:
    block = ImageOverlay(name="i", title=TITLE, row_id="1", image=np.zeros(values.shape), values=values, unit="logit")
    assert said in page_of(result_of(image_overlays=(block,))).one("section", id="performance").text


@pytest.mark.parametrize(
    ("drawn", "said", "keys"),
    [
        ({}, "Contributions of 4 × 4 pixels, not smoothed", ["raises", "lowers"]),
        ({"shows": "slope"}, "Slopes at 4 × 4 pixels, not smoothed", ["changes the output fast, up or down"]),
        ({"shows": "map", "places": (2, 2)}, "Map of 2 × 2 places, interpolated to 4 × 4 pixels", ["raises the explained output"]),
        (
            {"shows": "map", "low": -1.0},
            "Map of 4 × 4 pixels, not smoothed",
            ["raises the explained output", "less of it would raise it"],
        ),
        (
            {"places": (1, 1), "averaged": True, "image": None},
            "Contributions of 4 × 4 pixels as means over 1 × 1 blocks",
            ["raises", "lowers"],
        ),
    ],
)  # fmt: skip
def test_map_is_called_what_it_is(drawn: dict[str, Any], said: str, keys: list[str]) -> None:
    values = np.linspace(drawn.pop("low", 0.0), 1.0, 16).reshape(4, 4)
    shown = {"image": np.zeros((4, 4)), "unit": "1", **drawn}
    block = ImageOverlay(name="i", title=TITLE, row_id="1", values=values, **shown)
    section = page_of(result_of(image_overlays=(block,))).one("section", id="performance")
    assert f"{said}; colours are full at" in section.text
    assert [key.text.strip() for key in section.one("ul", **{"class": "keys"}).every("li")] == keys
    assert "(1)" not in section.text


@pytest.mark.parametrize(
    ("shows", "low", "keys"),
    [
        ("contribution", 0.0, ["raises", "lowers"]),
        ("slope", 0.0, ["changes the output fast, up or down"]),
        ("map", 0.0, ["raises the explained output"]),
        ("map", -1.0, ["raises the explained output", "less of it would raise it"]),
    ],
)
@pytest.mark.parametrize("modality", ["series", "text"])
def test_values_of_steps_and_words_are_called_what_they_are(
    modality: str, shows: Shows, low: float, keys: list[str]
) -> None:
    said = {
        "series": {
            "contribution": "4 steps: those that raise the output are orange",
            "slope": "4 steps: the deeper the orange, the faster the output changes",
            "map": "4 steps: orange where the network found",
        },
        "text": {
            "contribution": "Words that raise the output are underlined",
            "slope": "Underlined words change the output",
            "map": "Underlined words are where the network found",
        },
    }
    values = np.array([low, 1.0, 0.5, 0.0])
    unit = {"contribution": "logit", "slope": "logit per encoded unit", "map": "1"}[shows]
    one: dict[str, Any] = {"name": "b", "title": TITLE, "row_id": "1", "unit": unit, "shows": shows}
    result = (
        result_of(series_attributions=(SeriesAttribution(channels=("x",), series=None, values=values[None], **one),))
        if modality == "series"
        else result_of(
            token_attributions=(TokenAttribution(tokens=tuple("abcd"), values=tuple(values.tolist()), **one),)
        )
    )
    section = page_of(result).one("section", id="performance")
    assert [kind for kind, sentence in said[modality].items() if sentence in section.text] == [shows]
    assert [key.text.strip() for key in section.one("ul", **{"class": "keys"}).every("li")] == keys
    assert ("Effect" in section.text) == (shows == "contribution")
    assert "(1)" not in section.text


@pytest.mark.parametrize("averaged", [False, True])
def test_a_map_by_pixels_is_not_said_to_hide_the_image(averaged: bool) -> None:
    block = ImageOverlay(
        name="i", title=TITLE, row_id="1", image=None, values=np.eye(8), unit="logit", averaged=averaged,
        places=(2, 2) if averaged else None,
    )  # fmt: skip
    text = page_of(result_of(image_overlays=(block,))).one("section", id="performance").text
    assert ("A map of many small regions can still let it be recognised." in text) != averaged
    assert ("so could the contributions by pixel among the arrays of the run" in text) == averaged


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_two_intervals_of_one_change_are_told_apart_where_there_is_a_baseline(language: str) -> None:
    said = {
        "en": "the interval under “Since baseline” holds for all tested measures at once",
        "zh-CN": "“较基线”一列的区间",
    }
    for run, told in ((every_block_run(), True), (income_run(), False)):
        gates = parse(render_report(run, language=language)).one("section", id="gates")
        assert (said[language] in gates.text) == told


def test_area_under_the_curve_says_how_ties_count() -> None:
    assert "scores higher (ties count half)" in parse(render_report(income_run())).text
    assert "得分相同计一半" in parse(render_report(income_run(), language="zh-CN")).text


@pytest.mark.parametrize(
    ("label", "place"),
    [("0.2", 0.2), ("-3", -3.0), ("1e-3", 1e-3), ("nan", None), ("inf", None), ("1_0", None), ("1e999", None), ("٣", None), (" 1", None)],
)  # fmt: skip
def test_limit_has_a_place_only_by_a_plain_number(label: str, place: float | None) -> None:
    run = every_block_run()
    gated = gate("g", "blocks.noise_accuracy", "pass", where={"group": label}, minimum=0.7, value=0.8)
    run = dataclasses.replace(run, gates=(gated,))
    result = next(result for result in run.results if result.analyzer == "blocks")
    say = Words(catalogue=Catalogue(language="en", templates=load_messages("auditbench_html")["en"]))
    (limit,) = curve_limits(Draft(run=run, say=say), result, result.curves[0])
    assert limit.x == place

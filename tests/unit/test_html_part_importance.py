"""Importance of words, segments and regions: over which rows each mean is, what is listed, and how parts are called."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from auditbench.masking import summaries
from auditbench.results import AnalysisResult, Attribution, Interval, Metric
from auditbench.run import AuditRun, Modality
from auditbench_html.render import render_report
from auditbench_html.view import importance as view
from tests.html_inputs import modality_run
from tests.html_page import Element, parse

ROWS = 26


def part_run(
    modality: Modality, means: dict[str, tuple[float, int]], language: str = "en", width: float = 0.0
) -> AuditRun:
    """A run whose first explainer has a mean and a number of rows for each part; the cases are explained beside them."""
    run = modality_run(modality, raw_inputs=True)
    cases = tuple(case.row_id for case in run.cases)
    metrics = tuple(
        Metric(
            name="mean_absolute_attribution", value=mean, unit="logit", n=n, where={"feature": name},
            interval=Interval(low=mean - width, high=mean + width, method="bootstrap"),
            method="shap.mean_absolute_attribution.formula_parts",
        )
        for name, (mean, n) in means.items()
    )  # fmt: skip
    count = ROWS + len(cases)
    block = Attribution(
        name="contributions", method="shap.interventional", values=np.zeros((count, 1, 4)), player_names=(),
        target_names=("yes",), base_values=np.zeros((count, 1)), outputs=np.zeros((count, 1)),
        row_ids=(*cases, *(f"sampled-{row}" for row in range(ROWS))), additive=True, unit="logit", model_rows=1,
    )  # fmt: skip
    shap = AnalysisResult(analyzer="shap", topic="explanation", version="1", metrics=metrics, attributions=(block,))
    return dataclasses.replace(
        run, results=(shap,), gates=(), config={**run.config, "report": {"raw_inputs": True, "language": language}}
    )


def importance(run: AuditRun, language: str = "en") -> Element:
    """The figure of importances."""
    section = parse(render_report(run, language=language)).one("section", id="explanations")
    return section.every("figure")[0]


def labels(figure: Element) -> list[str]:
    return [row.every("th")[0].text for row in figure.every("table")[0].every("tr") if row.every("th")][1:]


WORDS = {f"word{place}": (1.0 - place / 40, 10 + place % 9) for place in range(20)}


def test_each_word_says_over_how_many_rows_its_mean_is() -> None:
    figure = importance(part_run("text", WORDS))
    shown = labels(figure)
    assert [label.split("n = ")[1] for label in shown[:15]] == [str(10 + place % 9) for place in range(15)]
    assert "n = 10 to 18" in figure.one("p", **{"class": "src"}).text


@pytest.mark.parametrize(
    ("language", "rule", "rest"),
    [
        (
            "en",
            f"words that stand in at least 10 of {ROWS} explained rows",
            "The 5 further listed words, their means added up",
        ),
        ("zh-CN", f"仅列出在 {ROWS} 个被解释样本中至少 10 个里出现的词", "所列的另外 5 个词\uff0c均值相加"),
    ],
)
def test_words_are_listed_by_a_rule_that_is_said(language: str, rule: str, rest: str) -> None:
    figure = importance(part_run("text", WORDS, language), language)
    assert rule in figure.one("p", **{"class": "sub"}).text
    assert labels(figure)[15] == rest


def test_the_rule_is_the_one_that_runs_are_made_by() -> None:
    assert (view.LEAST_ROWS, view.MOST_WORDS) == (summaries.LEAST_ROWS, summaries.MOST_WORDS)


@pytest.mark.parametrize(("count", "said"), [(29, False), (30, True)])
def test_a_list_that_was_cut_says_so(count: int, said: bool) -> None:
    means = {f"word{place}": (1.0 - place / 40, 12) for place in range(count)}
    assert ("the 30 with the largest means" in importance(part_run("text", means)).text) == said


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_words_have_no_share_of_a_sum_of_means_over_other_rows(language: str) -> None:
    means = {"first": (9.0, 17), "second": (1.0, 14), "third": (0.5, 10), "fourth": (0.4, 11)}
    figure = importance(part_run("text", means, language, width=0.01), language)
    title = figure.one("figcaption").every("h3")[0].text
    assert "first" in title
    assert "%" not in title


@pytest.mark.parametrize(
    ("modality", "name", "language", "told"),
    [
        ("image", "grid row 2, column 3", "en", "The region in row 2 and column 3 of the grid accounts for 90%"),
        ("image", "grid row 2, column 3", "zh-CN", "网格第 2 行第 3 列的区域占平均绝对贡献总量的 90%"),
        ("image", "superpixel 4", "en", "Superpixel 4 accounts for 90%"),
        ("image", "superpixel 4", "zh-CN", "超像素 4 占平均绝对贡献总量的 90%"),
        ("series", "steps 0 to 3", "en", "The segment of steps 0 to 3 accounts for 90%"),
        ("series", "channel 1, steps 0 to 3", "zh-CN", "通道 1 第 0 至 3 步占平均绝对贡献总量的 90%"),
    ],
)
def test_places_are_told_in_words(modality: Any, name: str, language: str, told: str) -> None:
    means = {name: (9.0, ROWS), "superpixel 9": (0.5, ROWS), "superpixel 10": (0.5, ROWS)}
    figure = importance(part_run(modality, means, language, width=0.01), language)
    title = figure.one("figcaption").every("h3")[0].text.replace("\u2068", "").replace("\u2069", "")
    assert title.startswith(told)


@pytest.mark.parametrize(("modality", "rest"), [("image", "All 5 other regions"), ("series", "All 5 other segments")])
def test_what_is_added_up_is_named(modality: Any, rest: str) -> None:
    means = {f"part {place}": (1.0 - place / 40, ROWS) for place in range(20)}
    figure = importance(part_run(modality, means))
    assert labels(figure)[15] == rest
    assert f"{ROWS} explained rows" in figure.one("p", **{"class": "sub"}).text
    assert "n = " not in "".join(labels(figure))


def slopes(run: AuditRun, unit: str) -> AuditRun:
    """The same run with other numbers than contributions."""
    (result,) = run.results
    metrics = tuple(dataclasses.replace(metric, unit=unit) for metric in result.metrics)
    return dataclasses.replace(run, results=(dataclasses.replace(result, metrics=metrics),))


@pytest.mark.parametrize(
    ("language", "slope", "contribution"), [("en", "slope", "ontribution"), ("zh-CN", "斜率", "贡献")]
)
@pytest.mark.parametrize("modality", ["text", "series"])
@pytest.mark.parametrize("width", [0.01, 9.0])
def test_slopes_are_not_called_contributions(
    modality: Any, language: str, slope: str, contribution: str, width: float
) -> None:
    means = {"steps 0 to 3": (9.0, ROWS), "steps 4 to 7": (1.0, ROWS), "steps 8 to 9": (0.5, ROWS)}
    run = part_run(modality, means, language, width=width)
    for unit, said, unsaid in (("logit", contribution, slope), ("logit per encoded unit", slope, contribution)):
        figure = importance(slopes(run, unit), language)
        told = [figure.one("figcaption").text, *(column.text for column in figure.every("th"))]
        assert any(said in text for text in told)
        assert not any(unsaid in text for text in told)


@pytest.mark.parametrize(("modality", "part"), [("text", "word"), ("series", "segment")])
def test_numbers_without_a_unit_leave_no_gap(modality: Any, part: str) -> None:
    means = {"steps 0 to 3": (9.0, ROWS), "steps 4 to 7": (1.0, ROWS)}
    figure = importance(slopes(part_run(modality, means, width=9.0), "1"))
    assert "{" not in figure.text
    assert f"Mean absolute contribution of each {part}" in figure.every("th")[2].text
    assert " in ," not in figure.one("p", **{"class": "sub"}).text


@pytest.mark.parametrize(("modality", "parts"), [("text", "words"), ("series", "segments"), ("image", "regions")])
def test_methods_are_said_to_agree_on_what_they_rank(modality: Any, parts: str) -> None:
    means = {f"part {place}": (9.0 - place, ROWS) for place in range(5)}
    run = part_run(modality, means)
    (first,) = run.results
    lead = parse(render_report(dataclasses.replace(run, results=(first, dataclasses.replace(first, analyzer="lime")))))
    assert f"The 2 methods put the same three {parts} first." in lead.one("section", id="explanations").text

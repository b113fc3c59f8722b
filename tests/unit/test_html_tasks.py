"""Reports of several classes and of regression: what is a probability there, and what is not."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import softmax
from torch import nn

import auditbench
from auditbench.results import Attribution
from auditbench.run import AuditRun
from auditbench_html.render import render_report
from tests.html_fixture import gate, income_run
from tests.html_page import Element, number_of, parse
from tests.html_results import group_metric

CLASSES = ("low", "middle", "high")
ANALYZERS: dict[str, dict[str, Any]] = {
    "shap": {"rows": 20, "background": 10},
    "captum": {"rows": 20, "background": 10},
    "fairness": {"intersections": 1},
}


def audited(task: Any, *, strength: float = 1.0, gates: tuple[dict[str, Any], ...] = ()) -> AuditRun:
    rng = np.random.default_rng(5)
    inputs = rng.normal(size=(240, 4)).astype(np.float32)
    layer = nn.Linear(4, 3 if task == "multiclass-classification" else 1)
    weights = strength * rng.normal(size=(layer.out_features, 4))
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(weights))
        layer.bias.zero_()
    scores = inputs @ weights.T + strength * rng.normal(size=(240, layer.out_features))
    return auditbench.audit(
        layer, inputs, scores[:, 0] if task == "regression" else scores.argmax(axis=1), task=task,
        output="value" if task == "regression" else "logit", analyzers=ANALYZERS, gates=gates, seed=3,
        class_names=() if task == "regression" else CLASSES, feature_names=("a", "b", "c", "d"),
        sensitive_features={"region": np.where(inputs[:, 0] + rng.normal(size=240) > 0, "North", "South")},
    )  # fmt: skip


@pytest.fixture(scope="module")
def classes() -> AuditRun:
    where = {"feature": "region", "class": "middle"}
    limit = {"metric": "fairness.demographic_parity_ratio", "where": where, "min": 1.0, "decide": "estimate"}
    return audited("multiclass-classification", gates=(limit,))


@pytest.fixture(scope="module")
def regression() -> AuditRun:
    return audited("regression")


def shown(run: AuditRun) -> Element:
    return parse(render_report(run)).one("main")


def test_probability_of_a_class_is_the_softmax_of_all_scores(classes: AuditRun) -> None:
    articles = shown(classes).every("article")
    assert len(articles) == len(classes.cases) > 2
    for case, article in zip(classes.cases, articles, strict=True):
        wanted = softmax(case.output)[CLASSES.index(case.predicted)]
        said = re.search(r"with probability ([\d.]+)%", article.text)
        assert said is not None
        assert float(said.group(1)) == pytest.approx(100 * wanted, abs=0.051)


def test_waterfall_of_a_class_ends_at_its_score(classes: AuditRun) -> None:
    for case, article in zip(classes.cases, shown(classes).every("article"), strict=True):
        end = article.every("tr", lambda row: "output" in row.classes)[0].every("td")[0]
        score = case.output[CLASSES.index(case.predicted)]
        assert float(end.attributes["data-v"]) == pytest.approx(score, abs=1e-4)
        assert number_of(end.text.lstrip("+")) == pytest.approx(score, abs=6e-3)
        assert f"Score (logit) of {case.predicted}" in article.text
        axis = article.every("tr", lambda row: "axis" in row.classes)[0]
        assert "%" not in axis.text


def test_scores_of_classes_are_never_called_log_odds(classes: AuditRun) -> None:
    text = shown(classes).text.lower()
    assert "log-odds" not in text
    assert "score (logit)" in text


def test_figures_of_a_class_name_it(classes: AuditRun) -> None:
    section = shown(classes).one("section", id="explanations")
    swarm = next(f for f in section.every("figure") if f.every("svg", lambda svg: "swarm" in svg.classes))
    assert "output for low" in swarm.every("h3")[0].text
    titles = [figure.every("h3")[0].text for figure in section.every("figure") if "SHAP first" in figure.text]
    assert len(titles) == 3
    assert all(name in title for name, title in zip(CLASSES, titles, strict=True))


def test_people_are_those_of_the_groups_and_the_class_of_the_gate(classes: AuditRun) -> None:
    picture = shown(classes).one("section", id="summary").every("figure")[0]
    rates = {
        metric.where["group"]: metric.value
        for metric in classes.results[-1].metrics
        if metric.name == "selection_rate" and metric.where.get("class") == "middle" and metric.value is not None
    }
    assert len(rates) == 2
    assert "predicted middle" in picture.text
    said = {
        p.text.lstrip("0123456789").split(" (")[0]: int(p.every("b")[0].text)
        for p in picture.every("p")
        if p.every("b")
    }
    assert said == {group: round(100 * rate) for group, rate in rates.items()}


def odds_run(true: tuple[float, float], false: tuple[float, float], *, of_class: str = "") -> AuditRun:
    run = income_run()
    where = {"feature": "sex"} | ({"class": of_class} if of_class else {})
    metrics = tuple(
        dataclasses.replace(found, where={**found.where, **where})
        for name, values in (("true_positive_rate", true), ("false_positive_rate", false))
        for group, value in zip(("A", "B"), values, strict=True)
        for found in (group_metric(name, "sex", group, 400, value),)
    )
    gap = max(abs(true[0] - true[1]), abs(false[0] - false[1]))
    odds = dataclasses.replace(
        metrics[0], name="equalized_odds_difference", value=gap, where=where, interval=None, no_interval="not_estimated"
    )
    decision = gate(
        "odds", "fairness.equalized_odds_difference", "fail", where=where, topic="fairness", maximum=0.1, value=gap
    )
    result = dataclasses.replace(run.results[4], metrics=(*metrics, odds), findings=())
    return dataclasses.replace(run, results=(result,), gates=(decision,), waivers=(), cases=())


@pytest.mark.parametrize(
    ("true", "false", "question", "filled"),
    [
        pytest.param((0.9, 0.5), (0.2, 0.3), "who are >50K", {50, 90}, id="true-positive-rate-decides"),
        pytest.param((0.9, 0.8), (0.1, 0.4), "who are not >50K", {10, 40}, id="false-positive-rate-decides"),
    ],
)
def test_people_show_the_rate_that_decides_equalized_odds(
    true: tuple[float, float], false: tuple[float, float], question: str, filled: set[int]
) -> None:
    picture = shown(odds_run(true, false)).one("section", id="summary").every("figure")[0]
    assert question in picture.text
    assert {int(bold.text) for bold in picture.every("b")} == filled


def test_people_include_a_group_that_has_only_the_rate_that_decides() -> None:
    run = odds_run((0.9, 0.8), (0.1, 0.2))
    (result,) = run.results
    lacking = (
        group_metric("true_positive_rate", "sex", "C", 400, None),
        group_metric("false_positive_rate", "sex", "C", 400, 0.7),
    )
    *rates, odds = result.metrics
    metrics = (*rates, *lacking, dataclasses.replace(odds, value=0.7 - 0.1))
    run = dataclasses.replace(run, results=(dataclasses.replace(result, metrics=metrics),))
    picture = shown(run).one("section", id="summary").every("figure")[0]
    assert "who are not >50K" in picture.text
    assert [int(bold.text) for bold in picture.every("b")] == [10, 70]


def test_no_people_without_a_class_to_name() -> None:
    run = odds_run((0.9, 0.5), (0.2, 0.3))
    several = dataclasses.replace(
        run,
        model=dataclasses.replace(run.model, task="multiclass-classification", classes=CLASSES, threshold=None),
        data=dataclasses.replace(run.data, positive=""),
    )
    assert not shown(several).one("section", id="summary").every("figure")
    named = odds_run((0.9, 0.5), (0.2, 0.3), of_class="high")
    assert "who are high" in shown(dataclasses.replace(several, results=named.results, gates=named.gates)).text


def test_regression_has_no_probability_and_no_share(regression: AuditRun) -> None:
    page = shown(regression)
    assert not re.search("probabilit|log-odds|logit", page.text.lower())
    for article in page.every("article"):
        assert "%" not in article.text
    assert page.every("article")
    groups = page.one("section", id="fairness").every("figure")[0]
    assert "%" not in groups.text
    assert "in the unit of the target" in groups.text


def test_regression_shows_predictions_as_they_are(regression: AuditRun) -> None:
    for case, article in zip(regression.cases, shown(regression).every("article"), strict=True):
        end = article.every("tr", lambda row: "output" in row.classes)[0].every("td")[0]
        assert number_of(end.text) == pytest.approx(case.output[0], abs=1e-3)


@pytest.mark.parametrize("task", ["multiclass-classification", "binary-classification"])
def test_large_logits_render(task: Any, classes: AuditRun) -> None:
    run = classes if task == "multiclass-classification" else income_run()
    results = tuple(
        dataclasses.replace(result, attributions=tuple(_scaled(block, -1e4) for block in result.attributions))
        for result in run.results
    )
    cases = tuple(dataclasses.replace(case, output=tuple(-1e4 * value for value in case.output)) for case in run.cases)
    articles = shown(dataclasses.replace(run, results=results, cases=cases)).every("article")
    assert len(articles) == len(cases)
    assert all(re.search(r"(probability|score) [\d.]+%", article.text) for article in articles)


def _scaled(block: Attribution, factor: float) -> Attribution:
    parts: dict[str, Any] = {
        name: factor * np.asarray(getattr(block, name)) for name in ("values", "base_values", "outputs")
    }
    return dataclasses.replace(block, **parts)

"""How well a model predicts comes first: in gates that are proposed, in findings, on the page and in the terminal."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.metrics import accuracy_score

from auditbench.cli.boundary import guarded
from auditbench.cli.gates_draft import draft_gates, fitting_presets, own_gate
from auditbench.findings import Finding, Message, Verdict
from auditbench.gate_file import GateSource, read_gates
from auditbench.gates import decide
from auditbench.headline_metrics import MOST, headline_metrics, quality_metrics
from auditbench.messages import LANGUAGES, load_messages
from auditbench.presets import load_preset
from auditbench.results import AnalysisResult, Interval, Metric
from auditbench.run import AuditRun, Task
from auditbench.testing import given_outputs_subject, toy_context
from auditbench_html.render import render_report
from auditbench_html.view.outline import outline
from auditbench_markdown.comment import render_comment
from auditbench_performance import Params
from auditbench_performance.analysis import analyze
from auditbench_performance.rules import findings
from tests.finished_run import PASSED, a_run, finish
from tests.html_fixture import gate, income_run
from tests.html_page import parse
from tests.plugin_results import metric_of

FEW = Params(replicates=60)
SIZES = (
    gate("parameters", "resources.parameters", "pass", topic="resources", maximum=1e6, value=8833.0),
    gate("size", "resources.model_size", "pass", topic="resources", maximum=1e7, value=35332.0),
)


def measure(name: str, value: float | None, low: float = 0.0, high: float = 1.0, **rest: Any) -> Metric:
    if value is None:
        return Metric(name=name, value=None, n=90, reason=Message(key="performance.undefined.no_rows"), **rest)
    interval = Interval(low=low, high=high, level=0.95, method="wilson")
    return Metric(name=name, value=value, interval=interval, n=90, **rest)


def performance(*metrics: Metric, **rest: Any) -> AnalysisResult:
    return AnalysisResult(analyzer="performance", topic="performance", metrics=metrics, **rest)


def gated(*gates: Any, metrics: tuple[Metric, ...] = (), verdict: Verdict = "ready_for_review") -> AuditRun:
    run = income_run()
    results = (dataclasses.replace(run.results[0], metrics=metrics or run.results[0].metrics), *run.results[1:])
    return dataclasses.replace(run, gates=gates, waivers=(), results=results, verdict=verdict)


def tiles(run: AuditRun) -> list[str]:
    return [str(line.label) for line in outline(run, "auditbench_html", "en").screen.headlines[:-1]]


def classes_at(strength: float, rows: int = 300) -> AnalysisResult:
    """A classifier of three classes, the third the most frequent, whose scores know the label by `strength`."""
    rng = np.random.default_rng(4)
    labels = rng.choice(3, size=rows, p=[0.3, 0.3, 0.4])
    scores = rng.normal(size=(rows, 3)) + strength * np.eye(3)[labels]
    return measured(np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True), labels)


def value_of(result: AnalysisResult, name: str) -> float:
    value = metric_of(result, name).value
    assert value is not None
    return value


def measured(outputs: Any, labels: Any) -> AnalysisResult:
    classes = tuple(f"class {index}" for index in range(np.asarray(outputs).shape[1]))
    task: Task = "multiclass-classification"
    subject = given_outputs_subject(outputs, labels, task=task, classes=classes, threshold=None)
    found = analyze(toy_context(subject, analyzer="performance"), FEW)
    return dataclasses.replace(found, analyzer="performance", topic="performance")


@pytest.mark.parametrize("task", get_args(Task))
def test_the_gates_that_are_proposed_are_on_how_well_the_model_predicts(tmp_path: Path, task: Task) -> None:
    (tmp_path / "gates.toml").write_text(draft_gates(task, sensitive=False))
    given = read_gates([GateSource(text="gates.toml", base=tmp_path)], task=task, sensitive=[])
    assert given.problems == ()
    assert {table.metric.partition(".")[0] for table in given.gates.values()} == {"performance"}
    assert fitting_presets(task, sensitive=False)[0].endswith("-basics")
    assert "resources-small" in fitting_presets(task, sensitive=False)
    assert any('"performance.' in line for line in own_gate(task))


def test_gain_over_the_most_frequent_class_is_the_difference_of_both_accuracies() -> None:
    result = classes_at(1.5)
    gain = metric_of(result, "gain_over_majority")
    assert gain.interval is not None
    value = value_of(result, "gain_over_majority")
    wanted = value_of(result, "accuracy") - value_of(result, "majority_class_accuracy")
    assert value == pytest.approx(wanted, abs=1e-12)
    assert gain.interval.low < value < gain.interval.high
    assert gain.higher_is_better is True
    assert gain.influence is not None


def test_gain_equals_that_over_a_dummy_classifier() -> None:
    rng = np.random.default_rng(0)
    labels, given = rng.choice(4, 200, p=[0.1, 0.2, 0.3, 0.4]), rng.choice(4, 200)
    scores = np.eye(4)[given] * 0.6 + 0.1
    found = measured(scores / scores.sum(axis=1, keepdims=True), labels)
    dummy = DummyClassifier(strategy="most_frequent").fit(np.zeros((200, 1)), labels)
    wanted = accuracy_score(labels, given) - dummy.score(np.zeros((200, 1)), labels)
    assert metric_of(found, "gain_over_majority").value == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize(
    ("result", "state"),
    [
        pytest.param(lambda: classes_at(0.0), "fail", id="chance"),
        pytest.param(
            lambda: measured(np.tile([0.2, 0.5, 0.3], (90, 1)), [0, 1, 1] * 30), "inconclusive", id="one-answer"
        ),
        pytest.param(
            lambda: measured(np.eye(3)[[1, 0, 0] * 30] * 0.7 + 0.1, [0, 1, 1] * 30), "fail", id="always-wrong"
        ),
        pytest.param(lambda: classes_at(3.0), "pass", id="learned"),
    ],
)
def test_the_preset_lets_no_model_at_chance_pass(result: Callable[[], AnalysisResult], state: str) -> None:
    tables = load_preset("multiclass-basics").tables([])
    (decision,) = decide(tables, [result()], today=datetime.date(2026, 1, 1))
    assert decision.state == state


@pytest.mark.parametrize(
    ("low", "high", "severity"),
    [(-0.2, -0.1, "high"), (-0.1, 0.0, "medium"), (0.0, 0.1, "medium"), (-0.1, 0.1, "medium"), (0.01, 0.1, None)],
)
def test_a_language_model_that_gains_nothing_is_a_finding(low: float, high: float, severity: str | None) -> None:
    found = findings((measure("gain_over_bigram", (low + high) / 2, low, high),), FEW)
    assert [one.severity for one in found] == ([severity] if severity else [])
    assert {one.rule for one in found} <= {"performance.no_gain_over_bigram"}
    for templates in load_messages("auditbench_performance").values():
        assert all(one.title.key in templates and one.action.key in templates for one in found if one.action)


def test_a_language_model_without_an_interval_of_its_gain_is_no_finding() -> None:
    alone = Metric(name="gain_over_bigram", value=-1.0, n=9, no_interval="few_clusters")
    assert findings((alone, measure("perplexity", 9.0, 8.0, 10.0)), FEW) == ()


@pytest.mark.parametrize(("high", "severity"), [(0.39, "high"), (0.4, "high"), (0.41, "medium")])
def test_accuracy_that_nowhere_exceeds_the_most_frequent_class_is_high(high: float, severity: str) -> None:
    majority = Metric(name="majority_class_accuracy", value=0.4, n=90, no_interval="exact")
    (found,) = findings((measure("accuracy", 0.35, 0.3, high), majority), FEW)
    assert (found.rule, found.severity) == ("performance.at_baseline", severity)


@pytest.mark.parametrize(
    ("metrics", "names"),
    [
        pytest.param([("accuracy", 0.5), ("auc", 0.6)], [["accuracy", "auc"]], id="classes"),
        pytest.param([("rmse", 2.0), ("r2", 0.1)], [["r2", "rmse"]], id="regression"),
        pytest.param([("rmse", 0.0), ("r2", None)], [["rmse"]], id="constant-labels"),
        pytest.param(
            [("accuracy", 0.5), ("log_loss", 2.0), ("perplexity", 7.0), ("gain_over_bigram", -1.0)],
            [["perplexity", "log_loss"], ["gain_over_bigram"]],
            id="next-token",
        ),
        pytest.param([("accuracy", 0.5), ("perplexity", 7.0), ("gain_over_bigram", None)], [["perplexity"]], id="no-training-rows"),
        pytest.param([("latency", 0.5)], [], id="none-known"),
    ],
)  # fmt: skip
def test_quality_of_each_task(metrics: list[tuple[str, float | None]], names: list[list[str]]) -> None:
    result = performance(*(measure(name, value, -9.0, 99.0) for name, value in metrics))
    found = quality_metrics([result])
    assert [[name for name, _ in part] for part in found] == [
        [f"performance.{name}" for name in part] for part in names
    ]


def test_numbers_are_those_of_quality_then_the_first_of_other_analyzers() -> None:
    size = measure("n", 3.0, higher_is_better=False)
    sizes = [dataclasses.replace(performance(size), analyzer=name, topic="resources") for name in "abcd"]
    shap = AnalysisResult(analyzer="shap", topic="explanation", metrics=(measure("gap", 0.1),))
    by_class = measure("accuracy", 0.1, where={"class": "x"})
    told = performance(by_class, measure("precision", 0.2), measure("accuracy", 0.3))
    found = headline_metrics([shap, *sizes, told])
    assert [name for name, _ in found] == ["performance.accuracy", "a.n", "b.n"]
    assert len(found) == MOST
    assert [
        name for name, _ in headline_metrics([shap, performance(measure("mape", 0.2, higher_is_better=False))])
    ] == ["performance.mape"]


def test_what_is_neither_good_nor_bad_gives_its_place_to_further_numbers_of_quality() -> None:
    inside = dataclasses.replace(performance(measure("unit_kurtosis", 3.0)), analyzer="layers", topic="layers")
    rest = [measure("recall", 0.2), measure("expected_calibration_error", 0.1), measure("auc", 0.9)]
    told = performance(measure("accuracy", 0.3), *rest)
    names = ["performance.accuracy", "performance.auc", "performance.expected_calibration_error"]
    assert [name for name, _ in headline_metrics([inside, told])] == names
    latency = dataclasses.replace(performance(measure("latency", 3.0, higher_is_better=False)), analyzer="resources")
    assert [name for name, _ in headline_metrics([inside, told, latency])] == [names[0], "resources.latency", names[1]]
    alone = performance(measure("accuracy", None), measure("auc", 0.9))
    assert [name for name, _ in headline_metrics([inside, alone])] == ["performance.auc"]


def test_the_page_keeps_quality_where_gates_are_on_other_things() -> None:
    assert tiles(gated(*SIZES)) == ["Accuracy", "Parameters", "Model file"]
    auc = gate("auc", "performance.auc", "pass", topic="performance", minimum=0.5, value=0.9, low=0.89, high=0.91)
    assert tiles(gated(*SIZES, auc)) == ["Area under the ROC curve", "Parameters", "Model file"]
    recall = gate("r", "performance.recall", "fail", topic="performance", minimum=0.9, value=0.6, low=0.5, high=0.7)
    assert tiles(gated(*SIZES, recall)) == ["Accuracy", "Recall", "Parameters"]
    change = gate("d", "performance.accuracy", "pass", topic="performance", max_drop=0.1, value=0.85, gain=0.0)
    assert tiles(gated(*SIZES, change))[0] == "Accuracy"
    assert len(tiles(gated(*SIZES, change))) == MOST
    assert tiles(gated(verdict="no_gates"))[0] == "Accuracy"


def test_the_page_of_a_language_model_keeps_perplexity_and_gain() -> None:
    metrics = (
        measure("accuracy", 0.1),
        measure("perplexity", 9.0, 8.0, 10.0),
        measure("gain_over_bigram", -0.1, -0.2, 0.0),
    )
    assert tiles(gated(*SIZES, metrics=metrics)) == ["Perplexity", "Gain over bigram", "Parameters"]
    gain = gate(
        "g", "performance.gain_over_bigram", "fail", topic="performance", minimum=0.0, value=-0.1, low=-0.2, high=0.0
    )
    assert tiles(gated(*SIZES, gain, metrics=metrics)) == ["Perplexity", "Gain over bigram", "Parameters"]


SAID = {"en": "No gate is on how well the model predicts.", "zh-CN": "没有门槛针对模型的预测效果。"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_page_and_comment_say_that_no_gate_is_on_quality(language: Any) -> None:
    said, without = SAID[language], gated(*SIZES)
    assert said in parse(render_report(without, language=language)).one("main").text
    assert said in render_comment(without, language=language).decode()
    assert outline(without, "auditbench_html", language).screen.tone == "pass"
    by_name = gate("auc", "performance.auc", "not_run", minimum=0.5, reason=Message(key="host.not_reached"))
    for run in (gated(verdict="no_gates"), gated(*SIZES, by_name), income_run()):
        assert said not in render_comment(run, language=language).decode()


def test_show_prints_numbers_and_the_gravest_findings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kinds: Any = ("low", "medium", "low", "high", "low", "low", "low")
    found = tuple(
        Finding(rule="a.b", severity=kind, title=Message(key="f", values={"n": n})) for n, kind in enumerate(kinds)
    )
    metrics = (measure("accuracy", 0.853, 0.848, 0.859), measure("auc", 0.9))
    resources = AnalysisResult(
        analyzer="resources",
        topic="resources",
        metrics=(measure("latency", 2.0, 1.0, 3.0, unit="ms", higher_is_better=False),),
    )
    messages = {"en": {"performance.accuracy": "Accuracy", "f": "Finding {n}\x1b[31m"}}
    run = a_run(
        results=(performance(*metrics, findings=found), resources), gates=(), messages=messages, verdict="no_gates"
    )
    finish(tmp_path, run)
    assert guarded(["show", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    at = lines.index("Numbers")
    assert lines[at + 1 : at + 3] == [
        "  Accuracy           0.853 (95% interval 0.848 to 0.859)",
        "  resources.latency  2 ms (95% interval 1 to 3 ms)",
    ]
    at = lines.index("Findings")
    assert [line.replace("⟨U+001B⟩[31m", "") for line in lines[at + 1 : at + 7]] == [
        "  high: Finding 3", "  medium: Finding 1", "  low: Finding 0", "  low: Finding 2", "  low: Finding 4", "  and 2 more",
    ]  # fmt: skip


def test_show_says_why_a_number_has_no_interval(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    alone = Metric(name="accuracy", value=0.5, n=9, no_interval="few_clusters")
    finish(tmp_path, a_run(results=(performance(alone),), gates=(PASSED,)))
    assert guarded(["show", str(tmp_path)]) == 0
    assert "  performance.accuracy  0.5 (few clusters)" in capsys.readouterr().out

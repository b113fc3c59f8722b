"""What the record and the report say that a missing cell becomes is what the model gets."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from auditbench import api
from auditbench.data import EvaluationData, build_evaluation
from auditbench.models import ModelUnderTest
from auditbench.models.missing_cells import with_own_rules
from auditbench.run import AuditRun
from auditbench_html.render import render_report
from tests.endpoint_models import opened as opened_server
from tests.endpoint_models import request
from tests.estimators import opened, people, saved, sha256, write
from tests.html_fixture import income_run
from tests.html_page import Element, parse
from tests.in_process_worker import workers_in_this_process
from tests.inference_server import InferenceServer, Served, serve_network
from tests.unit.test_endpoint_loading import of_columns, small_network

FUNCTION = """
def predict(frame):
    return frame.age.to_numpy() / 100
"""
CONFIG = """
[audit]
name = "people"
[model]
task = "binary-classification"
output = "probability"
{model}
[data]
test = "test.csv"
train = "train.csv"
target = "y"
positive = "yes"
[analyzers.performance]
replicates = 40
[report]
formats = []
"""


def rules(model: ModelUnderTest, data: EvaluationData) -> dict[str, str]:
    return {feature.name: feature.missing_rule for feature in with_own_rules(data.facts.features, model)}


def audited(folder: Path, model: str, test: pd.DataFrame) -> AuditRun:
    write(folder, people(80, 1), test)
    (folder / "audit.toml").write_text(CONFIG.format(model=model))
    with workers_in_this_process():
        return api.audit_config(folder / "audit.toml", out=folder / "run")


@pytest.mark.parametrize(
    ("estimator", "hours"), [(HistGradientBoostingClassifier(max_iter=5), "kept"), (LogisticRegression(), "median")]
)
def test_an_estimator_gets_a_missing_number_where_it_takes_one(tmp_path: Path, estimator: Any, hours: str) -> None:
    train, _ = write(tmp_path, people(200, 1), people(60, 2))
    columns = ["age", "hours"]
    own = estimator.fit(train[columns].fillna(40.0), train.y)
    assert rules(*opened(saved(own, tmp_path / "own.skops"), features=tuple(columns))) == {
        "age": "median",
        "hours": hours,
    }


def test_a_function_gets_missing_cells_as_missing_and_the_record_says_so(tmp_path: Path) -> None:
    path = tmp_path / "score.py"
    path.write_text(FUNCTION)
    run = audited(tmp_path, f'format = "callable"\npath = "score.py"\ntrust = ["{sha256(path)}"]', people(60, 2))
    assert {feature.name: feature.missing_rule for feature in run.data.features} == dict.fromkeys(
        ("age", "hours", "sex", "job"), "kept"
    )
    assert [(limit.key, dict(limit.values)) for limit in run.model.limits] == [
        ("core.model_missing_kept", {"columns": "hours"})
    ]


def test_outputs_that_are_stored_get_no_cell_at_all(tmp_path: Path) -> None:
    test = people(60, 2)
    test["score"] = test.age / 100
    run = audited(tmp_path, 'format = "predictions"\ncolumns = ["score"]', test)
    assert {feature.missing_rule for feature in run.data.features} == {""}
    assert [feature.name for feature in run.data.features if feature.missing_test] == ["hours", "job"]


@pytest.mark.parametrize(
    ("served", "expected"),
    [
        (of_columns(), {"age": "median", "hours": "median", "sex": "empty-text"}),
        (serve_network(small_network(), 5), {"age": "median", "hours": "median", "sex": "own-category"}),
    ],
    ids=["columns", "encoded"],
)
def test_a_server_gets_what_its_note_says(tmp_path: Path, served: Served, expected: Mapping[str, str]) -> None:
    with InferenceServer(served) as server:
        asked = request(tmp_path, server.url)
        model = opened_server(tmp_path, server.url)
        data = build_evaluation(asked.source, model.inputs, task=model.facts.task, classes=model.facts.classes, seed=0)
    assert rules(model, data) == expected


def inputs_of(rule: str, language: str) -> Element:
    run = income_run()
    features = tuple(dataclasses.replace(feature, missing_rule=rule) for feature in run.data.features)
    page = parse(
        render_report(
            dataclasses.replace(run, data=dataclasses.replace(run.data, features=features)), language=language
        )
    )
    return page.one("section", id="facts")


@pytest.mark.parametrize(
    ("language", "heading", "kept"),
    [("en", "Missing value becomes", "stays missing"), ("zh-CN", "缺失值处理方式", "保持缺失")],
)
def test_the_report_says_it_and_has_no_such_column_where_nothing_is_filled(
    language: str, heading: str, kept: str
) -> None:
    told = inputs_of("kept", language).text
    assert (heading in told, kept in told) == (True, True)
    assert heading not in inputs_of("", language).text

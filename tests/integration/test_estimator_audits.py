"""Estimators and functions through the command line: scored, compared by group and explained, from the file to the record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
import xgboost
from sklearn.ensemble import RandomForestClassifier

from auditbench.cli.boundary import guarded
from tests.estimators import FEATURES, NUMBERS, numbers, people, sha256, write
from tests.in_process_worker import workers_in_this_process
from tests.unit.test_estimators import prepared

CONFIG = """
[audit]
name = "estimators"
[model]
{model}
task = "binary-classification"
[data]
test = "test.csv"
train = "train.csv"
target = "{target}"
positive = "yes"
{data}
[analyzers.performance]
replicates = 40
[analyzers.fairness]
[analyzers.shap]
rows = 6
background = 10
{shap}
[analyzers.lime]
rows = 6
num_samples = 300
[analyzers.captum]
required = false
[analyzers.resources]
required = false
[report]
formats = ["html"]
cases = 2
"""


def audited(folder: Path, capsys: pytest.CaptureFixture[str], **tables: str) -> dict[str, Any]:
    config = folder / "audit.toml"
    config.write_text(CONFIG.format(**{"data": "", "shap": "", "target": "y", **tables}))
    with workers_in_this_process():
        code = guarded(["audit", str(config), "--out", str(folder / "run")])
    said = capsys.readouterr()
    assert code == 0, said.out + said.err
    record: dict[str, Any] = json.loads((folder / "run" / "run.json").read_text())
    statuses = {result["analyzer"]: result["status"] for result in record["results"]}
    assert statuses.pop("captum") == "not_applicable"
    assert set(statuses.values()) == {"ok"}, statuses
    return record


def metric(record: dict[str, Any], analyzer: str, name: str) -> float:
    result = next(result for result in record["results"] if result["analyzer"] == analyzer)
    found: float = next(one["value"] for one in result["metrics"] if one["name"] == name)
    return found


def method(record: dict[str, Any]) -> str:
    result = next(result for result in record["results"] if result["analyzer"] == "shap")
    found: str = result["attributions"][0]["method"]
    return found


def test_a_pipeline_of_skops(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train, test = write(tmp_path, people(200, 1), people(60, 2))
    own = prepared(RandomForestClassifier(8, random_state=0)).fit(train[list(FEATURES)], train.y)
    skops.io.dump(own, tmp_path / "model.skops")
    record = audited(tmp_path, capsys, model='format = "estimator"\npath = "model.skops"', data='sensitive = ["sex"]')
    decided = own.predict_proba(test[list(FEATURES)])[:, 1] >= 0.5
    assert metric(record, "performance", "accuracy") == pytest.approx((decided == (test.y == "yes")).mean())
    assert metric(record, "shap", "local_accuracy_gap") < 1e-12
    assert record["model"]["architecture"] == "Pipeline of ColumnTransformer, RandomForestClassifier"
    assert record["model"]["capabilities"] == ["black_box"]
    assert "hours" in (tmp_path / "run" / "report.html").read_text()


def test_trees_of_an_xgboost_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = numbers(200, 1), numbers(60, 2)
    for table in (first, second):
        table["sex"] = np.where(np.arange(len(table)) % 2, "f", "m")
    train, test = write(tmp_path, first, second)
    own = xgboost.XGBClassifier(n_estimators=6, max_depth=3).fit(train[list(NUMBERS)], train.yes == "yes")
    own.get_booster().save_model(tmp_path / "model.json")
    features = f'features = {list(NUMBERS)}\nsensitive = ["sex"]'
    record = audited(
        tmp_path,
        capsys,
        model='format = "estimator"\npath = "model.json"',
        data=features,
        target="yes",
        shap='method = "shap.tree"',
    )
    decided = own.predict_proba(test[list(NUMBERS)])[:, 1] >= 0.5
    assert metric(record, "performance", "accuracy") == pytest.approx((decided == (test.yes == "yes")).mean())
    assert method(record) == "shap.shap.tree"
    assert metric(record, "shap", "local_accuracy_gap") < 1e-6


def test_a_function_of_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, test = write(tmp_path, people(200, 1), people(60, 2))
    source = (
        "import numpy as np\ndef score(frame):\n"
        "    return 1 / (1 + np.exp(95 - frame['age'] - frame['hours'].fillna(40) - 10 * (frame['job'] == 'clerk')))\n"
    )
    (tmp_path / "score.py").write_text(source)
    trust = sha256(tmp_path / "score.py")
    record = audited(
        tmp_path,
        capsys,
        model=f'format = "callable"\npath = "score.py"\nfunction = "score"\noutput = "probability"\ntrust = ["{trust}"]',
        data='sensitive = ["sex"]',
    )
    decided: pd.Series[bool] = test.age + test.hours.fillna(40) + 10 * (test.job == "clerk") >= 95
    assert metric(record, "performance", "accuracy") == pytest.approx((decided == (test.y == "yes")).mean())
    assert [program["kind"] for program in record["model"]["programs"]] == ["callable"]


def test_trees_are_not_asked_of_what_has_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train, _ = write(tmp_path, people(200, 1), people(60, 2))
    own = prepared(RandomForestClassifier(4, random_state=0)).fit(train[list(FEATURES)], train.y)
    skops.io.dump(own, tmp_path / "model.skops")
    config = tmp_path / "audit.toml"
    text = CONFIG.format(
        model='format = "estimator"\npath = "model.skops"', data="", target="y", shap='method = "shap.tree"'
    )
    config.write_text(text.replace("[analyzers.fairness]\n", ""))
    with workers_in_this_process():
        guarded(["audit", str(config), "--out", str(tmp_path / "run")])
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    result = next(result for result in record["results"] if result["analyzer"] == "shap")
    assert result["status"] == "not_applicable"
    assert "the trees see other columns than the data have" in json.dumps(result["reason"])
    capsys.readouterr()

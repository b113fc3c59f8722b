"""Outputs in columns are audited as the model that made them: through the command line, on every task and from every file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from auditbench.cli.boundary import guarded
from auditbench.config_file import load_config
from auditbench.registry import Registry
from auditbench.worker.subject_opening import open_subject
from tests.html_page import parse
from tests.in_process_worker import workers_in_this_process

ROWS = 240
TASKS = ("binary-classification", "multiclass-classification", "regression")
TARGET = {
    "binary-classification": 'target = "bought"\npositive = "yes"',
    "multiclass-classification": 'target = "grade"\nclasses = ["low", "middle", "high"]',
    "regression": 'target = "price"',
}
OUTPUT = {name: "value" if name == "regression" else "logit" for name in TASKS}
NEEDS_A_MODEL = ("shap", "lime", "captum", "resources")
CONFIG = """
[audit]
name = "small"
[model]
{model}
task = "{task}"
[data]
test = "{file}"
split = "split"
id = "id"
{target}
exclude = [{exclude}]
sensitive = ["sex", "age"]
bins.age = [45]
[analyzers.performance]
replicates = 50
[analyzers.fairness]
{more}
[report]
formats = ["html"]
cases = 4
"""
OTHER_ANALYZERS = "".join(f"[analyzers.{name}]\n" for name in NEEDS_A_MODEL)


@pytest.fixture(autouse=True)
def in_this_process() -> Iterator[None]:
    with workers_in_this_process():
        yield


def people() -> pd.DataFrame:
    rng = np.random.default_rng(7)
    age, hours = rng.integers(18, 80, ROWS), rng.normal(40, 8, ROWS).round(2)
    sex = rng.choice(["f", "m"], ROWS)
    level = (age - 45) / 20 + (hours - 40) / 10 + 0.4 * (sex == "m") + rng.normal(0, 0.8, ROWS)
    return pd.DataFrame(
        {
            "id": [f"p{index:03}" for index in range(ROWS)],
            "age": age,
            "hours": hours,
            "sex": sex,
            "bought": np.where(level > 0, "yes", "no"),
            "grade": np.select([level < -0.7, level < 0.7], ["low", "middle"], "high"),
            "price": (level * 100).round(3),
            "split": ["train" if index % 3 else "test" for index in range(ROWS)],
        }
    )


def labels_besides(task: str) -> str:
    target = {"binary-classification": "bought", "multiclass-classification": "grade", "regression": "price"}[task]
    return ", ".join(f'"{name}"' for name in ("bought", "grade", "price") if name != target)


def write_config(folder: Path, name: str, **parts: str) -> Path:
    path = folder / name
    path.write_text(CONFIG.format(**{"more": "", **parts}))
    return path


def predictions(columns: int, output: str) -> str:
    names = ", ".join(f'"score{index}"' for index in range(columns))
    return f'format = "predictions"\ncolumns = [{names}]\noutput = "{output}"'


def audit(config: Path, out: Path, code: int = 0) -> Any:
    assert guarded(["audit", str(config), "--out", str(out)]) == code
    return json.loads((out / "run.json").read_text())


def measured(run: Any) -> dict[Any, Any]:
    """What performance and fairness say, without what names the model."""
    return {
        (result["analyzer"], part): result[part]
        for result in run["results"]
        if result["analyzer"] in ("performance", "fairness")
        for part in ("metrics", "tables", "findings", "status")
    }


@pytest.fixture(scope="module", params=TASKS)
def audited(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, Any]:
    """Task, folder and record of a bundle that was trained and audited; its outputs stand in `rows.csv` and `rows.parquet`."""
    task: str = request.param
    folder = tmp_path_factory.mktemp("predictions")
    table = people()
    table.to_parquet(folder / "rows.parquet")
    config = write_config(
        folder,
        "bundle.toml",
        model='path = "bundle"',
        task=task,
        file="rows.parquet",
        target=TARGET[task],
        exclude=labels_besides(task),
    )
    config.write_text(config.read_text() + '[train]\narchitecture = "linear"\nepochs = 2\n')
    with workers_in_this_process():
        run = audit(config, folder / "run-bundle")
    loaded = load_config(config)
    subject = open_subject(
        loaded.config, folder, Registry(), device="cpu", stage=lambda *_, **__: None, may_train=False
    )
    for place in range(subject.outputs.shape[1]):
        scores = pd.Series(subject.outputs[:, place], index=subject.data.row_ids)
        table[f"score{place}"] = table["id"].map(scores)
    table.to_parquet(folder / "rows.parquet")
    table.to_csv(folder / "rows.csv", index=False, float_format="%.17g")
    table.loc[table["split"] == "test", ["id", *(name for name in table if name.startswith("score"))]].sample(
        frac=1, random_state=3
    ).to_csv(folder / "scores.csv", index=False, float_format="%.17g")
    return task, folder, run


@pytest.mark.parametrize("file", ["rows.csv", "rows.parquet", "scores.csv"])
def test_outputs_of_a_bundle_are_audited_as_the_bundle_is(
    audited: tuple[str, Path, Any], file: str, tmp_path: Path
) -> None:
    task, folder, expected = audited
    columns = 3 if task == "multiclass-classification" else 1
    model, data, hidden = predictions(columns, OUTPUT[task]), file, labels_besides(task)
    if file == "scores.csv":
        model, data = f'{model}\npath = "scores.csv"', "rows.parquet"
        hidden += "".join(f', "score{index}"' for index in range(columns))
    config = write_config(
        folder, f"{file}.toml", model=model, task=task, file=data, target=TARGET[task], exclude=hidden
    )
    run = audit(config, tmp_path / "run")
    assert measured(run) == measured(expected)
    assert len(measured(run)["fairness", "metrics"]) > 10
    assert [case["row_id"] for case in run["cases"]] == [case["row_id"] for case in expected["cases"]]
    assert [case["output"] for case in run["cases"]] == [case["output"] for case in expected["cases"]]
    assert [case["inputs"] for case in run["cases"]] == [case["inputs"] for case in expected["cases"]]
    features = [feature["name"] for feature in run["data"]["features"]]
    assert features == [feature["name"] for feature in expected["data"]["features"]] == ["age", "hours", "sex"]


def test_what_needs_a_model_says_that_there_is_none(audited: tuple[str, Path, Any], tmp_path: Path) -> None:
    task, folder, _ = audited
    columns = 3 if task == "multiclass-classification" else 1
    gate = '[[gates]]\nmetric = "performance.{}"\n{}\n'.format(
        *(("mae", "max = 1000") if task == "regression" else ("accuracy", "min = 0.2"))
    )
    config = write_config(
        folder,
        "all.toml",
        model=predictions(columns, OUTPUT[task]),
        task=task,
        file="rows.csv",
        target=TARGET[task],
        exclude=labels_besides(task),
        more=OTHER_ANALYZERS + gate,
    )
    run = audit(config, tmp_path / "run")
    states = {result["analyzer"]: (result["status"], (result["reason"] or {}).get("key")) for result in run["results"]}
    missing = ("not_applicable", "core.not_applicable_capability_black_box")
    assert states == {"performance": ("ok", None), "fairness": ("ok", None), **dict.fromkeys(NEEDS_A_MODEL, missing)}
    assert (run["verdict"], run["exit_code"]) == ("ready_for_review", 0)
    assert run["model"]["capabilities"] == []
    assert [limit["key"] for limit in run["model"]["limits"]] == ["core.model_predictions_only"]
    page = parse((tmp_path / "run" / "report.html").read_text())
    assert "There is no model here, only its outputs in rows.csv" in page.text
    assert "there is no model to evaluate: only its outputs for the rows of the data" in page.text


def test_check_says_it_before_an_audit(audited: tuple[str, Path, Any], capsys: pytest.CaptureFixture[str]) -> None:
    task, folder, _ = audited
    columns = 3 if task == "multiclass-classification" else 1
    config = write_config(
        folder,
        "check.toml",
        model=predictions(columns, OUTPUT[task]),
        task=task,
        file="rows.csv",
        target=TARGET[task],
        exclude=labels_besides(task),
        more=OTHER_ANALYZERS,
    )
    assert guarded(["check", str(config)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "not shap: It evaluates the model on rows of its own" in said
    assert "There is no model here, only its outputs in rows.csv" in said


def test_outputs_are_compared_with_the_bundle_and_with_each_other(
    audited: tuple[str, Path, Any], tmp_path: Path
) -> None:
    task, folder, _ = audited
    columns = 3 if task == "multiclass-classification" else 1
    tables = {
        "bundle": 'path = "bundle"',
        "stored": predictions(columns, OUTPUT[task]),
    }
    for audited_name, reference in (("bundle", "stored"), ("stored", "bundle"), ("stored", "stored")):
        config = write_config(
            folder,
            "parity.toml",
            model=tables[audited_name],
            task=task,
            file="rows.parquet",
            target=TARGET[task],
            exclude=labels_besides(task),
            more=f'[models.other]\ntask = "{task}"\n{tables[reference]}\n[analyzers.parity]\n[analyzers.resources]\nrequired = false\n',
        )
        run = audit(config, tmp_path / f"{audited_name}-{reference}")
        parity = next(result for result in run["results"] if result["analyzer"] == "parity")
        assert parity["status"] == "ok", (audited_name, reference, parity["reason"])
        values = {metric["name"]: metric["value"] for metric in parity["metrics"]}
        assert values["largest_output_difference"] == 0.0
        resources = next(result for result in run["results"] if result["analyzer"] == "resources")
        assert resources["status"] == ("ok" if audited_name == "bundle" else "not_applicable")


def test_two_runs_of_outputs_are_compared(tmp_path: Path) -> None:
    table = people()
    rng = np.random.default_rng(1)
    table["score0"] = rng.random(ROWS)
    table["score1"] = np.where(table["bought"] == "yes", 0.5 + table["score0"] / 2, table["score0"] / 2)
    table.to_csv(tmp_path / "rows.csv", index=False)
    for name in ("score0", "score1"):
        write_config(
            tmp_path,
            f"{name}.toml",
            model=f'format = "predictions"\ncolumns = ["{name}"]\noutput = "probability"',
            task=TASKS[0],
            file="rows.csv",
            target=TARGET[TASKS[0]],
            exclude=labels_besides(TASKS[0]) + ', "score0", "score1"',
        )
    first = audit(tmp_path / "score0.toml", tmp_path / "first")
    command = ["audit", str(tmp_path / "score1.toml"), "--out", str(tmp_path / "second"), "--baseline"]
    assert guarded([*command, str(tmp_path / "first")]) == 0
    second = json.loads((tmp_path / "second" / "run.json").read_text())
    assert first["model"]["digest"] != second["model"]["digest"]
    changes = {change["metric"]: change for change in second["baseline"]["metrics"] if not change.get("where")}
    assert changes["performance.accuracy"]["difference"] > 0.2
    assert (second["baseline"]["paired"], second["baseline"]["pairs"]) == (True, 80)
    again = audit(tmp_path / "score0.toml", tmp_path / "again")
    assert again["model"]["digest"] == first["model"]["digest"]


def test_data_without_a_feature_are_enough(tmp_path: Path) -> None:
    table = people()[["bought", "split"]].assign(score0=np.linspace(0, 1, ROWS))
    table.to_csv(tmp_path / "rows.csv", index=False)
    config = tmp_path / "audit.toml"
    config.write_text(
        '[audit]\nname = "bare"\n[model]\ntask = "binary-classification"\n'
        + predictions(1, "probability")
        + '\n[data]\ntest = "rows.csv"\nsplit = "split"\ntarget = "bought"\npositive = "yes"\n[analyzers.performance]\n'
    )
    run = audit(config, tmp_path / "run")
    assert run["data"]["features"] == []
    assert run["results"][0]["status"] == "ok"
    assert (tmp_path / "run" / "report.html").is_file()


def test_a_wrong_cell_is_refused_with_its_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = people().assign(score0=0.5)
    table["split"] = "test"
    content = io.StringIO()
    table.to_csv(content, index=False)
    rows = list(csv.reader(io.StringIO(content.getvalue())))
    rows[17][-1] = "maybe"
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    config = write_config(
        tmp_path,
        "audit.toml",
        model=predictions(1, "probability"),
        task=TASKS[0],
        file="rows.csv",
        target=TARGET[TASKS[0]],
        exclude=labels_besides(TASKS[0]),
    )
    assert guarded(["audit", str(config), "--out", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err
    assert "'maybe' in row 17" in said
    assert "AB300 model.columns" in said

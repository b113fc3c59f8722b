"""`auditbench init` with a model or predictions writes a config that `check` takes and that `audit` runs."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from auditbench.cli.boundary import guarded
from tests.in_process_worker import workers_in_this_process
from tests.keras_networks import OF_KERAS, keras

EXAMPLES = Path(__file__).parents[2] / "examples"
ROWS = 120


def people(folder: Path) -> Path:
    """Numbers, a group, a label, and a score of the label."""
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"income": rng.normal(size=ROWS).round(3), "debt": rng.normal(size=ROWS).round(3)})
    rows["approved"] = np.where(rows["income"] - rows["debt"] > 0, "yes", "no")
    rows["score"] = (1 / (1 + np.exp(rows["debt"] - rows["income"]))).round(4)
    rows.to_csv(folder / "people.csv", index=False)
    return folder / "people.csv"


def skops_file(folder: Path) -> list[str]:
    import skops.io
    from sklearn.linear_model import LogisticRegression

    rows = pd.read_csv(folder / "people.csv")
    fitted = LogisticRegression().fit(rows[["income", "debt", "score"]], rows["approved"])
    skops.io.dump(fitted, folder / "model.skops")
    return ["--model", str(folder / "model.skops")]


def keras_file(folder: Path) -> list[str]:
    layers = keras().layers
    network = keras().Sequential([layers.Input((3,)), layers.Dense(1)])
    network.save(folder / "model.keras")
    return ["--model", str(folder / "model.keras")]


def score_column(_folder: Path) -> list[str]:
    return ["--predictions", "score"]


@pytest.mark.filterwarnings(OF_KERAS)
@pytest.mark.parametrize(
    ("make", "form"), [(skops_file, "estimator"), (keras_file, "keras"), (score_column, "predictions")]
)
def test_a_table_and_its_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], make: Callable[[Path], list[str]], form: str
) -> None:
    data = people(tmp_path)
    arguments = make(tmp_path)
    config = tmp_path / "audit.toml"
    with workers_in_this_process():
        assert guarded(["init", str(tmp_path), "--data", str(data), "--target", "approved", *arguments]) == 0
        document = tomllib.loads(config.read_text())
        assert document["model"]["format"] == form
        assert "train" not in document
        assert {"shap", "lime"}.isdisjoint(document["analyzers"]) == (form == "predictions")
        assert guarded(["check", str(config)]) == 0, capsys.readouterr().err
        capsys.readouterr()
        command = ["audit", str(config), "--only", "performance", "--format", "json", "--json"]
        guarded([*command, "--out", str(tmp_path / "run")])
    told = json.loads(capsys.readouterr().out)
    assert [(item["name"], item["status"]) for item in told["analyzers"] if item["status"] == "ok"] == [
        ("performance", "ok")
    ]


def drafted(folder: Path, rows: pd.DataFrame, model: Any, target: str) -> tuple[int, dict[str, Any]]:
    """What `check` says of the config that `init` writes for rows and an estimator, and the config."""
    import skops.io

    rows.to_csv(folder / "rows.csv", index=False)
    skops.io.dump(model, folder / "model.skops")
    command = ["init", str(folder), "--data", str(folder / "rows.csv"), "--target", target]
    with workers_in_this_process():
        assert guarded([*command, "--model", str(folder / "model.skops")]) == 0
        return guarded(["check", str(folder / "audit.toml")]), tomllib.loads((folder / "audit.toml").read_text())


def homes() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"number": range(ROWS), "area": rng.normal(90, 20, ROWS).round(1)})
    rows["city"], rows["sex"] = rng.choice(["Lima", "Oslo"], ROWS), rng.choice(["f", "m"], ROWS)
    return rows.assign(sold=np.where(rows["area"] > 90, "yes", "no"), stars=(rows["area"] / 30).round().astype(int))


def test_an_estimator_gets_the_columns_that_it_was_fitted_on(tmp_path: Path) -> None:
    from sklearn.linear_model import LogisticRegression

    rows = homes().drop(columns="stars")
    fitted = LogisticRegression().fit(rows[["area", "number"]], rows["sold"])
    code, document = drafted(tmp_path, rows, fitted, "sold")
    assert code == 0
    assert (document["data"]["exclude"], document["data"]["sensitive"]) == (["city", "sex"], ["sex"])
    assert "id" not in document["data"]
    assert '"city",   # the model was not fitted on it' in (tmp_path / "audit.toml").read_text()


def test_a_regressor_of_few_numbers_is_audited_as_one(tmp_path: Path) -> None:
    from sklearn.linear_model import LinearRegression

    rows = homes().drop(columns=["city", "sex", "sold"])
    code, document = drafted(tmp_path, rows, LinearRegression().fit(rows[["area"]], rows["stars"]), "stars")
    assert (code, document["model"]["task"]) == (0, "regression")


@pytest.mark.parametrize("way", ["columns", "pipeline"])
def test_the_ways_on_from_one_hot_columns_work(tmp_path: Path, capsys: pytest.CaptureFixture[str], way: str) -> None:
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    rows = homes().drop(columns=["number", "stars", "sex"])
    coded = pd.get_dummies(rows[["area", "city"]], dtype=int)
    fitted = LogisticRegression(max_iter=1000).fit(coded, rows["sold"])
    assert drafted(tmp_path, rows, fitted, "sold")[0] == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "write these columns into the data" in said
    assert "save a Pipeline that codes them" in said
    (tmp_path / "next").mkdir()
    if way == "columns":
        assert drafted(tmp_path / "next", coded.assign(sold=rows["sold"]), fitted, "sold")[0] == 0
    else:
        coding = make_column_transformer((OneHotEncoder(), ["city"]), remainder="passthrough")
        pipeline = make_pipeline(coding, LogisticRegression(max_iter=1000)).fit(rows[["area", "city"]], rows["sold"])
        assert drafted(tmp_path / "next", rows, pipeline, "sold")[0] == 0


def test_rows_without_a_label_are_left_out(tmp_path: Path) -> None:
    rows = homes().drop(columns="stars")
    rows.loc[::7, "sold"] = None
    rows.to_csv(tmp_path / "rows.csv", index=False)
    with workers_in_this_process():
        assert guarded(["init", str(tmp_path), "--data", str(tmp_path / "rows.csv"), "--target", "sold"]) == 0
        assert guarded(["check", str(tmp_path / "audit.toml")]) == 0
    assert tomllib.loads((tmp_path / "audit.toml").read_text())["data"]["missing_labels"] == "drop"


def test_columns_beside_the_text_of_a_hugging_face_model_are_no_inputs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = pd.read_parquet(EXAMPLES / "03-text" / "news.parquet").sample(120, random_state=0)
    rows = rows.assign(age=np.arange(len(rows)) % 60, url=[f"host/{n}" for n in range(len(rows))], stars=1.5)
    rows.assign(seen=pd.Timestamp("2020-01-01")).to_parquet(tmp_path / "news.parquet")
    arguments = ["--data", str(tmp_path / "news.parquet"), "--target", "label"]
    arguments += ["--model", str(EXAMPLES / "08-huggingface" / "newsgroups-bert")]
    with workers_in_this_process():
        assert guarded(["init", str(tmp_path), *arguments]) == 0
        assert guarded(["check", str(tmp_path / "audit.toml")]) == 0, capsys.readouterr().err
    document = tomllib.loads((tmp_path / "audit.toml").read_text())
    assert list(document["data"]["inputs"]) == ["text"]
    assert document["data"]["sensitive"] == ["age"]


def test_a_hugging_face_folder_says_its_task_and_its_lengths(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--data", str(EXAMPLES / "03-text" / "news.parquet")]
    arguments += ["--model", str(EXAMPLES / "08-huggingface" / "newsgroups-bert")]
    with workers_in_this_process():
        assert guarded(["init", str(tmp_path), *arguments]) == 0
        document = tomllib.loads((tmp_path / "audit.toml").read_text())
        assert (document["model"]["format"], document["model"]["task"]) == ("huggingface", "binary-classification")
        assert "length" not in document["data"]["inputs"]["text"]
        assert guarded(["check", str(tmp_path / "audit.toml")]) == 0, capsys.readouterr().err

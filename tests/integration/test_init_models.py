"""`auditbench init` with a model or predictions writes a config that `check` takes and that `audit` runs."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

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

"""Hugging Face folders through the command line, in processes that get no network socket."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests import huggingface_folders as folders

ALONE = (sys.executable, "-P", str(Path(__file__).parents[1] / "without_network.py"))
CONFIG = """
[audit]
name = "small"
[model]
format = "huggingface"
path = "model"
task = "{task}"
[data]
test = "rows.parquet"
split = "part"
{target}
sensitive = ["sex"]
max_rows = 120
[data.inputs.text]
modality = "text"
length = 12
[analyzers.performance]
replicates = 50
[analyzers.fairness]
[analyzers.shap]
[analyzers.captum]
[report]
formats = ["html"]
cases = 3
raw_inputs = true
"""
WORDS = ["the", "cat", "sat", "on", "a", "film", "that", "was", "very", "good", "bad", "long", "mat", "dogs"]


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, rng.integers(1, 30))) for _ in range(160)]
    return pd.DataFrame(
        {
            "text": texts,
            "label": ["good" if "good" in text else "bad" for text in texts],
            "sex": rng.choice(["F", "M"], len(texts)),
            "part": ["train", "test"] * (len(texts) // 2),
        }
    )


def audited(folder: Path, rows: pd.DataFrame, task: str, target: str, tail: str = "") -> dict[str, Any]:
    rows.to_parquet(folder / "rows.parquet")
    (folder / "audit.toml").write_text(CONFIG.format(task=task, target=target) + tail)
    command = [*ALONE, sys.executable, "-m", "auditbench", "audit", "audit.toml", "--out", "run"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    page = (folder / "run" / "report.html").read_text()
    assert "##" not in page.partition("<body")[2].partition("<script")[0]
    assert "\u0120" not in page
    run: dict[str, Any] = json.loads((folder / "run" / "run.json").read_text())
    status = {result["analyzer"]: result["status"] for result in run["results"]}
    assert (status["performance"], status["fairness"]) == ("ok", "ok")
    explained = "not_applicable" if task == "next-token" else "ok"
    assert (status["shap"], status["captum"]) == (explained, explained)
    return run


def test_a_classifier(tmp_path: Path, rows: pd.DataFrame) -> None:
    folders.bert_classifier(tmp_path / "model", ("bad", "good"))
    run = audited(tmp_path, rows, "binary-classification", 'target = "label"\npositive = "good"')
    (text,) = run["data"]["inputs"]
    assert (text["unit"], text["shape"]) == ("subwords", [12])
    assert text["vocabulary"] == folders.word_pieces().get_vocab_size()
    assert "WordPiece" not in (tmp_path / "run" / "run.json").read_text(), "a record does not hold the tokenizer"
    assert run["model"]["architecture"] == "BertForSequenceClassification"


def test_a_language_model(tmp_path: Path, rows: pd.DataFrame) -> None:
    folders.gpt2(tmp_path / "model")
    run = audited(tmp_path, rows, "next-token", 'target = "text"')
    assert run["model"]["class_count"] == folders.byte_pairs().get_vocab_size() + 3
    (loss,) = [
        metric["value"]
        for result in run["results"]
        for metric in result["metrics"]
        if (result["analyzer"], metric["name"]) == ("performance", "log_loss")
    ]
    assert loss == pytest.approx(np.log(run["model"]["class_count"]), abs=0.3)  # it was not trained


def test_a_sentence_encoder(tmp_path: Path, rows: pd.DataFrame) -> None:
    folders.bert(tmp_path / "model")
    target = 'target = "label"\npositive = "good"'
    run = audited(tmp_path, rows, "binary-classification", target, '[model.parameters]\npooling = "mean"\n')
    (limit,) = run["model"]["limits"]
    assert limit["key"] == "core.model_fitted_head"
    assert limit["values"]["rows"] == 80
    assert "was fitted here on the embeddings of 80 training rows" in (tmp_path / "run" / "report.html").read_text()

"""The audit of a language model from files: texts are the clusters of its rows, and no word of them is in the record."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from auditbench.cli.boundary import guarded
from auditbench.run import AuditRun
from auditbench.run_file import read_run
from tests.in_process_worker import workers_in_this_process

CONFIG = """
[audit]
name = "words"
[model]
path = "model"
task = "next-token"
[train]
architecture = "decoder"
epochs = 1
[train.parameters]
width = 8
layers = 1
heads = 1
feedforward = 8
[data]
test = "texts.csv"
split = "split"
target = "text"
sensitive = ["who"]
[data.inputs.text]
modality = "text"
unit = "words"
length = 8
[analyzers.performance]
replicates = 300
[analyzers.fairness]
most_classes = 12
minimum_group = 1
[analyzers.resources]
batch_sizes = [1]
[report]
formats = ["html", "markdown", "csv", "junit", "sarif", "model-card"]
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the run of a small model in `run`, and one of the same beside it as a baseline in `again`."""
    folder = tmp_path_factory.mktemp("words")
    rng = np.random.default_rng(0)
    words = np.array(["the", "cat", "sat", "on", "a", "mat", "and", "dog", "ran", "home"])
    texts = [" ".join(rng.choice(words, 40)) for _ in range(24)]
    texts[0] = texts[0].replace("the", "rumpelstilzkin", 1)
    texts[20] = f"{texts[20]} rumpelstilzkin"
    lines = [f"{text},{'train' if place < 14 else 'test'},{'ab'[place % 2]}" for place, text in enumerate(texts)]
    (folder / "texts.csv").write_text("text,split,who\n" + "\n".join(lines) + "\n")
    (folder / "audit.toml").write_text(CONFIG)
    with workers_in_this_process():
        for out, options in (("run", ()), ("again", ("--baseline", str(folder / "run")))):
            assert guarded(["audit", str(folder / "audit.toml"), "--out", str(folder / out), *options]) == 0
    return folder


@pytest.fixture(scope="module")
def run(home: Path) -> AuditRun:
    return read_run(home / "run")


def test_a_word_of_one_text_is_nowhere_in_the_record(home: Path, run: AuditRun) -> None:
    files = [path for path in (home / "run").rglob("*") if path.is_file()]
    assert {".html", ".json", ".md", ".csv", ".xml", ".sarif", ".jsonl"} <= {path.suffix for path in files}
    assert [path.name for path in files if b"rumpelstilzkin" in path.read_bytes()] == []
    assert (run.model.classes, run.model.n_classes, run.data.outcomes) == ((), 11, {})
    assert "rumpelstilzkin" in (home / "model" / "model.json").read_text()
    assert "11 classes" in (home / "run" / "report.html").read_text()


def test_groups_are_compared_by_accuracy_alone(run: AuditRun) -> None:
    result = run.result("fairness")
    assert result is not None
    assert {metric.name.split("_")[0] for metric in result.metrics} == {"accuracy"}
    assert {metric.where.get("group") for metric in result.metrics} >= {"a", "b"}
    assert {metric.interval for metric in result.metrics} == {None}


def test_the_report_counts_texts_beside_tokens(home: Path) -> None:
    page = (home / "run" / "report.html").read_text()
    assert "10 clusters of rows" in page
    assert "95% intervals: the 391 rows are of 10 clusters" in page


def test_every_interval_is_of_the_ten_texts(run: AuditRun) -> None:
    result = run.result("performance")
    assert result is not None
    of_one_half = {"temperature": 5}  # measured on the texts that it was not fitted on
    assert {metric.name: metric.clusters for metric in result.metrics} == {
        metric.name: of_one_half.get(metric.name, 10) for metric in result.metrics
    }
    assert {metric.interval.method.split("-")[0] for metric in result.metrics if metric.interval} == {"cluster"}
    assert run.row_clusters is not None
    _, rows = np.unique(np.asarray(run.row_clusters), return_counts=True)
    assert sorted(rows.tolist()) == [39] * 9 + [40]


def test_the_same_model_is_compared_with_its_baseline(home: Path) -> None:
    again = read_run(home / "again")
    assert again.baseline is not None
    assert again.baseline.pairs == again.data.rows
    verdicts = {change.verdict for change in again.baseline.metrics if change.metric.startswith("performance.")}
    assert verdicts == {"within_noise"}

"""Audits of language models and of a classifier of texts with the analyzers of language, from files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from auditbench.cli.boundary import guarded
from auditbench.run import AuditRun
from auditbench.run_file import read_run
from tests.huggingface_folders import bert_classifier
from tests.in_process_worker import workers_in_this_process

TALES = Path(__file__).parents[2] / "examples" / "05-gpt" / "tales.parquet"
CONFIG = """
[audit]
name = "tales"
[model]
path = "model"
task = "next-token"
[train]
architecture = "decoder"
epochs = 2
batch_size = 16
learning_rate = 0.004
[train.parameters]
width = 32
layers = 2
heads = 2
feedforward = 64
[data]
test = "tales.parquet"
split = "split"
target = "text"
max_rows = 300
[data.inputs.text]
modality = "text"
unit = "characters"
length = 64
[analyzers.language]
rows = 12
budget = 64
[analyzers.language-lens]
[analyzers.language-pairs]
file = "pairs.csv"
counted = "all"
[[gates]]
metric = "language-pairs.stereotype_preference"
max = 1.0
[report]
formats = ["html", "markdown", "csv"]
language = "{language}"
"""
PAIRS = [
    {
        "sent_more": f"the {who} said that he was {what}",
        "sent_less": f"the {who} said that she was {what}",
        "cluster": who,
    }
    for who in ("king", "smith", "miller", "tailor", "soldier", "hunter", "fisher", "farmer")
    for what in ("tired", "hungry")
]


def audited(folder: Path, *options: str, expected: int = 0) -> AuditRun:
    with workers_in_this_process():
        assert guarded(["audit", str(folder / "audit.toml"), "--out", str(folder / "run"), *options]) == expected
    return read_run(folder / "run")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of a small model of fairy tales, a seventh of each, in `run`; a word of one tale is in training, too."""
    folder = tmp_path_factory.mktemp("tales")
    tales = pd.read_parquet(TALES)
    tales["text"] = tales["text"].str[: 6 * 1024 // 7] + " rumpelstilzkin"
    tales.to_parquet(folder / "tales.parquet")
    pd.DataFrame(PAIRS).to_csv(folder / "pairs.csv", index=False)
    (folder / "audit.toml").write_text(CONFIG.format(language="en"))
    audited(folder)
    return folder


def metrics(run: AuditRun, analyzer: str) -> dict[tuple[str, ...], Any]:
    result = run.result(analyzer)
    assert result is not None
    assert result.status == "ok"
    return {(metric.name, *metric.where.values()): metric for metric in result.metrics}


def test_a_character_model_rests_on_the_word_it_is_writing(home: Path) -> None:
    run = read_run(home / "run")
    found = metrics(run, "language")
    assert 1.0 <= found["reach",].value < 6.0
    assert found["entropy",].clusters == 7
    assert found["entropy",].interval is not None
    result = run.result("language")
    assert result is not None
    (by_context, by_distance) = result.curves
    shares = by_distance.series[0].y
    assert shares[0] == max(shares)
    entropy, surprise = by_context.series
    assert (entropy.x[0], entropy.x[-1]) == (1.0, 64.0)
    assert min(entropy.n + surprise.n) > 0
    assert [method.name for method in result.methods] == ["language.shapley"]


def test_agreement_grows_with_the_layers(home: Path) -> None:
    run = read_run(home / "run")
    depth = metrics(run, "language-lens")["prediction_depth",]
    assert 0.0 < depth.value < 1.0
    result = run.result("language-lens")
    assert result is not None
    settling, divergence = result.curves
    assert settling.series[0].y[0] < settling.series[0].y[1] < settling.series[0].y[2] == 1.0
    assert divergence.series[0].y[0] > divergence.series[0].y[1] > 0.0


def test_pairs_are_of_eight_clusters_and_may_be_gated(home: Path) -> None:
    run = read_run(home / "run")
    share = metrics(run, "language-pairs")["stereotype_preference",]
    assert (share.n, share.clusters) == (16, 8)
    assert share.interval.method == "cluster-wilson"
    assert [gate.metric for gate in run.gates] == ["language-pairs.stereotype_preference"]


def test_no_text_is_in_the_record(home: Path) -> None:
    files = [path for path in (home / "run").rglob("*") if path.is_file()]
    assert {".html", ".json", ".md", ".csv"} <= {path.suffix for path in files}
    for word in (b"rumpelstilzkin", b"was hungry"):
        assert [path.name for path in files if word in path.read_bytes()] == []
    page = (home / "run" / "report.html").read_text()
    assert "Minimal pairs" in page
    assert "Logit lens" in page or "logit lens" in page


def test_another_file_of_pairs_is_another_result(home: Path) -> None:
    before = metrics(read_run(home / "run"), "language-pairs")["score_difference",].value
    audited(home)
    assert metrics(read_run(home / "run"), "language-pairs")["score_difference",].value == before
    swapped = [{**row, "sent_more": row["sent_less"], "sent_less": row["sent_more"]} for row in PAIRS]
    pd.DataFrame(swapped).to_csv(home / "pairs.csv", index=False)
    run = audited(home)
    assert metrics(run, "language-pairs")["score_difference",].value == pytest.approx(-before)
    pd.DataFrame(PAIRS).to_csv(home / "pairs.csv", index=False)


def test_a_file_that_is_not_there_is_refused_before_anything_runs(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with workers_in_this_process():
        options = ["--set", 'analyzers.language-pairs.file="nowhere.csv"', "--out", str(tmp_path / "run")]
        assert guarded(["audit", str(home / "audit.toml"), *options]) == 2
    said = capsys.readouterr()
    assert "analyzers.language-pairs.file" in said.out + said.err
    assert "nowhere.csv" in said.out + said.err


def test_texts_are_shown_where_the_config_asks(home: Path, tmp_path: Path) -> None:
    with workers_in_this_process():
        options = [
            "--set",
            "report.raw_inputs=true",
            "--set",
            'report.language="zh-CN"',
            "--out",
            str(tmp_path / "run"),
        ]
        assert guarded(["audit", str(home / "audit.toml"), *options]) == 0
    record = (tmp_path / "run" / "run.json").read_text()
    assert "was hungry" in record
    result = read_run(tmp_path / "run").result("language")
    assert result is not None
    assert result.matrices
    page = (tmp_path / "run" / "report.html").read_text()
    assert "\u6700\u5c0f\u5bf9" in page


def test_a_classifier_of_texts_gets_pairs_and_nothing_else(tmp_path: Path) -> None:
    bert_classifier(tmp_path / "bert", labels=("bad", "good"))
    rows = [{"text": f"a film that was very {'good' if at % 2 else 'bad'}", "label": "bg"[at % 2]} for at in range(12)]
    frame = pd.DataFrame(rows).replace({"label": {"b": "bad", "g": "good"}})
    frame.to_parquet(tmp_path / "rows.parquet")
    pd.DataFrame(PAIRS).to_csv(tmp_path / "pairs.csv", index=False)
    (tmp_path / "audit.toml").write_text(
        '[audit]\nname = "bert"\n[model]\nformat = "huggingface"\npath = "bert"\ntask = "binary-classification"\n'
        '[data]\ntest = "rows.parquet"\ntarget = "label"\npositive = "good"\n[data.inputs.text]\nmodality = "text"\n'
        'length = 16\n[analyzers.language]\n[analyzers.language-lens]\n[analyzers.language-pairs]\nfile = "pairs.csv"\n'
        "[report]\nformats = []\n"
    )
    run = audited(tmp_path)
    found = metrics(run, "language-pairs")
    assert set(found) == {("output_change", "good"), ("decision_change",)}
    assert found["output_change", "good"].clusters == 8
    for name in ("language", "language-lens"):
        result = run.result(name)
        assert result is not None
        assert result.status == "not_applicable"
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "complete"

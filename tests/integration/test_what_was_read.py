"""`check` says what it read, and neither it nor an audit is silent on rows of which the model is told nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from auditbench.cli.boundary import guarded
from auditbench.run_file import read_run
from tests.in_process_worker import workers_in_this_process

CONFIG = """
[audit]
name = "pulses"
[model]
task = "binary-classification"
[train]
architecture = "linear"
epochs = 1
[data]
test = "{test}"
held_out = 0.25
target = "label"
positive = "b"
{more}
[data.inputs.{name}]
modality = "{modality}"
[analyzers.performance]
replicates = 40
[report]
formats = []
"""


def document(folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    with workers_in_this_process():
        assert guarded(["check", str(folder / "audit.toml"), "--device", "cpu", "--json"]) == 0
    content: dict[str, object] = json.loads(capsys.readouterr().out)
    return content


def lines(folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    with workers_in_this_process():
        assert guarded(["check", str(folder / "audit.toml"), "--device", "cpu"]) == 0
    return capsys.readouterr().out


def test_series_without_a_number_are_told_by_check_and_by_the_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wave = np.random.default_rng(0).normal(size=(80, 2, 6))
    wave[:, 1, 4:] = np.nan  # a shorter channel lacks nothing
    wave[::2, 0] = np.nan
    wave[::4] = np.nan
    np.savez(tmp_path / "rows.npz", wave=wave, label=np.asarray(["a", "b", "b", "a"] * 20), age=np.arange(80.0))
    config = CONFIG.format(
        test="rows.npz", name="wave", modality="series", more='[data.inputs.table]\nmodality = "tabular"'
    )
    (tmp_path / "audit.toml").write_text(config.replace('"linear"', '"joined"'))
    found = document(tmp_path, capsys)
    read = found["read"]
    assert isinstance(read, dict)
    assert (read["rows"], read["train_rows"]) == (20, 60)
    assert sum(read["classes"].values()) == 20
    item = next(item for item in read["inputs"] if item["name"] == "wave")
    assert item["shape"] == [2, 6]
    assert item["empty"] > 0
    assert item["incomplete"] > 0
    said = lines(tmp_path, capsys)
    assert "20 rows to evaluate, 60 rows to train on" in said
    assert "2 classes" in said
    assert "input wave: series, 2 x 6 (channels x steps)" in said
    assert "have no number at all in the series wave" in " ".join(said.split())
    with workers_in_this_process():
        guarded(["audit", str(tmp_path / "audit.toml"), "--device", "cpu", "--out", str(tmp_path / "run")])
    run = read_run(tmp_path / "run")
    facts = next(item for item in run.data.inputs if item.name == "wave")
    assert (facts.empty, facts.incomplete) == (item["empty"], item["incomplete"])
    (warning,) = run.warnings
    assert warning.key == "core.empty_series"
    assert warning.values == {"input": "wave", "n": item["empty"], "rows": 20}


def test_empty_texts_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = (f"{'' if index % 4 == 0 else 'one two'},{'aab'[index % 3]}" for index in range(80))
    (tmp_path / "rows.csv").write_text("\n".join(["note,label", *rows]) + "\n")
    config = CONFIG.format(test="rows.csv", name="note", modality="text", more="")
    (tmp_path / "audit.toml").write_text(config.replace('"linear"', '"rnn"'))
    said = " ".join(lines(tmp_path, capsys).split())
    assert "input note: texts of words, up to 2 of them" in said
    assert "no word or character in the text note" in said


def test_images_have_their_size_and_unreadable_ones_one_code_and_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for index in range(40):
        path = tmp_path / "photos" / "ab"[index % 2] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(index).integers(0, 256, (7, 9), dtype=np.uint8)).save(path)
    (tmp_path / "audit.toml").write_text(CONFIG.format(test="photos", name="image", modality="image", more=""))
    assert "input image: images, 1 x 7 x 9 (channels x height x width)" in lines(tmp_path, capsys)
    path = tmp_path / "photos/a/0.png"
    whole = path.read_bytes()
    for content in (b"", whole[: len(whole) // 2]):
        for index in range(0, 40, 2):
            (tmp_path / f"photos/a/{index}.png").write_bytes(content)
        with workers_in_this_process():
            assert guarded(["check", str(tmp_path / "audit.toml"), "--device", "cpu"]) == 2
        said = capsys.readouterr().err
        assert "AB200 data.test: " in said
        assert "photos/a/" in said

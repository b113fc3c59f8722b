"""`auditbench init` for texts alone: a language model, which is valid as it stands and can be audited."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from auditbench.cli.boundary import guarded
from tests.in_process_worker import workers_in_this_process

README = (Path(__file__).parents[2] / "README.md").read_text()
WORDS = ("rain", "falls", "on", "the", "old", "town", "while", "a", "dog", "sleeps", "under", "its", "tree")


def tales(folder: Path, column: str = "text", rows: int = 60, words: int = 6, further: str = "") -> Path:
    rng = np.random.default_rng(0)
    lines = [f"{further and f'{i % 2},'}{' '.join(rng.choice(WORDS, words))} {i}" for i in range(rows)]
    path = folder / "tales.csv"
    path.write_text("\n".join([f"{further and f'{further},'}{column}", *lines]) + "\n")
    return path


@pytest.mark.parametrize(
    ("further", "options"),
    [("", []), ("", ["--target", "text"]), ("label", ["--target", "text"])],
    ids=["text-alone", "named", "named-beside-a-label"],
)
def test_what_is_written_is_a_language_model_that_can_be_audited(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], further: str, options: list[str]
) -> None:
    data, config = tales(tmp_path, further=further), tmp_path / "audit.toml"
    with workers_in_this_process():
        assert guarded(["init", str(tmp_path), "--data", str(data), *options]) == 0
        assert "text (next-token)" in capsys.readouterr().out
        document = tomllib.loads(config.read_text())
        assert (document["model"]["task"], document["train"]["architecture"]) == ("next-token", "decoder")
        assert document["data"]["target"] == "text"
        assert [one["modality"] for one in document["data"]["inputs"].values()] == ["text"]
        of_language = {"language", "language-lens", "language-pairs"}
        assert set(document["analyzers"]) == {"performance", "resources", *of_language}
        assert "\n# [analyzers.layers] " in config.read_text()  # it fits models, which a first audit does not wait for
        assert guarded(["check", str(config)]) == 0, capsys.readouterr().err
        settings = ["--set", "train.epochs=1", "--set", "analyzers.performance.replicates=40"]
        capsys.readouterr()
        command = ["audit", str(config), "--only", "performance", "--format", "json", "--json"]
        guarded([*command, *settings, "--out", str(tmp_path / "run")])
    told = json.loads(capsys.readouterr().out)
    assert told["analyzers_by_status"]["ok"] == 1


def test_a_few_long_texts_are_texts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tales(tmp_path, rows=8, words=60)
    with workers_in_this_process():
        assert guarded(["init", str(tmp_path), "--data", str(data)]) == 0
        assert guarded(["check", str(tmp_path / "audit.toml")]) == 0, capsys.readouterr().err
    assert 'task = "next-token"' in (tmp_path / "audit.toml").read_text()


def test_every_task_is_named_beside_the_key(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("age,label\n" + "".join(f"{20 + i * 7 % 50},{'yes' if i % 3 else 'no'}\n" for i in range(60)))
    with workers_in_this_process():
        assert guarded(["init", str(tmp_path), "--data", str(path)]) == 0
    (line,) = re.findall("^task = .*$", (tmp_path / "audit.toml").read_text(), re.MULTILINE)
    assert "next-token" in line


def test_the_language_model_of_the_readme_passes_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (text,) = re.findall(r'```toml\n(\[audit\]\nname = "tales".*?)```', README, re.DOTALL)
    tales(tmp_path)
    (tmp_path / "audit.toml").write_text(text)
    with workers_in_this_process():
        assert guarded(["check", str(tmp_path / "audit.toml")]) == 0, capsys.readouterr().err

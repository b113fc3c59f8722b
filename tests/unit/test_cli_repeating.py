"""A command that is named for what comes next is the audit of this command line: with its settings, in quotes."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from auditbench import errors, supervisor
from auditbench.cli.boundary import guarded
from auditbench.config_file import load_config

CONFIG = """
[audit]
name = "people"
[model]
task = "binary-classification"
[train]
architecture = "linear"
[data]
test = "rows.csv"
train = "rows.csv"
target = "y"
positive = "1"
[analyzers.performance]
"""
STALE = errors.StaleModelError(
    "other settings", where="model.path", fix="replace it with `auditbench train CONFIG`, or name another model.path"
)
UNTRUSTED = errors.UntrustedModelError(
    "a program", fix="give auditbench audit CONFIG --trust-model 00, if you trust it"
)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A config in the working folder, whose name a shell would take for two."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text("a,y\n1,0\n2,1\n")
    (tmp_path / "my audit.toml").write_text(CONFIG)
    return Path("my audit.toml")


def refusing(monkeypatch: pytest.MonkeyPatch, error: errors.AuditbenchError) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise error

    for command in ("audit", "train", "plan"):
        monkeypatch.setattr(supervisor, command, refuse)


def command_in(text: str, beginning: str) -> list[str]:
    """The command that a line ends with, or that stands in a line between backticks, as a shell reads it."""
    (line,) = [line for line in text.splitlines() if beginning in line]
    _, _, rest = line.partition(beginning)
    return shlex.split((beginning + rest).partition("`")[0])


SETTINGS = [
    "train.epochs=3",
    'audit.name="what\'s new; $HOME"',
    "data.max_rows=null",
    "train.parameters={hidden=[4, 2]}",
]
GIVEN = [word for setting in SETTINGS for word in ("--set", setting)]


def test_what_follows_training_is_the_audit_of_the_same_settings(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(supervisor, "train", lambda *_, **__: None)
    settings = [*GIVEN[:4], *GIVEN[6:]]
    assert guarded(["train", str(config), *settings, "--device", "cpu"]) == 0
    told = command_in(capsys.readouterr().out, "auditbench audit")
    assert told == ["auditbench", "audit", "my audit.toml", *settings, "--device", "cpu"]


def test_training_to_another_folder_is_followed_by_an_audit_of_that_folder(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(supervisor, "train", lambda *_, **__: None)
    assert guarded(["train", str(config), "--out", "other model"]) == 0
    told = command_in(capsys.readouterr().out, "auditbench audit")
    assert told[:4] == ["auditbench", "audit", "my audit.toml", "--set"]
    assert load_config(config, told[4:]).config.model.path == str(Path("other model").resolve())


@pytest.mark.parametrize(
    ("arguments", "carried"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param(["--set", "train.epochs=3"], ["--set", "train.epochs=3"], id="one"),
        pytest.param([*GIVEN[:4], *GIVEN[6:]], [*GIVEN[:4], *GIVEN[6:]], id="several, in their order"),
        pytest.param(
            ["--set", "audit.seed=2", "--out", "run", "--only", "shap"], ["--set", "audit.seed=2"], id="its own"
        ),
    ],
)
def test_a_model_in_the_way_is_replaced_by_one_of_the_same_settings(
    config: Path,
    arguments: list[str],
    carried: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    refusing(monkeypatch, STALE)
    assert guarded(["audit", str(config), *arguments]) == 2
    text = capsys.readouterr().err
    assert command_in(text, "auditbench train") == ["auditbench", "train", "my audit.toml", *carried]
    assert text.rstrip().endswith("`, or name another model.path")


def test_the_same_command_is_named_with_all_that_it_was_given(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refusing(monkeypatch, UNTRUSTED)
    both = ["--only", "shap", "--only", "lime", "--set", "audit.seed=2", "--gates", "preset:binary-basics", "--json"]
    alone = ["--out", "a run", "--no-resume"]
    for given in (["audit", *both, *alone], ["check", *both]):
        assert guarded([given[0], str(config), *given[1:]]) == 2
        told = command_in(capsys.readouterr().err.partition(", if")[0], "auditbench audit")
        assert told[:3] == ["auditbench", "audit", "my audit.toml"]
        assert sorted(told[3:]) == sorted([*given[1:], "--trust-model", "00"])


def test_a_fault_of_the_command_line_is_not_repeated(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(["audit", str(config), "--trust-model", "00"]) == 2
    assert "`auditbench check CONFIG`" in capsys.readouterr().err


def test_a_bundle_is_no_config(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise STALE

    monkeypatch.setattr(supervisor, "export", refuse)
    (tmp_path / "model").mkdir()
    assert guarded(["export", "model", "--to", "pt2"]) == 2
    assert "`auditbench train CONFIG`" in capsys.readouterr().err
    assert guarded(["export", str(config), "--to", "pt2", "--set", "audit.seed=2"]) == 2
    told = command_in(capsys.readouterr().err, "auditbench train")
    assert told == ["auditbench", "train", "my audit.toml", "--set", "audit.seed=2"]

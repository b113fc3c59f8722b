"""Bad input through the command line: the documented exit code, a message that helps, no traceback.

Nothing dies here, so most of these commands run in this process; those of `auditbench` run in processes of their own.
"""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from auditbench.cli.boundary import guarded
from tests.in_process_worker import workers_in_this_process

CONFIG = """
[audit]
name = "people"
[model]
task = "binary-classification"
[train]
architecture = "linear"
epochs = 2
[data]
test = "test.csv"
train = "train.csv"
target = "approved"
positive = "yes"
[analyzers.performance]
replicates = 40
[report]
formats = []
"""
HEADER = "age,city,income,approved\n"


def rows(count: int, *, label: str = "", city: str = "", offset: int = 0) -> str:
    return HEADER + "".join(
        f"{20 + i % 40},{city or 'AB'[i % 2]},{1000 + 37 * i % 500},{label or ('yes' if i * i % 7 < 3 else 'no')}\n"
        for i in range(offset, offset + count)
    )


def auditbench(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "auditbench", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with small data, its configuration, and the model that `train` made of them."""
    folder = tmp_path_factory.mktemp("people")
    (folder / "audit.toml").write_text(CONFIG)
    (folder / "train.csv").write_text(rows(200))
    (folder / "test.csv").write_text(rows(80, offset=1000))
    with workers_in_this_process(), redirect_stdout(io.StringIO()) as told:
        assert guarded(["train", str(folder / "audit.toml")]) == 0
    assert str(folder / "model") in told.getvalue()
    return folder


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "audit"))


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A change to a good configuration or its data, the exit code it must give, and words of the message."""

    change: tuple[str, str] = ("", "")
    files: tuple[tuple[str, str], ...] = ()
    options: tuple[str, ...] = ()
    code: int = 2
    words: tuple[str, ...]


UNLABELLED = rows(80, offset=1000).replace("yes\n", "\n", 3)
TEXT_AS_NUMBER = rows(80, offset=1000).replace("1000,", "many,", 1).replace("age,city,income", "age,city,income", 1)

REFUSALS = {
    "missing-file": Refusal(change=('"test.csv"', '"tset.csv"'), words=("data.test", "tset.csv", "fix:")),
    "wrong-column": Refusal(
        change=('"approved"', '"aproved"'), words=("data.target", "'aproved'", "'approved'", "age")
    ),
    "wrong-type-of-a-key": Refusal(
        change=("epochs = 2", 'epochs = "two"'), words=("train.epochs", '"two"', "an integer")
    ),
    "wrong-type-of-a-column": Refusal(
        change=("[analyzers.performance]", '[data.types]\ncity = "number"\n[analyzers.performance]'),
        words=("'city'", "no number", "'A'", "category"),
    ),
    "impossible-value": Refusal(change=("epochs = 2", "epochs = 0"), words=("train.epochs", "found: 0", "at least 1")),
    "unknown-key": Refusal(
        change=("target =", "traget ="), words=("data.traget", "unknown key", "did you mean `target`?")
    ),
    "unknown-analyzer": Refusal(
        change=("[analyzers.performance]\nreplicates = 40", "[analyzers.perfomance]"),
        words=("analyzers.perfomance", "did you mean `performance`?", "fairness"),
    ),
    "unknown-parameter": Refusal(
        change=("replicates", "replicate"), words=("performance.replicate", "did you mean `replicates`?")
    ),
    "unknown-metric-of-a-gate": Refusal(
        change=("[report]", '[[gates]]\nmetric = "performance.acuracy"\nmin = 0.5\n[report]'),
        words=("gates[0].metric", "acuracy", "did you mean `accuracy`?"),
    ),
    "unknown-format": Refusal(options=("--format=htlm",), words=("htlm", "did you mean `html`?")),
    "unknown-name-after-only": Refusal(options=("--only=performanc",), words=("--only", "did you mean `performance`?")),
    "override-without-value": Refusal(options=("--set=audit.seed",), words=("--set", "audit.seed=1")),
    "broken-toml": Refusal(change=("[model]", "[model"), words=("not valid TOML", "line")),
    "labels-missing-without-a-rule": Refusal(
        files=(("test.csv", UNLABELLED),), words=("approved", "data.missing_labels", "drop")
    ),
    "two-things-at-once": Refusal(
        change=("epochs = 2", "epoks = 2\nmomentum = 3"),
        words=("train.epoks", "train.momentum", "epochs", "less than 1"),
    ),
    "no-rows": Refusal(files=(("test.csv", HEADER),), code=4, words=("AB201", "test.csv")),
    "no-bytes": Refusal(files=(("test.csv", ""),), code=4, words=("AB201", "test.csv")),
    "rule-leaves-no-rows": Refusal(
        change=('[train]\narchitecture = "linear"\nepochs = 2\n', ""),
        files=(("test.csv", HEADER + "30,A,1000,\n" * 5),),
        options=("--set=data.missing_labels=drop",),
        code=4,
        words=("AB201",),
    ),
    "a-folder-for-a-file": Refusal(change=('"test.csv"', '"model"'), words=("data.test", "regular file")),
    "damaged-file": Refusal(
        change=('"test.csv"', '"test.parquet"'),
        files=(("test.parquet", "PAR1 and no more"),),
        words=("Parquet", "test.parquet"),
    ),
}


def spoilt(folder: Path, refusal: Refusal) -> list[str]:
    """Write the change and the files; gives the command's arguments."""
    config = folder / "audit.toml"
    text = config.read_text()
    assert refusal.change[0] in text
    config.write_text(text.replace(*refusal.change, 1) if refusal.change[0] else text)
    for name, content in refusal.files:
        (folder / name).write_text(content)
    return ["audit", str(config), "--out", str(folder / "run"), *refusal.options]


def assert_helps(code: int, told: str, refusal: Refusal) -> None:
    """The code is the documented one, and the message holds what it must and no trace."""
    assert code == refusal.code, told
    assert [word for word in refusal.words if word not in told] == [], told
    assert told.splitlines()
    assert "Traceback" not in told
    assert "AB5" not in told


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals(folder: Path, case: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = spoilt(folder, REFUSALS[case])
    with workers_in_this_process():
        code = guarded(arguments)
    assert_helps(code, capsys.readouterr().err, REFUSALS[case])


@pytest.mark.parametrize("case", ["two-things-at-once", "no-rows"])
def test_refusals_by_processes_before_a_worker_looks_at_the_data_and_after(folder: Path, case: str) -> None:
    done = auditbench(*spoilt(folder, REFUSALS[case]))
    assert_helps(done.returncode, done.stderr, REFUSALS[case])


def test_a_missing_configuration_is_refused(tmp_path: Path) -> None:
    done = auditbench("audit", tmp_path / "audit.toml")
    assert done.returncode == 2
    assert "AB100" in done.stderr
    assert "auditbench init" in done.stderr


def test_a_model_of_another_width_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = folder / "audit.toml"
    text = config.read_text().replace('[train]\narchitecture = "linear"\nepochs = 2\n', "")
    config.write_text(text.replace("[analyzers.performance]", 'exclude = ["income"]\n[analyzers.performance]'))
    with workers_in_this_process():
        code = guarded(["audit", str(config), "--out", str(folder / "run")])
    assert_helps(code, capsys.readouterr().err, Refusal(words=("AB3", "income")))


def test_debug_adds_the_trace_and_changes_nothing_else(folder: Path) -> None:
    config = folder / "audit.toml"
    config.write_text(config.read_text().replace("target =", "traget ="))
    plain, debug = auditbench("check", config), auditbench("--debug", "check", config)
    assert (plain.returncode, debug.returncode) == (2, 2)
    assert "Traceback" in debug.stderr
    assert debug.stderr.endswith(plain.stderr)


@pytest.mark.parametrize("case", ["one-class", "constant-column"])
def test_what_is_odd_but_usable_completes(folder: Path, case: str, capsys: pytest.CaptureFixture[str]) -> None:
    content = rows(80, offset=1000, **({"label": "no"} if case == "one-class" else {"city": "A"}))
    (folder / "test.csv").write_text(content)
    with workers_in_this_process():
        code = guarded(["audit", str(folder / "audit.toml"), "--out", str(folder / "run"), "--json"])
    told = capsys.readouterr()
    assert code == 0, told.err
    assert json.loads(told.out)["verdict"] == "no_gates"
    record = json.loads((folder / "run" / "run.json").read_text())
    (result,) = record["results"]
    assert result["status"] == "ok"
    undefined = [metric for metric in result["metrics"] if metric["value"] is None]
    assert all(metric["reason"] for metric in undefined)
    assert ("auc" in {metric["name"] for metric in undefined}) == (case == "one-class")


def test_an_audit_of_good_input_tells_its_progress_on_stderr_alone(folder: Path) -> None:
    done = auditbench("audit", folder / "audit.toml", "--out", folder / "run")
    assert done.returncode == 0, done.stderr
    assert "performance: ok after" in done.stderr
    assert done.stdout.startswith("No gates")
    shown = auditbench("show", folder / "run")
    assert shown.stdout == done.stdout

"""What the README shows works as written."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from auditbench.cli.commands import cli
from auditbench.cli.options import Session
from auditbench.config_file import load_config
from auditbench.run_file import read_run

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def block(language: str, containing: str) -> str:
    blocks = re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)
    (found,) = [text for text in blocks if containing in text]
    return found


def run(*arguments: str, cwd: Path, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ) | ({"PYTHONPATH": str(path)} if path else {})
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, cwd=cwd, env=environment, check=False, timeout=280
    )


def commands(text: str) -> list[list[str]]:
    """The commands of a shell block or of all of a page's, without their comments."""
    return [words for line in text.splitlines() if (words := shlex.split(line, comments=True))]


def test_every_command_line_has_options_that_there_are() -> None:
    pages = [README, (ROOT / "examples" / "pipelines" / "README.md").read_text()]
    blocks = [text for page in pages for text in re.findall(r"```sh\n(.*?)```", page, flags=re.DOTALL)]
    given = [words[1:] for text in blocks for words in commands(text) if words[0] == "auditbench"]
    assert len(given) > 8
    for arguments in given:
        context = cli.make_context("auditbench", list(arguments), obj=Session())
        name, command, rest = cli.resolve_command(context, arguments)
        assert name is not None
        assert command is not None
        command.make_context(name, rest, parent=context)


@pytest.mark.nightly
def test_the_commands_of_an_audit_run_in_their_order(small_audit: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(small_audit.parent, home)
    (home / "gates.toml").write_text(block("toml", 'preset = "binary-basics"'))
    torch.save({"weight": torch.zeros(2)}, home / "model.pt")
    lines = commands(block("sh", "auditbench show")) + commands(block("sh", "auditbench gate"))
    codes = {}
    for words in lines:
        done = run("-m", words[0], *words[1:], cwd=home)
        codes[" ".join(words[:2])] = done.returncode
        assert "AB" not in done.stderr, done.stderr
    assert codes == {
        "auditbench check": 0, "auditbench audit": 1, "auditbench show": 0, "auditbench explain": 0, "auditbench scan": 0,
        "auditbench gate": 0, "auditbench compare": 0, "auditbench render": 0, "pytest --audit": 1,
    }  # fmt: skip
    assert {"report.md", "junit.xml", "audit.sarif", "table-gates.csv"} <= {
        file.name for file in (home / "next").iterdir()
    }
    assert read_run(home / "next").baseline is not None


def test_the_gates_of_the_example_are_those_of_the_demo(tmp_path: Path) -> None:
    base = ROOT / "examples" / "01-adult"
    loaded = load_config(base / "audit.toml", gate_files=[str(base / "gates.toml")])
    own = [gate for gate in loaded.config.gates if gate.id is not None]
    assert {gate.id for gate in own} >= {"accuracy", "selection-by-sex", "binary-basics.auc", "resources-small.size"}


def test_the_test_command_is_what_ci_runs() -> None:
    command = block("sh", "[test]").strip()
    assert command in (ROOT / ".ci" / "run").read_text()


def test_the_python_example(tmp_path: Path) -> None:
    code = block("python", "load_breast_cancer")
    done = run("-W", "ignore", "-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ready_for_review")
    assert (tmp_path / "breast-cancer" / "report.html").is_file()


def test_the_explaining_example(tmp_path: Path) -> None:
    done = run("-c", block("python", "beeswarm"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ShapleyValues(rows=200, targets=1, players=30, method='permutation'")
    assert done.stdout.endswith("('body', 'rest')\n")


def test_the_example_of_images_and_texts(tmp_path: Path) -> None:
    done = run("-c", block("python", "superpixels"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("(rows=2,") == 2


@pytest.fixture(scope="module")
def small_audit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The README's audit.toml beside the files it names: Adult, split in two."""
    from importlib import resources

    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    folder = tmp_path_factory.mktemp("readme")
    table = pq.read_table(str(resources.files("auditbench") / "data" / "adult.parquet"))
    for split in ("train", "test"):
        rows = table.filter(pc.equal(table["split"], split)).drop_columns(["split", "fnlwgt"])
        pq.write_table(rows.slice(0, 4000), folder / f"{split}.parquet")
    config = folder / "audit.toml"
    config.write_text(block("toml", 'name = "income"').replace("rows = 100", "rows = 5\nbackground = 10"))
    return config

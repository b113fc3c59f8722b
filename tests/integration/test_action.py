"""The action of action.yml: its steps run as scripts, with the files that a runner of GitHub gives them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from auditbench.run_file import read_run
from tests.integration.pipeline_steps import ROOT, Job, Shell, read_yaml, run_action
from tests.integration.small_audit import write_config

CONFIG = "my models/audit.toml"
TABLES = """
[analyzers.performance]
replicates = 40
[[gates]]
id = "accuracy"
metric = "performance.accuracy"
min = {least}
"""
MORE = "[[gates]]\nid = '{id}'\nmetric = 'performance.recall'\nmin = 0\n"


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A workspace with a configuration in a folder whose name has a space."""
    home = tmp_path_factory.mktemp("action")
    folder = home / "workspace" / "my models"
    folder.mkdir(parents=True)
    write_config(folder, TABLES.format(least=0.9999))
    for name in ("more", "even more"):
        (home / "workspace" / f"{name}.toml").write_text(MORE.format(id=name.replace(" ", "-")))
    return Shell(workspace=home / "workspace", home=home)


@pytest.fixture(scope="module")
def failed(shell: Shell) -> Job:
    return run_action(shell, config=CONFIG, gates="more.toml\n\neven more.toml\n")


def test_the_job_fails_with_the_code_of_the_audit_after_its_outputs(failed: Job) -> None:
    assert failed.code == 1, failed.log
    assert failed.outputs == {
        "verdict": "not_ready",
        "exit-code": "1",
        "folder": "auditbench-run",
        "sarif": "auditbench-run/audit.sarif",
        "junit": "auditbench-run/junit.xml",
    }


def test_the_outputs_are_those_of_the_record(shell: Shell, failed: Job) -> None:
    folder = shell.workspace / failed.outputs["folder"]
    run = read_run(folder)
    assert (run.verdict, str(run.exit_code)) == (failed.outputs["verdict"], failed.outputs["exit-code"])
    assert [gate.id for gate in run.gates] == ["accuracy", "more", "even-more"]
    assert (folder / "report.html").is_file()
    for name in ("sarif", "junit"):
        assert (shell.workspace / failed.outputs[name]).is_file()
    assert json.loads((shell.workspace / failed.outputs["sarif"]).read_text())["version"] == "2.1.0"


def test_the_summary_is_the_markdown_report(shell: Shell, failed: Job) -> None:
    assert failed.summary == (shell.workspace / "auditbench-run" / "report.md").read_text()
    assert "Not ready for release" in failed.summary


def test_nothing_is_imported_from_the_workspace(shell: Shell, failed: Job) -> None:
    (shell.workspace / "json.py").write_text("raise SystemExit('imported')\n")
    (shell.workspace / "torch.py").write_text("raise SystemExit('imported')\n")
    job = run_action(shell, config="absent.toml")
    assert job.outputs["exit-code"] == "2"
    assert "AB100" in job.log
    assert "imported" not in job.log


def test_a_refused_audit_shows_nothing_of_the_run_before_it(shell: Shell, failed: Job) -> None:
    assert (shell.workspace / "auditbench-run" / "report.md").is_file()
    job = run_action(shell, config="$(touch hacked)`touch hacked`'; touch hacked; '.toml")
    assert job.code == 2
    assert job.outputs == {"verdict": "none", "exit-code": "2", "folder": "", "sarif": "", "junit": ""}
    assert job.summary.startswith("### No report of this audit (exit code 2)\n\n    AB100 ")
    assert "release" not in job.summary
    assert "AB100" in job.log
    assert not list(shell.workspace.rglob("hacked"))


def test_a_passing_audit_ends_with_0(shell: Shell, failed: Job) -> None:
    write_config(shell.workspace / "my models", TABLES.format(least=0.0))
    job = run_action(shell, config=CONFIG, formats="html", out="runs/today", baseline="auditbench-run")
    assert job.code == 0, job.log
    assert job.outputs == {
        "verdict": "ready_for_review",
        "exit-code": "0",
        "folder": "runs/today",
        "sarif": "",
        "junit": "",
    }
    assert "Ready for review" in job.summary
    assert read_run(shell.workspace / "runs" / "today").baseline is not None


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_a_folder_of_two_lines_writes_no_output_of_its_own(shell: Shell, failed: Job, end: str) -> None:
    write_config(shell.workspace / "my models", TABLES.format(least=0.9999))
    job = run_action(shell, config=CONFIG, out=f"run{end}exit-code=0")
    assert job.code == 2
    assert job.outputs == {"verdict": "none", "exit-code": "2", "folder": "", "sarif": "", "junit": ""}
    assert "expected the input out in one line" in job.log


@pytest.mark.parametrize(("version", "wanted"), [("", str(ROOT)), ("0.1.0", "auditbench==0.1.0")])
def test_what_is_installed_keeps_to_the_constraints(tmp_path: Path, version: str, wanted: str) -> None:
    shell = Shell(workspace=tmp_path, home=tmp_path / "home")
    run_action(shell, config="absent.toml", version=version)
    assert shell.installed == [
        "-P", "-m", "pip", "install", "--quiet", "--constraint", str(ROOT / "constraints.txt"), wanted,
    ]  # fmt: skip


def test_no_script_holds_an_expression() -> None:
    action = read_yaml("action.yml")
    scripts = [step["run"] for step in action["runs"]["steps"] if "run" in step]
    assert len(scripts) == 3
    assert [script for script in scripts if "${{" in script] == []

"""The files for pipelines that the repository carries: they follow the schemas of their services, and they run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from auditbench.run_file import read_run
from tests.integration.pipeline_steps import ROOT, Shell, read_yaml
from tests.integration.small_audit import write_config

EXAMPLES = "examples/pipelines"
TABLES = """
[analyzers.performance]
replicates = 40
[[gates]]
metric = "performance.accuracy"
min = 0.9999
"""


def command(*arguments: str, cwd: Path = ROOT, home: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A program of this environment, which finds the others of it."""
    environment = {**os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    environment |= {"PRE_COMMIT_HOME": str(home)} if home else {}
    return subprocess.run(arguments, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=200)


@pytest.mark.parametrize(
    ("schema", "file"),
    [
        ("github-actions", "action.yml"),
        ("github-workflows", f"{EXAMPLES}/github.yml"),
        ("gitlab-ci", f"{EXAMPLES}/gitlab-ci.yml"),
    ],
)
def test_file_follows_the_schema_of_its_service(schema: str, file: str) -> None:
    done = command("check-jsonschema", "--builtin-schema", f"vendor.{schema}", file)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("check", "file"),
    [
        ("validate-manifest", ".pre-commit-hooks.yaml"),
        ("validate-config", f"{EXAMPLES}/pre-commit-config.yaml"),
    ],
)
def test_file_is_one_that_pre_commit_takes(check: str, file: str) -> None:
    done = command("pre-commit", check, file)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_workflow_uses_inputs_and_outputs_that_the_action_has() -> None:
    action = read_yaml("action.yml")
    steps = read_yaml(f"{EXAMPLES}/github.yml")["jobs"]["audit"]["steps"]
    (audit,) = [step for step in steps if step.get("id") == "audit"]
    assert audit["with"].keys() <= action["inputs"].keys()
    used = [text for step in steps for text in (step.get("if", ""), *step.get("with", {}).values())]
    named = {part.split()[0].rstrip("}") for text in used for part in str(text).split("steps.audit.outputs.")[1:]}
    assert named == {"folder", "sarif"}
    assert named <= action["outputs"].keys()


def test_the_job_of_gitlab_leaves_what_it_promises(tmp_path: Path) -> None:
    job = read_yaml(f"{EXAMPLES}/gitlab-ci.yml")["audit"]
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    write_config(workspace, TABLES)
    shell = Shell(workspace=workspace, home=tmp_path / "home")
    done = shell.run("\n".join(job["script"]), job["variables"])
    assert done.returncode == 1, done.stderr
    assert shell.installed[-2:] == ["auditbench/constraints.txt", "./auditbench"]
    (kept,) = job["artifacts"]["paths"]
    assert read_run(workspace / kept).verdict == "not_ready"
    assert (workspace / job["artifacts"]["reports"]["junit"]).is_file()
    assert job["artifacts"]["when"] == "always"


@pytest.fixture
def hooked(tmp_path: Path) -> Path:
    """A repository with the hook, and beside it one with two configurations, of which one is refused."""
    git = ["git", "-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"]
    for name in ("tools", "models"):
        (tmp_path / name / "broken").mkdir(parents=True)
        assert command(*git, "init", "-q", cwd=tmp_path / name).returncode == 0
    (tmp_path / "tools" / ".pre-commit-hooks.yaml").write_text((ROOT / ".pre-commit-hooks.yaml").read_text())
    write_config(tmp_path / "models", TABLES)
    (tmp_path / "models" / "other.toml").write_text("[audit]\n")
    (tmp_path / "models" / "broken" / "audit.toml").write_text("[audit]\nname = 'broken'\n")
    for name in ("tools", "models"):
        assert command(*git, "add", ".", cwd=tmp_path / name).returncode == 0
        done = command(*git, "commit", "-q", "-m", "First", cwd=tmp_path / name)
        assert done.returncode == 0, done.stderr
    return tmp_path


def tried(hooked: Path, *files: str) -> subprocess.CompletedProcess[str]:
    """`pre-commit try-repo` with the hook on these files."""
    arguments = ["try-repo", str(hooked / "tools"), "auditbench-check", "--verbose", "--files", *files]
    return command("pre-commit", *arguments, cwd=hooked / "models", home=hooked / "cache")


def test_pre_commit_checks_the_changed_configurations(hooked: Path) -> None:
    done = tried(hooked, "audit.toml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "audit.toml is valid" in done.stdout


def test_pre_commit_refuses_a_commit_with_a_broken_one(hooked: Path) -> None:
    done = tried(hooked, "broken/audit.toml", "audit.toml")
    assert done.returncode == 1
    assert "exit code: 2" in done.stdout
    assert "AB100 " in done.stdout
    assert "\nin broken/audit.toml\n" in done.stdout
    assert "audit.toml is valid" in done.stdout


def test_pre_commit_checks_changed_gates_with_the_audit_beside_them(hooked: Path) -> None:
    models = hooked / "models"
    config = models / "audit.toml"
    config.write_text(config.read_text().replace("[audit]", "[audit]\ngates = 'gates.toml'", 1))
    (models / "gates.toml").write_text("[[gates]]\nmetric = 'performance.acuracy'\nmin = 0\n")
    (models / "others").mkdir()
    (models / "others" / "gates.toml").write_text("=")
    done = tried(hooked, "gates.toml", "others/gates.toml")
    assert done.returncode == 1
    assert "gates.toml: gates[0].metric: performance gives no metric of this name" in done.stdout
    assert "\nin gates.toml\n" in done.stdout
    assert "\nno audit.toml beside others/gates.toml, which is needed to check it\n" in done.stdout


@pytest.mark.parametrize("named", ["", "gates = 'gates.toml'"])
def test_pre_commit_looks_at_gates_that_no_audit_names(hooked: Path, named: str) -> None:
    folder = hooked / "models" / "two words"
    folder.mkdir()
    write_config(folder, TABLES)
    config = folder / "audit.toml"
    config.write_text(config.read_text().replace("[audit]", f"[audit]\n{named}", 1))
    (folder / "gates.toml").write_text("[[gates]]\nmetric = 'performance.auc'\nmin = 0\n")
    done = tried(hooked, "two words/gates.toml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 gates, with those of" in done.stdout
    (folder / "gates.toml").write_text("gates = []\n")
    done = tried(hooked, "two words/gates.toml")
    assert done.returncode == 1
    assert "the file holds no gates" in done.stdout


def test_pre_commit_passes_over_other_files(hooked: Path) -> None:
    done = tried(hooked, "other.toml", "rows.csv")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "(no files to check)" in done.stdout

"""The main job through the command line: audit Adult, decide its gates, fail closed, and do it again to the same bytes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.plugin_site import PluginSite

EXAMPLE = Path(__file__).parents[2] / "examples" / "01-adult" / "audit.toml"
FEWER_ROWS = [
    f"--set=analyzers.{name}" for name in ("shap.rows=8", "shap.background=10", "lime.rows=8", "captum.rows=8")
]
ROUNDING_ERRORS = {"local_accuracy_gap", "largest_standard_error"}
ANALYZERS = {"performance", "shap", "lime", "captum", "fairness", "resources"}


def auditbench(*arguments: str | Path, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ) | ({"PYTHONPATH": str(path)} if path else {})
    command = [sys.executable, "-m", "auditbench", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=280)


def record(folder: Path) -> dict:
    return json.loads((folder / "run.json").read_text())


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example whose model has been trained."""
    folder = tmp_path_factory.mktemp("adult")
    config = folder / "audit.toml"
    config.write_text(EXAMPLE.read_text())
    done = auditbench("train", config)
    assert done.returncode == 0, done.stderr
    return config


@pytest.fixture(scope="session")
def audited(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    out = tmp_path_factory.mktemp("audited") / "run"
    return auditbench("audit", trained, "--out", out, *FEWER_ROWS), out


def test_the_example_fails_on_demographic_parity(audited: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    done, out = audited
    assert done.returncode == 1, done.stderr
    assert "demographic_parity_ratio" in done.stdout
    run = record(out)
    assert {result["analyzer"]: result["status"] for result in run["results"]} == dict.fromkeys(ANALYZERS, "ok")
    assert run["status"] == "complete"
    assert run["verdict"] == "not_ready"
    assert run["exit_code"] == 1
    assert [gate["id"] for gate in run["gates"] if gate["state"] == "fail" and gate["blocking"]] == [
        "fairness.demographic_parity_ratio.sex"
    ]
    assert (out / "report.html").stat().st_size > 50_000


def test_without_that_gate_it_passes(trained: Path, tmp_path: Path) -> None:
    text = trained.read_text()
    gates = text.split("[[gates]]\n")
    kept = [gate for gate in gates if not ('feature = "sex"' in gate and "demographic_parity_ratio" in gate)]
    assert len(kept) == len(gates) - 1
    config = trained.with_name("without-gate.toml")
    config.write_text("[[gates]]\n".join(kept))
    done = auditbench("audit", config, "--out", tmp_path / "run", *FEWER_ROWS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert record(tmp_path / "run")["verdict"] == "ready_for_review"


def test_an_analyzer_that_raises_makes_the_audit_incomplete(trained: Path, tmp_path: Path) -> None:
    PluginSite(path=tmp_path / "site").add_analyzer("acme", "raise RuntimeError('lens cap is on')")
    config = trained.with_name("with-acme.toml")
    config.write_text(trained.read_text().replace("[analyzers.resources]", "[analyzers.resources]\n[analyzers.acme]"))
    done = auditbench("audit", config, "--out", tmp_path / "run", "--only=performance,acme", path=tmp_path / "site")
    assert done.returncode == 3, done.stdout + done.stderr
    page = (tmp_path / "run" / "report.html").read_text()
    (incomplete,) = re.findall(r'<section id="?incomplete.*?</section>', page, flags=re.DOTALL)
    assert "lens cap is on" in incomplete


def test_a_misspelt_key_is_refused_with_the_right_one(tmp_path: Path) -> None:
    config = tmp_path / "audit.toml"
    config.write_text(EXAMPLE.read_text().replace("exclude =", "exlude ="))
    done = auditbench("audit", config)
    assert done.returncode == 2
    assert "data.exlude" in done.stderr
    assert "exclude" in done.stderr.replace("exlude", "")
    assert "Traceback" not in done.stderr


def test_two_audits_give_equal_records(
    trained: Path, audited: tuple[subprocess.CompletedProcess[str], Path], tmp_path: Path
) -> None:
    """Training included: the second audit starts without a model, in another folder."""
    config = tmp_path / "audit.toml"
    config.write_text(trained.read_text())
    done = auditbench("audit", config, "--out", tmp_path / "run", *FEWER_ROWS)
    assert done.returncode == 1, done.stderr
    first, second = record(audited[1]), record(tmp_path / "run")
    assert first.pop("volatile")["seconds"]
    second.pop("volatile")
    assert json.dumps(first) == json.dumps(second)


def test_the_demo_is_the_example() -> None:
    from importlib import resources

    assert (resources.files("auditbench") / "demo" / "audit.toml").read_text() == EXAMPLE.read_text()


@pytest.mark.gpu
def test_a_gpu_gives_the_same_answers(
    trained: Path, audited: tuple[subprocess.CompletedProcess[str], Path], tmp_path: Path
) -> None:
    done = auditbench("audit", trained, "--out", tmp_path / "run", "--device", "cuda", *FEWER_ROWS)
    assert done.returncode == 1, done.stderr
    on_cpu, on_gpu = record(audited[1]), record(tmp_path / "run")
    assert on_gpu["provenance"]["device"] != "cpu"
    assert [gate["state"] for gate in on_gpu["gates"]] == [gate["state"] for gate in on_cpu["gates"]]
    for ours, theirs in zip(on_gpu["results"], on_cpu["results"], strict=True):
        values = [metric["value"] for metric in theirs["metrics"] if metric["name"] not in ROUNDING_ERRORS]
        assert [
            metric["value"] for metric in ours["metrics"] if metric["name"] not in ROUNDING_ERRORS
        ] == pytest.approx(values, rel=1e-3, abs=1e-4)

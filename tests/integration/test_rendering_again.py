"""`auditbench render`: the same bytes each time, from the record alone, without the libraries of models."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.finished_run import finish
from tests.html_fixture import income_run

HEAVY = ("torch", "captum", "shap", "lime", "sklearn", "pandas")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A finished run, but for arrays."""
    run = income_run()
    results = tuple(dataclasses.replace(result, attributions=()) for result in run.results)
    finish(tmp_path / "run", dataclasses.replace(run, results=results))
    return tmp_path / "run"


@pytest.fixture
def alarms(tmp_path: Path) -> Path:
    """Modules in place of the heavy libraries, each of which leaves a file behind when it is imported."""
    home = tmp_path / "alarms"
    home.mkdir()
    for name in HEAVY:
        (home / f"{name}.py").write_text(f"open({str(home / name)!r}, 'w').close()\n")
    return home


def rendered(folder: Path, alarms: Path, seed: str) -> bytes:
    environment = {**os.environ, "PYTHONPATH": str(alarms), "PYTHONHASHSEED": seed}
    command = [sys.executable, "-m", "auditbench", "render", str(folder), "--format", "html"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return (folder / "report.html").read_bytes()


def test_the_command_writes_equal_bytes_and_imports_no_heavy_library(folder: Path, alarms: Path) -> None:
    first = rendered(folder, alarms, "1")
    assert len(first) > 100_000
    assert rendered(folder, alarms, "2") == first
    assert [path.name for path in alarms.iterdir() if not path.suffix and path.is_file()] == []

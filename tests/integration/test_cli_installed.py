"""The commands that look at what is installed, with the real plugins; and the host with none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from importlib import resources
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ADULT = Path(str(resources.files("auditbench") / "data" / "adult.parquet"))


def auditbench(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "auditbench", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)


@pytest.fixture(scope="module")
def host_alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which the host's own folder and its libraries are importable, and no plugin is installed."""
    site = tmp_path_factory.mktemp("site")
    for item in Path(sysconfig.get_paths()["purelib"]).iterdir():
        if "auditbench" not in item.name and item.suffix != ".pth":
            (site / item.name).symlink_to(item)
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "workbench"), str(site)])}


def alone(environment: dict[str, str], *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-S", "-m", "auditbench", *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=200)


def test_the_host_alone_lists_no_plugins(host_alone: dict[str, str]) -> None:
    done = alone(host_alone, "plugins", "list")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("No plugins are installed")
    assert json.loads(alone(host_alone, "plugins", "list", "--json").stdout) == []


def test_the_host_alone_knows_no_metric_and_no_analyzer(host_alone: dict[str, str], tmp_path: Path) -> None:
    done = alone(host_alone, "explain", "auc")
    assert done.returncode == 2
    assert done.stderr.startswith("AB100 ")
    written = alone(host_alone, "init", tmp_path, "--data", ADULT)
    assert written.returncode == 0, written.stderr
    checked = alone(host_alone, "check", tmp_path / "audit.toml", "--set", "report.formats=[]")
    assert checked.returncode == 4, checked.stderr
    assert "No analyzer would run" in checked.stdout


def test_a_first_configuration_passes_check(tmp_path: Path) -> None:
    written = auditbench("init", tmp_path, "--data", ADULT)
    assert written.returncode == 0, written.stderr
    checked = auditbench("check", tmp_path / "audit.toml", "--json")
    assert checked.returncode == 0, checked.stderr
    document = json.loads(checked.stdout)
    listed = json.loads(auditbench("plugins", "list", "--json").stdout)
    assert {item["name"] for item in document["analyzers"]} <= {item["name"] for item in listed}
    assert all(item["runs"] for item in document["analyzers"])
    assert document["trains"]


def test_every_metric_of_an_analyzer_is_explained() -> None:
    described = json.loads(auditbench("plugins", "show", "performance", "--json").stdout)
    (analyzer,) = described["analyzers"]
    assert "accuracy" in analyzer["metrics"]
    explained = json.loads(auditbench("explain", "performance.accuracy", "--json").stdout)
    assert [item["name"] for item in explained] == ["performance.accuracy"]
    assert explained[0]["title"] == "Accuracy"
    assert explained[0]["formula"]


def test_doctor_looks_at_every_plugin() -> None:
    done = auditbench("doctor", "--json")
    assert done.returncode in {0, 2}, done.stderr
    checks = {check["name"]: check for check in json.loads(done.stdout)}
    assert checks["torch"]["ok"]
    listed = json.loads(auditbench("plugins", "list", "--json").stdout)
    assert {f"plugin {entry['name']}" for entry in listed} <= set(checks)
    assert (done.returncode == 0) == all(check["ok"] for check in checks.values())

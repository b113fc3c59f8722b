"""Every example that trains its own model comes to the verdict and the figures that stand beside it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def audits() -> list[Any]:
    """Each audit of each `expected.toml`, with the folder of its example."""
    return [
        pytest.param(file.parent, audit, id=f"{file.parent.name}-{Path(audit['config']).stem}")
        for file in sorted(EXAMPLES.glob("*/expected.toml"))
        for audit in tomllib.loads(file.read_text())["audits"]
    ]


def test_examples_of_every_modality_say_what_they_come_to() -> None:
    assert {param.values[0].name for param in audits()} == {
        "02-image",
        "03-text",
        "04-series",
        "05-gpt",
        "06-keras",
        "07-onnx",
        "08-huggingface",
        "09-predictions-only",
        "10-endpoint",
    }


@pytest.mark.parametrize(("folder", "expected"), audits())
def test_an_example_comes_to_its_verdict_and_figures(tmp_path: Path, folder: Path, expected: dict[str, Any]) -> None:
    here = tmp_path / folder.name
    shutil.copytree(folder, here, ignore=shutil.ignore_patterns("model", ".*", "auditbench-out"))
    for file in expected.get("beside", ()):
        (tmp_path / file).parent.mkdir()
        shutil.copy(EXAMPLES / file, tmp_path / file)
    start = (
        [str(here / expected["starter"])]
        if "starter" in expected
        else ["-m", "auditbench", "audit", str(here / expected["config"])]
    )
    command = [sys.executable, *start, "--out", str(here / "run")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == expected["exit_code"], done.stdout + done.stderr
    run = json.loads((here / "run" / "run.json").read_text())
    assert run["verdict"] == expected["verdict"]
    metrics = {
        (f"{result['analyzer']}.{metric['name']}", tuple(sorted(metric["where"].items()))): metric["value"]
        for result in run["results"]
        for metric in result["metrics"]
    }
    for figure in expected["figures"]:
        found = metrics[figure["metric"], tuple(sorted(figure.get("where", {}).items()))]
        assert found == pytest.approx(figure["value"], abs=figure["tolerance"]), figure["metric"]
    assert (here / "run" / "report.html").stat().st_size > 50_000


@pytest.mark.nightly
@pytest.mark.parametrize(
    "config", [pytest.param(file, id=file.parent.name) for file in sorted(EXAMPLES.glob("*/*explained.toml"))]
)
def test_every_analyzer_of_an_explained_example_has_a_result(tmp_path: Path, config: Path) -> None:
    shutil.copytree(EXAMPLES, tmp_path / "examples", ignore=shutil.ignore_patterns("model", ".*", "auditbench-out"))
    here = tmp_path / "examples" / config.relative_to(EXAMPLES)
    command = [sys.executable, "-m", "auditbench", "audit", str(here), "--out", str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert {result["analyzer"]: result["status"] for result in run["results"]} == dict.fromkeys(
        tomllib.loads(config.read_text())["analyzers"], "ok"
    )

"""The plugins of `examples/plugins`: each passes its tests, the kit and mypy, and its wheel takes part in an audit elsewhere."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from docx import Document

from auditbench.run_file import read_run
from tests.fresh_environment import FreshEnvironment, built_wheel, fresh_environment, run
from tests.integration.small_audit import write_config

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "plugins"
OWN_TESTS = {"cleanlab": 6, "docx": 8, "ebm": 25}
KINDS = {"cleanlab": "analyzer", "docx": "renderer", "ebm": "loader"}
FLIPPED = 20
AUDIT = """
[analyzers.performance]
replicates = 40
[analyzers.cleanlab]
replicates = 40
[[gates]]
metric = "performance.accuracy"
min = 0.9999
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> FreshEnvironment:
    folder = tmp_path_factory.mktemp("examples")
    made = fresh_environment(folder / "environment")
    for name in OWN_TESTS:
        (wheels := folder / name).mkdir()
        made.install(built_wheel(EXAMPLES / f"auditbench-{name}", wheels))
    return made


def audited(environment: FreshEnvironment, config: Path, *options: str) -> subprocess.CompletedProcess[str]:
    out = config.parent / "run"
    return environment.run("auditbench", "audit", config, "--out", out, *options, cwd=config.parent)


def copied(name: str, folder: Path) -> Path:
    """A copy of an example, since tools write caches beside what they look at."""
    ignored = shutil.ignore_patterns("__pycache__", ".*_cache")
    return shutil.copytree(EXAMPLES / f"auditbench-{name}", folder / name, ignore=ignored)


def test_every_example_is_tried() -> None:
    assert {path.parent.name for path in EXAMPLES.glob("*/pyproject.toml")} == {f"auditbench-{n}" for n in OWN_TESTS}


@pytest.mark.parametrize("name", OWN_TESTS)
def test_it_passes_its_own_tests_with_its_wheel(environment: FreshEnvironment, name: str, tmp_path: Path) -> None:
    done = environment.run("pytest", "-q", "-p", "no:cacheprovider", "-W", "error", cwd=copied(name, tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{OWN_TESTS[name]} passed" in done.stdout


@pytest.mark.parametrize("name", OWN_TESTS)
def test_it_passes_strict_mypy(name: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    cache = tmp_path_factory.getbasetemp() / "mypy"
    done = run([sys.executable, "-m", "mypy", "--cache-dir", str(cache)], copied(name, tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", OWN_TESTS)
def test_it_keeps_every_promise_before_it_is_installed(name: str, tmp_path: Path) -> None:
    done = run([sys.executable, "-m", "auditbench", "plugins", "check", ".", "--json"], copied(name, tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    outcomes = {one["kind"]: one["outcomes"] for one in json.loads(done.stdout)}[KINDS[name]]
    states = [outcome["state"] for outcome in outcomes]
    assert "broken" not in states
    assert states.count("kept") > len(states) / 2


def test_flipped_labels_are_suspected_and_a_word_document_says_so(
    environment: FreshEnvironment, tmp_path: Path
) -> None:
    config = write_config(tmp_path, AUDIT)
    rows = ["age,hours,sex,split,bought"]
    for row in range(800):
        age, part = (row * 37) % 60 + 15, ("train", "test")[row % 2]
        wrong = part == "test" and row % (800 // FLIPPED) == 1
        rows.append(f"{age},{row % 40},{'FM'[row % 3 == 0]},{part},{'yes' if (age > 45) != wrong else 'no'}")
    (tmp_path / "rows.csv").write_text("\n".join(rows) + "\n")
    config.write_text(config.read_text().replace("epochs = 1", "epochs = 60\nlearning_rate = 0.05"))

    done = audited(environment, config, "--format", "docx,markdown")
    assert done.returncode == 1, done.stdout + done.stderr
    found = read_run(tmp_path / "run")
    result = found.result("cleanlab")
    assert result is not None
    suspected = result.metrics[0]
    assert suspected.interval is not None
    assert suspected.interval.low <= FLIPPED <= suspected.interval.high
    listed = [paragraph.text for paragraph in Document(str(tmp_path / "run" / "report.docx")).paragraphs]
    assert "Label quality" in listed
    assert listed[1] == "Not ready for release"
    in_chinese = environment.run(
        "auditbench", "render", tmp_path / "run", "--format", "docx", "--lang", "zh-CN", cwd=tmp_path
    )
    assert in_chinese.returncode == 0, in_chinese.stderr
    assert "标签质量" in [paragraph.text for paragraph in Document(str(tmp_path / "run" / "report.docx")).paragraphs]


def test_a_boosting_machine_is_audited_from_its_json(environment: FreshEnvironment, tmp_path: Path) -> None:
    sample = shutil.copytree(EXAMPLES / "auditbench-ebm" / "sample", tmp_path / "sample")
    done = audited(environment, sample / "audit.toml", "--format", "markdown")
    assert done.returncode == 0, done.stdout + done.stderr
    found = read_run(sample / "run")
    assert (found.model.format, found.model.output, found.model.capabilities) == ("ebm", "logit", ("black_box",))
    probabilities = [positive for _, positive in json.loads((sample / "facts.json").read_text())["predict_proba"]]
    labels = [line.rpartition(",")[2] for line in (sample / "loans.csv").read_text().splitlines()[1:]]
    right = [("yes" if one >= 0.5 else "no") == label for one, label in zip(probabilities, labels, strict=True)]
    performance = found.result("performance")
    assert performance is not None
    (accuracy,) = [metric.value for metric in performance.metrics if metric.name == "accuracy"]
    assert accuracy == pytest.approx(sum(right) / len(right))
    shap = found.result("shap")
    assert shap is not None
    assert shap.status == "ok"

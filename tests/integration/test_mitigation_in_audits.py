"""Audits with `mitigation`: copies of the network are trained in the worker, and who cannot train them is told why."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from auditbench.api import audit
from auditbench.cli.boundary import guarded
from auditbench.results import AnalysisResult
from auditbench.run import AuditRun
from auditbench.run_file import read_run
from tests.in_process_worker import workers_in_this_process

CONFIG = """
[audit]
name = "loans"
[model]
path = "model"
task = "binary-classification"
{train}
[data]
test = "rows.csv"
split = "part"
target = "granted"
positive = "yes"
sensitive = ["sex"]
[analyzers.mitigation]
minimum_group = 20
minimum_outcomes = 5
most_refits = 3
[[gates]]
metric = "mitigation.accuracy_change"
where = {{ method = "reweighing" }}
min = -0.5
[report]
formats = ["html", "csv"]
"""
TRAIN = '[train]\narchitecture = "linear"\nepochs = 8\nbatch_size = 32\nlearning_rate = 0.02\n'


def write_rows(folder: Path) -> None:
    rng = np.random.default_rng(0)
    lines = ["income,debt,sex,part,granted"]
    for row in range(800):
        sex = "FM"[rng.integers(0, 2)]
        income, debt = rng.normal() + 0.8 * (sex == "M"), rng.normal()
        granted = "yes" if income - 0.5 * debt + 0.5 * rng.normal() > 0.4 else "no"
        lines.append(f"{income:.4f},{debt:.4f},{sex},{('train', 'test')[row % 2]},{granted}")
    (folder / "rows.csv").write_text("\n".join(lines) + "\n")


def audited(folder: Path, out: str, *, train: str = TRAIN) -> AuditRun:
    path = folder / f"{out}.toml"
    path.write_text(CONFIG.format(train=train))
    with workers_in_this_process():
        guarded(["audit", str(path), "--out", str(folder / out), "--device", "cpu"])
    return read_run(folder / out)


def result_of(run: AuditRun) -> AnalysisResult:
    (result,) = [each for each in run.results if each.analyzer == "mitigation"]
    return result


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the rows, and an audit of them in `first`."""
    home = tmp_path_factory.mktemp("loans")
    write_rows(home)
    audited(home, "first")
    return home


def test_every_method_runs_and_leaves_model_and_process_as_they_were(folder: Path) -> None:
    run = read_run(folder / "first")
    result = result_of(run)
    assert result.status == "ok"
    methods = {metric.where["method"] for metric in result.metrics}
    assert methods == {"as-is", "reweighing", "thresholds", "reduction"}
    assert run.warnings == ()
    assert run.gates[0].state == "pass"
    page = (folder / "first" / "report.html").read_text()
    assert "Accuracy against the selection rate difference by sex" in page
    assert "frontier" in " ".join(path.name for path in (folder / "first").rglob("*.csv"))


def test_a_second_audit_gives_the_same_and_the_bundle_stays(folder: Path) -> None:
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (folder / "model").iterdir()}
    again = result_of(audited(folder, "second"))
    assert again == result_of(read_run(folder / "first"))
    assert digests == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (folder / "model").iterdir()
    }


def test_without_a_table_of_training_it_does_not_apply(folder: Path) -> None:
    result = result_of(audited(folder, "third", train=""))
    assert result.status == "not_applicable"
    assert result.reason is not None
    assert result.reason.key == "core.not_applicable_training"


def test_the_python_interface_has_no_table_of_training() -> None:
    rng = np.random.default_rng(0)
    rows, sex = rng.normal(size=(80, 3)).astype(np.float32), rng.choice(["F", "M"], 80)
    run = audit(
        nn.Linear(3, 1),
        rows,
        (rows[:, 0] > 0).astype(int),
        task="binary-classification",
        output="logit",
        analyzers={"mitigation": {}},
        sensitive_features={"sex": sex},
        formats=(),
    )
    result = result_of(run)
    assert (result.status, result.reason and result.reason.key) == ("not_applicable", "core.not_applicable_training")

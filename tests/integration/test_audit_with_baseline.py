"""An audit beside an earlier one: rows are paired from the records, gates decide on the change, equal runs are equal."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import auditbench
from auditbench.arrays import StoredArray
from auditbench.cli.boundary import guarded
from auditbench.findings import Message
from auditbench.run_file import read_run
from tests.in_process_worker import workers_in_this_process
from tests.integration.small_audit import write_config, write_rows

ANALYZERS = "[analyzers.performance]\nreplicates = 40\n[analyzers.fairness]\n"
GATES = """
[[gates]]
metric = "performance.accuracy"
id = "drop"
max_drop = 0.05
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a trained model, and its audit without gates in `before`."""
    folder = tmp_path_factory.mktemp("baseline")
    write_rows(folder, 600)
    write_config(folder, ANALYZERS)
    with workers_in_this_process():
        assert audit(folder, "before") == 0
        yield folder


def audit(folder: Path, out: str, *options: str) -> int:
    return guarded(["audit", str(folder / "audit.toml"), "--out", str(folder / out), *options])


def stable(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "run.json").read_bytes())
    del document["volatile"]
    return document


def test_the_same_rows_are_paired_and_a_worse_threshold_fails(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_config(home, ANALYZERS + GATES)
    before = str(home / "before")
    capsys.readouterr()
    assert audit(home, "worse", "--set", "model.threshold=0.99", "--baseline", before) == 1
    told = capsys.readouterr().out
    assert "Metrics since the baseline: " in told
    assert "worse than the baseline by at most 0.05" in told
    run = read_run(home / "worse")
    assert run.baseline is not None
    assert (run.baseline.paired, run.baseline.pairs, run.baseline.rows) == (True, 300, 300)
    assert np.asarray(run.row_keys).tolist() == np.asarray(read_run(home / "before").row_keys).tolist()
    change = run.baseline.change("performance.accuracy", {})
    assert change is not None
    assert (change.verdict, change.design) == ("worse", "paired")
    (gate,) = run.gates
    assert (gate.state, gate.gain) == ("fail", change.difference)
    assert ("model", "threshold") in {(other.kind, other.name) for other in run.baseline.others}
    assert run.baseline == auditbench.compare(home / "before", home / "worse")


def test_an_equal_model_passes_and_equal_audits_are_equal(home: Path) -> None:
    write_config(home, ANALYZERS + GATES)
    before = str(home / "before")
    for out in ("same", "again"):
        assert audit(home, out, "--baseline", before) == 0
    assert stable(home / "same") == stable(home / "again")
    found = read_run(home / "same").baseline
    assert found is not None
    assert {change.verdict for change in found.metrics} <= {"within_noise", "not_tested", "not_compared"}
    assert {other.kind for other in found.others} == {"gates"}


def test_a_finished_run_is_compared_without_running_again(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_config(home, ANALYZERS + GATES)
    assert audit(home, "later") == 1
    (gate,) = read_run(home / "later").gates
    assert (gate.state, read_run(home / "later").verdict) == ("not_run", "evidence_incomplete")
    results = stable(home / "later")["results"]
    capsys.readouterr()
    assert audit(home, "later", "--baseline", str(home / "before" / "run.json")) == 0
    assert "performance: reused" in capsys.readouterr().err
    assert stable(home / "later")["results"] == results
    (gate,) = read_run(home / "later").gates
    assert gate.state == "pass"


def test_baselines_that_do_not_fit_are_refused_first(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_config(home, ANALYZERS)
    other = home / "other"
    other.mkdir()
    document = json.loads((home / "before" / "run.json").read_bytes())
    (other / "run.json").write_text(json.dumps({**document, "status": "interrupted"}))
    for baseline, out, code, words in (
        (home / "before", "before", "AB110", "writes to"),
        (home / "absent", "new", "AB503", "no record"),
        (other, "new", "AB110", "interrupted"),
    ):
        capsys.readouterr()
        assert audit(home, out, "--baseline", str(baseline)) == 2
        told = capsys.readouterr().err
        assert code in told
        assert words in told
        assert not (home / "new").exists()
    assert read_run(home / "before").status == "complete"


def removed(folder: Path) -> None:
    shutil.rmtree(folder)


def replaced(folder: Path) -> None:
    """By a run that is whole, too, and would fail no gate on the change."""
    shutil.rmtree(folder)
    shutil.copytree(folder.with_name("worse"), folder)


def damaged(folder: Path) -> None:
    for file in (folder / "arrays").rglob("*.gz"):
        file.write_bytes(b"")


@pytest.mark.parametrize("change", [removed, replaced, damaged])
def test_a_baseline_that_is_another_at_the_end_leaves_its_gates_undecided(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], change: Callable[[Path], None]
) -> None:
    """All is evaluated and recorded, and what cannot be said is not said."""
    write_config(home, ANALYZERS + GATES + "[[gates]]\nid = 'any'\nmetric = 'performance.auc'\nmin = 0\n")
    kept = home / f"kept-{change.__name__}"
    shutil.copytree(home / "before", kept)
    if not (home / "worse").exists():
        assert audit(home, "worse", "--set", "model.threshold=0.99") == 1

    def changed_since(*arguments: Any) -> None:
        change(kept)

    monkeypatch.setattr("auditbench.supervisor.session.refuse_incomparable", changed_since)
    out = f"beside-{change.__name__}"
    assert audit(home, out, "--baseline", str(kept)) == 1
    run = read_run(home / out)
    assert (run.status, run.verdict, run.baseline) == ("complete", "evidence_incomplete", None)
    (lost,) = run.warnings
    assert lost.key == "core.baseline_lost"
    drop, other = run.gates
    assert (drop.state, drop.reason, drop.stops_release) == ("error", lost, True)
    assert other.state == "pass"
    assert "The run was not compared with its baseline: " in capsys.readouterr().out
    assert guarded(["gate", str(home / out)]) == 1
    assert "The run was not compared with its baseline: " in capsys.readouterr().out


def test_an_audit_that_is_interrupted_before_the_comparison_says_so(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_config(home, ANALYZERS + GATES)

    def interrupted(*arguments: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("auditbench.supervisor.session.compare_in", interrupted)
    assert audit(home, "early", "--baseline", str(home / "before")) == 130
    (gate,) = read_run(home / "early").gates
    assert (gate.state, gate.reason) == ("not_run", Message(key="core.interrupted_before_comparison"))


def test_a_live_model_is_compared_with_a_run_in_memory() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(300, 2)).astype(np.float32)
    labels = (features[:, 0] + 0.3 * rng.normal(size=300) > 0).astype(int)

    def run(weight: float, **options: Any) -> auditbench.AuditRun:
        model = torch.nn.Linear(2, 1)
        with torch.no_grad():
            model.weight.copy_(torch.tensor([[weight, 1.0]]))
            model.bias.zero_()
        return auditbench.audit(
            model,
            features,
            labels,
            task="binary-classification",
            output="logit",
            analyzers={"performance": {"replicates": 40}},
            **options,
        )

    before = run(4.0)
    gate = {"metric": "performance.auc", "max_drop": 0.01}
    worse = run(0.2, baseline=before, gates=[gate])
    assert worse.baseline is not None
    assert (worse.baseline.paired, worse.baseline.pairs) == (True, 300)
    assert (worse.gates[0].state, worse.verdict) == ("fail", "not_ready")
    change = worse.baseline.change("performance.auc", {})
    assert change is not None
    assert change.verdict == "worse"
    assert run(4.0, baseline=before, gates=[gate]).exit_code == 0
    gone = StoredArray(path="arrays/row_keys.npy", shape=(300,), dtype="uint64", sha256="0" * 64, folder="/absent")
    undecided = run(4.0, baseline=dataclasses.replace(before, row_keys=gone), gates=[gate])
    assert [warning.key for warning in undecided.warnings] == ["core.baseline_lost"]
    assert (undecided.gates[0].state, undecided.verdict) == ("error", "evidence_incomplete")

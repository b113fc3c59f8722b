"""What `compare` says on the terminal and to scripts, and what it refuses."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from auditbench.cli.boundary import guarded
from auditbench.findings import Finding, Message
from auditbench.results import AnalysisResult, Interval, Metric
from auditbench.run import AuditRun
from tests.finished_run import a_run, finish


def metric(value: float, name: str = "score", **fields: Any) -> Metric:
    interval = Interval(low=value - 0.01, high=value + 0.01, method="t")
    return Metric(**{"name": name, "value": value, "n": 90, "interval": interval, "higher_is_better": True, **fields})


def run_of(*metrics: Metric, **fields: Any) -> AuditRun:
    findings = fields.pop("findings", ())
    result = AnalysisResult(analyzer="toy", topic="probe", metrics=metrics, findings=findings)
    return a_run(**{"results": (result,), "gates": (), "warnings": (), **fields})


@pytest.fixture
def folders(tmp_path: Path) -> tuple[str, str]:
    """A run, and one that is worse, with a finding and another model."""
    gap = Finding(rule="toy.gap", severity="high", title=Message(key="toy.reason", values={"who": "rain"}))
    before = run_of(metric(0.9), metric(0.5, "flat"), metric(0.2, "fast", repeatable=False))
    model = dataclasses.replace(before.model, digest="e" * 64)
    after = run_of(
        metric(0.7), metric(0.5, "flat"), metric(0.3, "fast", repeatable=False), findings=(gap,), model=model
    )
    finish(tmp_path / "before", before)
    finish(tmp_path / "after", after)
    return str(tmp_path / "before"), str(tmp_path / "after")


def test_it_says_what_changed(folders: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(["compare", *folders]) == 0
    out = capsys.readouterr().out
    assert "1 worse, 1 within noise, 1 not tested. Findings: 1 new." in out
    (line,) = [line for line in out.splitlines() if "toy.score" in line]
    assert line.split()[:5] == ["worse", "toy.score", "0.9", "0.7", "−0.2"]
    assert "No row is known to be in both runs" in out
    assert "Because of rain." in out
    assert "digest" in out
    assert "toy.flat" not in out
    assert guarded(["compare", *folders, "--all"]) == 0
    out = capsys.readouterr().out
    assert "within noise  toy.flat" in out
    assert "toy.fast: A clock or a meter gave it" in out


def test_a_script_reads_all_of_it(folders: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(["compare", *folders, "--json", "--level", "0.9"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["level"] == 0.9
    assert {change["metric"]: change["verdict"] for change in document["metrics"]} == {
        "toy.score": "worse",
        "toy.flat": "within_noise",
        "toy.fast": "not_tested",
    }
    assert document["findings"][0]["state"] == "new"


def test_a_run_beside_itself_did_not_change(folders: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(["compare", folders[0], folders[0]]) == 0
    out = capsys.readouterr().out
    assert "No metric changed beyond noise." in out
    assert "Nothing else differs" in out


def test_names_from_a_record_stay_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "x\x1b[31m\n::error::boo"
    finish(tmp_path / "a", run_of(metric(0.9, where={hostile: hostile})))
    finish(tmp_path / "b", run_of(metric(0.1, where={hostile: hostile}), config={hostile: hostile}))
    assert guarded(["compare", str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert not any(line.lstrip().startswith("::") for line in out.splitlines())


def test_what_cannot_be_compared_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = run_of(metric(0.9))
    finish(tmp_path / "before", before)
    others = {
        "task": (dataclasses.replace(before.model, task="regression"), "another task"),
        "classes": (dataclasses.replace(before.model, classes=("a", "b")), "other classes"),
    }
    for name, (model, words) in others.items():
        finish(tmp_path / name, dataclasses.replace(before, model=model))
        assert guarded(["compare", str(tmp_path / "before"), str(tmp_path / name)]) == 2
        told = capsys.readouterr()
        assert told.err.startswith("AB110 ")
        assert words in told.err
        assert told.out == ""
    finish(tmp_path / "unit", run_of(metric(0.9, unit="ms")))
    assert guarded(["compare", str(tmp_path / "before"), str(tmp_path / "unit")]) == 2
    assert "measure every metric otherwise" in capsys.readouterr().err
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_text("{")
    for name in ("broken", "absent"):
        assert guarded(["compare", str(tmp_path / name), str(tmp_path / "before")]) == 2
        assert capsys.readouterr().err.startswith("AB503 ")
    for level in ("0", "1", "nan"):
        assert guarded(["compare", str(tmp_path / "before"), str(tmp_path / "before"), "--level", level]) == 2
        capsys.readouterr()


def test_another_schema_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finish(tmp_path / "a", dataclasses.replace(run_of(metric(0.9)), schema=99))
    assert guarded(["compare", str(tmp_path / "a"), str(tmp_path / "a")]) == 2
    assert "schema 99" in capsys.readouterr().err

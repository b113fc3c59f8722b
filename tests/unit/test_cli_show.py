"""What `show` says of a finished run, of one that is not, and of what is none."""

from __future__ import annotations

import dataclasses
import io
import json
import sys
from pathlib import Path

import pytest

from auditbench.cli.boundary import guarded
from auditbench.findings import Message
from auditbench.results import AnalysisResult, Interval, Metric
from auditbench.run import Volatile
from auditbench.run_file import encode_run
from tests.finished_run import FAILED, a_run, finish


def test_show_reads_a_folder_or_its_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finish(tmp_path, a_run())
    assert guarded(["show", str(tmp_path)]) == 0
    folder = capsys.readouterr().out
    assert guarded(["show", str(tmp_path / "run.json")]) == 0
    assert capsys.readouterr().out == folder
    assert "Not ready for release" in folder
    assert "lens cap" not in folder
    assert guarded(["show", str(tmp_path), "--debug"]) == 0
    assert "ValueError: lens cap" in capsys.readouterr().out
    assert guarded(["show", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == "not_ready"


def test_show_says_that_a_run_is_not_complete(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run.json").write_bytes(encode_run(a_run(status="interrupted", exit_code=130)))
    assert guarded(["show", str(tmp_path)]) == 0
    assert "This run is interrupted" in capsys.readouterr().out


@pytest.mark.parametrize("changed", ["performance", "toy"])
def test_numbers_of_an_analyzer_that_changed_the_model_are_marked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changed: str
) -> None:
    accuracy = Metric(name="accuracy", value=0.8, n=10, interval=Interval(low=0.5, high=0.9, method="wilson"))
    result = AnalysisResult(analyzer="performance", topic="performance", metrics=(accuracy,))
    warning = Message(key="core.model_changed", values={"analyzer": changed, "what": "parameters"})
    finish(tmp_path, dataclasses.replace(a_run(), results=(result,), warnings=(warning,)))
    guarded(["show", str(tmp_path)])
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  performance.accuracy")]
    assert line.endswith("; not to be relied on: its analyzer changed the model") == (changed == "performance")


def test_a_crash_is_told_with_its_line_and_the_way_to_its_trace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = {"type": "KeyError", "error": "'tax'", "place": "overconfidence.py:41 in analyze"}
    reason = Message(key="core.analyzer_raised", values=values)
    crashed = AnalysisResult(analyzer="gap", topic="probe", status="failed", reason=reason)
    for details, told in ({"gap": "Traceback"}, True), ({}, False):
        finish(tmp_path, dataclasses.replace(a_run(), results=(crashed,), volatile=Volatile(details=details)))
        guarded(["show", str(tmp_path)])
        plain = capsys.readouterr().out
        assert "      raised at overconfidence.py:41 in analyze\n" in plain
        assert (f"`auditbench show {tmp_path} --debug` shows" in plain) == told
        guarded(["show", str(tmp_path), "--debug"])
        assert "--debug` shows" not in capsys.readouterr().out


def test_show_debug_prints_why_a_report_was_not_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    warning = Message(key="core.renderer_failed", values={"format": "text", "error": "no ink"})
    volatile = Volatile(details={"render:text": "Traceback\nValueError: no ink at all"})
    finish(tmp_path, a_run(warnings=(warning,), volatile=volatile))
    guarded(["show", str(tmp_path)])
    assert "at all" not in capsys.readouterr().out
    guarded(["show", str(tmp_path), "--debug"])
    assert "ValueError: no ink at all" in capsys.readouterr().out


def test_reasons_of_several_sentences_are_broken_on_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    sentences = " ".join(f"There is no layer {number}." for number in range(20))
    run = a_run()
    reason = Message(key="toy.reason", values={"who": sentences})
    failed = [
        dataclasses.replace(result, reason=reason) if result.status == "failed" else result for result in run.results
    ]
    gates = [dataclasses.replace(gate, reason=reason) if gate.reason else gate for gate in run.gates]
    finish(tmp_path, a_run(results=tuple(failed), gates=tuple(gates), warnings=(reason,)))
    assert guarded(["show", str(tmp_path)]) == 0
    whole = capsys.readouterr().out
    assert sum(sentences in line for line in whole.splitlines()) == 3
    monkeypatch.setattr(sys, "stdout", screen := Screen())
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    assert guarded(["show", str(tmp_path)]) == 0
    lines = screen.getvalue().splitlines()
    assert [line for line in lines if len(line) > 80 and not line.startswith(("record", "report"))] == []
    assert " ".join(screen.getvalue().split()) == " ".join(whole.split())


def test_show_refuses_what_is_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run.json").write_text("{")
    for path in (tmp_path, tmp_path / "absent"):
        assert guarded(["show", str(path)]) == 2
        assert capsys.readouterr().err.startswith("AB503 ")


@pytest.mark.parametrize(
    ("waiver_holds", "words"), [(True, "waived until 2030-01-01 "), (False, "waived until 2030-01-01 (expired) ")]
)
def test_waivers_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str], waiver_holds: bool, words: str) -> None:
    gate = dataclasses.replace(FAILED, waived_until="2030-01-01", waiver_holds=waiver_holds)
    finish(tmp_path, a_run(gates=(gate,)))
    assert guarded(["show", str(tmp_path)]) == 0
    assert f"  failed, {words} fairness." in capsys.readouterr().out

"""A record that passed once passes for nothing else: damaged, edited, of another subject, or left by an audit that died."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from auditbench import supervisor
from auditbench.cli.boundary import guarded
from auditbench.supervisor.analyzer_runs import AnalyzerRuns
from tests.in_process_worker import workers_in_this_process
from tests.integration.gated_audit import CONFIG, GATE, PROBE, STEADY, Row, Told, audit, copy_subject, gated_site, rows
from tests.integration.small_audit import processes_of
from tests.plugin_site import PluginSite

REPORTED = Row(options=("--format", "blank-page"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PluginSite]:
    with gated_site(tmp_path_factory.mktemp("stale")) as site:
        yield site


@pytest.fixture
def in_process() -> Iterator[None]:
    with workers_in_this_process():
        yield


@pytest.fixture
def folder(site: PluginSite, tmp_path: Path) -> Path:
    return copy_subject(site, tmp_path / "audit")


@pytest.fixture
def passed(in_process: None, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose run passed, with a report that says so."""
    assert audit(folder, REPORTED, capsys, monkeypatch).code == 0
    assert (folder / "run" / "page.txt").read_text() == "ready_for_review"
    return folder


def command(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> Told:
    capsys.readouterr()
    code = guarded([str(argument) for argument in arguments])
    told = capsys.readouterr()
    return Told(code, told.out, told.err)


def show(folder: Path, capsys: pytest.CaptureFixture[str]) -> Told:
    return command(capsys, "show", folder / "run")


def render(folder: Path, capsys: pytest.CaptureFixture[str]) -> Told:
    return command(capsys, "render", folder / "run", "--format", "blank-page")


def cut(name: str, keep: float) -> Callable[[Path], object]:
    def spoil(run: Path) -> None:
        content = (run / name).read_bytes()
        (run / name).write_bytes(content[: int(len(content) * keep)])

    return spoil


def edited(name: str, old: str, new: str) -> Callable[[Path], object]:
    def spoil(run: Path) -> None:
        text = (run / name).read_text()
        assert old in text
        (run / name).write_text(text.replace(old, new))

    return spoil


SPOILED = {
    "record-empty": cut("run.json", 0),
    "record-cut-early": cut("run.json", 0.1),
    "record-cut-late": cut("run.json", 0.99),
    "record-gone": lambda run: (run / "run.json").unlink(),
    "record-a-folder": lambda run: ((run / "run.json").unlink(), (run / "run.json").mkdir()),
    "value-edited": edited("run.json", '"value": 0.5', '"value": 0.9'),
    "value-as-text": edited("run.json", '"value": 0.5', '"value": "0.5"'),
    "limit-edited": edited("run.json", '"minimum": 0.0', '"minimum": -1.0'),
    "status-edited": edited("run.json", '"status": "complete"', '"status": "interrupted"'),
    "space-added": edited("run.json", "{\n", "{ \n"),
    "manifest-gone": lambda run: (run / "manifest.json").unlink(),
    "manifest-cut": cut("manifest.json", 0.5),
    "manifest-of-no-files": lambda run: (run / "manifest.json").write_text('{"schema": 1, "files": {}}'),
}


@pytest.mark.parametrize("name", SPOILED)
def test_a_record_that_is_not_as_it_was_written_is_refused(
    name: str, passed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show(passed, capsys).code == render(passed, capsys).code == 0
    SPOILED[name](passed / "run")
    for told in (show(passed, capsys), render(passed, capsys)):
        assert (told.code, told.out) == (2, "")
        assert told.err.startswith("AB503 ")
        assert "run" in told.err.splitlines()[0]
        assert "Traceback" not in told.err


def test_an_edited_report_is_refused_until_it_is_rendered_again(
    passed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (passed / "run" / "page.txt").write_text("ready for anything")
    told = show(passed, capsys)
    assert told.code == 2
    assert "page.txt" in told.err
    assert render(passed, capsys).code == 0
    assert (passed / "run" / "page.txt").read_text() == "ready_for_review"
    assert show(passed, capsys).code == 0


@pytest.mark.parametrize("place", ["key", "before-the-result", "in-the-result", "last-byte-of-the-result"])
def test_a_cut_journal_keeps_no_number_that_it_lost(
    place: str, passed: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = passed / "run" / "journal.jsonl"
    content = journal.read_bytes()
    start = content.index(b'"analyzer": "probe"') if b'"analyzer": "probe"' in content else content.index(b'"probe"')
    line = content.rindex(b"\n", 0, start) + 1
    end = content.index(b"\n", start)
    at = {"key": 20, "before-the-result": line, "in-the-result": (line + end) // 2, "last-byte-of-the-result": end - 1}
    journal.write_bytes(content[: at[place]])
    told = audit(passed, Row(kind="nan"), capsys, monkeypatch)
    if place == "key":  # the manifest still knows the folder, so that the way on is named
        assert told.code == 2
        assert "no readable journal" in told.err
    else:
        assert told.code == 1
        assert told.document["gates"][0]["state"] == "error"  # type: ignore[index]
        assert not (passed / "run" / "page.txt").exists()


@pytest.mark.parametrize("change", ["data", "model", "seed"])
def test_the_run_of_another_subject_is_not_taken_for_this_one(
    change: str, passed: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = Row(kind="nan", test=rows(61) if change == "data" else "")
    options: tuple[str, ...] = ("--set", "audit.seed=5") if change == "seed" else ()
    if change == "model":
        (passed / "audit.toml").write_text(CONFIG + '[train]\narchitecture = "linear"\nepochs = 2\n')
        assert guarded(["train", str(passed / "audit.toml")]) == 0
    told = audit(passed, Row(kind=row.kind, test=row.test, options=options), capsys, monkeypatch)
    assert told.code == 2
    assert f"another {change}" in told.err or "another data" in told.err, told.err
    told = audit(passed, Row(kind=row.kind, options=(*options, "--no-resume")), capsys, monkeypatch)
    assert told.code == 1
    assert "probe.score" in show(passed, capsys).out, "among the gates that did not pass"
    assert not (passed / "run" / "page.txt").exists()


def test_a_harder_gate_is_decided_anew(
    passed: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    harder = STEADY + PROBE + GATE.replace("min = 0", "min = 0.9")
    told = audit(passed, Row(tables=harder, options=REPORTED.options), capsys, monkeypatch)
    assert told.code == 1
    assert (passed / "run" / "page.txt").read_text() == "not_ready"


def test_a_fault_of_ours_leaves_no_record_of_before(
    passed: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(AnalyzerRuns, "run", broken)
    told = audit(passed, Row(), capsys, monkeypatch)
    assert told.code == 5
    assert "AB500" in told.err
    assert show(passed, capsys).code == 2
    assert not {"run.json", "manifest.json", "page.txt"} & {path.name for path in (passed / "run").iterdir()}


def test_a_fault_before_the_run_began_marks_the_record_of_before(
    passed: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr(supervisor.session, "make_plan", broken)  # type: ignore[attr-defined]
        assert audit(passed, Row(), capsys, monkeypatch).code == 5
    refused = audit(passed, Row(tables="[analyzers.absent]\n"), capsys, monkeypatch)
    assert refused.code == 2
    told = show(passed, capsys)
    assert told.code == 3
    assert f"(process {os.getpid()} on " in told.err
    assert json.loads(command(capsys, "show", passed / "run", "--json").out)["unfinished"].startswith("process ")
    assert render(passed, capsys).code == 2
    assert audit(passed, REPORTED, capsys, monkeypatch).code == 0
    assert show(passed, capsys).code == 0


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
@pytest.mark.parametrize("file", ["manifest.json", "run.json", "page.txt"])
def test_a_run_that_cannot_be_written_does_not_pass(
    file: str, number: int, passed: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = Path.replace

    def full(source: Path, target: Path) -> Path:
        if Path(target).name == file:
            raise OSError(number, os.strerror(number))
        return replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        told = audit(passed, REPORTED, capsys, monkeypatch)
    assert told.code == 3
    assert os.strerror(number) in told.err
    assert "To go on: auditbench audit" in told.err
    assert show(passed, capsys).code == 2
    assert audit(passed, REPORTED, capsys, monkeypatch).code == 0


@pytest.mark.parametrize(
    ("kind", "state", "words"),
    [("vanishes", "failed", "status 0"), ("killed", "failed", "SIGKILL"), ("hangs", "timed_out", "2 seconds")],
)
def test_a_worker_that_dies_or_hangs_gives_no_number(
    kind: str, state: str, words: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = STEADY + PROBE + "time_limit = 2\n" + GATE
    told = audit(folder, Row(kind=kind, tables=tables), capsys, monkeypatch)
    assert told.code == 1, told
    (gate,) = told.document["gates"]  # type: ignore[misc]
    assert gate["state"] == "error"
    assert words in gate["reason"]
    statuses = {item["name"]: item["status"] for item in told.document["analyzers"]}  # type: ignore[attr-defined]
    assert statuses == {"steady": "ok", "probe": state}


@pytest.mark.parametrize(("moment", "code"), [("load: started", 3), ("probe: started", 2)])
def test_an_audit_that_is_killed_leaves_nothing_that_passes(
    moment: str, code: int, passed: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROBE_KIND", "hangs")
    words = [sys.executable, "-m", "auditbench", "audit", str(passed / "audit.toml"), "--no-resume"]
    process = subprocess.Popen([*words, "--out", str(passed / "run")], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    with process, process.stderr:
        for line in process.stderr:
            if line.startswith(moment):
                break
        process.kill()
        assert process.wait(20) == -signal.SIGKILL
    told = show(passed, capsys)
    assert told.code == code
    assert f"process {process.pid} on " in told.err or code == 2
    assert (passed / "run" / "page.txt").exists() == (code == 3)
    for _ in range(100):
        if not [pid for pid in processes_of(passed) if pid != os.getpid()]:
            break
        signal.sigtimedwait([], 0.1)
    assert [pid for pid in processes_of(passed) if pid != os.getpid()] == []
    again = Row(options=(*REPORTED.options, "--no-resume"))
    assert audit(passed, again, capsys, monkeypatch).code == 0
    assert show(passed, capsys).code == 0

"""What a run folder takes for its own, and what happens to the last run when another one begins or is refused."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from auditbench.errors import ExitCode, RunFolderError, RunWriteError
from auditbench.journal import Journal
from auditbench.store import RunFolder, report_files

KEY = {"model": "a", "data": "b"}
OTHER = {**KEY, "data": "c"}
RESULT = {"status": "ok"}


def begun(path: Path, key: dict[str, str] = KEY, *, resume: bool = True, replace: bool = False) -> RunFolder:
    folder = RunFolder(path)
    folder.begin(key, resume=resume, replace=replace)
    return folder


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A folder with a run that has a result, a report and an array, written and closed."""
    return finish(tmp_path / "run")


def finish(path: Path) -> Path:
    folder = begun(path)
    folder.journal.add_result("toy", "k", RESULT, 1.5)
    folder.folder("arrays").joinpath("a.npy").write_bytes(b"numbers")
    folder.journal.add_rendered("report.html", "html")
    folder.write("report.html", b"Ready for review")
    folder.complete(b"record")
    folder.close()
    return path


def listing(path: Path) -> dict[str, bytes | None]:
    """Every file below a folder and what is in it, but for the lock's words; every folder."""
    return {
        item.relative_to(path).as_posix(): None if item.is_dir() or item.name == ".lock" else item.read_bytes()
        for item in path.rglob("*")
    }


def test_a_refusal_before_the_start_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for place in ("deep/run", "mine"):
        folder = RunFolder(tmp_path / place)
        (folder.folder("logs") / "worker-a.log").write_bytes(b"words")
        folder.abandon()
    assert listing(tmp_path) == {"mine": None}


def test_a_refusal_leaves_a_finished_run_as_it_was(finished: Path) -> None:
    before = listing(finished)
    folder = RunFolder(finished)
    (folder.folder("logs") / "worker-a.log").write_bytes(b"words")
    with pytest.raises(RunFolderError, match="another audit"):
        folder.begin(OTHER, resume=True)
    folder.abandon()
    assert listing(finished) == before


def test_a_lock_that_another_holds_stays(tmp_path: Path) -> None:
    holder = RunFolder(tmp_path / "run")
    with pytest.raises(RunFolderError, match="at work"):
        RunFolder(tmp_path / "run")
    assert set(listing(tmp_path)) == {"run", "run/.lock"}
    holder.abandon()
    assert listing(tmp_path) == {}


@pytest.mark.parametrize(
    "names",
    [["thesis.tex"], ["arrays/mine.npy"], ["logs/worker-mine.log"], ["run.json"], [".lock", "logs/mine.log"]],
    ids=" ".join,
)
@pytest.mark.parametrize("journal", [None, b"", b"12 damaged\n"], ids=["no-journal", "empty", "damaged"])
def test_a_folder_that_only_looks_like_a_run_is_refused_and_untouched(
    tmp_path: Path, names: list[str], journal: bytes | None
) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")
    if journal is not None:
        (tmp_path / "journal.jsonl").write_bytes(journal)
    before = listing(tmp_path)
    with pytest.raises(RunFolderError, match="not known to be a run's"):
        RunFolder(tmp_path)
    assert listing(tmp_path) == before


def test_a_journal_that_cannot_be_read_is_a_refusal(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").mkdir()
    with pytest.raises(RunFolderError, match="journal cannot be read"):
        RunFolder(tmp_path)
    assert listing(tmp_path) == {"journal.jsonl": None}


def test_what_an_audit_leaves_that_was_killed_before_it_began_is_used_again(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    (folder.folder("logs") / "worker-a.log").write_bytes(b"words")
    folder.close()
    begun(tmp_path).close()
    assert set(listing(tmp_path)) == {".lock", "journal.jsonl", "logs", "logs/worker-a.log"}


def test_a_damaged_journal_is_replaced_on_demand_where_the_manifest_proves_the_run(finished: Path) -> None:
    (finished / "journal.jsonl").write_bytes(b"x" + (finished / "journal.jsonl").read_bytes())
    before = listing(finished)
    folder = RunFolder(finished)
    with pytest.raises(RunFolderError, match="no readable journal") as caught:
        folder.begin(KEY, resume=True)
    assert "--no-resume" in caught.value.problems[0].fix
    folder.abandon()
    assert listing(finished) == before
    begun(finished, resume=False).close()
    assert set(listing(finished)) == {".lock", "journal.jsonl"}


@pytest.mark.parametrize("changed", ["run.json", "report.html"])
def test_a_manifest_proves_only_what_it_fits(finished: Path, changed: str) -> None:
    (finished / "journal.jsonl").write_bytes(b"")
    (finished / changed).write_bytes(b"my notes")
    with pytest.raises(RunFolderError, match="not known") as caught:
        RunFolder(finished)
    assert changed in caught.value.problems[0].found
    assert (finished / changed).read_bytes() == b"my notes"


def test_the_last_record_and_its_reports_are_gone_when_a_run_begins(finished: Path) -> None:
    assert report_files(finished) == [finished / "report.html"]
    (finished / "arrays" / ".writing-half").write_bytes(b"h")
    folder = begun(finished)
    assert set(listing(finished)) == {".lock", "arrays", "arrays/a.npy", "journal.jsonl"}
    assert report_files(finished) == []
    assert folder.journal.result("toy", "k", host="h") == (RESULT, 1.5)
    folder.complete(b"again")
    manifest = json.loads((finished / "manifest.json").read_bytes())
    assert set(manifest["files"]) == {"run.json", "arrays/a.npy", "journal.jsonl"}
    folder.close()


def test_a_report_whose_journal_line_was_lost_is_gone_too(finished: Path) -> None:
    lines = (finished / "journal.jsonl").read_bytes().splitlines(keepends=True)
    (finished / "journal.jsonl").write_bytes(b"".join(lines[:2]))
    begun(finished).close()
    assert set(listing(finished)) == {".lock", "arrays", "arrays/a.npy", "journal.jsonl"}


def test_reports_are_listed_from_the_journal(finished: Path) -> None:
    (finished / "report.pdf").write_bytes(b"mine")
    assert report_files(finished) == [finished / "report.html"]
    assert report_files(finished / "absent") == []


def test_a_run_of_another_key_is_replaced_on_demand(finished: Path) -> None:
    folder = begun(finished, OTHER, replace=True)
    assert set(listing(finished)) == {".lock", "journal.jsonl"}
    folder.journal.add_result("toy", "k", {}, 1.0)
    folder.close()
    folder = begun(finished, OTHER, replace=True)
    assert folder.journal.result("toy", "k", host="h") == ({}, 1.0)
    folder.close()


def test_nothing_evaluated_replaces_the_record_and_keeps_results_for_their_run(finished: Path) -> None:
    folder = RunFolder(finished)
    folder.begin_nothing(resume=True)
    folder.complete(b"nothing")
    folder.close()
    assert (finished / "run.json").read_bytes() == b"nothing"
    assert not (finished / "report.html").exists()
    folder = begun(finished)
    assert folder.journal.result("toy", "k", host="h") == (RESULT, 1.5)
    folder.close()
    folder = RunFolder(finished)
    folder.begin_nothing(resume=False)
    assert set(listing(finished)) == {".lock", "journal.jsonl"}
    folder.close()


def test_nothing_evaluated_stands_in_nobodys_way(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.begin_nothing(resume=True)
    folder.complete(b"nothing")
    folder.close()
    folder = begun(tmp_path)
    assert folder.journal.key == KEY
    assert set(listing(tmp_path)) == {".lock", "journal.jsonl"}
    folder.close()


def test_what_another_machine_measured_is_not_given(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    folder.journal.add_result("latency", "k", {"ms": 1}, 1.0, host="here")
    folder.close()
    journal = Journal.read(tmp_path / "journal.jsonl")
    assert journal is not None
    assert journal.result("latency", "k", host="here") == ({"ms": 1}, 1.0)
    assert journal.result("latency", "k", host="there") is None


def test_a_full_disk_refuses_a_run_and_stops_one_that_has_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    folder = RunFolder(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(RunFolderError) as refused:
            folder.begin(KEY, resume=True)
    folder.begin(KEY, resume=True)
    folder.journal.add_result("toy", "k", {}, 1.0)
    with monkeypatch.context() as patch:
        write = os.write
        patch.setattr("os.write", lambda handle, line: write(handle, line[:7]))
        with pytest.raises(RunWriteError) as lost:
            folder.journal.add_result("late", "k", {}, 1.0)
    assert (refused.value.exit_code, lost.value.exit_code) == (ExitCode.REFUSED, ExitCode.INCOMPLETE)
    assert "go on" in lost.value.problems[0].fix
    folder.journal.add_result("late", "k", {}, 2.0)
    folder.close()
    journal = Journal.read(tmp_path / "journal.jsonl")
    assert journal is not None
    assert journal.result("toy", "k", host="h") == ({}, 1.0)
    assert journal.result("late", "k", host="h") == ({}, 2.0)

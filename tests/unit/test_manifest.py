"""A finished run against its manifest, and a folder whose last audit did not come to its end."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from auditbench.errors import RecordError
from auditbench.folder_lock import unfinished
from auditbench.manifest import refuse_altered
from auditbench.store import RunFolder, report_files

KEY = {"model": "a"}


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A run with an array and a report, complete."""
    folder = RunFolder(tmp_path / "run")
    folder.begin(KEY, resume=True)
    folder.folder("arrays").joinpath("a.npy").write_bytes(b"numbers")
    folder.journal.add_rendered("report.html", "html")
    folder.write("report.html", b"Not ready")
    folder.complete(b"record")
    folder.close()
    return folder.path


def changed(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(b"other")


def pipe_at(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        pytest.param(changed("run.json"), "run.json", id="record"),
        pytest.param(changed("arrays/a.npy"), "arrays/a.npy", id="array"),
        pytest.param(changed("report.html"), "report.html", id="report"),
        pytest.param(lambda folder: (folder / "arrays" / "a.npy").unlink(), "arrays/a.npy", id="array-gone"),
        pytest.param(lambda folder: pipe_at(folder / "arrays" / "a.npy"), "arrays/a.npy", id="array-is-a-pipe"),
        pytest.param(lambda folder: (folder / "manifest.json").unlink(), "no readable manifest.json", id="no-manifest"),
        pytest.param(changed("manifest.json"), "no readable manifest.json", id="manifest-damaged"),
        pytest.param(
            lambda folder: (folder / "manifest.json").write_text('{"files": {"report.html": "0"}}'),
            "a manifest.json without run.json",
            id="manifest-of-something-else",
        ),
    ],
)
def test_what_is_not_as_it_was_written_is_refused(finished: Path, spoil: Callable[[Path], object], named: str) -> None:
    refuse_altered(finished, status="complete", reports=report_files(finished))
    spoil(finished)
    with pytest.raises(RecordError) as caught:
        refuse_altered(finished, status="complete", reports=report_files(finished))
    assert named in caught.value.problems[0].found


def test_a_report_that_nobody_looks_at_may_differ(finished: Path) -> None:
    changed("report.html")(finished)
    refuse_altered(finished, status="complete")
    with pytest.raises(RecordError, match=r"not those that the audit wrote"):
        refuse_altered(finished, status="complete", reports=report_files(finished))


def test_a_record_of_an_interrupted_run_needs_no_manifest(tmp_path: Path) -> None:
    refuse_altered(tmp_path, status="interrupted")
    with pytest.raises(RecordError):
        refuse_altered(tmp_path, status="complete")


def test_a_manifest_counts_whatever_the_status_says(finished: Path) -> None:
    changed("run.json")(finished)
    with pytest.raises(RecordError):
        refuse_altered(finished, status="interrupted")


def test_the_end_of_an_audit_wipes_its_signature(finished: Path) -> None:
    assert unfinished(finished) == ""
    folder = RunFolder(finished)
    assert unfinished(finished).startswith("process ")
    folder.abandon()
    assert unfinished(finished) == ""


def test_an_audit_that_fails_before_it_begins_leaves_its_signature_beside_the_last_record(finished: Path) -> None:
    folder = RunFolder(finished)
    folder.abandon(failed=True)
    assert unfinished(finished).startswith("process ")
    RunFolder(finished).abandon()
    assert unfinished(finished).startswith("process "), "a refusal afterwards does not hide it"
    folder = RunFolder(finished)
    folder.begin(KEY, resume=True)
    folder.close()
    assert unfinished(finished) == ""


def test_without_an_earlier_record_a_failure_leaves_nothing(tmp_path: Path) -> None:
    RunFolder(tmp_path / "run").abandon(failed=True)
    assert list(tmp_path.iterdir()) == []


def test_adding_reports_leaves_no_signature(finished: Path) -> None:
    folder = RunFolder(finished)
    folder.reopen()
    assert unfinished(finished) == ""
    folder.close()

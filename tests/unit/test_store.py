"""The run folder: whole files, one writer, a journal that survives any cut."""

from __future__ import annotations

import errno
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from auditbench.errors import RunFolderError, RunWriteError
from auditbench.journal import Journal
from auditbench.store import RunFolder, arrays_are_whole, file_part, is_report_name, write_atomic
from auditbench.worker.array_store import FileChunks

KEY = {"model": "a", "data": "b"}


def begun(path: Path, key: dict[str, str] = KEY, *, resume: bool = True) -> RunFolder:
    folder = RunFolder(path)
    folder.begin(key, resume=resume)
    return folder


def test_a_folder_is_made_for_this_user_alone(tmp_path: Path) -> None:
    folder = begun(tmp_path / "deep" / "run")
    assert (folder.path.stat().st_mode & 0o777) == 0o700
    folder.close()


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "run.json"
    write_atomic(file, b"old")

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for function in ("os.fsync", "pathlib.Path.replace"):
        with monkeypatch.context() as patch:
            patch.setattr(function, full)
            with pytest.raises(RunWriteError) as caught:
                write_atomic(file, b"new and longer")
        assert "No space left" in caught.value.problems[0].found
        assert "14 bytes" in caught.value.problems[0].message
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"run.json": b"old"}


def test_the_lock_names_its_holder_and_dies_with_it(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from auditbench.store import RunFolder\n"
        "folder = RunFolder(Path(sys.argv[1])); print('locked', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    with holder, holder.stdout:
        assert holder.stdout.readline() == "locked\n"
        with pytest.raises(RunFolderError, match="at work") as caught:
            RunFolder(tmp_path)
        assert f"process {holder.pid} on " in caught.value.problems[0].found
        holder.kill()
        holder.wait()
    RunFolder(tmp_path).close()


@pytest.mark.parametrize("kind", ["file", "foreign", "unwritable-parent"])
def test_what_is_no_run_folder_is_refused_and_untouched(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "run"
    if kind == "file":
        path.write_text("mine")
    elif kind == "foreign":
        path.mkdir()
        (path / "thesis.tex").write_text("mine")
    else:
        path = Path("/proc/nowhere/run")
    with pytest.raises(RunFolderError) as caught:
        RunFolder(path)
    assert "--out" in caught.value.problems[0].fix
    assert kind != "foreign" or [item.name for item in path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("beside", [(), ("thesis.tex",)], ids=["alone", "beside-another-file"])
def test_a_lock_file_of_something_else_is_not_touched(tmp_path: Path, beside: tuple[str, ...]) -> None:
    for name in (".lock", *beside):
        (tmp_path / name).write_text("precious")
    with pytest.raises(RunFolderError):
        RunFolder(tmp_path)
    assert {item.name: item.read_text() for item in tmp_path.iterdir()} == dict.fromkeys((".lock", *beside), "precious")


def test_the_same_key_goes_on_and_another_is_refused(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    folder.journal.add_result("toy", "k", {"status": "ok"}, 1.5)
    folder.close()
    folder = begun(tmp_path)
    assert folder.journal.result("toy", "k", host="h") == ({"status": "ok"}, 1.5)
    assert folder.journal.result("toy", "another", host="h") is None
    folder.close()
    with pytest.raises(RunFolderError) as caught:
        begun(tmp_path, {**KEY, "data": "c"})
    assert caught.value.problems[0].found == "another data"
    assert "--no-resume" in caught.value.problems[0].fix


def test_without_resuming_a_run_is_replaced(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    folder.journal.add_rendered("report.html", "html")
    folder.write("report.html", b"old")
    folder.folder("arrays").joinpath("a.npy").write_bytes(b"old")
    folder.complete(b"{}")
    folder.close()
    folder = RunFolder(tmp_path)
    folder.begin({**KEY, "data": "c"}, resume=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "journal.jsonl"]
    folder.close()


def test_the_manifest_holds_every_file(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    folder.folder("arrays").joinpath("a.npy").write_bytes(b"numbers")
    folder.complete(b"record")
    manifest = json.loads((tmp_path / "manifest.json").read_bytes())
    assert set(manifest["files"]) == {"run.json", "arrays/a.npy", "journal.jsonl"}
    for name, digest in manifest["files"].items():
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == digest
    folder.close()


@pytest.fixture(scope="module")
def whole_journal(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("journal") / "journal.jsonl"
    journal = Journal.create(path, KEY)
    for number in range(4):
        journal.add_chunk("toy", "k", {"step": "rows", "chunk": number, "file": f"{number}", "sha256": "x"})
    return path.read_bytes()


@pytest.mark.parametrize("damage", ["cut", "flip"])
def test_any_damage_loses_only_what_follows_it(tmp_path: Path, whole_journal: bytes, damage: str) -> None:
    path = tmp_path / "journal.jsonl"
    ends = [place + 1 for place, byte in enumerate(whole_journal) if byte == ord("\n")]
    for place in range(0, len(whole_journal), 7):
        content = bytearray(whole_journal)
        if damage == "cut":
            del content[place:]
        else:
            content[place] ^= 1
        path.write_bytes(bytes(content))
        whole = sum(end <= place for end in ends)
        journal = Journal.read(path)
        if whole == 0:
            assert journal is None
            continue
        assert journal is not None
        assert [chunk["chunk"] for chunk in journal.chunks("toy", "k")] == list(range(whole - 1))
        assert path.read_bytes() == bytes(content)
        journal.add_result("toy", "k", {}, 0.0)
        assert path.read_bytes().startswith(whole_journal[: ends[whole - 1]])
        again = Journal.read(path)
        assert again is not None
        assert len(again.chunks("toy", "k")) == whole - 1
        assert again.result("toy", "k", host="h") == ({}, 0.0)


@given(text=st.text())
@example(text="../../etc/passwd")
@example(text="CON")
@example(text="a" * 300)
@example(text="\ud800")
def test_names_become_safe_parts_of_file_names(text: str) -> None:
    part = file_part(text)
    assert 0 < len(part) <= 64
    assert set(part) <= set("abcdefghijklmnopqrstuvwxyz0123456789_.-")
    assert part[0] not in ".-"


def test_different_names_give_different_parts() -> None:
    names = ["a b", "a-b", "a/b", "A-b", "a" * 60, "a" * 61, "", "é"]
    assert len({file_part(name) for name in names}) == len(names)


@pytest.mark.parametrize(
    "name", ["run.json", "Run.JSON", "arrays", "LOGS", ".lock", "../x", "a/b", "", "-x", "x" * 101, "a\n"]
)
def test_a_renderer_may_not_call_a_file_so(name: str) -> None:
    assert not is_report_name(name)


def test_chunks_come_back_and_damaged_ones_do_not(tmp_path: Path) -> None:
    records: list[dict[str, Any]] = []
    store = FileChunks(tmp_path, [], records.append)
    arrays = {"values": np.arange(6.0).reshape(2, 3), "file": np.array([1, 2])}
    for number in range(2):
        assert store.load("toy", "rows", number) is None
        store.save("toy", "rows", number, arrays)
    (tmp_path / records[1]["file"]).write_bytes(b"other")
    again = FileChunks(tmp_path, records, records.append)
    loaded = again.load("toy", "rows", 0)
    assert loaded is not None
    assert {name: array.tolist() for name, array in loaded.items()} == {k: v.tolist() for k, v in arrays.items()}
    assert again.load("toy", "rows", 1) is None


def test_arrays_of_a_record_are_checked_byte_for_byte(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(b"numbers")
    stored = {"path": "a.npy", "dtype": "f8", "shape": [1], "sha256": hashlib.sha256(b"numbers").hexdigest()}
    document = {"attributions": [{"name": "x", "values": stored}], "metrics": []}
    assert arrays_are_whole(document, tmp_path)
    (tmp_path / "a.npy").write_bytes(b"numbert")
    assert not arrays_are_whole(document, tmp_path)
    (tmp_path / "a.npy").unlink()
    assert not arrays_are_whole(document, tmp_path)

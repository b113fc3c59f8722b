"""A file is looked at and read through one descriptor, and never beyond the memory there is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from auditbench.errors import ModelError
from auditbench.models.opening import files, parse_json, read_file


def link_elsewhere(path: Path) -> None:
    (path.parent / "secret").write_bytes(b"secret")
    path.unlink()
    path.symlink_to(path.parent / "secret")


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def other_file(path: Path) -> None:
    path.unlink()
    path.write_bytes(b"another, and longer")


def swapping(monkeypatch: pytest.MonkeyPatch, path: Path, swap: Callable[[Path], None], *, first: bool) -> None:
    """Put something else in place of the file right before, or right after, it is opened."""
    really = os.open

    def opening(name: Path, flags: int) -> int:
        if first:
            swap(path)
        descriptor = really(name, flags)
        if not first:
            swap(path)
        return descriptor

    monkeypatch.setattr(files.os, "open", opening)


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_bytes(b"1")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    for name, what in (("pipe", "a pipe"), ("link", "a symbolic link"), (".", "a folder")):
        with pytest.raises(ModelError) as caught:
            read_file(tmp_path / name)
        assert what in caught.value.describe()
    assert read_file(tmp_path / "file", most=1) == b"1"


@pytest.mark.parametrize(("swap", "found"), [(link_elsewhere, "symbolic link"), (pipe, "a pipe")])
def test_what_takes_its_place_before_it_is_opened_is_refused(
    swap: Callable[[Path], None], found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model"
    path.write_bytes(b"first")
    swapping(monkeypatch, path, swap, first=True)
    with pytest.raises(ModelError) as caught:
        read_file(path)
    assert found in caught.value.describe()


@pytest.mark.parametrize("swap", [link_elsewhere, pipe, other_file])
def test_what_takes_its_place_afterwards_is_not_read(
    swap: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model"
    path.write_bytes(b"first")
    swapping(monkeypatch, path, swap, first=False)
    assert read_file(path) == b"first"
    assert path.is_symlink() or not path.is_file() or path.read_bytes() != b"first"


def test_a_file_that_begins_with_zeros_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "model"
    with path.open("wb") as handle:
        handle.truncate(5000)
    with pytest.raises(ModelError, match="holds no model") as caught:
        read_file(path)
    assert "5,000 bytes that begin with 4,096 zeros" in caught.value.describe()
    path.write_bytes(bytes(4095) + b"\1" + bytes(1000))
    assert len(read_file(path)) == 5096


def test_a_file_larger_than_memory_is_refused_with_both_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model"
    path.write_bytes(b"1" * 2000)
    monkeypatch.setattr(files, "machine_memory_bytes", lambda: 1999)
    with pytest.raises(ModelError, match="needs more memory than there is") as caught:
        read_file(path)
    assert "needs 2,000 bytes, and this machine has 1,999" in caught.value.describe()


def test_memory_that_runs_out_later_is_told_as_such() -> None:
    with pytest.raises(ModelError, match="model needs more memory than there is"), files.refusing(Path("model")):
        raise MemoryError


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', "the name 'c' twice"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": ' + b"[" * 100_000, "nested too deep"),
        (b'{"a": ' + b"1" * 5000 + b"}", "integer string"),
    ],
)
def test_json_that_can_be_read_in_two_ways_is_refused(text: bytes, fault: str) -> None:
    with pytest.raises(ModelError) as caught:
        parse_json(text, Path("model.json"))
    assert fault in caught.value.describe()

"""Paths that cannot be looked at count as nothing there, and are refused as such."""

from __future__ import annotations

from pathlib import Path

import pytest

from auditbench.config import ModelTable
from auditbench.config_checks import Parts, file_problems
from auditbench.models.inspection import inspect_model
from auditbench.paths import is_file_there, is_there


@pytest.mark.parametrize("name", ["m" * 300, "a\0b", "missing", "file/below", "https://example.org/m", "~", "$HOME"])
def test_nothing_is_there(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert not is_there(tmp_path / name)
    assert not is_file_there(tmp_path / name)
    (problem,) = file_problems(Parts(files={"model.path": name}), tmp_path)
    assert problem.message == "there is no such file"
    found = inspect_model(ModelTable(task="regression", format="safetensors", path=name, output="value"), tmp_path)
    assert (found.refused, found.untrusted, found.programs) == ((), (), ())


def test_files_and_folders_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert is_there(tmp_path)
    assert not is_file_there(tmp_path)
    assert is_file_there(tmp_path / "file")

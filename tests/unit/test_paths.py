"""Paths that cannot be looked at count as nothing there, and are refused as such."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from auditbench.config import ModelTable
from auditbench.config_checks import Parts, file_problems
from auditbench.models.inspection import inspect_model
from auditbench.paths import as_argument, is_file_there, is_there, without_turns
from tests.model_files import saved


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


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("nets/a.pt", "nets/a.pt"),
        ("nets/../b c.pt", "'b c.pt'"),
        ("../other/a.pt", "{above}/other/a.pt"),
        ("-a.pt", "./-a.pt"),
    ],
)
def test_a_command_names_a_file_as_it_is_found_from_here(
    name: str, shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here" / "nets").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    assert as_argument(tmp_path / "here" / name) == shown.format(above=tmp_path)


def test_turns_are_taken_out_where_links_lead_and_the_last_link_stays(tmp_path: Path) -> None:
    (tmp_path / "far" / "deep").mkdir(parents=True)
    (tmp_path / "near").symlink_to(tmp_path / "far" / "deep")
    (tmp_path / "far" / "link").symlink_to("deep")
    assert without_turns(tmp_path / "near" / ".." / "link") == tmp_path / "far" / "link"
    assert without_turns(tmp_path / "far" / "deep" / "..") == tmp_path / "far"
    assert without_turns(tmp_path / "near" / "link") == tmp_path / "near" / "link"
    assert without_turns(tmp_path / "a\0" / ".." / "b") == tmp_path / "a\0" / ".." / "b"


@pytest.mark.parametrize("form", ["pickle", "state-dict"])
def test_a_refusal_says_a_command_that_finds_the_file(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nets" / "old").mkdir(parents=True)
    (tmp_path / "nets" / "net.pt").write_bytes(saved(torch.nn.Linear(2, 1)))
    monkeypatch.chdir(tmp_path)
    table = ModelTable(task="regression", format=form, path="nets/old/../net.pt", output="value", architecture="mlp")
    (problem,) = inspect_model(table, tmp_path).untrusted
    assert problem.where == str(tmp_path / "nets" / "net.pt")
    assert "`auditbench scan nets/net.pt`" in problem.fix

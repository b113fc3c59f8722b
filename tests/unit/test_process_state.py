"""Settings of the process are put back, whatever an analyzer did to them."""

from __future__ import annotations

import os
import random
import tempfile
from pathlib import Path

import pytest
import torch

from auditbench.worker.process_state import undisturbed_process


def test_settings_and_generators_are_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    state = random.getstate()
    with undisturbed_process() as changed:
        torch.set_default_dtype(torch.float64)
        random.random()  # noqa: S311
        os.chdir("/")
    assert set(changed) == {"default dtype", "working directory"}
    assert torch.get_default_dtype() == torch.float32
    assert Path.cwd() == tmp_path
    assert random.getstate() == state


def test_a_removed_working_directory_is_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with undisturbed_process() as changed, tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
    assert changed == ["working directory"]
    assert Path.cwd() == tmp_path


def test_one_that_was_removed_before_stays_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
    with undisturbed_process() as changed:
        pass
    assert changed == []

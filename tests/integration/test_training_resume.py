"""A training run that is killed at any moment goes on to the bits of one that was not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent / "killed_training.py"
KILLS = 5
"""Of each of the four settings, so that twenty runs are killed."""


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.nightly) for seed in range(1, 6))])
def test_killed_at_random_steps_it_comes_to_equal_bytes(tmp_path: Path, seed: int) -> None:
    command = [sys.executable, str(PROGRAM), str(tmp_path), str(KILLS), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    went_on = []
    for folder in tmp_path.iterdir():
        for name in ("model.safetensors", "model.json"):
            assert (folder / "killed" / name).read_bytes() == (folder / "whole" / name).read_bytes(), folder.name
        cost = json.loads((folder / "killed" / "training.json").read_text())
        assert cost["seconds"] > sum(epoch["seconds"] for epoch in cost["epochs"])
        went_on += cost["told"]
        assert [path.name for path in folder.glob(".killed.training*")] == []
    assert len(list(tmp_path.iterdir())) == 4
    assert len(went_on) >= 3
    assert all(text.startswith("goes on from a checkpoint in epoch ") for text in went_on)

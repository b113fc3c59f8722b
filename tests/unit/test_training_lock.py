"""One training of a model at a time; a training that was killed keeps nobody out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from auditbench.errors import ModelError, TrainingError
from auditbench.training.one_at_a_time import training_lock
from tests.trained_tables import config, make_table, refused, train

LOCK = ".model.training.lock"
HOLDER = """
import sys
from pathlib import Path
from auditbench.training.one_at_a_time import training_lock
with training_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_table().to_parquet(tmp_path / "rows.parquet")
    return tmp_path


def names(folder: Path) -> list[str]:
    return sorted(item.name for item in folder.iterdir())


def test_a_second_training_of_a_model_is_refused_and_later_possible(folder: Path) -> None:
    with training_lock(folder / "model"):
        text = refused(config(), folder)
        assert names(folder) == [LOCK, "rows.parquet"]
    assert "AB302 model.path: another process is training this model" in text
    assert f"found: {folder / 'model'}: process {os.getpid()} on " in text
    assert "fix: wait for it, or set model.path to another folder" in text
    train(config(), folder)
    assert names(folder) == ["model", "rows.parquet"]


def test_models_beside_each_other_are_trained_at_one_time(folder: Path) -> None:
    with training_lock(folder / "other"):
        train(config(), folder)
    assert names(folder) == ["model", "rows.parquet"]


def test_a_training_that_fails_lets_go(folder: Path) -> None:
    refused(config(architecture="none"), folder)
    assert names(folder) == ["rows.parquet"]
    train(config(), folder)
    assert names(folder) == ["model", "rows.parquet"]


def test_another_process_keeps_out_until_it_is_killed(folder: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(folder / "model")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(TrainingError, match="another process is training"), training_lock(folder / "model"):
            pass
        holder.kill()
    assert LOCK in names(folder)
    train(config(), folder)
    assert names(folder) == ["model", "rows.parquet"]


def test_something_else_in_the_place_of_the_lock_stays(folder: Path) -> None:
    (folder / LOCK).write_text("a letter")
    text = refused(config(), folder)
    assert "something else stands in the place of the lock" in text
    assert (folder / LOCK).read_text() == "a letter"


def test_a_link_in_the_place_of_the_lock_is_not_followed(folder: Path) -> None:
    (folder / "letter").touch()
    (folder / LOCK).symlink_to(folder / "letter")
    with pytest.raises(ModelError, match="the model cannot be written"):
        train(config(), folder)
    assert (folder / "letter").read_text() == ""


def test_a_place_that_cannot_be_written_is_told_before_training(folder: Path) -> None:
    (folder / "file").touch()
    epochs: list[int] = []
    text = refused(config(), folder, name="file/model", progress=lambda done, *_: epochs.append(done))
    assert "AB300 model.path: the model cannot be written" in text
    assert epochs == []

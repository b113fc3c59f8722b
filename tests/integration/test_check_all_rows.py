"""`auditbench check` reads some images alone, and yet finds in the columns of every other row what an audit refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from auditbench.cli.boundary import guarded
from auditbench.worker import trying
from tests.in_process_worker import workers_in_this_process

ROWS, TRIED, OTHER = 40, 12, 2
"""Of the rows, those that are tried, at equal distances, and one that is not among them."""
CONFIG = """
[audit]
name = "photos"
[model]
task = "binary-classification"
[train]
architecture = "joined"
epochs = 1
[data]
test = "test.npz"
train = "train.npz"
target = "label"
features = ["age"]
[data.inputs.image]
modality = "image"
[data.inputs.table]
modality = "tabular"
[analyzers.performance]
replicates = 40
[report]
formats = []
"""


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("auditbench.worker.trying._TRIED_ROWS", TRIED)
    (tmp_path / "audit.toml").write_text(CONFIG)
    write(tmp_path, "train")
    write(tmp_path, "test")
    return tmp_path


def write(folder: Path, part: str, **cells: Any) -> None:
    """Photographs, with other cells than usual in the row `OTHER`."""
    rng = np.random.default_rng(len(part))
    columns = {
        "image": rng.random((ROWS, 8, 8)).astype(np.float32),
        "label": np.arange(ROWS) % 2,
        "age": np.arange(ROWS, dtype=float),
        "weight": np.ones(ROWS),
        "day": np.array([f"2026-01-{1 + row % 28:02d}" for row in range(ROWS)]),
        "person": np.arange(ROWS, dtype=float) // 4,
    }
    for name, cell in cells.items():
        columns[name][OTHER] = cell
    np.savez(folder / f"{part}.npz", **columns)


def told(command: str, folder: Path, capsys: pytest.CaptureFixture[str], settings: tuple[str, ...]) -> tuple[int, str]:
    options = [part for setting in settings for part in ("--set", setting)]
    if command == "audit":
        options += ["--out", str(folder / "run")]
    with workers_in_this_process():
        code = guarded([command, str(folder / "audit.toml"), "--device", "cpu", *options])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


@pytest.mark.parametrize(
    ("cells", "settings", "words"),
    [
        ({"weight": -1.0}, ('train.sample_weights="weight"',), ("train.sample_weights", "-1.0 in the labelled row 3")),
        ({"day": "soon"}, ('train.split_by="time"', 'train.split_column="day"'), ("train.split_column", "'soon'")),
        ({"person": np.nan}, ('train.split_by="group"', 'train.split_column="person"'), ("1 of 40",)),
        ({"age": np.inf}, (), ("infinite or too large", "row 3")),
    ],
)
def test_columns_of_rows_that_are_not_tried_are_looked_at(
    photos: Path,
    capsys: pytest.CaptureFixture[str],
    cells: dict[str, Any],
    settings: tuple[str, ...],
    words: tuple[str, ...],
) -> None:
    assert OTHER not in np.linspace(0, ROWS - 1, TRIED).astype(int)
    code, said = told("check", photos, capsys, settings)
    assert code == 0, said
    write(photos, "train", **cells)
    code, said = told("check", photos, capsys, settings)
    assert code == 2, said
    assert [word for word in words if word not in said] == []
    assert said.strip() in told("audit", photos, capsys, settings)[1]


def test_an_input_that_is_not_tried_is_left_to_the_audit_as_the_help_says(
    photos: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(photos, "train", image=np.nan)
    assert told("check", photos, capsys, ())[0] == 0
    assert told("audit", photos, capsys, ())[0] == 2
    monkeypatch.undo()
    assert guarded(["check", "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"Of more than {trying._TRIED_ROWS} images, texts or series to train on" in said
    assert "a fault in another one is found by the audit" in said

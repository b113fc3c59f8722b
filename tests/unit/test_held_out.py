"""`data.held_out`: one file of rows, a share of which is evaluated and the rest trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from auditbench.config import DataTable
from auditbench.data import TableSource, check_columns, open_source


def source_of(folder: Path, rows: int, **keys: Any) -> TableSource:
    columns = {"x": list(range(rows)), "weight": [1.0] * rows, "y": [i % 2 for i in range(rows)]}
    pa.parquet.write_table(pa.table(columns), folder / "rows.parquet")
    table = DataTable(**{"test": "rows.parquet", "target": "y", "held_out": 0.25, **keys})
    return open_source(table, folder, {}, {"train.sample_weights": "weight"})


@settings(max_examples=40, deadline=None)
@given(rows=st.integers(2, 60), share=st.floats(0.01, 0.99))
def test_every_row_is_on_one_side(tmp_path_factory: pytest.TempPathFactory, rows: int, share: float) -> None:
    source = source_of(tmp_path_factory.mktemp("held"), rows, held_out=share)
    train = [] if source.train is None else source.train.row_numbers.tolist()
    test = source.test.row_numbers.tolist()
    assert sorted(train + test) == list(range(1, rows + 1))
    assert len(test) == max(1, round(share * rows))
    assert test == sorted(test)


def test_rows_are_drawn_by_their_number_alone(tmp_path: Path) -> None:
    first, again = source_of(tmp_path, 40), source_of(tmp_path, 40, max_rows=7)
    assert first.test.row_numbers.tolist() == again.test.row_numbers.tolist() != list(range(1, 11))
    assert first.train_digest == again.train_digest
    assert source_of(tmp_path, 40, held_out=0.5).train_digest != first.train_digest


def test_columns_that_training_needs_are_read_and_are_no_features(tmp_path: Path) -> None:
    source = source_of(tmp_path, 40)
    assert source.feature_names == ("x",)
    assert source.train is not None
    assert "weight" in source.train.columns
    table = DataTable(test="rows.parquet", target="y")
    assert not check_columns(table, tmp_path, {})
    assert check_columns(table.model_copy(update={"held_out": 0.2}), tmp_path, {})


@pytest.mark.parametrize("other", [{"split": "y"}, {"train": "other.parquet"}, {"dataset": "adult", "test": None}])
def test_nothing_else_says_which_rows_are_evaluated(other: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="expected `held_out` with `test` alone"):
        DataTable(**{"test": "rows.parquet", "target": "y", "held_out": 0.2, **other})


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5])
def test_a_share_lies_between_none_and_all(share: float) -> None:
    with pytest.raises(ValidationError):
        DataTable(test="rows.parquet", target="y", held_out=share)

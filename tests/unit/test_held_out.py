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
from auditbench.config_training import TrainTable
from auditbench.data import TableSource, check_columns, open_source
from auditbench.errors import AuditbenchError, DataError


def source_of(folder: Path, rows: int, **keys: Any) -> TableSource:
    columns = {"x": list(range(rows)), "weight": [1.0] * rows, "y": [i % 2 for i in range(rows)]}
    return drawn(folder, columns, TrainTable(sample_weights="weight"), **keys)


def drawn(folder: Path, columns: dict[str, list[Any]], train: TrainTable | None = None, **keys: Any) -> TableSource:
    pa.parquet.write_table(pa.table(columns), folder / "rows.parquet")
    table = DataTable(**{"test": "rows.parquet", "target": "y", "held_out": 0.25, **keys})
    return open_source(table, folder, {}, train)


def sides(source: TableSource) -> tuple[list[int], list[int]]:
    """Rows to train on and those to evaluate, from 0."""
    assert source.train is not None
    return (source.train.row_numbers - 1).tolist(), (source.test.row_numbers - 1).tolist()


@settings(max_examples=40, deadline=None)
@given(rows=st.integers(1, 60), share=st.floats(0.01, 0.99))
def test_every_row_is_on_one_side_and_two_are_left_to_train_on(
    tmp_path_factory: pytest.TempPathFactory, rows: int, share: float
) -> None:
    folder, count = tmp_path_factory.mktemp("held"), max(1, round(share * rows))
    if rows - count < 2:
        with pytest.raises(DataError) as caught:
            source_of(folder, rows, held_out=share)
        text = caught.value.describe()
        assert "data.held_out: too few rows are left to train on" in text
        assert (
            f"found: {rows} row{'' if rows == 1 else 's'}, of which the share {share:g} leaves {rows - count}" in text
        )
        return
    train, test = sides(source_of(folder, rows, held_out=share))
    assert sorted(train + test) == list(range(rows))
    assert len(test) == count
    assert test == sorted(test)


def test_a_file_without_rows_stays_so(tmp_path: Path) -> None:
    source = source_of(tmp_path, 0)
    assert (len(source.test), source.train) == (0, None)


GROUPS = [i % 7 for i in range(60)]
BY_GROUP = TrainTable(split_by="group", split_column="who")
BY_TIME = TrainTable(split_by="time", split_column="day")


def columns_of(**more: list[Any]) -> dict[str, list[Any]]:
    rows = len(next(iter(more.values())))
    return {"x": list(range(rows)), "y": [i % 2 for i in range(rows)], **more}


@settings(max_examples=30, deadline=None)
@given(who=st.lists(st.integers(0, 6), min_size=8, max_size=50), share=st.floats(0.1, 0.6), data=st.data())
def test_rows_of_one_group_and_of_one_cluster_stay_together(
    tmp_path_factory: pytest.TempPathFactory, who: list[int], share: float, data: st.DataObject
) -> None:
    house = [f"h{number}" for number in data.draw(st.lists(st.integers(0, 9), min_size=len(who), max_size=len(who)))]
    folder, columns = tmp_path_factory.mktemp("held"), columns_of(who=who, house=house)
    for train, cluster, kinds in (
        (BY_GROUP, None, [who]),
        (None, "house", [house]),
        (BY_GROUP, "house", [who, house]),
    ):
        try:
            kept, held = sides(drawn(folder, columns, train, held_out=share, cluster=cluster))
        except DataError:  # everything is linked, or one row alone is left
            continue
        assert sorted(kept + held) == list(range(len(who)))
        for labels in kinds:
            assert {labels[row] for row in kept}.isdisjoint(labels[row] for row in held)


def test_groups_come_near_the_share_and_are_drawn_as_clusters_are(tmp_path: Path) -> None:
    kept, held = sides(drawn(tmp_path, columns_of(who=GROUPS), BY_GROUP, held_out=0.3))
    assert 15 <= len(held) <= 21
    assert sides(drawn(tmp_path, columns_of(who=GROUPS), held_out=0.3, cluster="who")) == (kept, held)
    renamed = columns_of(who=[f"person {9 - number}" for number in GROUPS])
    assert sides(drawn(tmp_path, renamed, BY_GROUP, held_out=0.3)) == (kept, held)
    assert {GROUPS[row] for row in held} != set(GROUPS[-len(held) :])


def test_groups_that_share_a_cluster_are_held_out_together(tmp_path: Path) -> None:
    who, house = [0, 0, 1, 1, 2, 2, 3, 3], ["a", "b", "b", "c", "d", "d", "e", "e"]
    linked = {0, 1, 2, 3}  # persons 0 and 1 meet in house b
    for share in (0.2, 0.4, 0.6):
        kept, held = sides(drawn(tmp_path, columns_of(who=who, house=house), BY_GROUP, held_out=share, cluster="house"))
        assert linked <= set(kept) or linked <= set(held)


def test_rows_of_no_cluster_stand_alone(tmp_path: Path) -> None:
    house = ["a", "a", None, None, None, None, None, None]
    _, held = sides(drawn(tmp_path, columns_of(house=house), held_out=0.75, cluster="house"))
    assert len(held) == 6


def test_the_last_rows_in_time_are_evaluated(tmp_path: Path) -> None:
    days = [f"2026-01-{1 + (i * 7) % 28:02d}" for i in range(56)]
    kept, held = sides(drawn(tmp_path, columns_of(day=days), BY_TIME))
    assert max(days[row] for row in kept) < min(days[row] for row in held)
    assert len(held) == 14


@pytest.mark.parametrize(
    ("columns", "train", "cluster", "parts"),
    [
        ({"who": [5] * 8}, BY_GROUP, None, ("data.held_out", "1 group of 8 rows by 'who'")),
        ({"who": ["a"] * 8}, None, "who", ("data.held_out", "1 group of 8 rows by 'who'")),
        ({"who": [1, 2] * 4, "h": [1] * 8}, BY_GROUP, "h", ("1 group of 8 rows by 'who' and 'h'",)),
        ({"who": [1, 2, None, 3] * 2}, BY_GROUP, None, ("train.split_column", "found: 2 of 8")),
        ({"day": ["2026-01-01"] * 7 + ["soon"]}, BY_TIME, None, ("train.split_column", "'soon'")),
        (
            {"day": list(range(8)), "h": [1, 2, 3, 4, 5, 5, 5, 6]},
            BY_TIME,
            "h",
            ("data.held_out", "1 value of 'h' with"),
        ),
        ({"who": [1] * 7 + [2]}, BY_GROUP, None, ("data.held_out", "8 rows, of which the share 0.3 leaves 1")),
    ],
)
def test_rows_that_cannot_be_divided_so_are_refused(
    tmp_path: Path, columns: dict[str, list[Any]], train: TrainTable | None, cluster: str | None, parts: tuple[str, ...]
) -> None:
    with pytest.raises(AuditbenchError) as caught:
        drawn(tmp_path, columns_of(**columns), train, held_out=0.3, cluster=cluster)
    text = caught.value.describe()
    assert [part for part in parts if part not in text] == []


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

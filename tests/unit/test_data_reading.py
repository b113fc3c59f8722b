"""From the `[data]` table to typed columns, and what is refused on the way."""

from __future__ import annotations

import datetime
import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from auditbench.config import DataTable
from auditbench.data import BUILT_IN, DatasetLoader, DatasetSource, TableSource, check_columns, open_source
from auditbench.data.table import CategoryColumn, NumberColumn, text_of
from auditbench.errors import DataError, EmptyDataError

ROWS = pd.DataFrame(
    {
        "age": [25, 40, 63, 31],
        "city": ["Rome", None, "Oslo", "Rome"],
        "score": [0.5, np.nan, 2.0, 1.0],
        "label": ["yes", "no", "no", "yes"],
        "note": ["a", "b", "c", "d"],
    }
)


def write(folder: Path, frame: pd.DataFrame = ROWS, name: str = "rows.parquet") -> str:
    if name.endswith(".csv"):
        frame.to_csv(folder / name, index=False)
    else:
        frame.to_parquet(folder / name, index=False)
    return name


def source_of(folder: Path, **keys: Any) -> TableSource:
    return open_source(DataTable(**{"test": "rows.parquet", "target": "label", **keys}), folder, {})


def refused(folder: Path, **keys: Any) -> str:
    with pytest.raises(DataError) as caught:
        source_of(folder, **keys)
    return caught.value.describe()


@pytest.mark.parametrize("name", ["rows.parquet", "rows.csv"])
def test_columns_have_the_type_of_the_file(tmp_path: Path, name: str) -> None:
    source = source_of(tmp_path, test=write(tmp_path, name=name), exclude=("note",))
    assert source.feature_names == ("age", "city", "score")
    age, city, score = (source.test.columns[feature] for feature in source.feature_names)
    assert isinstance(age, NumberColumn)
    assert isinstance(score, NumberColumn)
    assert isinstance(city, CategoryColumn)
    assert age.whole
    assert not score.whole
    np.testing.assert_array_equal(score.values, [0.5, np.nan, 2.0, 1.0])
    assert city.names == ("Oslo", "Rome")
    np.testing.assert_array_equal(city.codes, [1, -1, 0, 1])
    assert source.digests == {name: hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()}
    assert source.train is None
    assert source.train_digest == ""


def test_only_named_columns_are_read(tmp_path: Path) -> None:
    write(tmp_path)
    source = source_of(tmp_path, features=("age",), sensitive=("city",))
    assert set(source.test.columns) == {"age", "city", "label"}


def test_a_column_that_is_not_named_may_be_of_any_type(tmp_path: Path) -> None:
    write(tmp_path, ROWS.assign(note=[datetime.date(2024, 1, day) for day in (1, 2, 3, 4)]))
    assert source_of(tmp_path, exclude=("note",)).feature_names == ("age", "city", "score")
    text = refused(tmp_path)
    assert "AB200 data.exclude: column 'note' of rows.parquet is neither a number nor a category" in text
    assert "found: type date32[day]" in text
    assert "allowed: numbers, text, dictionaries, truth values" in text
    assert "add 'note' to data.exclude" in text


def test_declared_types_win(tmp_path: Path) -> None:
    write(tmp_path, ROWS.assign(note=["1", "2.5", "", "4"]))
    source = source_of(tmp_path, types={"age": "category", "note": "number"})
    assert source.test.columns["age"].names == ("25", "31", "40", "63")  # type: ignore[union-attr]
    note = source.test.columns["note"]
    assert isinstance(note, NumberColumn)
    np.testing.assert_array_equal(note.values, [1.0, 2.5, np.nan, 4.0])


ZIPS = b"""zip,level,id,n,label
01234,1,007,1,yes
00501,1.0,7,NA,no
,2,NA,3,NA
NA,null,,4,None
None,nan,1e3,5,yes
"""


def texts(source: TableSource, name: str) -> list[str | None]:
    column = source.test.columns[name]
    assert isinstance(column, CategoryColumn)
    return [None if code < 0 else column.names[code] for code in column.codes]


def test_declared_categories_and_ids_of_csv_are_the_text_that_stands_there(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(ZIPS)
    source = source_of(tmp_path, test="rows.csv", id="id", types={"zip": "category", "level": "category"})
    assert texts(source, "zip") == ["01234", "00501", None, "NA", "None"]
    assert texts(source, "level") == ["1", "1.0", "2", "null", "nan"]
    assert texts(source, "label") == ["yes", "no", None, "None", "yes"]  # not declared: missing words are missing
    assert source.test.ids is not None
    assert source.test.ids.tolist() == ["007", "7", "NA", "row 4", "1e3"]
    numbers = source.test.columns["n"]
    assert isinstance(numbers, NumberColumn)
    np.testing.assert_array_equal(numbers.values, [1, np.nan, 3, 4, 5])


def test_declared_categories_are_text_in_both_csv_files(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(ZIPS)
    (tmp_path / "train.csv").write_bytes(b"zip,label\n00501,no\nnan,yes\n")
    source = source_of(
        tmp_path, test="rows.csv", train="train.csv", features=("zip",), types={"zip": "category"}, id="id"
    )
    assert source.train is not None
    assert source.train.columns["zip"].names == ("00501", "nan")  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet"])
def test_group_names_that_look_missing_stay_text_when_declared(tmp_path: Path, name: str) -> None:
    frame = ROWS.assign(city=["NA", "None", "null", "nan"])
    source = source_of(tmp_path, test=write(tmp_path, frame, name), sensitive=("city",), types={"city": "category"})
    assert texts(source, "city") == ["NA", "None", "null", "nan"]


@pytest.mark.parametrize("dtype", ["float64", "float32", "category"])
def test_nan_of_a_declared_category_is_missing(tmp_path: Path, dtype: str) -> None:
    cells = pa.array([1.5, float("nan"), 2.0, None], pa.float32() if dtype == "float32" else pa.float64())
    codes = cells.dictionary_encode() if dtype == "category" else cells
    pq.write_table(pa.table({"code": codes, "label": ["a", "b", "a", "b"]}), tmp_path / "rows.parquet")
    source = source_of(tmp_path, types={"code": "category"})
    assert texts(source, "code") == ["1.5", None, "2", None]


@pytest.mark.parametrize("copied", [False, True])
def test_the_test_rows_as_training_rows_are_refused(tmp_path: Path, copied: bool) -> None:
    write(tmp_path)
    if copied:
        write(tmp_path, name="copy.parquet")
    text = refused(tmp_path, train="copy.parquet" if copied else "./rows.parquet")
    assert "AB200 data.train: the training rows are the evaluated rows" in text
    assert "with the same bytes" in text
    assert "in data.split" in text


def test_text_that_is_no_number_is_named_with_its_row(tmp_path: Path) -> None:
    write(tmp_path)
    text = refused(tmp_path, types={"city": "number"})
    assert "column 'city' of rows.parquet has a cell that is no number" in text
    assert "found: 'Rome' in row 1" in text
    assert 'declare data.types.city = "category"' in text


def test_truth_values_and_dictionaries_are_categories(tmp_path: Path) -> None:
    write(tmp_path, ROWS.assign(city=ROWS["city"].astype("category"), note=[True, False, True, True]))
    source = source_of(tmp_path)
    assert source.test.columns["note"].names == ("false", "true")  # type: ignore[union-attr]
    assert source.test.columns["city"].names == ("Oslo", "Rome")  # type: ignore[union-attr]


def test_csv_keeps_truth_words_and_dates_of_excluded_columns(tmp_path: Path) -> None:
    write(tmp_path, ROWS.assign(label=["True", "False", "True", "False"]), "rows.csv")
    source = source_of(tmp_path, test="rows.csv")
    assert text_of(source.test.columns["label"]).names == ("False", "True")


def test_split_column_parts_the_rows(tmp_path: Path) -> None:
    write(tmp_path, ROWS.assign(part=["train", "test", "other", "train"]))
    source = source_of(tmp_path, split="part")
    assert source.train is not None
    assert source.test.row_numbers.tolist() == [2]
    assert source.train.row_numbers.tolist() == [1, 4]
    assert source.left_out == {"other_split": 1}
    assert source.train_digest == source.digests["rows.parquet"]
    assert "part" not in source.feature_names


def test_split_without_test_rows_is_refused(tmp_path: Path) -> None:
    write(tmp_path, ROWS.assign(part=["fit", "fit", "holdout", "fit"]))
    text = refused(tmp_path, split="part")
    assert "AB200 data.split: no row of rows.parquet is a test row" in text
    assert "'part' holds 'fit', 'holdout'" in text
    assert "allowed: `test` and `train`" in text


def test_train_file_gives_types_where_the_test_file_has_no_value(tmp_path: Path) -> None:
    write(tmp_path, ROWS.assign(city=None))
    write(tmp_path, ROWS, "train.parquet")
    source = source_of(tmp_path, train="train.parquet")
    assert isinstance(source.test.columns["city"], CategoryColumn)
    assert source.test.columns["city"].missing.all()
    assert source.train_digest == hashlib.sha256((tmp_path / "train.parquet").read_bytes()).hexdigest()


def test_types_that_differ_between_files_are_refused(tmp_path: Path) -> None:
    write(tmp_path, ROWS.assign(age=["young", "old", "old", "young"]))
    write(tmp_path, ROWS, "train.parquet")
    text = refused(tmp_path, train="train.parquet")
    assert "column 'age' has another type in the training rows" in text
    assert 'declare data.types.age = "number" or "category"' in text


def test_a_column_of_the_training_file_alone_is_refused(tmp_path: Path) -> None:
    write(tmp_path, ROWS.drop(columns="age"))
    write(tmp_path, ROWS.iloc[:3], "train.parquet")
    text = refused(tmp_path, train="train.parquet")
    assert "there is no column 'age' in rows.parquet" in text
    assert source_of(tmp_path, train="train.parquet", features=("city", "score"))


def test_names_are_checked_without_reading_rows(tmp_path: Path) -> None:
    write(tmp_path)
    write(tmp_path, ROWS.iloc[:3], "train.parquet")
    assert not check_columns(DataTable(test="rows.parquet", target="label"), tmp_path, {})
    assert check_columns(DataTable(test="rows.parquet", train="train.parquet", target="label"), tmp_path, {})
    with pytest.raises(DataError, match="does not have what"):
        check_columns(DataTable(test="rows.parquet", target="lable"), tmp_path, {})


def test_train_file_must_have_the_features(tmp_path: Path) -> None:
    write(tmp_path)
    write(tmp_path, ROWS.drop(columns="score"), "train.parquet")
    assert "data.train: there is no column 'score' in train.parquet" in refused(tmp_path, train="train.parquet")


def test_every_wrong_name_is_reported_at_once(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(DataError) as caught:
        source_of(tmp_path, target="lable", sensitive=("sex",), types={"ages": "number"})
    where = {problem.where: problem for problem in caught.value.problems}
    assert set(where) == {"data.target", "data.sensitive", "data.types.ages"}
    assert where["data.target"].fix == "did you mean 'label'?"
    assert where["data.target"].found == "'lable'"
    assert where["data.types.ages"].fix == "did you mean 'age'?"
    assert "'city'" in where["data.sensitive"].allowed


def test_the_target_cannot_be_a_feature(tmp_path: Path) -> None:
    write(tmp_path)
    text = refused(tmp_path, features=("age", "label"))
    assert "data.features: the target is among the features" in text
    assert "fix: take it out of data.features" in text


def test_bins_belong_to_sensitive_columns(tmp_path: Path) -> None:
    write(tmp_path)
    text = refused(tmp_path, bins={"age": (30,)})
    assert "data.bins.age: bins make groups of sensitive and control columns only" in text
    assert "add 'age' to data.sensitive" in text


def test_missing_file_names_the_files_beside_it(tmp_path: Path) -> None:
    write(tmp_path)
    text = refused(tmp_path, test="row.parquet")
    assert "AB200 data.test: row.parquet cannot be opened" in text
    assert "found: No such file or directory" in text
    assert "fix: data files in that folder: rows.parquet" in text


def test_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "rows.csv")
    text = refused(tmp_path, test="rows.csv")
    assert "rows.csv is not a regular file" in text
    assert "found: a pipe or a device" in text


def test_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.parquet").mkdir()
    assert "found: a folder" in refused(tmp_path)


def test_unknown_suffix_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.xlsx").write_bytes(b"PK\x03\x04")
    text = refused(tmp_path, test="rows.xlsx")
    assert "found: the suffix '.xlsx'" in text
    assert "allowed: .parquet, .csv" in text


def test_content_decides_before_the_suffix(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "rows.parquet").rename(tmp_path / "rows.data")
    assert len(source_of(tmp_path, test="rows.data").test) == 4


@pytest.mark.parametrize("content", [b"PAR1 and no more", b"age,label\n1,yes\n"], ids=["truncated", "mislabelled"])
def test_damaged_parquet_is_named_with_its_size(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "rows.parquet").write_bytes(content)
    text = refused(tmp_path)
    assert "rows.parquet is not a complete Parquet file" in text
    assert f"found: {len(content)} bytes" in text
    assert "fix: copy or write the file again" in text


@pytest.mark.parametrize(
    "content",
    [b"age,label\n1,yes\n2\n", b"age,label\n1,yes\n2,no,3\n"],
    ids=["too-short", "too-long"],
)
def test_ragged_csv_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "rows.csv").write_bytes(content)
    text = refused(tmp_path, test="rows.csv")
    assert "rows.csv is not a table with a header and equal rows" in text
    assert "Expected 2 columns" in text


def test_csv_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes("age,city,label\n1,Malmö,yes\n".encode("latin-1"))
    for types in ({}, {"city": "category"}):
        text = refused(tmp_path, test="rows.csv", types=types)
        assert "column 'city' of rows.csv cannot be read as text" in text
        assert "save the file in UTF-8" in text


def test_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes("\ufeffage,label\n1,yes\n".encode())
    assert source_of(tmp_path, test="rows.csv").feature_names == ("age",)


def test_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(b"age,age,label\n1,2,yes\n")
    assert "rows.csv has columns of one name" in refused(tmp_path, test="rows.csv")


def test_file_without_bytes_has_no_rows(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(b"")
    with pytest.raises(EmptyDataError) as caught:
        source_of(tmp_path, test="rows.csv")
    assert "rows.csv is empty" in caught.value.describe()
    assert caught.value.exit_code == 4


def test_unknown_data_set_suggests_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        open_source(DataTable(dataset="adlut", target="income"), tmp_path, {item.name: item for item in BUILT_IN})
    text = caught.value.describe()
    assert "AB200 data.dataset: there is no data set 'adlut'" in text
    assert "allowed: adult" in text
    assert "fix: did you mean 'adult'?" in text


def test_a_loader_says_where_files_are_and_their_licence(tmp_path: Path) -> None:
    write(tmp_path, ROWS.assign(part=["train", "test", "test", "train"]))
    loader = DatasetLoader(
        name="mine",
        summary="",
        load=lambda table: DatasetSource(test=tmp_path / "rows.parquet", split="part", licence="CC0"),
    )
    table = DataTable(dataset="mine", target="label")
    source = open_source(table, Path("/nowhere"), {"mine": loader})
    assert (source.name, source.licence, len(source.test)) == ("mine", "CC0", 2)
    own = open_source(table.model_copy(update={"licence": "ours"}), Path("/nowhere"), {"mine": loader})
    assert own.licence == "ours"


def test_ids_come_from_their_column(tmp_path: Path) -> None:
    write(tmp_path, ROWS.assign(note=["a7", None, "c", "d"]))
    source = source_of(tmp_path, id="note")
    assert source.test.ids is not None
    assert source.test.ids.tolist() == ["a7", "row 2", "c", "d"]
    assert "note" not in source.feature_names


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"test": "a.csv", "dataset": "adult"}, "exactly one of `dataset` and `test`"),
        ({"test": "a.csv", "train": "b.csv", "split": "part"}, "expected `split` or `train`, not both"),
        ({"test": "a.csv", "bins": {"age": (40.0, 30.0)}}, "upper bounds that increase for 'age'"),
    ],
)
def test_impossible_tables_are_refused_by_the_config(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        DataTable(target="label", **keys)

"""The carried Adult table against the counts that its documentation states."""

from __future__ import annotations

import hashlib
import importlib.util
from importlib import resources
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

BUILDER = Path(__file__).parents[2] / "examples/01-adult/build_adult.py"
CARRIED = resources.files("auditbench") / "data" / "adult.parquet"

DATA_LINES = (
    b"39, State-gov, 77516, Bachelors, 13, Never-married, ?, Not-in-family, White, Male, 2174, 0, 40, ?, <=50K\n\n"
)
TEST_LINES = (
    b"|1x3 Cross validator\n"
    b"25, Private, 226802, 11th, 7, Never-married, Sales, Own-child, Black, Female, 0, 0, 40, United-States, >50K.\n"
)


@pytest.fixture(scope="module")
def adult() -> pa.Table:
    return pq.read_table(pa.BufferReader(CARRIED.read_bytes()))


@pytest.fixture(scope="module")
def builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_adult", BUILDER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_rows_and_split(adult: pa.Table) -> None:
    split = adult["split"].to_pylist()
    assert adult.num_rows == 48_842
    assert split == ["train"] * 32_561 + ["test"] * 16_281


def test_labels(adult: pa.Table) -> None:
    income = adult["income"].to_pylist()
    assert {label: income.count(label) for label in set(income)} == {"<=50K": 37_155, ">50K": 11_687}


def test_missing_values(adult: pa.Table) -> None:
    missing = {name: adult[name].null_count for name in adult.column_names if adult[name].null_count}
    assert missing == {"workclass": 2_799, "occupation": 2_809, "native_country": 857}
    assert adult.num_rows - adult.drop_null().num_rows == 3_620


@pytest.mark.parametrize(
    ("column", "low", "high"),
    [
        ("age", 17, 90),
        ("education_num", 1, 16),
        ("capital_gain", 0, 99_999),
        ("capital_loss", 0, 4_356),
        ("hours_per_week", 1, 99),
    ],
)
def test_ranges(adult: pa.Table, column: str, low: int, high: int) -> None:
    assert adult.schema.field(column).type == pa.int32()
    assert pc.min_max(adult[column]).as_py() == {"min": low, "max": high}


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("workclass", 8),
        ("education", 16),
        ("marital_status", 7),
        ("occupation", 14),
        ("relationship", 6),
        ("race", 5),
        ("sex", 2),
        ("native_country", 41),
        ("income", 2),
        ("split", 2),
    ],
)
def test_categories_are_sorted_and_clean(adult: pa.Table, column: str, values: int) -> None:
    categories = adult[column].combine_chunks().dictionary.to_pylist()
    assert len(categories) == values
    assert categories == sorted(set(adult[column].drop_null().to_pylist()))
    assert all(name == name.strip() and name != "?" and not name.endswith(".") for name in categories)


def test_bytes_are_those_that_the_script_writes(builder: ModuleType) -> None:
    assert hashlib.sha256(CARRIED.read_bytes()).hexdigest() == builder.TARGET_SHA256


def test_writing_the_table_again_gives_the_same_table(builder: ModuleType, adult: pa.Table, tmp_path: Path) -> None:
    builder.check_facts(adult)
    builder.write(adult, tmp_path / "again.parquet")
    assert pq.read_table(tmp_path / "again.parquet").equals(adult)
    if f"pyarrow {pa.__version__}" == builder.WRITER:
        assert (tmp_path / "again.parquet").read_bytes() == CARRIED.read_bytes()


def test_source_lines_are_cleaned(builder: ModuleType) -> None:
    first, second = builder.build_table(DATA_LINES, TEST_LINES).to_pylist()
    assert (first["age"], first["occupation"], first["native_country"]) == (39, None, None)
    assert (first["income"], first["split"]) == ("<=50K", "train")
    assert (second["sex"], second["income"], second["split"]) == ("Female", ">50K", "test")


def test_wrong_counts_are_refused(builder: ModuleType) -> None:
    with pytest.raises(SystemExit, match=r"shape: expected \(48842, 16\), got \(2, 16\)"):
        builder.check_facts(builder.build_table(DATA_LINES, TEST_LINES))


def test_licence_stands_beside_the_table() -> None:
    notice = (resources.files("auditbench") / "data" / "adult.LICENSE.txt").read_text(encoding="utf-8")
    assert notice.startswith(
        "Adult (Census Income), UCI Machine Learning Repository, doi 10.24432/C5XW20, CC BY 4.0; from the 1994 US Census"
    )

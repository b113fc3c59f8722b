"""Inputs as they may be shown."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditbench.data.banding import band

AGES = np.arange(20.0, 70.0)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (20.0, "under 30"),
        (5.0, "under 30"),
        (30.0, "30 to 39"),
        (39.0, "30 to 39"),
        (59.0, "59 and over"),
        (200.0, "59 and over"),
        (np.nan, "missing"),
        (30.5, "30 to under 40"),
    ],
)
def test_numbers_show_as_bands_between_quintiles(value: float, expected: str) -> None:
    assert band(value, AGES) == expected


def test_a_frequent_value_stands_alone() -> None:
    gains = np.array([0.0] * 90 + [100.0, 5000.0] * 5)
    assert [band(value, gains) for value in (0.0, 100.0, 99_999.0, -1.0)] == ["0", "over 0", "over 0", "under 0"]
    assert band(3.0, np.full(10, 3.0)) == "3"
    assert band(4.0, np.full(10, 3.0)) == "over 3"


def test_fractions_give_half_open_bands() -> None:
    assert band(0.5, np.linspace(0, 1, 101)) == "0.4 to under 0.6"


def test_without_reference_nothing_is_shown() -> None:
    assert band(1.0, np.array([np.nan])) == "rare value"


@given(
    reference=st.lists(st.integers(-20, 20), min_size=5, max_size=60),
    value=st.integers(-25, 25),
)
def test_the_band_of_a_whole_number_holds_it(reference: list[int], value: int) -> None:
    words = band(float(value), np.array(reference, dtype=float)).split()
    numbers = [int(word) for word in words if word.lstrip("-").isdigit()]
    if words[0] == "under":
        assert value < numbers[0]
    elif words[0] == "over":
        assert value > numbers[0]
    elif words[-1] == "over":
        assert value >= numbers[0]
    else:
        assert numbers[0] <= value <= numbers[-1]

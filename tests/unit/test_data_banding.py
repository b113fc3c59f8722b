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


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (-5.0, "under -0.8"),
        (-0.43211, "-0.8 to under -0.2"),
        (0.01, "-0.2 to under 0.3"),
        (1.2345678, "0.9 and over"),
    ],
)
def test_bounds_are_rounded_to_two_digits_of_their_spread(value: float, expected: str) -> None:
    quintiles = np.array([-2.123456789, -0.8123456789, -0.2345678, 0.27654321, 0.87654321, 2.987654321])
    assert band(value, quintiles) == expected


def test_large_whole_numbers_have_rounded_bounds() -> None:
    incomes = np.arange(10_007.0, 500_000.0, 4_999.0)
    assert band(222_222.0, incomes) == "200,000 to under 300,000"


def test_a_value_of_few_rows_does_not_stand_alone() -> None:
    assert band(1234.5678, np.full(9, 1234.5678)) == "1,200 and over"
    assert band(1234.5678, np.full(10, 1234.5678)) == "1,234.5678"


@given(
    reference=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40, unique=True),
    value=st.floats(-1e6, 1e6),
)
def test_a_band_holds_its_number_and_names_few_digits(reference: list[float], value: float) -> None:
    text = band(value, np.array(reference))
    numbers = [float(word.replace(",", "")) for word in text.split() if word[-1].isdigit()]
    if text.startswith("under"):
        assert value < numbers[0]
    elif text.endswith("and over"):
        assert value >= numbers[0]
    else:
        assert numbers[0] <= value < numbers[1] or (len(numbers) == 1 and value == numbers[0])


@given(seed=st.integers(0, 1000), scale=st.sampled_from([1e-6, 1.0, 1e5]), offset=st.sampled_from([0.0, 3.0, 1e4]))
def test_no_exact_value_of_a_row_shows(seed: int, scale: float, offset: float) -> None:
    reference = np.random.default_rng(seed).normal(offset * scale, scale, 50)
    for value in reference[:10]:
        text = band(float(value), reference)
        shown = {float(word.replace(",", "")) for word in text.split() if word[-1].isdigit()}
        assert shown
        assert not shown & set(reference.tolist())
        assert not shown & {float(f"{row:.10g}") for row in reference}


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

"""Bands of numbers as text: what is written is read again, and stands from low to high."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditbench.bands import MISSING_GROUP, in_order, read_band
from auditbench.data.banding import band
from auditbench.data.coding import bin_labels
from auditbench_fairness import count_groups

BOUNDS = st.lists(st.integers(-500, 5000), min_size=1, max_size=6, unique=True).map(sorted)


@given(BOUNDS, st.sampled_from([1.0, 0.01, 1e-7, 1e9]), st.booleans(), st.randoms(use_true_random=False))
def test_groups_of_bins_are_put_in_order(bounds: list[int], scale: float, missing: bool, chance: random.Random) -> None:
    labels = bin_labels(tuple(bound * scale for bound in bounds), whole=scale == 1.0)
    names = [*dict.fromkeys(labels), *([MISSING_GROUP] if missing else [])]
    shuffled = chance.sample(names, len(names))
    assert in_order(shuffled) == names


@given(st.lists(st.floats(-1e6, 1e6), min_size=12, max_size=60), st.booleans())
def test_bands_of_inputs_are_put_in_order(values: list[float], whole: bool) -> None:
    reference = np.floor(values) if whole else np.asarray(values)
    names = [band(float(value), reference) for value in np.sort(reference)]
    assert all(read_band(name) is not None for name in names)
    expected = list(dict.fromkeys(names))
    if not all(getattr(read_band(name), "kind", "") == "single" for name in expected):
        assert in_order(sorted(expected)) == expected


@pytest.mark.parametrize(
    "names",
    [["Male", "Female"], ["under 25", "young"], ["3", "12"], [MISSING_GROUP], [], ["under 25 "], ["1 to 2 to 3"]],
)
def test_other_names_have_no_order_of_their_own(names: list[str]) -> None:
    assert in_order(names) is None


@pytest.mark.parametrize(
    "text", ["under " + "9" * 200, "under \N{ARABIC-INDIC DIGIT ONE}", "under 5\n", "under 1e5x", "over", "5 to", ""]
)
def test_what_is_no_band_is_none(text: str) -> None:
    assert read_band(text) is None


def test_groups_of_fairness_stand_from_low_to_high() -> None:
    ages = ["25 to 44", "under 25", MISSING_GROUP, "65 and over", "100 and over", "under 25"]
    found = count_groups(y_true=[0] * 6, y_pred=[0] * 6, groups={"age": ages, "city": list("babcab")})
    assert found.cells.levels == (
        ("under 25", "25 to 44", "65 and over", "100 and over", MISSING_GROUP),
        ("a", "b", "c"),
    )

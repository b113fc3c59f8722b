"""Which rows are held out: a share of each class, whole groups, or the last in time."""

from __future__ import annotations

import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditbench.data.splitting import held_out, held_out_groups, held_out_last
from auditbench.data.table import CategoryColumn, NumberColumn
from auditbench.data.times import times_of
from auditbench.errors import TrainingError


@given(
    labels=st.lists(st.integers(0, 3), min_size=2, max_size=80),
    share=st.floats(0.01, 0.99),
    seed=st.integers(0, 1000),
)
def test_rows_held_out_are_a_stratified_part(labels: list[int], share: float, seed: int) -> None:
    classes = np.array(labels)
    kept, out = held_out(classes, len(labels), share, seed)
    assert sorted([*kept.tolist(), *out.tolist()]) == list(range(len(labels)))
    assert len(out) >= 1
    assert len(kept) >= 1
    for label in set(labels):
        size = int((classes == label).sum())
        count = int((classes[out] == label).sum())
        assert abs(count - share * size) <= 1.0 or size == 1 or len(out) == 1
    again = held_out(classes, len(labels), share, seed)
    assert np.array_equal(again[1], out)


def test_many_small_classes_hold_out_the_share_of_all_rows() -> None:
    _, out = held_out(np.repeat(np.arange(100), 4), 400, 0.1, 0)
    assert len(out) == 40


@given(
    groups=st.lists(st.integers(0, 9), min_size=2, max_size=60).filter(lambda found: len(set(found)) > 1),
    share=st.floats(0.01, 0.99),
    seed=st.integers(0, 99),
)
def test_no_group_is_on_both_sides(groups: list[int], share: float, seed: int) -> None:
    kept, out = held_out_groups(np.array(groups), share, seed, column="g")
    assert sorted([*kept.tolist(), *out.tolist()]) == list(range(len(groups)))
    assert {groups[row] for row in kept}.isdisjoint({groups[row] for row in out})
    assert len(kept) >= 1
    assert len(out) >= 1
    largest = max(groups.count(group) for group in set(groups))
    nearest = min(abs(len(out) - share * len(groups)), abs(len(kept) - (1 - share) * len(groups)))
    assert nearest <= largest
    assert np.array_equal(held_out_groups(np.array(groups), share, seed, column="g")[1], out)


@given(
    times=st.lists(st.integers(0, 20).map(float), min_size=2, max_size=60).filter(lambda found: len(set(found)) > 1),
    share=st.floats(0.01, 0.99),
)
def test_the_last_rows_are_held_out_and_no_moment_is_on_both_sides(times: list[float], share: float) -> None:
    kept, out = held_out_last(np.array(times), share, column="t")
    assert sorted([*kept.tolist(), *out.tolist()]) == list(range(len(times)))
    assert max(times[row] for row in kept) < min(times[row] for row in out)
    sizes = [sum(one >= moment for one in times) for moment in sorted(set(times))[1:]]
    assert abs(len(out) - share * len(times)) == min(abs(size - share * len(times)) for size in sizes)


def texts(*cells: str) -> CategoryColumn:
    names = tuple(sorted({*cells, "unused"}))
    return CategoryColumn(codes=np.array([names.index(cell) for cell in cells]), names=names)


@given(
    moments=st.lists(st.datetimes(timezones=st.none() | st.just(datetime.UTC)), min_size=1, max_size=20).filter(
        lambda found: len({one.tzinfo for one in found}) == 1
    )
)
def test_iso_times_are_in_the_order_of_time(moments: list[datetime.datetime]) -> None:
    times = times_of(texts(*(moment.isoformat() for moment in moments)), "t")
    zone = moments[0].tzinfo
    epoch = datetime.datetime(1970, 1, 1, tzinfo=zone)
    assert times.tolist() == [float((moment - epoch) // datetime.timedelta(microseconds=1)) for moment in moments]


@pytest.mark.parametrize(
    "cells",
    [
        ("2026-01-02", "2026-01-10", "2026-02-01"),
        ("2026-01", "2026-01-02", "2026-01-02 10:00", "2026-02"),
        ("2026-01-01T23:30:00-05:00", "2026-01-02T05:00:00+00:00", "2026-01-02T05:30Z"),
        ("2026-01-02 10:00:00.000000001", "2026-01-02 10:00:00.000002"),
        ("2025-W52", "2026-W01"),
    ],
)
def test_dates_of_several_forms_are_in_the_order_of_time(cells: tuple[str, ...]) -> None:
    shuffled = cells[::-1]
    if any("W" in cell for cell in cells):
        shuffled = tuple(f"{cell}-1" for cell in shuffled)
    times = times_of(texts(*shuffled), "t")
    assert list(np.argsort(times)) == list(range(len(cells)))[::-1]


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        (("2026-01-02", "01/02/2026"), "found: '01/02/2026'"),
        (("2026-01-02", "2026-02-30"), "found: '2026-02-30'"),
        (("20260102", "20260103"), "found: '20260102'"),
        (("monday",), "found: 'monday'"),
        (("2026-01-02T10:00Z", "2026-01-02"), "'2026-01-02T10:00Z' with a time zone and '2026-01-02' without"),
    ],
)
def test_texts_that_are_no_times_are_refused(cells: tuple[str, ...], found: str) -> None:
    with pytest.raises(TrainingError) as caught:
        times_of(texts(*cells), "day")
    text = caught.value.describe()
    assert found in text
    assert "train.split_column" in text
    assert "2026-01-31T13:45:00+01:00" in text


def test_numbers_are_times_as_they_are() -> None:
    column = NumberColumn(values=np.array([3.0, -1.0, 2.5]))
    assert times_of(column, "t").tolist() == [3.0, -1.0, 2.5]

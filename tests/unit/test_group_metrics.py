"""Metrics of groups from counts: closed forms, every form of input, blocks, streams, memory and what is refused."""

from __future__ import annotations

import itertools
import math
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import auditbench_fairness
from auditbench.errors import DataError, EmptyDataError
from auditbench_fairness import GroupMetrics, count_groups, group_metrics, metrics_of_counts
from auditbench_fairness.group_counts import GroupCounts
from auditbench_fairness.groups import groupings_of
from auditbench_fairness.rates import KNOWN_RATES

# One group of [[TN, FP], [FN, TP]] = [[4, 3], [2, 1]].
TABLE = {(0, 0): 4, (0, 1): 3, (1, 0): 2, (1, 1): 1}
CLOSED = {
    "selection_rate": 4 / 10,
    "true_positive_rate": 1 / 3,
    "false_positive_rate": 3 / 7,
    "true_negative_rate": 4 / 7,
    "false_negative_rate": 2 / 3,
    "precision": 1 / 4,
    "negative_predictive_value": 4 / 6,
    "accuracy": 5 / 10,
    "base_rate": 3 / 10,
}
PARTS: dict[str, tuple[Callable[[int, int], bool], Callable[[int, int], bool]]] = {
    "selection_rate": (lambda y, p: p == 1, lambda y, p: True),
    "true_positive_rate": (lambda y, p: p == 1, lambda y, p: y == 1),
    "false_positive_rate": (lambda y, p: p == 1, lambda y, p: y == 0),
    "true_negative_rate": (lambda y, p: p == 0, lambda y, p: y == 0),
    "false_negative_rate": (lambda y, p: p == 0, lambda y, p: y == 1),
    "precision": (lambda y, p: y == 1, lambda y, p: p == 1),
    "negative_predictive_value": (lambda y, p: y == 0, lambda y, p: p == 0),
    "accuracy": (lambda y, p: y == p, lambda y, p: True),
    "base_rate": (lambda y, p: y == 1, lambda y, p: True),
}
COLOURS = st.sampled_from(["blue", "green", "red", "a colour with a long name", "été", "", None])
ROWS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1), st.integers(-2, 2), COLOURS), min_size=1, max_size=40)


def columns(rows: list[tuple[int, int, int, str | None]]) -> tuple[Any, Any, list[Any], list[Any]]:
    y_true, y_pred, first, second = zip(*rows, strict=True)
    return np.array(y_true), np.array(y_pred), list(first), list(second)


def row_by_row(rows: list[tuple[int, int, int, str | None]], cell: tuple[Any, ...], name: str) -> float:
    hit, tried = PARTS[name]
    trials = [(y, p) for y, p, *groups in rows if tuple(groups) == cell and tried(y, p)]
    return sum(hit(y, p) for y, p in trials) / len(trials) if trials else math.nan


def same(left: GroupMetrics, right: GroupMetrics) -> None:
    assert left.cells == right.cells
    np.testing.assert_array_equal(left.counts, right.counts)
    np.testing.assert_array_equal(left.values, right.values)


def drawn(n: int, seed: int = 0, groups: int = 4) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(seed)
    y_true = rng.integers(0, 2, n)
    return y_true, np.where(rng.random(n) < 0.7, y_true, 1 - y_true), rng.integers(0, groups, (n, 2))


def test_every_metric_has_its_closed_form() -> None:
    assert set(CLOSED) == set(KNOWN_RATES)
    y_true, y_pred = np.array([pair for pair, count in TABLE.items() for _ in range(count)]).T
    found = group_metrics(y_true=y_true, y_pred=y_pred, groups=["all"] * 10, metrics=list(CLOSED))
    assert found.cells == (("all",),)
    assert found.counts.tolist() == [[[4, 3], [2, 1]]]
    assert found.values[0].tolist() == pytest.approx(list(CLOSED.values()))
    assert found.interval is None
    assert found.undefined_replicates is None


@settings(deadline=None, max_examples=50)
@given(rows=ROWS)
def test_metrics_equal_a_walk_over_the_rows(rows: list[tuple[int, int, int, str | None]]) -> None:
    y_true, y_pred, first, second = columns(rows)
    found = group_metrics(y_true=y_true, y_pred=y_pred, groups={"a": first, "b": second}, metrics=KNOWN_RATES)
    missing_last = sorted(set(second), key=lambda value: (value is None, value or ""))
    assert found.features == ("a", "b")
    assert found.cells == tuple((a, b) for a in sorted(set(first)) for b in missing_last)
    for index, cell in enumerate(found.cells):
        for column, name in enumerate(KNOWN_RATES):
            assert found.values[index, column] == pytest.approx(row_by_row(rows, cell, name), nan_ok=True)


@settings(deadline=None, max_examples=15)
@given(rows=ROWS)
def test_every_form_of_groups_and_labels_gives_the_same(rows: list[tuple[int, int, int, str | None]]) -> None:
    y_true, y_pred, first, second = columns(rows)
    text = [str(value) for value in second]
    wanted = group_metrics(y_true=y_true, y_pred=y_pred, groups=[first, text], metrics=["accuracy", "precision"])
    forms: list[Any] = [
        pd.DataFrame({"a": first, "b": text}),
        pd.DataFrame({"a": first, "b": pd.Categorical(text)}),
        pd.DataFrame({"a": pd.array(first, dtype="Int8"), "b": pd.Series(text, dtype=object)}),
        [np.array(first), np.array(text)],
        [np.array(first) * 1.0, pd.Categorical(text, categories=["unused", *sorted(set(text), reverse=True)])],
        [torch.tensor(first), np.array(text, dtype=object)],
        [np.array(first, dtype=object), pd.Series(text)],
    ]
    for form in forms:
        same(group_metrics(y_true=y_true, y_pred=y_pred, groups=form, metrics=["accuracy", "precision"]), wanted)
    for labels in (y_true.astype(bool), y_true * 1.0, torch.from_numpy(y_true), pd.Series(y_true), y_true.tolist()):
        form = forms[0]
        same(group_metrics(y_true=labels, y_pred=y_pred, groups=form, metrics=["accuracy", "precision"]), wanted)


@pytest.mark.parametrize(
    "column",
    [
        pytest.param(["x", None, "x", None], id="none"),
        pytest.param(np.array([1.0, np.nan, 1.0, np.nan]), id="nan"),
        pytest.param(pd.array([True, None, True, None], dtype="boolean"), id="nullable"),
        pytest.param(pd.Categorical(["x", None, "x", None]), id="category"),
        pytest.param(pd.Series(["x", None, "x", None], dtype="str"), id="text"),
        pytest.param(pd.to_datetime(["2020-01-01", None, "2020-01-01", None]), id="date"),
    ],
)
def test_missing_values_are_a_group_of_their_own(column: Any) -> None:
    found = group_metrics(y_true=[1, 1, 0, 0], y_pred=[1, 0, 1, 0], groups=column, metrics=["selection_rate"])
    assert [cell[0] is None for cell in found.cells] == [False, True]
    assert found.values[:, 0].tolist() == [1.0, 0.0]


def test_an_array_of_two_axes_holds_one_feature_a_column() -> None:
    y_true, y_pred, groups = drawn(200)
    by_array = group_metrics(y_true=y_true, y_pred=y_pred, groups=groups, metrics=["accuracy"])
    by_columns = group_metrics(y_true=y_true, y_pred=y_pred, groups=list(groups.T), metrics=["accuracy"])
    same(by_array, by_columns)
    assert by_array.features == ("feature_0", "feature_1")


@pytest.mark.parametrize("kind", [">i8", ">i2", ">f4", ">U4"])
def test_arrays_of_the_other_order_of_bytes(kind: str) -> None:
    y_true, y_pred, groups = drawn(100)
    wide = groups[:, 0] * 1000  # looked up, not its own code
    values = wide.astype(str) if kind == ">U4" else wide
    wanted = group_metrics(y_true=y_true, y_pred=y_pred, groups=values.astype(kind[1:]), metrics=["accuracy"])
    found = group_metrics(
        y_true=y_true.astype(">i8"), y_pred=y_pred.astype(">f8"), groups=values.astype(kind), metrics=["accuracy"]
    )
    same(found, wanted)


@pytest.mark.parametrize("low", [-128, -1, 250, 70_000, -(2**63), 2**63 - 4])
@pytest.mark.parametrize("step", [1, 100_000])
def test_groups_of_any_whole_number(low: int, step: int) -> None:
    if low + 3 * step >= 2**63:
        step = 1
    values = np.array([low + step * i for i in (0, 3, 1, 0)], dtype=np.int64)
    counts = count_groups(y_true=[0, 1, 1, 0], y_pred=[0, 1, 1, 1], groups=values)
    assert counts.groups == ((low,), (low + step,), (low + 3 * step,))
    assert counts.table.tolist() == [[[1, 1], [0, 0]], [[0, 0], [0, 1]], [[0, 0], [0, 1]]]


@pytest.mark.parametrize("values", [300, 70_000])
def test_many_groups_are_told_apart(values: int) -> None:
    rng = np.random.default_rng(0)
    groups, y_pred = rng.integers(0, values, 80_000) * 7, rng.integers(0, 2, 80_000)
    found = group_metrics(y_true=y_pred, y_pred=y_pred, groups=groups, metrics=["selection_rate"])
    wanted = pd.Series(y_pred).groupby(groups).mean()
    assert [cell[0] for cell in found.cells] == wanted.index.tolist()
    np.testing.assert_allclose(found.values[:, 0], wanted.to_numpy())


def test_texts_whose_sums_collide_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    weightless = type("Weightless", (), {"integers": lambda self, top, dtype, size: np.zeros(size, dtype=dtype)})
    monkeypatch.setattr(np.random, "default_rng", lambda seed: weightless())
    names = np.array(["abcd", "cdab", "abcd", "abdc", "cdab"])
    counts = count_groups(y_true=[0, 0, 1, 1, 1], y_pred=[0, 1, 1, 0, 1], groups=names)
    assert counts.groups == (("abcd",), ("abdc",), ("cdab",))
    assert counts.table.sum(axis=(1, 2)).tolist() == [2, 1, 2]


def test_many_combinations_keep_those_that_have_rows() -> None:
    rng = np.random.default_rng(1)
    groups = rng.integers(0, 40, (500, 4))
    counts = count_groups(y_true=np.zeros(500), y_pred=np.ones(500), groups=groups)
    assert counts.groups == tuple(sorted({tuple(row) for row in groups.tolist()}))
    assert counts.table[:, 0, 1].tolist() == [groups.tolist().count(list(cell)) for cell in counts.groups]


@pytest.mark.parametrize(("kind", "low"), [("int8", -128), ("uint8", 0), ("int64", -(2**63)), ("uint64", 2**64 - 250)])
def test_many_combinations_of_any_type_of_number(kind: str, low: int) -> None:
    offsets = np.random.default_rng(3).integers(0, 250, (300, 3))
    groups = np.array([[low + int(offset) for offset in row] for row in offsets], dtype=kind)
    counts = count_groups(y_true=np.zeros(300), y_pred=np.ones(300), groups=groups)
    assert counts.groups == tuple(sorted({tuple(row) for row in groups.tolist()}))


def test_several_classes_are_counted_for_accuracy() -> None:
    found = group_metrics(
        y_true=[0, 1, 2, 2, 1], y_pred=[0, 2, 2, 2, 1], groups=[True, True, True, False, False], metrics=["accuracy"]
    )
    assert found.cells == ((False,), (True,))
    assert found.counts.shape == (2, 3, 3)
    assert found.counts[1].tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 1]]
    assert found.values[:, 0].tolist() == pytest.approx([1.0, 2 / 3])


@settings(deadline=None, max_examples=40)
@given(rows=ROWS, cuts=st.lists(st.integers(1, 39), max_size=4))
def test_a_stream_of_blocks_counts_what_the_whole_does(
    rows: list[tuple[int, int, int, str | None]], cuts: list[int]
) -> None:
    def counted(part: list[tuple[int, int, int, str | None]]) -> GroupCounts:
        y_true, y_pred, first, second = columns(part)
        return count_groups(y_true=y_true, y_pred=y_pred, groups={"a": first, "b": second})

    edges = [0, *sorted({cut for cut in cuts if cut < len(rows)}), len(rows)]
    streamed = sum(counted(rows[start:stop]) for start, stop in itertools.pairwise(edges))
    assert isinstance(streamed, GroupCounts)
    whole = counted(rows)
    assert streamed.groups == whole.groups
    np.testing.assert_array_equal(streamed.table, whole.table)
    same(metrics_of_counts(streamed, metrics=["accuracy"]), metrics_of_counts(whole, metrics=["accuracy"]))


def test_streams_of_many_combinations_add_up() -> None:
    y_true, y_pred, _ = drawn(600)
    groups = np.random.default_rng(2).integers(0, 100, (600, 3))
    parts = [slice(0, 250), slice(250, 251), slice(251, 600)]
    streamed = sum(count_groups(y_true=y_true[i], y_pred=y_pred[i], groups=groups[i]) for i in parts)
    whole = count_groups(y_true=y_true, y_pred=y_pred, groups=groups)
    assert isinstance(streamed, GroupCounts)
    assert streamed.groups == whole.groups
    np.testing.assert_array_equal(streamed.table, whole.table)


def test_values_that_read_alike_have_names_of_their_own() -> None:
    counts = count_groups(y_true=[0] * 5, y_pred=[1] * 5, groups={"a": [1, "1", None, "None", "x"]})
    (grouping,) = groupings_of(counts.cells, 1)
    assert set(grouping.groups) == {"1", "'1'", "None", "'None'", "x"}


def test_groups_of_one_name_are_refused() -> None:
    counts = count_groups(y_true=[0] * 2, y_pred=[1] * 2, groups={"a": ["x & y", "x"], "b": ["z", "y & z"]})
    with pytest.raises(DataError, match="got 'x & y & z' twice"):
        groupings_of(counts.cells, 2)


class Value:
    """A value that counts how often it is compared."""

    compared = 0

    def __init__(self, number: int) -> None:
        self.number = number

    def __hash__(self) -> int:
        return hash(self.number)

    def __eq__(self, other: object) -> bool:
        Value.compared += 1
        return isinstance(other, Value) and self.number == other.number

    def __lt__(self, other: Value) -> bool:
        return self.number < other.number


def test_streams_of_many_values_compare_each_a_few_times() -> None:
    def counted(first: int, last: int) -> GroupCounts:
        values = np.array([Value(number) for number in range(first, last)], dtype=object)
        return count_groups(y_true=np.ones(len(values)), y_pred=np.ones(len(values)), groups=values)

    left, right = counted(0, 1000), counted(500, 1500)
    Value.compared = 0
    assert len((left + right).groups) == 1500
    assert Value.compared < 10 * 1500


@pytest.mark.parametrize("size", [1, 7, 64, 999])
def test_blocks_change_nothing(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    y_true, y_pred, groups = drawn(1000)
    names = np.array(["blue", "green", "a colour with a long name", "red"])[groups[:, 1]]
    forms = (names, names.astype(object), pd.Series(names), pd.Series(names).where(groups[:, 0] > 0))
    every = [[groups[:, 0], form, groups[:, 1] * 1000] for form in forms]
    wanted = [group_metrics(y_true=y_true, y_pred=y_pred, groups=each, metrics=["precision"]) for each in every]
    for module in ("group_codes", "group_counts"):
        monkeypatch.setattr(f"auditbench_fairness.{module}.BLOCK_ROWS", size)
    for each, whole in zip(every, wanted, strict=True):
        same(group_metrics(y_true=y_true, y_pred=y_pred, groups=each, metrics=["precision"]), whole)


def test_every_row_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    counting = np.bincount

    def watched(codes: Any, **options: Any) -> Any:
        seen.append(len(codes))
        return counting(codes, **options)

    monkeypatch.setattr(np, "bincount", watched)
    y_true, y_pred, groups = drawn(200_000)
    group_metrics(y_true=y_true, y_pred=y_pred, groups=groups, metrics=KNOWN_RATES, n_boot=100)
    assert sum(seen) == 200_000
    assert max(seen) < 100_000


def peak_bytes(function: Callable[[], object]) -> int:
    function()
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", ["int64", "float64", "bool", "text", "object", "category", "str"])
def test_memory_is_bounded_by_the_rows(kind: str) -> None:
    n = 500_000
    y_true, y_pred, groups = drawn(n, groups=2)
    names = np.array(["Female", "a value with a long name"])[groups]
    if kind in ("text", "object"):
        columns = list(names.astype(object if kind == "object" else names.dtype).T)
    elif kind in ("category", "str"):
        columns = [pd.Series(column).astype(kind) for column in names.T]
    else:
        columns = list(groups.astype(kind).T)
    peak = peak_bytes(lambda: group_metrics(y_true=y_true, y_pred=y_pred, groups=columns, metrics=KNOWN_RATES))
    assert peak < 16 * n
    if kind in ("int64", "bool", "category"):
        assert peak < 2**20


def test_streams_take_no_more_memory_than_a_block() -> None:
    y_true, y_pred, groups = drawn(50_000)
    names = np.array(["Female", "Male", "Other", "a value with a long name"])[groups]

    def streamed() -> object:
        return sum(count_groups(y_true=y_true, y_pred=y_pred, groups=names) for _ in range(20))

    assert peak_bytes(streamed) < 2**24


def test_replicates_take_no_memory_in_proportion() -> None:
    y_true, y_pred, groups = drawn(20_000, groups=30)
    counts = count_groups(y_true=y_true, y_pred=y_pred, groups=groups)

    def measured() -> object:
        return metrics_of_counts(counts, metrics=["selection_rate", "accuracy"], n_boot=1000)

    assert peak_bytes(measured) < 2**25  # all counts and rates of all replicates at once would be three times that


def test_undefined_values_are_nan_and_undefined_replicates_are_counted() -> None:
    y_true, y_pred = [1, 0, 0, 0, 1, 1], [1, 0, 1, 0, 1, 0]
    found = group_metrics(
        y_true=y_true,
        y_pred=y_pred,
        groups=["one", "one", "one", "none", "some", "some"],
        metrics=["true_positive_rate"],
        n_boot=4000,
    )
    assert found.cells == (("none",), ("one",), ("some",))
    assert found.values[:, 0].tolist() == pytest.approx([math.nan, 1.0, 0.5], nan_ok=True)
    assert found.interval is not None
    assert found.undefined_replicates is not None
    assert np.isnan(found.interval[:, 0, 0]).all()
    assert found.interval[:, 1:, 0].tolist() == [[1.0, 0.0], [1.0, 1.0]]
    never, once, twice = (found.undefined_replicates[:, 0] / 4000).tolist()
    assert never == 1.0
    assert once == pytest.approx((5 / 6) ** 6, abs=0.03)
    assert twice == pytest.approx((4 / 6) ** 6, abs=0.03)


def test_intervals_hold_the_value_and_repeat_with_the_seed() -> None:
    y_true, y_pred, groups = drawn(3000)

    def measured(seed: int | None) -> GroupMetrics:
        return group_metrics(
            y_true=y_true,
            y_pred=y_pred,
            groups=groups,
            metrics=["selection_rate", "accuracy"],
            n_boot=500,
            rng=None if seed is None else np.random.default_rng(seed),
        )

    found = measured(None)
    assert found.interval is not None
    assert found.interval.shape == (2, 16, 2)
    assert (found.interval[0] < found.values).all()
    assert (found.values < found.interval[1]).all()
    np.testing.assert_array_equal(found.interval, measured(0).interval)
    assert not np.array_equal(found.interval, measured(1).interval)


def test_drawing_cells_apart_leaves_the_law_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    y_true, y_pred, groups = drawn(2000)
    counts = count_groups(y_true=y_true, y_pred=y_pred, groups=groups)
    names = ["selection_rate", "true_positive_rate", "accuracy"]
    together = metrics_of_counts(counts, metrics=names, n_boot=4000).interval
    monkeypatch.setattr("auditbench_fairness.metrics_by_group.BLOCK_NUMBERS", 12_000)
    apart = metrics_of_counts(counts, metrics=names, n_boot=4000, rng=np.random.default_rng(5)).interval
    assert together is not None
    assert apart is not None
    widths = (together[1] - together[0]).mean(), (apart[1] - apart[0]).mean()
    assert widths[0] == pytest.approx(widths[1], rel=0.03)
    assert together.mean() == pytest.approx(apart.mean(), abs=0.005)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"y_true": [0, 1]}, "expected as many as the 3 rows of `groups`, got 2", id="short-labels"),
        pytest.param({"y_pred": [0, 1, 1, 1]}, "expected as many as the 3 rows of `groups`, got 4", id="long-labels"),
        pytest.param({"groups": {"a": [1, 2, 3], "b": [1, 2]}}, "expected features of one length", id="short-feature"),
        pytest.param({"groups": np.zeros((3, 2, 2))}, r"expected `groups` of shape \(rows, features\)", id="3-d"),
        pytest.param({"groups": {}}, "expected at least one feature", id="no-feature"),
        pytest.param({"groups": np.zeros((3, 0))}, "expected at least one feature", id="no-column"),
        pytest.param({"groups": {"a": [[1], [2], []]}}, "whose values can be told apart", id="lists"),
        pytest.param({"groups": {"a": [(1,), ("x",), (2,)]}}, "whose values can be sorted", id="no-order"),
        pytest.param({"groups": np.zeros(3, dtype=complex)}, "got complex128", id="complex"),
        pytest.param({"groups": {"a": 3}}, "expected one value a row, got int", id="number"),
        pytest.param({"groups": {"a": np.zeros((3, 2))}}, r"expected shape \(rows,\)", id="nested"),
        pytest.param({"y_true": [0, 2, 1]}, "expected labels 0 or 1, got 2 in row 1", id="label-2"),
        pytest.param({"y_pred": [0, 1, -1]}, "expected labels 0 or 1, got -1 in row 2", id="label--1"),
        pytest.param({"y_pred": [0, 1, 256]}, "expected labels 0 or 1, got 256 in row 2", id="label-256"),
        pytest.param({"y_true": [0, 0.5, 1]}, "expected labels 0 or 1, got 0.5 in row 1", id="half"),
        pytest.param({"y_true": [math.nan, 0, 1]}, "expected labels 0 or 1, got nan in row 0", id="nan"),
        pytest.param({"y_true": [None, 0, 1]}, "expected labels as whole numbers from 0", id="none"),
        pytest.param({"y_true": ["no", "yes", "no"]}, "expected labels as whole numbers from 0", id="text"),
        pytest.param({"y_true": [[0], [1], [0]]}, r"expected shape \(rows,\), got \(3, 1\)", id="2-d-labels"),
    ],
)
def test_bad_data_are_refused(change: dict[str, Any], message: str) -> None:
    given = {"y_true": [0, 1, 1], "y_pred": [0, 1, 0], "groups": ["a", "b", "a"]}
    with pytest.raises(DataError, match=message):
        group_metrics(**{**given, **change}, metrics=["precision"])


@pytest.mark.parametrize("label", [-1, math.inf, 1.5])
def test_bad_classes_are_refused(label: float) -> None:
    with pytest.raises(DataError, match=r"expected (labels|at most)"):
        group_metrics(y_true=[0, 2, label], y_pred=[0, 1, 2], groups=["a", "b", "a"], metrics=["accuracy"])


def test_too_many_counts_are_refused() -> None:
    with pytest.raises(DataError, match="counts, got 1 groups"):
        group_metrics(y_true=[0, 10**5], y_pred=[0, 1], groups=["a", "a"], metrics=["accuracy"])


def test_no_rows_are_refused() -> None:
    with pytest.raises(EmptyDataError, match="at least one row"):
        group_metrics(y_true=[], y_pred=[], groups=np.zeros((0, 2)), metrics=["accuracy"])


def test_counts_of_other_features_do_not_add_up() -> None:
    one = count_groups(y_true=[0], y_pred=[0], groups={"a": ["x"]})
    with pytest.raises(DataError, match="equal features and classes"):
        one + count_groups(y_true=[0], y_pred=[0], groups={"b": ["x"]})
    with pytest.raises(DataError, match="equal features and classes"):
        one + count_groups(y_true=[0], y_pred=[0], groups={"a": ["x"]}, classes=3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"metrics": ["selection_rates"]}, "did you mean 'selection_rate'", id="near-name"),
        pytest.param({"metrics": ["zzz"]}, "got 'zzz'$", id="far-name"),
        pytest.param({"metrics": []}, "got none", id="no-metric"),
        pytest.param({"n_boot": -1}, "`n_boot` of at least 0", id="negative"),
        pytest.param({"n_boot": 10}, "`replicates` of at least 40", id="few"),
        pytest.param({"n_boot": 100, "level": 1.0}, "`level` strictly between 0 and 1", id="level"),
    ],
)
def test_bad_arguments_are_refused(change: dict[str, Any], message: str) -> None:
    given = {"y_true": [0, 1], "y_pred": [0, 1], "groups": ["a", "b"], "metrics": ["accuracy"]}
    with pytest.raises(ValueError, match=message):
        group_metrics(**{**given, **change})


def test_several_classes_have_accuracy_alone() -> None:
    counts = count_groups(y_true=[0, 2], y_pred=[0, 1], groups=["a", "b"], classes=3)
    with pytest.raises(ValueError, match="expected `accuracy` alone for 3 classes"):
        metrics_of_counts(counts, metrics=["accuracy", "precision"])


def test_public_names_are_there_and_others_are_not() -> None:
    for name in auditbench_fairness.__all__:
        assert getattr(auditbench_fairness, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'group_metric'"):
        _ = auditbench_fairness.group_metric

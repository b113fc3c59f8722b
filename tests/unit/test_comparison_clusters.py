"""Differences between runs whose rows depend on each other: against plain loops over clusters, and their false calls."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats as scipy_stats

from auditbench.comparison import cluster_keys
from auditbench.comparison.changes import compare_metrics
from auditbench.comparison.differences import independent_difference, paired_difference, unpaired_difference
from auditbench.comparison.pairing import Common, RowPairs, pair_rows
from auditbench.errors import ResultError
from auditbench.results import AnalysisResult, Interval, Metric
from auditbench.run import DataFacts

Numbers = npt.NDArray[np.float64]
FACTS = DataFacts(name="d", digests={"test.csv": "0" * 64}, rows=3, train_rows=0, target="y")
TEXTS = np.repeat(np.arange(20), 15)


def mean_of(values: Numbers) -> Metric:
    influence = values - values.mean()
    return Metric(name="m", value=float(values.mean()), n=len(values), no_interval="not_estimated", influence=influence)


def rows(first: npt.NDArray[Any], second: npt.NDArray[Any], texts: tuple[Any, Any] = (None, None)) -> RowPairs:
    return pair_rows(
        first.astype(np.uint64),
        second.astype(np.uint64),
        baseline_rows=len(first),
        candidate_rows=len(second),
        baseline_clusters=texts[0],
        candidate_clusters=texts[1],
    )


def left_out(parts: list[tuple[float, Numbers, npt.NDArray[Any]]]) -> float:
    """Standard error of a sum of signed means, leaving out one text at a time."""
    names = np.unique(np.concatenate([texts for _, _, texts in parts]))
    whole = sum(sign * values.mean() for sign, values, _ in parts)
    moved = [sum(sign * values[texts != name].mean() for sign, values, texts in parts) - whole for name in names]
    return math.sqrt((len(names) - 1) / len(names) * float(np.sum(np.square(moved))))


def drawn(rng: np.random.Generator, texts: npt.NDArray[Any] = TEXTS) -> Numbers:
    return rng.normal(size=texts.max() + 1)[texts] + rng.normal(size=len(texts))


def test_paired_rows_are_resampled_by_text() -> None:
    rng, everyone = np.random.default_rng(0), np.arange(300)
    first, second = drawn(rng), drawn(rng)
    plain = paired_difference(mean_of(first), mean_of(second), rows(everyone, everyone))
    for texts in ((TEXTS, TEXTS), (None, TEXTS), (TEXTS, None)):
        found = paired_difference(mean_of(first), mean_of(second), rows(everyone, everyone, texts))
        assert found is not None
        assert plain is not None
        assert found.estimate == plain.estimate
        assert found.reach(math.erfc(1 / math.sqrt(2)))[0] > 1.5 * plain.reach(math.erfc(1 / math.sqrt(2)))[0]
        error = left_out([(1.0, second - first, TEXTS)])
        assert found.reach(0.05)[0] / error == pytest.approx(scipy_stats.t.ppf(0.975, 19), rel=0.06)


def test_texts_that_both_runs_have_bring_their_covariance_in() -> None:
    rng = np.random.default_rng(1)
    values = drawn(rng)
    before, after = values[::2], values[1::2]
    texts = TEXTS[::2], TEXTS[1::2]
    pairs = rows(np.arange(0, 300, 2), np.arange(1, 300, 2), texts)
    found = unpaired_difference(mean_of(before), mean_of(after), pairs)
    assert found is not None
    assert found.design == "independent"
    error = left_out([(-1.0, before, texts[0]), (1.0, after, texts[1])])
    assert found.reach(0.05)[0] / error == pytest.approx(scipy_stats.t.ppf(0.975, 19), rel=0.06)
    others = unpaired_difference(
        mean_of(before), mean_of(after), rows(np.arange(150), np.arange(200, 350), (texts[0], texts[1] + 50))
    )
    assert others is not None
    assert others.reach(0.05)[0] > 1.5 * found.reach(0.05)[0]
    for one in ((texts[0], None), (None, texts[1])):
        assert (
            unpaired_difference(mean_of(before), mean_of(after), rows(np.arange(150), np.arange(200, 350), one)) is None
        )


def test_too_few_texts_are_not_compared_by_rows() -> None:
    rng, everyone, few = np.random.default_rng(2), np.arange(300), TEXTS % 6
    metrics = mean_of(drawn(rng)), mean_of(drawn(rng))
    pairs = rows(everyone, everyone, (few, few))
    assert paired_difference(*metrics, pairs) is None
    assert unpaired_difference(*metrics, pairs) is None


@pytest.mark.parametrize("few", [2, 3, 6])
def test_a_run_of_few_texts_is_not_compared_with_one_of_many(few: int) -> None:
    rng, everyone = np.random.default_rng(5), np.arange(300)
    many, own = mean_of(drawn(rng)), mean_of(drawn(rng))
    parted = pair_of(TEXTS, 100 + TEXTS % few)
    assert unpaired_difference(many, own, parted) is None
    assert unpaired_difference(own, many, pair_of(100 + TEXTS % few, TEXTS)) is None
    assert unpaired_difference(many, own, pair_of(TEXTS, 100 + TEXTS % 7)) is not None
    assert paired_difference(many, own, rows(everyone, everyone, (TEXTS, TEXTS % few))) is None


def pair_of(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> RowPairs:
    """Two runs without a common row, of these texts."""
    return rows(np.arange(len(first)), 1000 + np.arange(len(second)), (first, second))


def test_degrees_of_freedom_are_those_of_the_run_that_decides() -> None:
    rng = np.random.default_rng(6)
    few, many = np.repeat(np.arange(7), 30), 100 + np.repeat(np.arange(200), 30)
    before, after = drawn(rng, few), rng.normal(size=200)[many - 100] + rng.normal(size=len(many))
    found = unpaired_difference(mean_of(before), mean_of(after), pair_of(few, many))
    alone = unpaired_difference(mean_of(before), mean_of(before + 1), pair_of(few, few + 50))
    assert found is not None
    assert alone is not None
    ratio = found.reach(0.01)[0] / found.reach(0.05)[0]
    assert ratio > scipy_stats.t.ppf(0.995, 9) / scipy_stats.t.ppf(0.975, 9)
    assert alone.reach(0.01)[0] / alone.reach(0.05)[0] > scipy_stats.t.ppf(0.995, 13) / scipy_stats.t.ppf(0.975, 13)


def test_no_difference_between_few_and_many_texts_is_called_as_rarely_as_stated() -> None:
    rng, calls = np.random.default_rng(7), 0
    few, many = np.repeat(np.arange(7), 15), np.repeat(np.arange(50), 15)
    for _ in range(400):
        found = unpaired_difference(mean_of(drawn(rng, many)), mean_of(drawn(rng, few)), pair_of(many, 100 + few))
        assert found is not None
        calls += found.p_value() <= 0.05
    assert calls / 400 <= 0.08


@pytest.mark.parametrize("says", [0, 1])
@pytest.mark.parametrize("influence", [True, False])
def test_clusters_of_one_run_alone_test_nothing_without_pairs(says: int, influence: bool) -> None:
    rng = np.random.default_rng(8)
    metrics = []
    for clustered in (says == 0, says == 1):
        metric = mean_of(drawn(rng))
        metrics.append(
            dataclasses.replace(
                metric,
                influence=metric.influence if influence else None,
                interval=Interval(low=-9.0, high=9.0, method="bootstrap-percentile"),
                no_interval="",
                clusters=20 if clustered else None,
            )
        )
    known: Any = (TEXTS, None) if says == 0 else (None, TEXTS)
    both = np.arange(300)
    for other, texts, tested in (
        (both + 1000, known, False),
        (both, known, influence),
        (both + 1000, (None, None), True),
        (both + 1000, (TEXTS, TEXTS + 50), True),
    ):
        (change,) = compare_metrics(
            [AnalysisResult(analyzer="toy", topic="probe", metrics=(metrics[0],))],
            [AnalysisResult(analyzer="toy", topic="probe", metrics=(metrics[1],))],
            Common(rows=rows(both, other, texts), model=False, seed=True),
            level=0.95,
        )
        assert (change.verdict != "not_tested") == tested
        assert (change.reason.key if change.reason else "") == ("" if tested else "core.change_clusters_of_one_run")


def test_equal_rows_are_as_uncertain_as_texts_that_were_not_seen() -> None:
    values, everyone = drawn(np.random.default_rng(3)), np.arange(300)
    found = paired_difference(mean_of(values), mean_of(values), rows(everyone, everyone, (TEXTS, TEXTS)))
    assert found is not None
    assert found.bounds(0.95)[1] == pytest.approx(np.ptp(values) * 3.8415 / 23.8415, rel=1e-4)


def test_intervals_of_clusters_have_their_degrees_of_freedom() -> None:
    metric = Metric(name="m", value=1.0, n=300, clusters=8, interval=Interval(low=0.5, high=1.5, method="x"))
    found = independent_difference(metric, metric)
    assert found is not None
    ratio = scipy_stats.t.ppf(0.995, 7) / scipy_stats.t.ppf(0.975, 7)
    assert found.reach(0.01)[0] / found.reach(0.05)[0] == pytest.approx(ratio, rel=1e-6)


def test_keys_of_clusters_are_those_of_another_run_of_the_same_data() -> None:
    keys = cluster_keys(np.array([7, 7, 3]), FACTS)
    assert keys[0] == keys[1] != keys[2]
    assert cluster_keys(np.array([3]), FACTS)[0] == keys[2]
    assert cluster_keys(np.array([3]), dataclasses.replace(FACTS, digests={"test.csv": "1" * 64}))[0] != keys[2]


def test_clusters_of_other_rows_are_refused() -> None:
    with pytest.raises(ResultError, match="a cluster for each row"):
        rows(np.arange(3), np.arange(3), (np.arange(2), None))


def test_no_difference_is_called_as_rarely_as_stated() -> None:
    rng, everyone = np.random.default_rng(4), np.arange(300)
    calls = np.zeros(2)
    for _ in range(400):
        first, second = drawn(rng), drawn(rng)
        for place, texts in enumerate(((TEXTS, TEXTS), (None, None))):
            found = paired_difference(mean_of(first), mean_of(second), rows(everyone, everyone, texts))
            calls[place] += found is not None and found.p_value() <= 0.05
    by_text, by_row = calls / 400
    assert by_text <= 0.08
    assert by_row > 0.3

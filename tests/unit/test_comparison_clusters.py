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
from auditbench.comparison.differences import independent_difference, paired_difference, unpaired_difference
from auditbench.comparison.pairing import RowPairs, pair_rows
from auditbench.errors import ResultError
from auditbench.results import Interval, Metric
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

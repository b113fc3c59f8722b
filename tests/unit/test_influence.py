"""Influence functions: against leaving rows out, against the bootstrap, against DeLong, and what they refuse."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score, r2_score, roc_auc_score

from auditbench import statistics as stats

ROWS = 400
_rng = np.random.default_rng(7)
LABELS = (_rng.random(ROWS) < 0.4).astype(np.int64)
SCORES = np.round(1 / (1 + np.exp(-_rng.normal(1.2 * LABELS - 0.5, 1.0))), 2)  # with ties
DECISIONS = (SCORES > 0.5).astype(np.int64)
SEEN = _rng.random(ROWS) < 0.6
TARGET = _rng.normal(size=ROWS)
PREDICTED = 0.7 * TARGET + _rng.normal(scale=0.5, size=ROWS)
GROUPS = _rng.integers(0, 3, ROWS)

Statistic = Callable[[Any], float]


def _by_group(rows: Any) -> list[float]:
    return [float(TARGET[rows][GROUPS[rows] == group].mean()) for group in range(3)]


def _group_influences() -> list[Any]:
    return [stats.mean_influence(TARGET, group == GROUPS) for group in range(3)]


def _lopsided() -> Any:
    """Probabilities that are too high everywhere, so that no bin's gap is near 0."""
    return np.minimum(1.0, SCORES * 0.4 + 0.6)


def _naive_calibration_error(rows: Any) -> float:
    probability, label = _lopsided()[rows], LABELS[rows]
    place = np.minimum((probability * 10 + 1e-12).astype(int), 9)
    return sum(abs((probability - label)[place == b].sum()) for b in range(10)) / len(label)


def _farthest(rows: Any) -> float:
    return float(max(abs(mean - TARGET[rows].mean()) for mean in _by_group(rows)))


CASES: dict[str, tuple[Statistic, Callable[[], Any]]] = {
    "mean": (lambda rows: TARGET[rows].mean(), lambda: stats.mean_influence(TARGET)),
    "rate-of-some": (
        lambda rows: DECISIONS[rows][SEEN[rows]].mean(),
        lambda: stats.mean_influence(DECISIONS, SEEN),
    ),
    "f1": (
        lambda rows: f1_score(LABELS[rows], DECISIONS[rows]),
        lambda: stats.ratio_of_means_influence(2 * LABELS * DECISIONS, LABELS + DECISIONS),
    ),
    "auc": (
        lambda rows: roc_auc_score(LABELS[rows], SCORES[rows]),
        lambda: stats.auc_influence(SCORES, LABELS),
    ),
    "average-precision": (
        lambda rows: average_precision_score(LABELS[rows], SCORES[rows]),
        lambda: stats.average_precision_influence(SCORES, LABELS),
    ),
    "calibration-error": (
        _naive_calibration_error,
        lambda: stats.calibration_error_influence(_lopsided(), LABELS),
    ),
    "r2": (lambda rows: r2_score(TARGET[rows], PREDICTED[rows]), lambda: stats.r2_influence(TARGET, PREDICTED)),
    "rmse": (
        lambda rows: math.sqrt(((PREDICTED - TARGET)[rows] ** 2).mean()),
        lambda: stats.root_mean_influence((PREDICTED - TARGET) ** 2),
    ),
    "difference-of-auc": (
        lambda rows: roc_auc_score(LABELS[rows], SCORES[rows]) - roc_auc_score(LABELS[rows], PREDICTED[rows]),
        lambda: stats.combined_influence(
            [1, -1], [stats.auc_influence(SCORES, LABELS), stats.auc_influence(PREDICTED, LABELS)]
        ),
    ),
    "ratio-of-rates": (
        lambda rows: DECISIONS[rows][SEEN[rows]].mean() / DECISIONS[rows][~SEEN[rows]].mean(),
        lambda: stats.combined_influence(
            stats.ratio_derivatives(float(DECISIONS[SEEN].mean()), float(DECISIONS[~SEEN].mean())),
            [stats.mean_influence(DECISIONS, SEEN), stats.mean_influence(DECISIONS, ~SEEN)],
        ),
    ),
    "largest-difference": (
        lambda rows: max(_by_group(rows)) - min(_by_group(rows)),
        lambda: stats.combined_influence(
            stats.largest_difference_derivatives(_by_group(slice(None))), _group_influences()
        ),
    ),
    "smallest-ratio": (
        lambda rows: min(np.exp(_by_group(rows))) / max(np.exp(_by_group(rows))),
        lambda: stats.combined_influence(
            stats.smallest_ratio_derivatives(np.exp(_by_group(slice(None)))) * np.exp(_by_group(slice(None))),
            _group_influences(),
        ),
    ),
    "farthest-from-all": (
        _farthest,
        lambda: stats.combined_influence(
            stats.largest_difference_to_derivatives(_by_group(slice(None)), float(TARGET.mean())),
            [*_group_influences(), stats.mean_influence(TARGET)],
        ),
    ),
}
# Noise picks the pair in other samples: single rows leave it as it is, resamples do not.
PICKS_A_PAIR = {"largest-difference", "smallest-ratio", "farthest-from-all"}


@pytest.mark.parametrize("case", CASES)
def test_influence_is_what_leaving_a_row_out_does(case: str) -> None:
    statistic, influence = CASES[case]
    found, everything = influence(), np.arange(ROWS)
    whole = statistic(everything)
    jackknife = [(ROWS - 1) * (whole - statistic(np.delete(everything, row))) for row in range(ROWS)]
    assert abs(found.mean()) < 1e-12 * np.abs(found).max()
    np.testing.assert_allclose(found, jackknife, atol=0.03 * np.abs(found).max())


@pytest.mark.parametrize("case", sorted(set(CASES) - PICKS_A_PAIR))
def test_its_spread_is_the_standard_error_of_resampled_rows(case: str) -> None:
    statistic, influence = CASES[case]
    rng = np.random.default_rng(1)
    drawn = [statistic(rng.integers(0, ROWS, ROWS)) for _ in range(500)]
    assert influence().std(ddof=1) / math.sqrt(ROWS) == pytest.approx(np.std(drawn, ddof=1), rel=0.1)


def test_auc_has_the_standard_error_of_delong() -> None:
    """Nearly: the spread is taken over all rows at once, DeLong's within each class."""
    interval = stats.delong_interval(SCORES, LABELS, transform="none")
    influence = stats.auc_influence(SCORES, LABELS)
    assert influence is not None
    assert interval.low is not None
    assert interval.high is not None
    variance = sum(
        (influence[label == LABELS] * (label == LABELS).mean()).var(ddof=1) / (label == LABELS).sum()
        for label in (0, 1)
    )
    half = (interval.high - interval.low) / 2
    assert stats.normal_quantile(0.975) * math.sqrt(variance) == pytest.approx(half, rel=1e-12)
    assert influence.std(ddof=1) / math.sqrt(ROWS) == pytest.approx(math.sqrt(variance), rel=0.01)


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.1, 0.35, 0.5, 0.9, 1.0]), st.booleans(), st.booleans()),
        min_size=1,
        max_size=40,
    )
)
def test_rows_move_a_value_by_nothing_on_the_mean(rows: list[tuple[float, bool, bool]]) -> None:
    score, label, within = (np.array(column) for column in zip(*rows, strict=True))
    found = [
        stats.mean_influence(score, within) if within.any() else None,
        stats.ratio_of_means_influence(score * label, score) if score.any() else None,
        stats.auc_influence(score, label),
        stats.average_precision_influence(score, label),
        stats.calibration_error_influence(score, label, bins=4),
        stats.r2_influence(score, label.astype(float)) if len(set(score)) > 1 else None,
        stats.root_mean_influence(score),
    ]
    for influence in found:
        if influence is not None:
            assert influence.shape == (len(rows),)
            assert abs(influence.mean()) <= 1e-12 * max(1.0, np.abs(influence).max())


def test_rows_that_play_no_part_have_no_influence() -> None:
    influence = stats.mean_influence(TARGET, SEEN)
    assert not influence[~SEEN].any()
    np.testing.assert_allclose(influence[SEEN], (TARGET[SEEN] - TARGET[SEEN].mean()) / SEEN.mean())


def test_equal_groups_are_a_pair_of_two() -> None:
    np.testing.assert_array_equal(stats.largest_difference_derivatives([0.5, 0.5, 0.5]), [1, 0, -1])
    np.testing.assert_allclose(stats.smallest_ratio_derivatives([0.5, 0.5]), [-2, 2])


def test_a_calibrated_model_has_no_influence_on_its_calibration_error() -> None:
    """Noise alone makes its error, and would look like a steady gap."""
    rng = np.random.default_rng(0)
    probability = rng.random(2000)
    happened = rng.random(2000) < probability
    assert stats.calibration_error_influence(probability, happened) is None
    assert stats.calibration_error_influence(probability, rng.random(2000) < 0.5 * probability**2) is not None
    assert stats.calibration_error_influence([], []) is None


def test_a_class_of_one_row_and_a_root_of_nothing_have_no_influence() -> None:
    assert stats.auc_influence([0.1, 0.2, 0.3], [0, 0, 1]) is None
    assert stats.average_precision_influence([0.1, 0.2], [0, 0]) is None
    assert stats.root_mean_influence([0.0, 0.0]) is None


@pytest.mark.parametrize(
    ("influence", "kept"),
    [(1.0, True), (0.0, True), (1e-29, True), (1e-31, False), (1e39, False)],
)
def test_what_float32_would_lose_is_not_stored(influence: float, kept: bool) -> None:
    stored = stats.stored_influence(np.array([influence, -influence]))
    assert (stored is not None) is kept
    if stored is not None:
        assert stored.dtype == np.float32
    assert stats.stored_influence(None) is None


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: stats.mean_influence([]), "of one shape"),
        (lambda: stats.mean_influence([1.0, math.nan]), "finite"),
        (lambda: stats.mean_influence([1.0, 2.0], [True]), "2 booleans"),
        (lambda: stats.mean_influence([1.0, 2.0], [0, 1]), "booleans"),
        (lambda: stats.mean_influence([1.0, 2.0], [False, False]), "not 0"),
        (lambda: stats.ratio_of_means_influence([1.0], [1.0, 2.0]), "of one shape"),
        (lambda: stats.combined_influence([1.0], []), "as many"),
        (lambda: stats.combined_influence([1.0, 1.0], [[1.0], [1.0, 2.0]]), "one shape"),
        (lambda: stats.ratio_derivatives(1.0, 0.0), "other than 0"),
        (lambda: stats.largest_difference_derivatives([1.0]), "two groups"),
        (lambda: stats.smallest_ratio_derivatives([0.0, 0.0]), "other than 0"),
        (lambda: stats.largest_difference_to_derivatives([], 1.0), "one group"),
        (lambda: stats.r2_influence([1.0, 1.0], [1.0, 2.0]), "not 0"),
        (lambda: stats.r2_influence([1.0], [1.0, 2.0]), "one shape"),
        (lambda: stats.root_mean_influence([-1.0]), "at least 0"),
        (lambda: stats.auc_influence([0.5], [2]), "0 and 1"),
    ],
)
def test_bad_arguments_are_named(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()

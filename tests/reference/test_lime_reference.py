"""LIME for all rows at once against the lime library, against ridge regression written out, and its invariances."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lime.lime_base import LimeBase
from scipy import stats
from torch import nn

from auditbench_lime import LimeWeights, fitting, library_weights, lime_weights, shared_fitting, table_fitting
from auditbench_lime.bins import training_bins
from auditbench_lime.fitting import LocalFits, fit_locally
from auditbench_lime.sampling import ATOMS, Perturbations

Numbers = npt.NDArray[np.float64]

CATEGORIES = [3]
BOTH = pytest.mark.parametrize("independent", [False, True])


def training_table(rows: int = 400) -> Numbers:
    """A normal, a skewed and a coarse number with ties on its quartiles, and a category of uneven shares."""
    rng = np.random.default_rng(11)
    return np.column_stack(
        [
            rng.normal(3, 2, rows),
            rng.exponential(1, rows) ** 2,
            rng.integers(0, 3, rows),
            rng.choice([0, 2, 5], rows, p=[0.7, 0.25, 0.05]),
        ]
    )


def curved(table: Numbers) -> Numbers:
    """Two outputs with interactions and bends within bins."""
    x = (table - 1) / 3
    return np.column_stack([np.sin(x[:, 0] * x[:, 1]) + x[:, 2] * x[:, 3], np.tanh(x.sum(axis=1)) + 0.3 * x[:, 0]])


def seen_by(explain: Callable[..., LimeWeights], rows: Numbers, training: Numbers, **options: Any) -> list[Numbers]:
    """Every array of rows that the model is asked for."""
    seen: list[Numbers] = []

    def predict(table: Numbers) -> Numbers:
        seen.append(table.copy())
        return curved(table)

    explain(predict, rows, training, categorical_features=CATEGORIES, **options)
    return seen


def naive_ridge(same: Numbers, outputs: Numbers, width: float) -> tuple[Numbers, float, float]:
    """Coefficients, intercept and R squared, from the definition with an explicit column of ones.

    The row's own output, the first, is taken off and put back, so that a small spread around it is not rounded away.
    """
    own, outputs = outputs[0], outputs - outputs[0]
    weight = np.sqrt(np.exp(-((1 - same).sum(axis=1)) / width**2))
    design = np.column_stack([same, np.ones(len(same))])
    penalty = np.diag([1.0] * same.shape[1] + [0.0])
    found = np.linalg.solve(design.T @ (weight[:, None] * design) + penalty, design.T @ (weight * outputs))
    centred = outputs - np.average(outputs, weights=weight)
    r2 = 1 - (weight * (outputs - design @ found) ** 2).sum() / (weight * centred**2).sum()
    return found[:-1], float(found[-1] + own), float(r2)


def same_as(bins: Any, row: Numbers, perturbed: Numbers) -> Numbers:
    """1 where a perturbed row is in the row's bin or category."""
    return (bins.of(perturbed) == bins.of(row[None])).astype(float)


@pytest.mark.parametrize("independent", [False, True])
def test_perturbed_rows_have_the_librarys_law(independent: bool) -> None:
    training = training_table()
    row, bins = training[:1], training_bins(training, CATEGORIES)
    theirs = np.concatenate(seen_by(library_weights, row, training, num_samples=20_000)[1:])
    ours = np.concatenate(
        seen_by(partial(lime_weights, independent=independent), row, training, num_samples=20_000)[1:]
    )
    np.testing.assert_array_equal(theirs[0], row[0])
    assert (len(theirs), len(ours)) == (20_000, 19_999)
    for feature in range(4):
        counts = np.stack([np.bincount(bins.of(table)[:, feature], minlength=4) for table in (theirs[1:], ours)])
        assert stats.chi2_contingency(counts[:, counts.sum(axis=0) > 0]).pvalue > 0.01
    for feature in (0, 1):
        for inside in range(4):
            each = [table[bins.of(table)[:, feature] == inside, feature] for table in (theirs[1:], ours)]
            assert stats.ks_2samp(*each).pvalue > 0.005
    assert set(ours[:, 3]) == {0.0, 2.0, 5.0}
    pairs = np.corrcoef(ours.T) - np.eye(4)
    assert np.abs(pairs).max() < 0.03  # 4 standard deviations of uncorrelated draws


def test_rare_bins_are_drawn_with_their_share_over_tables() -> None:
    """A table has few or no values of a rare category; over tables its share is exact."""
    training = np.zeros((20_000, 1))
    training[:3] = 1.0  # 0.6 expected values of a table
    bins = training_bins(training, [0])
    counts = []
    for seed in range(300):
        perturbations = Perturbations(
            bins, np.random.default_rng(seed), device=torch.device("cpu"), dtype=torch.float64
        )
        low, count = perturbations.ranges(np.zeros(1, np.int64), np.ones(1, np.int64))
        assert int(low) + int(count) == ATOMS
        counts.append(int(count))
    expected = 3 / 20_000 * ATOMS
    assert np.mean(counts) == pytest.approx(expected, abs=4 * np.std(counts) / np.sqrt(300))


def ridge_problem(samples: int = 700, players: int = 6, targets: int = 2) -> tuple[Numbers, Numbers, Numbers]:
    """0/1 samples with the row itself first, outputs, and what lime takes as distances."""
    rng = np.random.default_rng(5)
    same = (rng.random((samples, players)) < 0.3).astype(float)
    same[0] = 1
    outputs = (
        rng.normal(size=(samples, targets)) + same @ rng.normal(size=(players, targets)) + same[:, :1] * same[:, 1:2]
    )
    return same, outputs, np.sqrt((1 - same).sum(axis=1))


@pytest.mark.parametrize("way", ["double", "single", "iterated", "directly"])
def test_fits_of_given_samples_equal_the_librarys(way: str) -> None:
    same, outputs, distances = ridge_problem()
    width = 0.75 * np.sqrt(6)
    base = LimeBase(lambda d: np.sqrt(np.exp(-(d**2) / width**2)), random_state=0)
    dtype = torch.float64 if way == "double" else torch.float32
    columns = torch.from_numpy(np.column_stack([same, np.ones(len(same))]).T).to(dtype).contiguous()
    y = torch.from_numpy(outputs.T.copy()).unsqueeze(0)
    if way in ("double", "single"):
        weights = torch.from_numpy(np.sqrt(np.exp(-(distances**2) / width**2)))
        found = fit_locally(columns[:-1].unsqueeze(0), weights.unsqueeze(0), y)
    else:
        own = torch.arange(6).unsqueeze(0)
        found = (
            shared_fitting.fit_shared(shared_fitting.shared_samples(columns), own, y.float(), width)[0]
            if way == "iterated"
            else shared_fitting.fit_directly(columns, own, y, width)
        )
    tolerance = 1e-10 if way in ("double", "directly") else 1e-5
    for target in range(2):
        intercept, weights_of, r2, _ = base.explain_instance_with_data(
            same, outputs, distances, target, 6, feature_selection="none"
        )
        expected = [weight for _, weight in sorted(weights_of)]
        np.testing.assert_allclose(found.coefficients[0, target], expected, atol=tolerance)
        assert float(found.intercept[0, target]) == pytest.approx(intercept, abs=tolerance)
        assert float(found.r2[0, target]) == pytest.approx(r2, abs=tolerance)


@BOTH
@pytest.mark.parametrize("width", [None, 0.4, 20.0])
def test_weights_equal_a_ridge_regression_written_out(independent: bool, width: float | None) -> None:
    """On the rows that the model was asked for, with bins found again from their values."""
    training = training_table()
    rows, seen = training[:5], []

    def predict(table: Numbers) -> Numbers:
        seen.append(table.copy())
        return curved(table)

    found = lime_weights(
        predict,
        rows,
        training,
        num_samples=900,
        independent=independent,
        kernel_width=width,
        categorical_features=CATEGORIES,
    )
    perturbed = np.concatenate(seen[1:])
    bins = training_bins(training, CATEGORIES)
    assert found.model_rows == sum(map(len, seen)) == (5 * 900 if independent else 5 + 899)
    for index, row in enumerate(rows):
        own = perturbed[index * 899 : (index + 1) * 899] if independent else perturbed
        samples = np.concatenate([row[None], own])
        for target in range(2):
            weights, intercept, r2 = naive_ridge(
                same_as(bins, row, samples), curved(samples)[:, target], width or 0.75 * np.sqrt(4)
            )
            np.testing.assert_allclose(found.values[index, target], weights, atol=1e-4)
            assert found.intercept[index, target] == pytest.approx(intercept, abs=1e-4)
            assert found.r2[index, target] == pytest.approx(r2, abs=1e-4)


@BOTH
@pytest.mark.parametrize("steep", [1.0, 4.0])
@pytest.mark.parametrize("width", [0.2, 0.3, 0.7, 1.5])
def test_narrow_kernels_and_heavy_tails_are_not_rounded_away(independent: bool, width: float, steep: float) -> None:
    """The output spreads over many powers of ten, and little of it near a row."""
    rng = np.random.default_rng(1)
    training, rows, slopes = rng.normal(size=(300, 6)), rng.normal(size=(4, 6)), rng.normal(size=6)
    seen: list[Numbers] = []

    def predict(table: Numbers) -> Numbers:
        seen.append(table.copy())
        return np.exp(steep * (table @ slopes))

    found = lime_weights(predict, rows, training, num_samples=2000, independent=independent, kernel_width=width)
    perturbed, bins = np.concatenate(seen[1:]), training_bins(training, [])
    for index, row in enumerate(rows):
        own = perturbed[index * 1999 : (index + 1) * 1999] if independent else perturbed
        samples = np.concatenate([row[None], own])
        same = same_as(bins, row, samples)
        weights, intercept, r2 = naive_ridge(same, np.exp(steep * (samples @ slopes)), width)
        np.testing.assert_allclose(found.values[index, 0], weights, atol=2e-4 * np.abs(weights).max())
        assert found.intercept[index, 0] == pytest.approx(intercept, rel=2e-4)
        assert found.r2[index, 0] == pytest.approx(r2, abs=1e-4)
        weight = np.exp(-(1 - same).sum(axis=1) / (2 * width**2))
        expected = weight.sum() ** 2 / (weight**2).sum()
        assert found.effective_samples[index] == pytest.approx(expected, rel=1e-5)


@BOTH
def test_a_spread_that_is_small_beside_that_far_away_is_not_rounded_away(independent: bool) -> None:
    """Many samples count, and those with outputs of another size do not."""
    rng = np.random.default_rng(1)
    training = rng.normal(size=(300, 3))
    row, bins = training[:1], training_bins(training, [])
    seen: list[Numbers] = []

    def predict(table: Numbers) -> Numbers:
        seen.append(table.copy())
        far = (bins.of(table) != bins.of(row)).all(axis=1)
        return np.sin(table.sum(axis=1)) + 1e5 * far

    found = lime_weights(predict, row, training, num_samples=3000, independent=independent, kernel_width=0.2)
    samples = np.concatenate([row, *seen[1:]])
    weights, intercept, r2 = naive_ridge(same_as(bins, row[0], samples), predict(samples), 0.2)
    assert found.effective_samples[0] > 20
    np.testing.assert_allclose(found.values[0, 0], weights, atol=1e-3 * np.abs(weights).max())
    assert found.intercept[0, 0] == pytest.approx(intercept, rel=1e-5)
    assert found.r2[0, 0] == pytest.approx(r2, abs=1e-5)


@BOTH
@pytest.mark.parametrize("own", [1e20, 1e43, 1e170])
def test_outputs_that_float32_cannot_hold(independent: bool, own: float) -> None:
    training = training_table()
    row = training[:1]

    def predict(table: Numbers) -> Numbers:
        return np.where((table == row).all(axis=1), own, np.sin(table[:, 0]))

    found = lime_weights(predict, training[:3], training, num_samples=300, independent=independent)
    bare = lime_weights(
        lambda table: np.sin(table[:, 0]), training[:3], training, num_samples=300, independent=independent
    )
    np.testing.assert_allclose(found.values[1:], bare.values[1:], atol=1e-5)
    assert 0 < found.r2[0, 0] < 1
    assert np.abs(found.values[0]).max() == pytest.approx(own * np.abs(found.values[0] / own).max())
    assert 1e-3 < np.abs(found.values[0] / own).max() < 1


@pytest.mark.parametrize("explain", [lime_weights, partial(lime_weights, independent=True), library_weights])
def test_fidelity_is_undefined_only_where_outputs_are_equal(explain: Callable[..., LimeWeights]) -> None:
    """A kernel so narrow that all samples but the row itself have weight 0 leaves a constant, which explains nothing."""
    training = np.random.default_rng(0).normal(size=(50, 12))
    found = explain(
        lambda table: np.column_stack([table[:, 0], np.ones(len(table))]),
        training[:2],
        training,
        num_samples=50,
        kernel_width=1e-3,
    )
    np.testing.assert_array_equal(found.r2, [[0.0, np.nan]] * 2)
    np.testing.assert_array_equal(found.effective_samples, [1.0, 1.0])
    assert (found.values == 0).all()


def test_effective_samples_of_the_library_are_those_of_its_kernel() -> None:
    training = training_table()
    options = {"num_samples": 4000, "categorical_features": CATEGORIES, "kernel_width": 0.8}
    ours, theirs = (
        explain(curved, training[:3], training, **options).effective_samples
        for explain in (lime_weights, library_weights)
    )
    np.testing.assert_allclose(ours, theirs, rtol=0.1)
    assert (ours < 2500).all()


def test_blocks_of_samples_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    training = training_table()
    for independent in (False, True):
        whole = lime_weights(curved, training[:3], training, num_samples=1000, independent=independent)
        with monkeypatch.context() as patch:
            patch.setattr(fitting, "BLOCK_SAMPLES", 64)
            parts = lime_weights(curved, training[:3], training, num_samples=1000, independent=independent)
        for name in ("values", "intercept", "r2", "effective_samples"):
            np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), rtol=1e-4, atol=1e-5)


def test_many_samples_are_summed_as_exactly_as_few() -> None:
    numbers = torch.rand((1, 1, 1 << 22), generator=torch.Generator().manual_seed(0))
    for found in (fitting.dots(numbers, numbers), fitting.products(numbers, numbers)):
        assert float(found.squeeze()) == pytest.approx(float(numbers.double().square().sum()), rel=3e-7)


@BOTH
def test_means_and_spreads_over_seeds_are_the_librarys(independent: bool) -> None:
    training = training_table()
    rows, seeds = training[:3], 40
    options = {"num_samples": 300, "categorical_features": CATEGORIES}
    ours = np.stack(
        [
            lime_weights(
                curved, rows, training, independent=independent, rng=np.random.default_rng(seed), **options
            ).values
            for seed in range(seeds)
        ]
    )
    theirs = np.stack(
        [
            library_weights(curved, rows, training, rng=np.random.default_rng(1000 + seed), **options).values
            for seed in range(seeds)
        ]
    )
    noise = np.sqrt((ours.var(axis=0, ddof=1) + theirs.var(axis=0, ddof=1)) / seeds)
    gaps = (ours.mean(axis=0) - theirs.mean(axis=0)) / noise
    assert np.abs(gaps).max() < 4
    assert (gaps**2).mean() < 2
    assert np.abs(np.log(ours.var(axis=0).sum() / theirs.var(axis=0).sum())) < np.log(1.5)


def test_shared_samples_share_noise_between_equal_rows_and_independent_ones_do_not() -> None:
    training = training_table()
    twice = np.repeat(training[:1], 2, axis=0)
    options = {"num_samples": 200, "categorical_features": CATEGORIES}
    shared = lime_weights(curved, twice, training, **options).values
    own = lime_weights(curved, twice, training, independent=True, **options).values
    np.testing.assert_allclose(shared[0], shared[1], atol=1e-6)
    assert (np.abs(own[0] - own[1]) > 1e-4).all()


def features_and_rows() -> Any:
    return st.tuples(st.integers(1, 7), st.integers(1, 6), st.integers(0, 2**31))


def random_problem(features: int, count: int, seed: int) -> tuple[Numbers, Numbers, Callable[[Numbers], Numbers]]:
    rng = np.random.default_rng(seed)
    training = rng.normal(size=(60, features)).round(1)
    slopes = rng.normal(size=(features, 2))

    def predict(table: Numbers) -> Numbers:
        return np.tanh(table @ slopes) * table[:, :1] + table @ slopes[:, ::-1]

    return training, rng.normal(size=(count, features)).round(1) * 1.2, predict


@settings(max_examples=25, deadline=None)
@given(features_and_rows())
def test_shared_weights_go_with_their_rows(problem: tuple[int, int, int]) -> None:
    training, rows, predict = random_problem(*problem)
    order = np.random.default_rng(0).permutation(len(rows))
    straight = lime_weights(predict, rows, training, num_samples=120)
    mixed = lime_weights(predict, rows[order], training, num_samples=120)
    for name in ("values", "intercept", "r2", "unseen"):
        np.testing.assert_allclose(getattr(straight, name)[order], getattr(mixed, name), atol=3e-4)


@BOTH
@settings(max_examples=20, deadline=None)
@given(features_and_rows(), st.floats(-5, 5), st.floats(0.1, 8))
def test_weights_are_linear_in_the_output(
    independent: bool, problem: tuple[int, int, int], shift: float, factor: float
) -> None:
    training, rows, predict = random_problem(*problem)
    explain = partial(lime_weights, rows=rows, training_rows=training, num_samples=120, independent=independent)
    plain = explain(predict)
    moved = explain(lambda table: shift + factor * predict(table))
    added = explain(lambda table: predict(table)[:, :1] + predict(table)[:, 1:])
    scale = np.abs(plain.values).max() + 1
    np.testing.assert_allclose(moved.values, factor * plain.values, atol=3e-4 * scale * factor)
    np.testing.assert_allclose(moved.intercept, shift + factor * plain.intercept, atol=3e-4 * scale * (1 + factor))
    np.testing.assert_allclose(moved.r2, plain.r2, atol=3e-4)
    np.testing.assert_allclose(added.values[:, 0], plain.values.sum(axis=1), atol=3e-4 * scale)


@BOTH
@pytest.mark.parametrize("constant", [0.0, 0.1, -1e6])
def test_a_constant_output_has_no_fidelity_and_no_weights(independent: bool, constant: float) -> None:
    training = training_table()
    found = lime_weights(
        lambda table: np.full(len(table), constant), training[:4], training, num_samples=100, independent=independent
    )
    assert (found.values == 0).all()
    assert (found.intercept == constant).all()
    assert np.isnan(found.r2).all()


@BOTH
def test_what_no_training_row_has_rests_on_the_row_alone(independent: bool) -> None:
    training = training_table()
    row = training[:1].copy()
    row[0, 3] = 4.0  # a category that no training row has
    found = lime_weights(
        lambda table: table[:, :1] * 0 + (table[:, 3:] == 4),
        row,
        training,
        num_samples=400,
        independent=independent,
        categorical_features=CATEGORIES,
    )
    np.testing.assert_array_equal(found.unseen, [[False, False, False, True]])
    # One sample of weight 1 apart from the others, against a penalty of 1, shrinks the weight to about a half.
    assert found.values[0, 0, 3] == pytest.approx(0.5, abs=0.01)


def network(features: int, outputs: int = 1) -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(features, 16), nn.ReLU(), nn.Linear(16, outputs)).eval()


@pytest.mark.parametrize(("width", "again"), [(1.0, 9), (None, 0)])
def test_rows_that_iteration_does_not_solve_are_fitted_directly(
    monkeypatch: pytest.MonkeyPatch, width: float | None, again: int
) -> None:
    rng = np.random.default_rng(4)
    training, rows = rng.normal(size=(200, 12)), rng.normal(size=(9, 12))
    asked: list[int] = []
    directly = table_fitting.fit_directly

    def noted(columns: torch.Tensor, own: torch.Tensor, *rest: Any) -> LocalFits:
        asked.append(len(own))
        return directly(columns, own, *rest)

    found = []
    monkeypatch.setattr(table_fitting, "fit_directly", noted)
    for cheaper in (False, True):
        monkeypatch.setattr(table_fitting, "cheaper_directly", lambda *sizes, answer=cheaper: answer)
        found.append(lime_weights(network(12), rows, training, num_samples=1500, kernel_width=width))
    assert sum(asked) == again + 9
    for name in ("values", "intercept", "r2"):
        np.testing.assert_allclose(getattr(found[0], name), getattr(found[1], name), atol=1e-4)


def test_after_a_block_that_iteration_does_not_solve_it_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    training, rows = rng.normal(size=(200, 12)), rng.normal(size=(9, 12))
    whole = lime_weights(network(12), rows, training, num_samples=500, kernel_width=1.0)
    monkeypatch.setitem(table_fitting._BLOCK_NUMBERS, "cpu", 2 * 500 * 3)  # two rows
    tried: list[int] = []
    shared = table_fitting.fit_shared

    def noted(samples: Any, own: torch.Tensor, *rest: Any) -> Any:
        tried.append(len(own))
        return shared(samples, own, *rest)

    monkeypatch.setattr(table_fitting, "fit_shared", noted)
    for width, expected in ((1.0, [2]), (None, [2, 2, 2, 2, 1])):
        tried.clear()
        found = lime_weights(network(12), rows, training, num_samples=500, kernel_width=width)
        assert tried == expected
        if width is not None:
            np.testing.assert_allclose(found.values, whole.values, atol=1e-9)


def test_a_category_without_a_perturbed_row_is_unseen() -> None:
    training = np.zeros((40_000, 2))
    training[:, 1] = np.random.default_rng(0).normal(size=40_000)
    training[0, 0] = 1.0
    unseen, weights = [], []
    for seed in range(40):
        found = lime_weights(
            lambda table: table[:, :1],
            np.asarray([[1.0, 0.0]]),
            training,
            num_samples=40,
            categorical_features=[0],
            rng=np.random.default_rng(seed),
        )
        unseen.append(bool(found.unseen[0, 0]))
        weights.append(found.values[0, 0, 0])
    assert 0.75 < np.mean(unseen) < 1  # 1 - 4,096 / 40,000 expected
    np.testing.assert_allclose(np.asarray(weights)[unseen], weights[unseen.index(True)], rtol=0.1)

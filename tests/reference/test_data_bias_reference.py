"""Shares, base rates, tests, associations and proxies against other libraries, naive loops and simulation."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.stats.contingency import association, crosstab

from auditbench.data import FeatureSpec, Rows, TableInput, TextInput
from auditbench.results import AnalysisResult, Metric
from auditbench.statistics import clusters_of
from auditbench.testing import given_outputs_subject, toy_context, toy_subject
from auditbench_data_bias.analysis import analyze
from auditbench_data_bias.association import banded, counted, cramers_v
from auditbench_data_bias.held_out import auc_interval, held_out_scores
from auditbench_data_bias.params import Params
from auditbench_data_bias.population import goodness_of_fit
from auditbench_data_bias.telling_inputs import TellingInput, telling_input
from tests.german_credit import german_credit


def result_of(subject: Any, **params: Any) -> AnalysisResult:
    found = Params(**params)
    return analyze(toy_context(subject, analyzer="data-bias", params=found), found)


def metrics(result: AnalysisResult, name: str) -> dict[tuple[str, ...], Metric]:
    return {tuple(metric.where.values()): metric for metric in result.metrics if metric.name == name}


@pytest.fixture(scope="module")
def german() -> tuple[pd.DataFrame, AnalysisResult]:
    frame = german_credit()
    groups = {name: frame[name].to_numpy() for name in ("sex", "age_band", "foreign_worker")}
    subject = given_outputs_subject(
        frame["amount"] / frame["amount"].max(), frame["outcome"] == "good", sensitive_features=groups
    )
    return frame, result_of(subject, population={"sex": {"female": 0.5, "male": 0.5}})


def test_shares_and_base_rates_of_german_credit_are_those_of_pandas(german: Any) -> None:
    frame, result = german
    good = frame["outcome"] == "good"
    shares, rates = metrics(result, "share"), metrics(result, "base_rate")
    for features in (["sex"], ["age_band"], ["foreign_worker"], ["sex", "age_band"], ["sex", "foreign_worker"]):
        sizes = frame.groupby(features).size()
        means = good.groupby([frame[name] for name in features]).mean()
        for group, n in sizes.items():
            where = " & ".join(features), " & ".join(group if isinstance(group, tuple) else (group,))
            if n >= 10:
                exact = stats.binomtest(int(n), 1000).proportion_ci(method="wilson")
                assert shares[where].value == pytest.approx(n / 1000)
                assert shares[where].interval is not None
                assert (shares[where].interval.low, shares[where].interval.high) == pytest.approx(tuple(exact))
            if n >= 30:
                exact = stats.binomtest(round(means[group] * n), int(n)).proportion_ci(method="wilson")
                assert rates[where].value == pytest.approx(means[group])
                assert (rates[where].interval.low, rates[where].interval.high) == pytest.approx(tuple(exact))
    gap = metrics(result, "base_rate_difference")["age_band",]
    bands = good.groupby(frame["age_band"]).mean()
    assert gap.value == pytest.approx(bands.max() - bands.min())


def test_base_rates_of_german_credit_are_those_of_aif360(german: Any) -> None:
    datasets = pytest.importorskip("aif360.datasets")
    aif360_metrics = pytest.importorskip("aif360.metrics")
    frame, result = german
    table = pd.DataFrame({"sex": (frame["sex"] == "male") * 1.0, "good": (frame["outcome"] == "good") * 1.0})
    data = datasets.BinaryLabelDataset(df=table, label_names=["good"], protected_attribute_names=["sex"])
    theirs = aif360_metrics.BinaryLabelDatasetMetric(
        data, privileged_groups=[{"sex": 1.0}], unprivileged_groups=[{"sex": 0.0}]
    )
    rates = metrics(result, "base_rate")
    assert rates["sex", "male"].value == pytest.approx(theirs.base_rate(privileged=True))
    assert rates["sex", "female"].value == pytest.approx(theirs.base_rate(privileged=False))
    gap = metrics(result, "base_rate_difference")["sex",].value
    assert gap == pytest.approx(abs(theirs.mean_difference()))


def test_the_test_against_a_population_is_that_of_scipy(german: Any) -> None:
    _, result = german
    theirs = stats.chisquare([310, 690], [500, 500])
    (found,) = (table for table in result.tables if table.name == "population")
    evaluated, training = found.rows
    assert evaluated[5:7] == pytest.approx((theirs.statistic, theirs.pvalue))
    assert evaluated[7] == pytest.approx(theirs.pvalue)  # of two equal p-values each is adjusted to itself
    assert training[5] == evaluated[5]
    three = goodness_of_fit(np.asarray([30, 50, 20]), np.asarray([0.2, 0.5, 0.3]), np.random.default_rng(0))
    assert three[:2] == pytest.approx(tuple(stats.chisquare([30, 50, 20], [20, 50, 30])))


@pytest.mark.parametrize(("groups", "comparisons"), [(2, 1), (4, 4)])
def test_ratios_to_a_population_have_wilsons_interval_for_all_groups_at_once(groups: int, comparisons: int) -> None:
    names = [f"g{index}" for index in range(groups)]
    sizes = [20 * (index + 1) for index in range(groups)]
    n, shares = sum(sizes), dict.fromkeys(names, 1 / groups)
    subject = given_outputs_subject(
        np.linspace(0.1, 0.9, n), np.arange(n) % 2, sensitive_features={"g": np.repeat(names, sizes)}
    )
    found = metrics(result_of(subject, population={"g": shares}), "representation_ratio")
    for name, size in zip(names, sizes, strict=True):
        exact = stats.binomtest(size, n).proportion_ci(0.95 ** (1 / comparisons), method="wilson")
        metric = found["g", name]
        assert metric.value == pytest.approx(size / n * groups)
        assert metric.interval is not None
        assert (metric.interval.low, metric.interval.high) == pytest.approx((exact.low * groups, exact.high * groups))


def test_drawn_tables_give_the_exact_p_value() -> None:
    """All tables of 6 rows in three groups, those with at least the observed statistic added up."""
    shares, counts, n = np.asarray([0.2, 0.3, 0.5]), np.asarray([3, 2, 1]), 6
    every = [np.asarray((a, b, n - a - b)) for a in range(n + 1) for b in range(n + 1 - a)]

    def statistic(table: np.ndarray) -> float:
        return float(np.sum((table - n * shares) ** 2 / (n * shares)))

    extreme = [table for table in every if statistic(table) >= statistic(counts) - 1e-9]
    expected = sum(stats.multinomial.pmf(table, n, shares) for table in extreme)
    _, p_value, exact = goodness_of_fit(counts, shares, np.random.default_rng(0))
    assert exact
    assert p_value == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / 9999))


def bergsma(groups: np.ndarray, values: np.ndarray) -> float:
    """Bergsma's corrected V as his paper has it, from the uncorrected one of scipy."""
    table = crosstab(groups, values).count
    n, (r, c) = table.sum(), table.shape
    phi = association(table, method="cramer") ** 2 * min(r - 1, c - 1)
    corrected = max(0.0, phi - (r - 1) * (c - 1) / (n - 1))
    sides = r - (r - 1) ** 2 / (n - 1), c - (c - 1) ** 2 / (n - 1)
    return math.sqrt(corrected / min(side - 1 for side in sides))


@pytest.mark.parametrize(("rows", "columns", "strength"), [(2, 2, 0.0), (2, 5, 0.5), (4, 3, 0.2), (5, 8, 0.9)])
def test_associations_are_bergsmas(rows: int, columns: int, strength: float) -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(0, rows, 400)
    values = np.where(rng.random(400) < strength, groups % columns, rng.integers(0, columns, 400))
    found = cramers_v(counted(groups, values))
    assert found.value == pytest.approx(bergsma(groups, values))
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= found.value <= found.high <= 1  # type: ignore[operator]


def test_bounds_of_an_association_are_those_noncentralities() -> None:
    rng = np.random.default_rng(1)
    groups = rng.integers(0, 3, 500)
    values = np.where(rng.random(500) < 0.4, groups, rng.integers(0, 4, 500))
    table = counted(groups, values)
    found, n = cramers_v(table), 500
    statistic = stats.chi2_contingency(table).statistic
    most = min(side - (side - 1) ** 2 / (n - 1) - 1 for side in (3, 4))
    for bound, probability in ((found.low, 0.975), (found.high, 0.025)):
        assert bound is not None
        assert stats.ncx2.cdf(statistic, 6, bound**2 * n * most) == pytest.approx(probability, abs=1e-6)


def test_values_that_tell_everything_or_nothing() -> None:
    groups = np.repeat([0, 1, 2], 50)
    assert cramers_v(counted(groups, groups)).value == pytest.approx(1.0)
    assert cramers_v(counted(groups, np.zeros(150, dtype=np.int64))).value is None
    balanced = cramers_v(counted(np.repeat([0, 1], 60), np.tile([0, 1, 2], 40)))
    assert (balanced.value, balanced.low) == (0.0, 0.0)
    assert cramers_v(counted(groups, groups), independent=False).low is None


def test_numbers_become_bands_between_deciles() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=1000)
    values[:30] = np.nan
    bands = banded(values)
    expected = pd.qcut(pd.Series(values), 10, labels=False)
    assert bands[30:].tolist() == expected[30:].astype(int).tolist()
    assert set(bands[:30].tolist()) == {10}
    assert len(np.unique(banded(np.repeat([1.0, 2.0], 50)))) == 2
    assert np.unique(banded(np.full(5, np.nan))).size == 1


@pytest.mark.parametrize("draws", [60, pytest.param(500, marks=pytest.mark.nightly)])
def test_intervals_of_associations_cover_the_true_one(draws: int) -> None:
    """Of a table of known probabilities, whose V follows from them."""
    probabilities = np.asarray([[0.25, 0.15, 0.1], [0.1, 0.15, 0.25]])
    outer = np.outer(probabilities.sum(axis=1), probabilities.sum(axis=0))
    truth = math.sqrt(((probabilities - outer) ** 2 / outer).sum())
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(draws):
        table = rng.multinomial(400, probabilities.ravel()).reshape(2, 3)
        found = cramers_v(table)
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= truth <= found.high
    low, high = stats.binom.interval(0.999, draws, 0.95)
    assert low <= covered <= high


def telling_of(matrix: np.ndarray, categories: list[bool] | None = None) -> TellingInput:
    names = tuple(f"c{index}" for index in range(matrix.shape[1]))
    marks = np.zeros(len(names), dtype=bool) if categories is None else np.asarray(categories)
    return TellingInput(name="features", matrix=matrix, names=names, categories=marks)


@pytest.mark.parametrize("draws", [40, pytest.param(500, marks=pytest.mark.nightly)])
def test_intervals_of_inputs_that_say_nothing_hold_chance(draws: int) -> None:
    rng = np.random.default_rng(0)
    covered, areas = 0, []
    for draw in range(draws):
        matrix, classes = rng.normal(size=(300, 3)), rng.integers(0, 2, 300)
        held, scores = held_out_scores(telling_of(matrix), classes, None, draw)
        found = auc_interval(scores[:, 1], classes[held] == 1, None, level=0.95)
        assert found.estimate is not None
        areas.append(found.estimate)
        covered += found.low <= 0.5 <= found.high  # type: ignore[operator]
    low, high = stats.binom.interval(0.999, draws, 0.95)
    assert low <= covered <= high
    assert np.mean(areas) == pytest.approx(0.5, abs=4 * np.std(areas) / math.sqrt(draws))


def test_halves_are_apart_and_hold_the_classes_in_equal_shares() -> None:
    rng = np.random.default_rng(0)
    classes = np.repeat([0, 1, 2], [100, 60, 40])[rng.permutation(200)]
    held, scores = held_out_scores(telling_of(rng.normal(size=(200, 2))), classes, None, 0)
    assert len(held) == len(np.unique(held)) == 100
    assert np.bincount(classes[held]).tolist() == [50, 30, 20]
    assert scores.sum(axis=1) == pytest.approx(1.0)


def test_clusters_are_scored_by_models_that_have_not_seen_them() -> None:
    """A column that names the cluster tells its group to whoever has seen a row of it, and nothing to others."""
    rng = np.random.default_rng(0)
    ids = np.repeat(np.arange(60), 40)
    classes = rng.integers(0, 2, 60)[ids]
    telling = telling_of(rng.permutation(60).astype(float)[ids][:, np.newaxis], [True])
    held, mixed = held_out_scores(telling, classes, None, 0)
    seen = auc_interval(mixed[:, 1], classes[held] == 1, None, level=0.95).estimate
    assert seen is not None
    assert seen > 0.95
    held, apart = held_out_scores(telling, classes, clusters_of(ids), 0)
    assert not set(ids[held]) & set(ids[np.setdiff1d(np.arange(len(ids)), held)])
    assert auc_interval(apart[:, 1], classes[held] == 1, None, level=0.95).estimate == pytest.approx(0.5, abs=0.1)


def test_a_perfect_proxy_has_an_interval_and_is_a_finding() -> None:
    subject = toy_subject(rows=400)

    def copied(rows: Rows) -> Rows:
        return replace(
            rows, sensitive_features={"region": np.where(rows.inputs["features"][:, 2] == 0, "North", "South")}
        )

    rows = copied(subject.data.take(np.arange(400)))
    result = result_of(replace(subject, data=subject.data.with_rows(copied)))
    found = metrics(result, "proxy_auc")["region", "North / South"]
    assert found.value == 1.0
    assert found.interval is not None
    smaller = round(0.5 * np.unique(rows.sensitive_features["region"], return_counts=True)[1].min())
    wilson = stats.binomtest(smaller, smaller).proportion_ci(method="wilson")
    assert found.interval.low == pytest.approx(wilson.low, abs=1e-3)  # a half may have one row more or less
    assert "data-bias.proxy" in {finding.rule for finding in result.findings}
    (single,) = (table for table in result.tables if table.name == "single_inputs")
    assert single.rows[0][:2] == ("region", "work")
    planted_table = rows.sensitive_features["region"], rows.inputs["features"][:, 2]
    assert single.rows[0][4] == pytest.approx(bergsma(*planted_table), abs=1e-9)


def test_the_sensitive_column_itself_does_not_count() -> None:
    result = result_of(toy_subject(rows=400))
    found = metrics(result, "proxy_auc")["sex", "Female / Male"]
    assert found.interval is not None
    assert found.interval.low <= 0.5 <= found.interval.high
    (single,) = (table for table in result.tables if table.name == "single_inputs")
    assert {row[1] for row in single.rows if row[0] == "sex"} == {"age", "hours", "work"}


def test_words_of_texts_tell_a_group() -> None:
    subject = toy_subject(modality="text", rows=500)
    item = subject.model.inputs["text"]
    assert isinstance(item, TextInput)
    place = item.vocabulary.index("film") + 2

    def planted(rows: Rows) -> Rows:
        film = (rows.inputs["text"] == place).any(axis=1)
        return replace(rows, sensitive_features={"region": np.where(film, "North", "South")})

    changed = replace(subject, data=subject.data.with_rows(planted))
    found = metrics(result_of(changed), "proxy_auc")["region", "North / South"]
    assert found.interval is not None
    assert found.interval.low > 0.95
    params = Params()
    shown = analyze(toy_context(changed, analyzer="data-bias", params=params, raw_inputs=True), params)
    (single,) = (table for table in shown.tables if table.name == "single_inputs")
    assert single.rows[0][1] == "film"
    assert not [table for table in result_of(changed).tables if table.name == "single_inputs"]


def test_tokens_are_those_of_a_naive_count() -> None:
    subject = toy_subject(modality="text", rows=40)
    item, rows = subject.model.inputs["text"], subject.data.take(np.arange(40))
    found = telling_input("text", item, rows)
    assert found is not None
    for column in found.columns():
        naive = [column.name in text.split() for text in rows.texts["text"]]
        assert column.codes.tolist() == [int(there) for there in naive]
    lengths = np.sqrt(np.asarray(found.matrix.power(2).sum(axis=1)).ravel())
    assert np.all(np.isclose(lengths, 1.0) | (lengths == 0.0))


def test_rare_categories_are_put_together() -> None:
    rng = np.random.default_rng(0)
    names = tuple(f"v{index}" for index in range(400))
    item = TableInput(features=(FeatureSpec(name="city", kind="category", categories=names, start=0, stop=401),))
    codes = rng.integers(0, 401, 3000).astype(float)
    rows = replace(toy_subject(rows=3).data.take(np.arange(3)), inputs={"features": codes[:, np.newaxis]})
    found = telling_input("features", item, rows)
    assert found is not None
    column = found.matrix[:, 0]
    assert np.isnan(column[codes == 400]).all()
    assert np.nanmax(column) == 250
    counts = np.bincount(codes[codes < 400].astype(int), minlength=400)
    kept = {int(codes[row]) for row in np.flatnonzero(column < 250)}
    assert len(kept) == 250
    assert min(counts[list(kept)]) >= max(np.delete(counts, list(kept)))


def test_means_of_labels_are_those_of_scipy() -> None:
    rng = np.random.default_rng(0)
    labels, groups = rng.normal(size=200), np.repeat(["a", "b"], 100)
    subject = given_outputs_subject(labels, labels, task="regression", output="value", sensitive_features={"g": groups})
    found = metrics(result_of(subject), "mean_label")
    for group in ("a", "b"):
        own = labels[groups == group]
        expected = stats.t.interval(0.95, len(own) - 1, own.mean(), stats.sem(own))
        metric = found["g", group]
        assert metric.value == pytest.approx(own.mean())
        assert metric.interval is not None
        assert (metric.interval.low, metric.interval.high) == pytest.approx(expected)
    gap = metrics(result_of(subject), "mean_label_difference")["g",]
    assert gap.value == pytest.approx(abs(labels[:100].mean() - labels[100:].mean()))

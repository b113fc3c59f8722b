"""Consistency and entropy indices against aif360, closed forms, plain re-implementations, and simulated data."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import auditbench
from auditbench.statistics import IntervalEstimate, clusters_of
from auditbench_individual_fairness.consistency import Differences, differences
from auditbench_individual_fairness.entropy import coefficient_of_variation, index, moments, theil
from auditbench_individual_fairness.inequality import ALL_ROWS, Drawing, measure_inequality
from tests.german_credit import german_credit

Numbers = npt.NDArray[np.float64]

ORDERS = (0.5, 1.0, 2.0, 3.3)


def consistency_of(places: Numbers, values: Numbers, neighbours: int, groups: Any = None) -> Differences:
    """Differences of one column of values, with all rows as `all` and the groups as `group`."""
    codes = np.zeros(len(places), dtype=np.int64) if groups is None else np.asarray(groups)
    everyone = np.zeros(len(places), dtype=np.int64)
    grouped = {"all": (everyone, 1), "group": (codes, int(codes.max()) + 1)}
    return differences(places, {"v": values}, grouped, neighbours, lambda done, total: None)["v"]


def sums_of(benefits: Numbers, groups: Any, alpha: float) -> Numbers:
    each = moments(benefits, alpha)
    return np.stack([each[groups == group].sum(axis=0) for group in range(int(np.max(groups)) + 1)])


def adult() -> tuple[pd.DataFrame, Any, Any]:
    """4,500 rows of Adult: numbers, whether the income is above 50,000, and sex."""
    frame = pd.read_parquet(Path(auditbench.__file__).parent / "data" / "adult.parquet").sample(4500, random_state=0)
    numbers = frame[["age", "education_num", "capital_gain", "capital_loss", "hours_per_week"]]
    return numbers, frame["income"].astype(str).str.contains(">50K"), frame["sex"] == "Male"


def german() -> tuple[pd.DataFrame, Any, Any]:
    """The rows of German credit: numbers, whether the credit was good, and sex."""
    frame = german_credit()
    return frame[["months", "amount", "age", "installment_rate"]], frame["outcome"] == "good", frame["sex"] == "male"


@pytest.fixture(scope="module", params=[adult, german], ids=["adult", "german"])
def people(request: pytest.FixtureRequest) -> tuple[Numbers, Any, Any, Any]:
    """Standardised numbers of the last third of the rows, with a jitter that leaves no ties; labels, decisions, sex."""
    from sklearn.linear_model import LogisticRegression

    frame, labels, sex = request.param()
    numbers = frame.to_numpy(np.float64)
    places = (numbers - numbers.mean(axis=0)) / numbers.std(axis=0)
    truth, groups = labels.to_numpy().astype(np.int64), sex.to_numpy().astype(np.int64)
    fitted = 2 * len(places) // 3
    model = LogisticRegression().fit(places[:fitted], truth[:fitted])
    places = places[fitted:] + np.random.default_rng(0).normal(scale=1e-6, size=places[fitted:].shape)
    return places, truth[fitted:], model.predict(places), groups[fitted:]


def test_indices_equal_aif360(people: Any) -> None:
    metrics = pytest.importorskip("aif360.sklearn.metrics")
    _, labels, decisions, sex = people
    rng = np.random.default_rng(1)
    cases = [(decisions - labels + 1.0, sex)]
    cases += [(rng.choice([0.0, 1.0, 2.0], size=n), rng.integers(0, 3, size=n)) for n in (7, 40, 300)]
    cases += [(rng.gamma(2.0, size=90), rng.integers(0, 5, size=90))]
    for benefits, groups in cases:
        for alpha in ORDERS:
            sums = sums_of(benefits, groups, alpha)
            assert float(index(sums, alpha).whole) == pytest.approx(metrics.generalized_entropy_index(benefits, alpha))
            assert float(theil(sums).whole) == pytest.approx(metrics.theil_index(benefits))
            assert float(coefficient_of_variation(sums)) == pytest.approx(metrics.coefficient_of_variation(benefits))


def test_parts_between_groups_equal_aif360(people: Any) -> None:
    metrics = pytest.importorskip("aif360.sklearn.metrics")
    _, labels, decisions, sex = people
    truth = pd.Series(labels, index=pd.Index(sex, name="sex"))
    for alpha in (0.5, 1.0, 2.0):
        found = index(sums_of(decisions - labels + 1.0, sex, alpha), alpha)
        theirs = metrics.between_group_generalized_entropy_error(truth, decisions, prot_attr="sex", alpha=alpha)
        assert float(found.between) == pytest.approx(theirs)


@pytest.mark.parametrize("neighbours", [1, 4, 9])
def test_consistency_equals_aif360_without_the_row_itself(people: Any, neighbours: int) -> None:
    """aif360 counts a row among its own k neighbours, which takes 1 / k of the difference away."""
    metrics = pytest.importorskip("aif360.sklearn.metrics")
    places, _, decisions, _ = people
    rng = np.random.default_rng(2)
    for points, values in ((places, decisions), (rng.normal(size=(200, 4)), rng.random(200))):
        ours = float(consistency_of(points, np.asarray(values, dtype=np.float64)[:, None], neighbours).rows.mean())
        theirs = 1.0 - metrics.consistency_score(points, values, n_neighbors=neighbours + 1)
        assert theirs == pytest.approx(ours * neighbours / (neighbours + 1))


def plain_difference(places: Numbers, values: Numbers, neighbours: int, left_out: int = -1) -> dict[int, float]:
    """Row by row, by sorting; rows at the distance of the last neighbour share the places that are left."""
    rows = [row for row in range(len(places)) if row != left_out]
    found = {}
    for row in rows:
        distance = {other: math.dist(places[row], places[other]) for other in rows if other != row}
        last = sorted(distance.values())[neighbours - 1]
        closer = [other for other, far in distance.items() if far < last - 1e-9]
        tied = [other for other, far in distance.items() if abs(far - last) <= 1e-9]
        mean = (values[closer].sum(axis=0) + (neighbours - len(closer)) * values[tied].mean(axis=0)) / neighbours
        found[row] = float(np.abs(values[row] - mean).sum())
    return found


@pytest.mark.parametrize("neighbours", [1, 3, 7])
@pytest.mark.parametrize("kind", ["apart", "grid", "alike"])
def test_jackknife_equals_leaving_out_every_row(kind: str, neighbours: int) -> None:
    rng = np.random.default_rng(neighbours)
    places = {
        "apart": rng.normal(size=(22, 2)),
        "grid": rng.integers(0, 3, size=(22, 2)).astype(float),
        "alike": np.zeros((22, 2)),
    }[kind]
    values, groups = rng.random((22, 2)), np.arange(22) % 2
    found = consistency_of(places, values, neighbours, groups)
    assert found.rows == pytest.approx(np.array(list(plain_difference(places, values, neighbours).values())))
    without = np.array(
        [
            np.mean([part for row, part in plain_difference(places, values, neighbours, gone).items() if groups[row]])
            for gone in range(22)
        ]
    )
    half = stats.t.ppf(0.975, 10) * math.sqrt(np.sum((without - without.mean()) ** 2))
    estimate = found.mean("group", 1, groups == 1)
    assert estimate.high == pytest.approx(found.rows[groups == 1].mean() + half)


def test_blocks_do_not_change_consistency(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    places, values = rng.integers(0, 4, size=(60, 3)).astype(float), rng.random((60, 3))
    whole = consistency_of(places, values, 5, np.arange(60) % 3)
    monkeypatch.setattr("auditbench_individual_fairness.consistency._NUMBERS_AT_ONCE", 1000)
    parts = consistency_of(places, values, 5, np.arange(60) % 3)
    assert parts.rows == pytest.approx(whole.rows)
    assert parts.moved["group"] == pytest.approx(whole.moved["group"])


def test_consistency_does_not_depend_on_the_order_of_rows() -> None:
    rng = np.random.default_rng(4)
    places, values = rng.integers(0, 3, size=(50, 2)).astype(float), rng.integers(0, 2, size=(50, 1)).astype(float)
    order = rng.permutation(50)
    first, other = consistency_of(places, values, 5), consistency_of(places[order], values[order], 5)
    assert other.rows == pytest.approx(first.rows[order])
    everyone = np.ones(50, dtype=np.bool_)
    assert other.mean("all", 0, everyone).high == pytest.approx(first.mean("all", 0, everyone).high)


def test_indices_have_their_closed_forms() -> None:
    """Half of the rows with benefit 2, the other half with 0: the indices are (2^(alpha - 1) - 1) / (alpha (alpha - 1))."""
    benefits, groups = np.array([2.0, 0.0] * 8), np.zeros(16, dtype=np.int64)
    for alpha in (0.5, 2.0, 3.0):
        expected = (2.0 ** (alpha - 1) - 1) / (alpha * (alpha - 1))
        assert float(index(sums_of(benefits, groups, alpha), alpha).whole) == pytest.approx(expected)
    sums = sums_of(benefits, groups, 1.0)
    assert float(theil(sums).whole) == pytest.approx(math.log(2))
    assert float(coefficient_of_variation(sums)) == pytest.approx(1.0)
    lognormal = np.exp(stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000) * 0.5)
    of_lognormal = index(sums_of(lognormal, np.zeros(20_000, dtype=np.int64), 0.0), 0.0)
    assert float(of_lognormal.whole) == pytest.approx(0.5**2 / 2, rel=1e-3)


benefit_lists = st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0, 7.5]), min_size=2, max_size=40)


@settings(deadline=None)
@given(benefit_lists.filter(any), st.data(), st.sampled_from([0.0, *ORDERS]))
def test_parts_add_up_and_are_those_of_the_definition(benefits: list[float], data: st.DataObject, alpha: float) -> None:
    array = np.array(benefits) + (0.25 if alpha == 0 else 0.0)
    groups = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(array), max_size=len(array))))
    found = index(sums_of(array, groups, alpha), alpha)
    assert float(found.between + found.within) == pytest.approx(float(found.whole), abs=1e-12)
    assert float(found.between) >= 0.0
    assert float(found.within) >= 0.0
    within = 0.0
    for group in set(groups.tolist()):
        own = array[groups == group]
        if own.any():
            weight = len(own) / len(array) * (own.mean() / array.mean()) ** alpha
            within += weight * float(index(sums_of(own, np.zeros(len(own), dtype=np.int64), alpha), alpha).whole)
    assert float(found.within) == pytest.approx(within, abs=1e-9)


@given(st.floats(0.01, 100), st.integers(1, 30), st.sampled_from([0.0, *ORDERS]))
def test_equal_benefits_give_0(benefit: float, rows: int, alpha: float) -> None:
    found = index(sums_of(np.full(rows, benefit), np.arange(rows) % 3, alpha), alpha)
    assert (float(found.whole), float(found.between), float(found.within)) == (0.0, 0.0, 0.0)


def test_the_bootstrap_of_kinds_is_that_of_rows() -> None:
    """Kinds of equal rows, drawn as counts, vary as the benefits of rows that are drawn one by one."""
    rng = np.random.default_rng(5)
    benefits, groups = rng.choice([0.0, 1.0, 2.0], size=400, p=[0.1, 0.7, 0.2]), rng.integers(0, 2, size=400)
    found = measure_inequality(benefits, {"sex": (groups, 2)}, 2.0, Drawing(rng=rng, replicates=4000, clusters=None))
    drawn = rng.integers(0, 400, size=(4000, 400))
    plain = np.array([float(index(sums_of(benefits[rows], groups[rows], 2.0), 2.0).within) for rows in drawn])
    expected = np.quantile(plain, [0.025, 0.975])
    within = found["sex"]["generalized_entropy_within_groups"]
    spread = plain.std()
    assert [float(within.low), float(within.high)] == pytest.approx(expected, abs=0.15 * spread)


def test_blocks_of_rows_vary_as_rows_do() -> None:
    """More kinds than units: numbers that all differ are drawn in blocks, whose replicates vary alike."""
    rng = np.random.default_rng(6)
    benefits = rng.gamma(4.0, size=9000)
    found = measure_inequality(benefits, {}, 2.0, Drawing(rng=rng, replicates=2000, clusters=None))[ALL_ROWS]
    cv = found["coefficient_of_variation"]
    mean, deviation = benefits.mean(), benefits.std()
    influence = ((benefits - mean) ** 2 - deviation**2) / (2 * deviation * mean) - deviation / mean**2 * (
        benefits - mean
    )
    error = influence.std() / math.sqrt(9000)
    assert float(cv.high - cv.low) == pytest.approx(2 * 1.96 * error, rel=0.1)


def simulated_consistency(kind: str, rows: int, rng: np.random.Generator) -> tuple[Differences, npt.NDArray[np.bool_]]:
    places = rng.normal(size=(rows, 3))
    if kind == "grid":
        places = rng.integers(0, 4, size=(rows, 3)).astype(float)
        values = (places[:, 0] * 2 + places[:, 1] ** 2 + places[:, 2]) % 5 > 2
    elif kind == "score":
        values = 1 / (1 + np.exp(-2 * (places[:, 0] + places[:, 1] * places[:, 2])))
    else:
        values = places[:, 0] + np.sin(3 * places[:, 1]) > {"even": 0.0, "rare": 2.2}[kind]
    members = places[:, 2] + rng.normal(size=rows) > 0.8
    found = consistency_of(places, np.asarray(values, dtype=np.float64)[:, None], 5, members.astype(np.int64))
    return found, members


@pytest.mark.parametrize(
    ("data_sets", "fewest"),
    [pytest.param(60, 0.88, id="few"), pytest.param(500, 0.93, id="500", marks=pytest.mark.nightly)],
)
@pytest.mark.parametrize("kind", ["even", "grid", "score", "rare"])
def test_intervals_of_consistency_cover(kind: str, data_sets: int, fewest: float) -> None:
    """Intervals of the mean at this number of rows, of all rows and of a group: the jackknife errs on the wide side."""
    rng = np.random.default_rng(7)
    rows, covered, means = 200, [], []
    for _ in range(4 * data_sets):
        found, members = simulated_consistency(kind, rows, rng)
        means.append((found.rows.mean(), found.rows[members].mean()))
    truth = np.mean(means, axis=0)
    for _ in range(data_sets):
        found, members = simulated_consistency(kind, rows, rng)
        both = found.share("all", 0, np.ones(rows, dtype=np.bool_)), found.share("group", 1, members)
        covered.append([_covers(each, mean) for each, mean in zip(both, truth, strict=True)])
    assert (np.nanmean(covered, axis=0) >= fewest).all(), np.nanmean(covered, axis=0)
    assert np.isnan(covered).mean() < 0.02


def _covers(interval: IntervalEstimate, mean: float) -> float:
    """NaN without bounds, as where all rows of a group are treated as their neighbours are."""
    return math.nan if interval.low is None or interval.high is None else interval.low <= mean <= interval.high


@pytest.mark.parametrize(
    ("data_sets", "fewest"),
    [pytest.param(60, 0.88, id="few"), pytest.param(500, 0.93, id="500", marks=pytest.mark.nightly)],
)
@pytest.mark.parametrize("clustered", [False, True], ids=["rows", "clusters"])
@pytest.mark.parametrize("gap", [0.0, 0.05, 0.3])
def test_intervals_of_indices_cover(gap: float, clustered: bool, data_sets: int, fewest: float) -> None:
    """All parts, with groups that do not differ, that differ a little, and that differ much."""
    rng = np.random.default_rng(8)
    shares = np.array([[0.15, 0.7, 0.15], [0.15 + gap, 0.7, 0.15 - gap / 2.5]])
    shares /= shares.sum(axis=1, keepdims=True)
    sums = np.array([(row[:, None] * moments(np.arange(3.0), 2.0)).sum(axis=0) for row in shares]) * 1000
    truth = index(sums, 2.0)
    covered = []
    for _ in range(data_sets):
        groups = rng.integers(0, 2, size=80 if clustered else 400)
        benefits = np.array([rng.choice(3, p=shares[group]) for group in groups], dtype=np.float64)
        clusters = None
        if clustered:
            groups, benefits = np.repeat(groups, 5), np.repeat(benefits, 5)
            clusters = clusters_of(np.repeat(np.arange(80), 5))
        found = measure_inequality(
            benefits, {"g": (groups, 2)}, 2.0, Drawing(rng=rng, replicates=400, clusters=clusters)
        )
        parts = {
            "whole": found[ALL_ROWS]["generalized_entropy"],
            "between": found["g"]["generalized_entropy_between_groups"],
            "within": found["g"]["generalized_entropy_within_groups"],
        }
        covered.append([part.low <= getattr(truth, name) <= part.high for name, part in parts.items()])
    assert (np.mean(covered, axis=0) >= fewest).all(), np.mean(covered, axis=0)

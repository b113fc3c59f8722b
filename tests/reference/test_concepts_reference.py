"""Concepts against captum, a closed form, a plain ridge regression, and trained models whose concepts are known."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from captum.concept import TCAV, Classifier, Concept
from scipy import stats
from sklearn.linear_model import Ridge
from torch import nn

from auditbench.data.arrays import from_arrays
from auditbench.models import wrap_module
from auditbench.models.layer_outputs import layer_gradients, layer_outputs
from auditbench.models.layers import model_layers
from auditbench.results import AnalysisResult
from auditbench.statistics import benjamini_hochberg, holm
from auditbench.testing import ToySubject, toy_context
from auditbench_concepts import Params, auditbench_analyzers
from auditbench_concepts.params import VectorKind
from auditbench_concepts.sensitivity import Slopes, mean_slopes, tcav_scores
from auditbench_concepts.significance import Procedure, RandomConcepts, random_concepts
from auditbench_concepts.vectors import concept_vectors
from tests.concept_models import OTHER, PROBLEMS, SIGNAL, Problem, trained_subject

(ANALYZER,) = auditbench_analyzers()
KINDS: tuple[VectorKind, ...] = get_args(VectorKind)
trained = cache(trained_subject)


def analysed(subject: ToySubject, **keys: Any) -> AnalysisResult:
    params = Params.model_validate({"size": 60, "random_concepts": 120, "rows": 200, "pool": 400, **keys})
    return ANALYZER.analyze(toy_context(subject, analyzer="concepts", params=params), params)


def column(result: AnalysisResult, table: str, name: str) -> dict[str, Any]:
    """The cells of a column of a table, by concept."""
    (block,) = (each for each in result.tables if each.name == table)
    place = [each.name for each in block.columns].index(name)
    return {str(row[0]): row[place] for row in block.rows}


def values(result: AnalysisResult, metric: str) -> dict[str, float | None]:
    return {each.where["concept"]: each.value for each in result.metrics if each.name == metric}


@pytest.mark.parametrize("units", [4, 300])
@pytest.mark.parametrize("penalty", [0.01, 1.0])
def test_filters_are_normals_of_ridge_regressions_of_the_activations(units: int, penalty: float) -> None:
    rng = np.random.default_rng(0)
    activations = rng.normal(size=(60, units)) + 3.0
    marked = np.arange(60) < 30
    activations[marked] += rng.normal(size=units)
    found = concept_vectors(
        activations @ activations.T, marked, runs=3, size=20, penalty=penalty, rng=rng, vector="filter"
    )
    for weights in found.weights:
        fitted = np.flatnonzero(weights)
        rows = activations[fitted]
        lengths = ((rows - rows.mean(axis=0)) ** 2).sum(axis=1).mean()
        ridge = Ridge(alpha=penalty * lengths).fit(rows, np.where(marked[fitted], 1.0, -1.0))
        np.testing.assert_allclose(weights @ activations, ridge.coef_ / np.linalg.norm(ridge.coef_), atol=1e-8)


@pytest.mark.parametrize("vector", KINDS)
@pytest.mark.parametrize("slope", [0.7, -1.3])
def test_a_known_direction_of_a_linear_network_has_its_own_slope(slope: float, vector: str) -> None:
    """Examples lie apart from others by exactly c in the hidden layer, so the effect is w . c, whatever the units of c."""
    torch.manual_seed(0)
    first, last = nn.Linear(5, 8, bias=False), nn.Linear(8, 1)
    other, example = torch.randn(2, 5)
    shift = first(example - other)
    with torch.no_grad():
        last.weight *= slope / last(shift).sub(last.bias)
    marked = np.arange(200) < 80
    rows = torch.where(torch.from_numpy(marked)[:, None], example, other).numpy()
    data = from_arrays(rows, np.zeros(200), task="regression", sensitive_features={"mark": marked.astype(str)})
    model = wrap_module(
        nn.Sequential(first, last), task="regression", classes=(), output="value", inputs=data.inputs, device="cpu"
    )
    subject = ToySubject(model=model, data=data, weights=np.empty((0, 0)), bias=np.empty(0))
    result = analysed(subject, examples={"mark": {"column": "mark", "values": ["True"]}}, vector=vector)
    assert values(result, "effect")["mark"] == pytest.approx(slope, rel=1e-4)
    assert values(result, "score")["mark"] == (1.0 if slope > 0 else 0.0)
    assert values(result, "accuracy")["mark"] == 1.0
    assert values(result, "agreement")["mark"] == pytest.approx(1.0)


@pytest.mark.parametrize("vector", KINDS)
@pytest.mark.parametrize("modality", ["image", "series"])
def test_where_the_network_goes_on_linearly_an_effect_is_the_difference_of_mean_outputs(
    modality: str, vector: str
) -> None:
    """At the last hidden layer, for each of four outputs; of texts a rectifier stands behind it."""
    subject, problem = trained(modality, both=True)
    rules = {name: {"column": name, "values": ["True"]} for name in ("shown", "idle")}
    result = analysed(subject, examples=rules, rows=400, vector=vector)
    outputs = subject.model.predict({problem.name: problem.rows[:400]})
    for concept, marked in (("shown", problem.shows[:400]), ("idle", problem.idle[:400])):
        effects = [
            metric.value for metric in result.metrics if (metric.name, metric.where["concept"]) == ("effect", concept)
        ]
        difference = outputs[marked].mean(axis=0) - outputs[~marked].mean(axis=0)
        np.testing.assert_allclose(np.asarray(effects, dtype=float), difference, rtol=1e-4, atol=1e-4)
        assert np.abs(difference).max() > 1.0


class GivenVector(Classifier):
    """A classifier whose normal is given."""

    def __init__(self, vector: torch.Tensor) -> None:
        self.vector = vector

    def train_and_eval(self, dataloader: Any, **kwargs: Any) -> None:
        """There is nothing to fit."""

    def weights(self) -> torch.Tensor:
        return torch.stack([self.vector, -self.vector])

    def classes(self) -> list[int]:
        return [0, 1]


@pytest.mark.parametrize("vector", KINDS)
@pytest.mark.parametrize("layer", ["3", "5", "7"])
def test_scores_and_slopes_equal_captum_on_the_same_vectors(layer: str, vector: VectorKind, tmp_path: Path) -> None:
    """At a layer with places captum's vector has our one at every place."""
    subject, problem = trained("image")
    model, inputs, pool = subject.model, {"image": problem.rows[:120]}, {"image": problem.rows[:200]}
    (looked_at,) = (each for each in model_layers(model, inputs) if each.name == layer)
    activations = layer_outputs(model, pool, [looked_at])[layer].astype(np.float64)
    products = activations @ activations.T
    procedure = Procedure(runs=3, size=40, penalty=1.0, vector=vector)
    found = procedure.vectors(products, problem.shows[:200], np.random.default_rng(0))
    targets = np.zeros(120, dtype=np.int64)
    gradients = layer_gradients(model, inputs, looked_at, targets).astype(np.float64)
    slopes = Slopes(values=gradients @ activations.T, targets=targets, outputs=1)
    derivatives = slopes.along(found)
    encoded = model.encode(inputs)
    places = int(torch.tensor(model.module[: int(layer) + 1](encoded[:1]).shape[2:]).prod())
    for run, weights in enumerate(found.weights):
        given = GivenVector(torch.from_numpy(weights @ activations).float().repeat_interleave(places))
        sides = [Concept(number, name, [encoded[:2]]) for number, name in enumerate(("shown", "random"))]
        tested = TCAV(model.module, layer, classifier=given, save_path=str(tmp_path / str(run)))
        ((scores,),) = ([each[layer]] for each in tested.interpret(encoded, [sides], target=0).values())
        own = derivatives[:, run : run + 1]
        assert scores["sign_count"][0].item() == pytest.approx(tcav_scores(own, slopes)[0], abs=1e-6)
        assert scores["magnitude"][0].item() == pytest.approx(mean_slopes(own, slopes)[0], rel=1e-4)


@pytest.mark.parametrize("vector", KINDS)
@pytest.mark.parametrize("modality", PROBLEMS)
def test_the_concept_that_decides_is_significant_and_weighs_most(modality: str, vector: str) -> None:
    subject, _ = trained(modality)
    rules: dict[str, Any] = {name: {"column": name, "values": ["True"]} for name in ("shown", "idle")}
    if modality == "text":
        rules |= {"words": {"words": list(SIGNAL)}, "other words": {"words": list(OTHER)}}
    result = analysed(subject, examples=rules, vector=vector)
    adjusted, effects = column(result, "tests", "adjusted"), values(result, "effect")
    deciding = [name for name in rules if name in ("shown", "words")]
    assert all(adjusted[name] <= 0.05 for name in deciding)
    assert all(values(result, "score")[name] > 0.95 for name in deciding)
    intervals = {each.where["concept"]: each.interval for each in result.metrics if each.name == "effect"}
    for name in rules.keys() - deciding:
        if effects[name] is not None:
            assert max(abs(intervals[name].low), intervals[name].high) < intervals["shown"].low / 2
    found = {finding.where["concept"] for finding in result.findings}
    assert found >= set(deciding)
    assert vector == "filter" or found == set(deciding)


def test_stripes_that_are_planted_are_the_concept_that_decides() -> None:
    result = analysed(trained("image")[0], examples={"stripes": {"planted": "stripes"}, "patch": {"planted": "patch"}})
    assert column(result, "tests", "adjusted")["stripes"] <= 0.05
    effects, changes = (
        {each.where["concept"]: each for each in result.metrics if each.name == name}
        for name in ("effect", "planted_change")
    )
    assert effects["stripes"].value > 2 * abs(effects["patch"].value)
    for name, effect in effects.items():
        assert effect.interval.low < changes[name].value < effect.interval.high


def randomly_marked(modality: str, count: int, *, rows: int = 400) -> ToySubject:
    """The trained model, with sensitive features that are drawn at random."""
    subject, problem = trained(modality)
    rng = np.random.default_rng(7)
    data = from_arrays(
        {problem.name: problem.rows[:rows]},
        problem.labels[:rows],
        task="binary-classification",
        classes=("no", "yes"),
        sensitive_features={f"random {number}": (rng.random(rows) < 0.2).astype(str) for number in range(count)},
        inputs={problem.name: problem.item},
    )
    return ToySubject(model=subject.model, data=data, weights=subject.weights, bias=subject.bias)


def every_rule(count: int) -> dict[str, Any]:
    return {f"random {number}": {"column": f"random {number}", "values": ["True"]} for number in range(count)}


@pytest.mark.parametrize("vector", KINDS)
@pytest.mark.parametrize("modality", PROBLEMS)
def test_of_fifty_random_concepts_no_more_are_found_than_stated(modality: str, vector: str) -> None:
    """At 5 % before adjusting; their accuracies are those of a coin, and so few random ones decide nothing."""
    result = analysed(
        randomly_marked(modality, 50),
        examples=every_rule(50),
        size=30,
        random_concepts=60,
        pool=300,
        rows=100,
        vector=vector,
    )
    found = sum(p_value <= 0.05 for p_value in column(result, "tests", "p_value").values())
    assert found <= stats.binom.ppf(0.999, 50, 0.05)
    assert {finding.rule for finding in result.findings} <= {"concepts.undecided"}
    accuracies = [value for value in values(result, "accuracy").values() if value is not None]
    assert len(accuracies) == 50
    assert abs(np.mean(accuracies) - 0.5) < 0.02


def random_statistics(modality: str, count: int, vector: VectorKind) -> RandomConcepts:
    """Scores of random concepts for the four outputs of a trained network, at its last hidden layer."""
    subject, problem = trained(modality, both=True)
    inputs = {problem.name: problem.rows[:400]}
    layer = model_layers(subject.model, {problem.name: problem.rows[:2]})[-2]
    activations = layer_outputs(subject.model, inputs, [layer])[layer.name].astype(np.float64)
    activations -= activations.mean(axis=0)
    targets = problem.labels[:400]
    gradients = layer_gradients(subject.model, inputs, layer, targets).astype(np.float64)
    slopes = Slopes(values=gradients @ activations.T, targets=targets, outputs=4)
    procedure, marked = Procedure(runs=20, size=60, penalty=1.0, vector=vector), np.arange(400) < 120
    rng = np.random.default_rng(1)
    return random_concepts(activations @ activations.T, marked, slopes, procedure, count=count, rng=rng)


def found_beside_a_real_one(drawn: RandomConcepts, *, trials: int) -> tuple[float, float, float]:
    """How often a random concept is found alone, and beside one that moves all four outputs, by Holm; and by Benjamini and Hochberg."""
    rng, random = np.random.default_rng(2), 400
    found = np.zeros((trials, 3))
    for trial in found:
        own, *others = rng.choice(len(drawn.scores), random + 1, replace=False)
        chance = RandomConcepts(
            scores=drawn.scores[others], slopes=drawn.slopes[others], accuracies=drawn.accuracies[others]
        )
        alone = chance.p_values(drawn.scores[own], drawn.slopes[own])
        both = np.concatenate([alone, np.full(4, 1 / (1 + random))])
        trial[:] = [each[:4].min() <= 0.05 for each in (holm(alone), holm(both), benjamini_hochberg(both))]
    alone_by_holm, by_holm, by_share = found.mean(axis=0)
    return float(alone_by_holm), float(by_holm), float(by_share)


@pytest.mark.parametrize("vector", KINDS)
@pytest.mark.parametrize(
    "modality", [name if name == "image" else pytest.param(name, marks=pytest.mark.nightly) for name in PROBLEMS]
)
def test_a_random_concept_beside_a_real_one_is_found_no_more_often_than_stated(
    modality: str, vector: VectorKind
) -> None:
    """Where the false discovery rate over outputs is kept, those of the real concept pay for a false one of another.

    Along patterns the outputs go together so closely that they count as little more than one test.
    """
    alone, by_holm, by_share = found_beside_a_real_one(random_statistics(modality, 1500, vector), trials=500)
    most = stats.binom.ppf(0.999, 500, 0.05) / 500
    assert alone <= most
    assert by_holm <= most
    assert by_share > (most if vector == "filter" else by_holm)


@pytest.mark.parametrize("modality", PROBLEMS)
def test_of_four_outputs_those_that_a_concept_moves_are_found(modality: str) -> None:
    subject, _ = trained(modality, both=True)
    rules: dict[str, Any] = {name: {"column": name, "values": ["True"]} for name in ("shown", "idle")}
    result = analysed(subject, examples=rules, random_concepts=None, rows=400)
    moved = {finding.where["concept"]: finding for finding in result.findings}
    assert moved.keys() == rules.keys()
    effects = {
        (metric.where["concept"], metric.where["output"]): metric.value
        for metric in result.metrics
        if metric.name == "effect"
    }
    for concept, with_it, without in (("shown", "shown", "neither"), ("idle", "idle", "neither")):
        assert (effects[concept, with_it] or 0.0) > 0 > (effects[concept, without] or 0.0)


def rejected_by_rank_and_t_test(
    problem: Problem, subject: ToySubject, concepts: int, random: int, vector: VectorKind
) -> tuple[float, float]:
    """Share of random concepts with p <= 0.05: by our rank, and by the t-test over runs of arXiv:1711.11279, section 3.5."""
    model, rng = subject.model, np.random.default_rng(3)
    layer = model_layers(model, {problem.name: problem.rows[:2]})[-2]
    inputs = {problem.name: problem.rows[:400]}
    activations = layer_outputs(model, inputs, [layer])[layer.name].astype(np.float64)
    activations -= activations.mean(axis=0)
    targets = np.zeros(400, dtype=np.int64)
    gradients = layer_gradients(model, inputs, layer, targets).astype(np.float64)
    slopes = Slopes(values=gradients @ activations.T, targets=targets, outputs=1)
    products, procedure = activations @ activations.T, Procedure(runs=20, size=60, penalty=1.0, vector=vector)
    marked = np.arange(400) < 60
    drawn = [slopes.along(procedure.vectors(products, rng.permutation(marked), rng)) for _ in range(concepts + random)]
    far = np.asarray([abs((each > 0).mean() - 0.5) for each in drawn])
    slope = np.asarray([abs(each.mean()) for each in drawn])
    by_rank, by_t = [], []
    baseline = np.concatenate([(each > 0).mean(axis=0) for each in drawn[concepts:]])
    for own in range(concepts):
        larger = (far[concepts:] > far[own]) | ((far[concepts:] == far[own]) & (slope[concepts:] >= slope[own]))
        by_rank.append((1 + larger.sum()) / (1 + random) <= 0.05)
        scores = (drawn[own] > 0).mean(axis=0)
        moments = [(each.mean(), each.std(ddof=1), len(each)) for each in (scores, baseline)]
        by_t.append(stats.ttest_ind_from_stats(*moments[0], *moments[1], equal_var=False).pvalue <= 0.05)
    return float(np.mean(by_rank)), float(np.mean(by_t))


@pytest.mark.parametrize("vector", KINDS)
def test_ranks_keep_the_rate_of_false_findings_where_a_t_test_over_runs_does_not(vector: VectorKind) -> None:
    subject, problem = trained("series")
    by_rank, by_t = rejected_by_rank_and_t_test(problem, subject, concepts=150, random=150, vector=vector)
    assert by_rank <= stats.binom.ppf(0.999, 150, 0.05) / 150
    assert by_t > 0.25


@pytest.mark.nightly
@pytest.mark.parametrize("vector", KINDS)
@pytest.mark.parametrize("modality", PROBLEMS)
def test_rates_at_full_size(modality: str, vector: VectorKind) -> None:
    subject, problem = trained(modality)
    by_rank, by_t = rejected_by_rank_and_t_test(problem, subject, concepts=1000, random=1000, vector=vector)
    low, high = stats.binom.ppf([0.001, 0.999], 1000, 0.05) / 1000
    # One set of random concepts serves all 1,000, whose ranks depend on it.
    assert low - 0.02 <= by_rank <= high + 0.02
    assert by_t > 0.25


@pytest.mark.nightly
@pytest.mark.parametrize("vector", KINDS)
@pytest.mark.parametrize("modality", PROBLEMS)
def test_rates_beside_a_real_concept_at_full_size(modality: str, vector: VectorKind) -> None:
    """The trials share 10,000 random concepts."""
    alone, by_holm, by_share = found_beside_a_real_one(random_statistics(modality, 10_000, vector), trials=5000)
    assert max(alone, by_holm) <= stats.binom.ppf(0.999, 5000, 0.05) / 5000 + 0.003
    assert by_share > (0.08 if vector == "filter" else by_holm)


@pytest.mark.nightly
@pytest.mark.parametrize("modality", PROBLEMS)
def test_fifty_random_concepts_at_full_size(modality: str) -> None:
    """So many random concepts rank them that one alone of the fifty could be significant."""
    result = analysed(
        randomly_marked(modality, 50), examples=every_rule(50), size=30, random_concepts=1000, pool=300, rows=100
    )
    found = sum(p_value <= 0.05 for p_value in column(result, "tests", "p_value").values())
    assert found <= stats.binom.ppf(0.999, 50, 0.05)
    assert not result.findings

"""What comparisons of real metrics claim about rates holds: no change is rarely called one, a change is found and covered.

Every verdict of a comparison counts, all metrics of performance and fairness together, those of groups as well.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

import auditbench
from tests.compared_models import CALLED, Numbers, People, called, measured, most_false_calls, people

PAIRS = 40
NIGHTLY_PAIRS = 200
RATE = 0.05


def false_calls_of_halves(crowd: People, probabilities: Numbers, pairs: int) -> int:
    """How often a model is called other than itself, on disjoint halves of the rows."""
    found = 0
    for pair in range(pairs):
        order = np.random.default_rng([1, pair]).permutation(len(probabilities))
        first, second = (measured(crowd, probabilities, np.sort(half)) for half in np.array_split(order, 2))
        comparison = auditbench.compare(first, second)
        assert comparison.pairs == 0
        found += bool(called(comparison))
    return found


def false_calls_of_swaps(crowd: People, first: Numbers, second: Numbers, pairs: int) -> int:
    """How often two models are called other whose predictions were exchanged row by row at random."""
    found = 0
    for pair in range(pairs):
        swap = np.random.default_rng([2, pair]).random(len(first)) < 0.5
        mixed = measured(crowd, np.where(swap, second, first)), measured(crowd, np.where(swap, first, second))
        comparison = auditbench.compare(*mixed)
        assert comparison.paired
        found += bool(called(comparison))
    return found


def test_a_model_is_itself_on_disjoint_halves() -> None:
    rng = np.random.default_rng(31)
    crowd = people(rng, 800)
    found = false_calls_of_halves(crowd, crowd.probabilities(rng, noise=1.0), PAIRS)
    assert found <= most_false_calls(PAIRS, RATE)


def test_exchanged_predictions_are_no_change() -> None:
    rng = np.random.default_rng(32)
    crowd = people(rng, 400)
    first, second = (crowd.probabilities(rng, noise=1.0) for _ in range(2))
    assert false_calls_of_swaps(crowd, first, second, PAIRS) <= most_false_calls(PAIRS, RATE)


def test_models_that_differ_are_reported_with_size_and_interval() -> None:
    """A model with more noise is called worse where it is, never better, and intervals hold the difference on all rows."""
    rng = np.random.default_rng(33)
    world = people(rng, 20_000)
    good, bad = world.probabilities(rng, noise=0.5), world.probabilities(rng, noise=1.5)
    names = ("performance.accuracy", "performance.f1", "performance.auc", "performance.log_loss", "performance.brier")
    whole = auditbench.compare(measured(world, good, replicates=40), measured(world, bad, replicates=40))
    truth = {name: change.difference for name in names if (change := whole.change(name, {})) is not None}
    held = np.zeros(len(names), dtype=int)
    trials, seen = 20, 0
    for trial in range(trials):
        rows = np.sort(np.random.default_rng([3, trial]).choice(20_000, size=1500, replace=False))
        comparison = auditbench.compare(measured(world, good, rows), measured(world, bad, rows))
        found = {change.metric: change for change in comparison.metrics if not change.where}
        for place, name in enumerate(names):
            assert found[name].verdict in ("worse", "within_noise")
            interval, expected = found[name].interval, truth[name]
            assert interval is not None
            assert expected is not None
            held[place] += interval.low <= expected <= interval.high
        seen += found["performance.auc"].verdict == "worse"
    assert seen >= 0.9 * trials
    assert trials - held.min() <= most_false_calls(trials, RATE)


def plain_metrics(y_true: Any, probability: Numbers, group: Any) -> dict[Any, float]:
    """Metrics by their definitions, by name and labels."""
    decision, positive = probability >= 0.5, y_true == 1
    hits, ranks = decision & positive, stats.rankdata(probability)
    order = np.argsort(-probability, kind="stable")
    n, positives = len(y_true), int(positive.sum())
    found: dict[Any, float] = {
        ("performance.accuracy", ()): (decision == positive).mean(),
        ("performance.precision", ()): positive[decision].mean(),
        ("performance.f1", ()): 2 * hits.sum() / (decision.sum() + positives),
        ("performance.balanced_accuracy", ()): (decision[positive].mean() + 1 - decision[~positive].mean()) / 2,
        ("performance.auc", ()): (ranks[positive].mean() - (positives + 1) / 2) / (n - positives),
        ("performance.average_precision", ()): (positive[order].cumsum() / np.arange(1, n + 1))[positive[order]].mean(),
        ("performance.log_loss", ()): -np.log(np.where(positive, probability, 1 - probability)).mean(),
        ("performance.brier", ()): ((probability - y_true) ** 2).mean(),
    }
    for name in ("a", "b"):
        where = (("feature", "group"), ("group", name))
        found["fairness.selection_rate", where] = decision[group == name].mean()
        found["fairness.true_positive_rate", where] = decision[(group == name) & positive].mean()
    return found


@pytest.mark.parametrize(("noise", "differ"), [(0.05, False), (1.5, True)], ids=["nearly-equal", "worse"])
def test_size_and_interval_are_those_of_a_paired_bootstrap(noise: float, differ: bool) -> None:
    rng = np.random.default_rng(34)
    crowd = people(rng, 1500)
    first = crowd.probabilities(rng, noise=0.5)
    second = 1 / (1 + np.exp(-(np.log(first / (1 - first)) + noise * rng.normal(size=1500))))
    comparison = auditbench.compare(measured(crowd, first), measured(crowd, second))
    found = {(change.metric, tuple(sorted(change.where.items()))): change for change in comparison.metrics}
    drawn: list[dict[Any, float]] = []
    for draw in range(250):
        rows = rng.integers(0, 1500, 1500) if draw else np.arange(1500)
        before, after = (
            plain_metrics(crowd.y_true[rows], given[rows], crowd.groups["group"][rows]) for given in (first, second)
        )
        drawn.append({key: after[key] - before[key] for key in before})
    for key, difference in drawn[0].items():
        low, high = np.quantile([replicate[key] for replicate in drawn[1:]], [0.025, 0.975])
        interval = found[key].interval
        assert interval is not None
        assert found[key].difference == pytest.approx(difference, abs=2e-6), key
        assert interval.high - interval.low == pytest.approx(high - low, rel=0.3), key
        assert abs(interval.low + interval.high - low - high) < 0.3 * (high - low), key
    worse = {change.metric for change in comparison.metrics if change.verdict == "worse"}
    assert ({"performance.auc", "performance.log_loss", "performance.brier"} <= worse) is differ
    assert bool(called(comparison)) is differ


class Adult:
    """Networks trained on the training rows of Adult, and its test rows."""

    def __init__(self) -> None:
        import pandas as pd

        frame = pd.read_parquet(Path(auditbench.__file__).parent / "data" / "adult.parquet")
        split = next(name for name in frame.columns if set(frame[name].astype(str).unique()) == {"train", "test"})
        train = frame[split].astype(str).to_numpy() == "train"
        labels = (frame["income"].astype(str).str.strip(" .") == ">50K").to_numpy().astype(np.int64)
        coded = pd.get_dummies(frame.drop(columns=["income", "fnlwgt", split])).to_numpy(dtype=np.float32)
        coded = (coded - coded[train].mean(axis=0)) / np.maximum(coded[train].std(axis=0), 1e-9)
        self.train, self.inputs = (coded[train], labels[train]), coded[~train]
        groups = {name: frame[name].astype(str).to_numpy()[~train] for name in ("sex", "race")}
        self.people = People(y_true=labels[~train], groups=groups)

    def network(self, *, seed: int, hidden: int = 32, epochs: int = 4) -> torch.nn.Module:
        inputs, labels = map(torch.from_numpy, self.train)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = torch.nn.Sequential(
                torch.nn.Linear(inputs.shape[1], hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, 1)
            )
            optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
            for _ in range(epochs):
                for rows in torch.randperm(len(inputs)).split(256):
                    optimizer.zero_grad()
                    logits = model(inputs[rows])[:, 0]
                    torch.nn.functional.binary_cross_entropy_with_logits(logits, labels[rows].float()).backward()
                    optimizer.step()
        return model

    def probabilities(self, model: torch.nn.Module) -> Numbers:
        """What a network gives for the test rows."""
        with torch.no_grad():
            return torch.sigmoid(model(torch.from_numpy(self.inputs))[:, 0]).double().numpy()

    def audited(self, model: torch.nn.Module) -> auditbench.AuditRun:
        return auditbench.audit(
            model,
            self.inputs,
            self.people.y_true,
            task="binary-classification",
            output="logit",
            sensitive_features=dict(self.people.groups),
            analyzers={"performance": {}, "fairness": {}},
        )


@pytest.fixture(scope="module")
def adult() -> Adult:
    return Adult()


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_a_network_on_adult_is_itself_on_disjoint_halves(adult: Adult) -> None:
    given = adult.probabilities(adult.network(seed=0))
    found = false_calls_of_halves(adult.people, given, NIGHTLY_PAIRS)
    assert found <= most_false_calls(NIGHTLY_PAIRS, RATE)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_exchanged_predictions_of_two_networks_on_adult_are_no_change(adult: Adult) -> None:
    first, second = (adult.probabilities(adult.network(seed=seed)) for seed in (0, 1))
    found = false_calls_of_swaps(adult.people, first, second, NIGHTLY_PAIRS)
    assert found <= most_false_calls(NIGHTLY_PAIRS, RATE)


@pytest.mark.nightly
@pytest.mark.timeout(600)
def test_audits_of_networks_on_adult_find_where_other_seeds_and_sizes_differ(adult: Adult) -> None:
    whole, other, small = (
        adult.audited(adult.network(**options))
        for options in ({"seed": 0}, {"seed": 1}, {"seed": 2, "hidden": 2, "epochs": 1})
    )
    for candidate in (other, small):
        comparison = auditbench.compare(whole, candidate)
        assert called(comparison)
        for change in comparison.metrics:
            if change.verdict in CALLED:
                assert change.difference is not None
                assert change.decided is not None
                assert not change.decided.low <= 0 <= change.decided.high
    found = auditbench.compare(whole, small).change("performance.auc", {})
    assert found is not None
    assert found.verdict == "worse"

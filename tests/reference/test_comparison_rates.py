"""What comparisons of real metrics claim about rates holds: no change is rarely called one, a change is found and covered.

Every verdict of a comparison counts, all metrics of performance and fairness together.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import auditbench
from tests.compared_models import CALLED, Measured, Numbers, People, called, changes, measured, most_false_calls, people

PAIRS = 100
NIGHTLY_PAIRS = 200
RATE = 0.05


def false_calls_of_halves(crowd: People, probabilities: Numbers, pairs: int) -> int:
    """How often a model is called other than itself, on disjoint halves of the rows."""
    found = 0
    for pair in range(pairs):
        order = np.random.default_rng([1, pair]).permutation(len(crowd.y_true))
        halves = (np.sort(order[: len(order) // 2]), np.sort(order[len(order) // 2 :]))
        first, second = (measured(crowd, probabilities, rows) for rows in halves)
        found += bool(called(changes(first, second)))
    return found


def false_calls_of_swaps(crowd: People, first: Numbers, second: Numbers, pairs: int) -> int:
    """How often two models are called other whose predictions were exchanged row by row at random."""
    found = 0
    for pair in range(pairs):
        swap = np.random.default_rng([2, pair]).random(len(crowd.y_true)) < 0.5
        mixed = measured(crowd, np.where(swap, second, first)), measured(crowd, np.where(swap, first, second))
        found += bool(called(changes(*mixed)))
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
    world = people(rng, 60_000)
    good, bad = world.probabilities(rng, noise=0.5), world.probabilities(rng, noise=1.5)
    names = ("performance.accuracy", "performance.f1", "performance.auc", "performance.log_loss", "performance.brier")
    truth = {
        change.metric: change.difference
        for change in changes(measured(world, good, replicates=40), measured(world, bad, replicates=40))
        if change.metric in names
    }
    held = np.zeros(len(names), dtype=int)
    trials, seen = 40, 0
    for trial in range(trials):
        rows = np.sort(np.random.default_rng([3, trial]).choice(60_000, size=1500, replace=False))
        found = {change.metric: change for change in changes(measured(world, good, rows), measured(world, bad, rows))}
        for place, name in enumerate(names):
            assert found[name].verdict in ("worse", "within_noise")
            interval, expected = found[name].interval, truth[name]
            assert interval is not None
            assert expected is not None
            held[place] += interval.low <= expected <= interval.high
        seen += found["performance.auc"].verdict == "worse"
    assert seen >= 0.9 * trials
    assert trials - held.min() <= most_false_calls(trials, RATE)


def adult() -> tuple[People, Measured, Numbers, Numbers]:
    """Two networks trained from different seeds on the training rows of Adult, and what they give for its test rows."""
    import pandas as pd
    from sklearn.neural_network import MLPClassifier

    frame = pd.read_parquet(Path(auditbench.__file__).parent / "data" / "adult.parquet")
    split = next(name for name in frame.columns if set(frame[name].astype(str).unique()) == {"train", "test"})
    train = frame[split].astype(str).to_numpy() == "train"
    y_true = (frame["income"].astype(str).str.strip(" .") == ">50K").to_numpy().astype(np.int64)
    coded = pd.get_dummies(frame.drop(columns=["income", "fnlwgt", split])).to_numpy(dtype=np.float64)
    coded = (coded - coded[train].mean(axis=0)) / np.maximum(coded[train].std(axis=0), 1e-9)
    models = [
        MLPClassifier(hidden_layer_sizes=(16,), max_iter=8, early_stopping=True, random_state=seed).fit(
            coded[train], y_true[train]
        )
        for seed in (0, 1)
    ]
    first, second = (model.predict_proba(coded[~train])[:, 1] for model in models)
    crowd = People(
        score=np.zeros(int((~train).sum())), y_true=y_true[~train], group=frame["race"].astype(str).to_numpy()[~train]
    )
    return crowd, measured(crowd, first), first, second


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_adult_keeps_the_rate_and_finds_other_seeds() -> None:
    crowd, whole, first, second = adult()
    assert false_calls_of_halves(crowd, first, NIGHTLY_PAIRS) <= most_false_calls(NIGHTLY_PAIRS, RATE)
    assert false_calls_of_swaps(crowd, first, second, NIGHTLY_PAIRS) <= most_false_calls(NIGHTLY_PAIRS, RATE)
    found = changes(whole, measured(crowd, second))
    assert called(found)
    for change in found:
        if change.verdict in CALLED:
            assert change.difference is not None
            assert change.decided is not None
            assert not change.decided.low <= 0 <= change.decided.high

"""Losses and weights of rows against formulas written out row by row."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from auditbench.config_training import LEAST_WEIGHT, MOST_WEIGHT, TrainTable
from auditbench.data.inputs import SeriesInput, TextInput
from auditbench.errors import TrainingError
from auditbench.training.examples import Batch, row_weights
from auditbench.training.losses import (
    NextTokenLoss,
    RowLoss,
    binary_cross_entropy,
    cross_entropy,
    make_loss,
    mean_squared_error,
    next_classes,
)


class Given(nn.Module):
    """A network that gives what it was made with, whatever it is asked."""

    def __init__(self, outputs: Any) -> None:
        super().__init__()
        self.outputs = torch.tensor(outputs, dtype=torch.float32)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.outputs

    def positions(self, ids: torch.Tensor) -> torch.Tensor:
        return self.outputs


def batch(targets: Any, dtype: torch.dtype, weights: Any = None, inputs: Any = None) -> Batch:
    return Batch(
        inputs=torch.zeros(len(targets), 1) if inputs is None else torch.tensor(inputs),
        targets=torch.tensor(targets, dtype=dtype),
        weights=None if weights is None else torch.tensor(weights, dtype=torch.float32),
    )


def log_softmax(logits: list[float]) -> list[float]:
    total = math.log(sum(math.exp(logit) for logit in logits))
    return [logit - total for logit in logits]


def mean(values: list[float], weights: list[float] | None) -> float:
    each = weights or [1.0] * len(values)
    return sum(value * weight for value, weight in zip(values, each, strict=True)) / sum(each)


NUMBERS = st.floats(-4, 4, width=32)
SHARES = st.sampled_from([0.0, 0.1, 0.5])
ROWS = st.integers(1, 6)


@st.composite
def drawn(draw: st.DrawFn, outputs: int) -> tuple[list[list[float]], list[int], list[float] | None]:
    rows = draw(ROWS)
    logits = draw(st.lists(st.lists(NUMBERS, min_size=outputs, max_size=outputs), min_size=rows, max_size=rows))
    labels = draw(st.lists(st.integers(0, max(1, outputs - 1)), min_size=rows, max_size=rows))
    weights = draw(st.none() | st.lists(st.sampled_from([0.5, 1.0, 3.0]), min_size=rows, max_size=rows))
    return logits, labels, weights


@given(drawn(3), SHARES)
def test_cross_entropy_is_the_formula(case: tuple[Any, Any, Any], smoothing: float) -> None:
    logits, labels, weights = case
    found = RowLoss(function=cross_entropy, smoothing=smoothing)(Given(logits), batch(labels, torch.int64, weights))
    naive = []
    for row, label in zip(logits, labels, strict=True):
        shares = [smoothing / 3 + (1 - smoothing) * (index == label) for index in range(3)]
        naive.append(-sum(share * log for share, log in zip(shares, log_softmax(row), strict=True)))
    assert float(found.mean) == pytest.approx(mean(naive, weights), abs=1e-5)
    assert float(found.terms) == pytest.approx(sum(weights) if weights else len(labels))


@given(drawn(1), SHARES)
def test_binary_cross_entropy_is_the_formula(case: tuple[Any, Any, Any], smoothing: float) -> None:
    logits, labels, weights = case
    loss = RowLoss(function=binary_cross_entropy, smoothing=smoothing)
    found = loss(Given(logits), batch(labels, torch.float32, weights))
    naive = []
    for (logit,), label in zip(logits, labels, strict=True):
        share, given_share = label * (1 - smoothing) + smoothing / 2, 1 / (1 + math.exp(-logit))
        naive.append(-share * math.log(given_share) - (1 - share) * math.log(1 - given_share))
    assert float(found.mean) == pytest.approx(mean(naive, weights), abs=1e-5)
    # Two classes of softmax, of which the first has the logit 0, are the same.
    both = RowLoss(function=cross_entropy, smoothing=smoothing)
    pairs = both(Given([[0.0, logit] for (logit,) in logits]), batch(labels, torch.int64, weights))
    assert float(found.mean) == pytest.approx(float(pairs.mean), abs=1e-5)


@given(drawn(1))
def test_mean_squared_error_is_the_formula(case: tuple[Any, Any, Any]) -> None:
    outputs, values, weights = case
    found = RowLoss(function=mean_squared_error)(Given(outputs), batch(values, torch.float32, weights))
    naive = [(output - value) ** 2 for (output,), value in zip(outputs, values, strict=True)]
    assert float(found.mean) == pytest.approx(mean(naive, weights), rel=1e-5, abs=1e-5)


@given(st.lists(st.integers(0, 2), min_size=2, max_size=30), st.data())
def test_balanced_classes_have_equal_sums(labels: list[int], data: st.DataObject) -> None:
    train = np.array(sorted(data.draw(st.sets(st.sampled_from(range(len(labels))), min_size=1))))
    table = TrainTable(class_weights="balanced")
    weights = row_weights(table, np.array(labels), ("a", "b", "c"), None, (train, train))
    assert weights is not None
    there = {labels[row] for row in train}
    for label in there:
        own = [row for row in train if labels[row] == label]
        assert weights[own].sum() == pytest.approx(len(train) / len(there))
        assert weights[own[0]] == pytest.approx(len(train) / (len(there) * len(own)))
    assert all(weights[row] == 1 for row in range(len(labels)) if labels[row] not in there)


def test_classes_are_balanced_by_the_rows_trained_on_alone() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1, 1, 1])
    train, held = np.array([0, 1, 2, 3]), np.array([4, 5, 6, 7])
    weights = row_weights(TrainTable(class_weights="balanced"), labels, ("a", "b"), None, (train, held))
    assert weights is not None
    np.testing.assert_allclose(weights, np.where(labels == 0, 4 / (2 * 3), 4 / (2 * 1)))


def test_the_largest_and_the_smallest_weights_are_held_by_float32() -> None:
    class_weights = {"a": LEAST_WEIGHT, "b": MOST_WEIGHT}
    table = TrainTable(class_weights=class_weights, sample_weights="w")
    own = np.array([LEAST_WEIGHT, MOST_WEIGHT, 1.0, 0.0])
    every = np.arange(4)
    weights = row_weights(table, np.array([0, 1, 1, 1]), ("a", "b"), own, (every, every))
    assert weights is not None
    narrow = torch.tensor(weights, dtype=torch.float32)
    np.testing.assert_allclose(narrow.double().numpy(), weights, rtol=1e-6)
    assert math.isfinite(float(narrow.expand(1_000_000, 4).sum()))


def test_weights_of_class_and_row_are_multiplied() -> None:
    table = TrainTable(class_weights={"b": 3.0}, sample_weights="w")
    split = (np.array([0, 1]), np.array([2]))
    weights = row_weights(table, np.array([0, 1, 1]), ("a", "b"), np.array([1.0, 2.0, 0.5]), split)
    assert weights is not None
    assert weights.tolist() == [1.0, 6.0, 1.5]
    assert row_weights(TrainTable(), np.array([0, 1, 1]), ("a", "b"), None, split) is None


@pytest.mark.parametrize(
    ("table", "labels", "weights", "parts"),
    [
        (TrainTable(class_weights="balanced"), None, None, ("train.class_weights", "class weights need classes")),
        (TrainTable(class_weights={"c": 1.0}), [0, 1, 1], None, ("train.class_weights.c", "'a', 'b'")),
        (
            TrainTable(sample_weights="w"),
            None,
            [1.0, -1.0, 1.0],
            ("train.sample_weights", "-1.0 in the labelled row 2"),
        ),
        (TrainTable(sample_weights="w"), None, [1.0, math.nan, 1.0], ("nan in the labelled row 2",)),
        (TrainTable(sample_weights="w"), None, [1.0, 1.0, 0.0], ("0 in every row of one side",)),
        (TrainTable(sample_weights="w"), None, [0.0, 0.0, 1.0], ("0 in every row of one side",)),
        (TrainTable(sample_weights="w"), None, [1.0, 1e300, 1.0], ("1e+300 in the labelled row 2", "1e-12 to 1e+12")),
        (TrainTable(sample_weights="w"), None, [1.0, 1.0, 1e-60], ("1e-60 in the labelled row 3", "divided by their")),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    table: TrainTable, labels: Any, weights: Any, parts: tuple[str, ...]
) -> None:
    split = (np.array([0, 1]), np.array([2]))
    with pytest.raises(TrainingError) as caught:
        row_weights(
            table,
            None if labels is None else np.array(labels),
            ("a", "b"),
            None if weights is None else np.array(weights),
            split,
        )
    for part in parts:
        assert part in caught.value.describe()


def test_the_next_class_is_that_of_the_next_token_and_in_the_end_of_the_target() -> None:
    # 0 is padding, 1 unknown, and the classes begin with token 2.
    ids = torch.tensor([[2, 3, 1, 4], [5, 2, 0, 0], [0, 0, 0, 0]])
    found = next_classes(ids, torch.tensor([7, 1, 3]))
    left = -100
    assert found.tolist() == [[1, left, 2, 7], [0, 1, left, left], [left] * 4]


@pytest.mark.parametrize("weights", [None, [2.0, 0.5]])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_next_token_loss_is_a_mean_over_all_tokens_that_are_followed(weights: Any, smoothing: float) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 3, 4))
    ids, targets = [[2, 3, 5], [4, 0, 0]], [1, 3]
    following = [(0, 0, 1), (0, 1, 3), (0, 2, 1), (1, 0, 3)]
    naive, by_term = [], []
    for row, place, label in following:
        shares = [smoothing / 4 + (1 - smoothing) * (index == label) for index in range(4)]
        logs = log_softmax(logits[row, place].tolist())
        naive.append(-sum(share * log for share, log in zip(shares, logs, strict=True)))
        by_term.append(1.0 if weights is None else weights[row])
    loss = NextTokenLoss(smoothing=smoothing)
    found = loss(Given(logits), batch(targets, torch.int64, weights, inputs=ids))
    assert float(found.mean) == pytest.approx(mean(naive, by_term), abs=1e-5)
    assert float(found.terms) == pytest.approx(sum(by_term))


TEXT = {"text": TextInput(unit="words", vocabulary=("a", "b", "c"), length=4)}


def test_a_language_model_learns_from_every_token_and_a_classifier_from_each_row() -> None:
    multiclass: Any = "multiclass-classification"
    language = make_loss(TrainTable(label_smoothing=0.1), "next-token", TEXT, ("a", "b", "c"), Given(0))
    assert language == NextTokenLoss(smoothing=0.1)
    other_classes = make_loss(TrainTable(), multiclass, TEXT, ("no", "yes", "c"), Given(0))
    without_positions = make_loss(TrainTable(), "next-token", TEXT, ("a", "b", "c"), nn.Linear(1, 1))
    assert other_classes == without_positions == RowLoss(function=cross_entropy)
    series = {"s": SeriesInput(channels=("c",), steps=4, mean=(0.0,), scale=(1.0,))}
    assert make_loss(TrainTable(), multiclass, series, ("a", "b", "c"), Given(0)) == RowLoss(function=cross_entropy)


@pytest.mark.parametrize(
    ("table", "task", "parts"),
    [
        (TrainTable(label_smoothing=0.1), "regression", ("train.label_smoothing", "0 with regression")),
        (TrainTable(class_weights="balanced"), "next-token", ("train.class_weights", "weighs rows, not classes")),
    ],
)
def test_losses_that_do_not_fit_are_refused(table: TrainTable, task: Any, parts: tuple[str, ...]) -> None:
    with pytest.raises(TrainingError) as caught:
        make_loss(table, task, TEXT, ("a", "b", "c"), Given(0))
    for part in parts:
        assert part in caught.value.describe()

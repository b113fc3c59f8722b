"""Optimizers, schedules and clipping against their formulas, written out in float64."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from auditbench.config_training import TrainTable
from auditbench.training.examples import Examples
from auditbench.training.losses import RowLoss, mean_squared_error
from auditbench.training.optimizers import make_optimizer, rows_a_step
from auditbench.training.schedules import make_schedule
from auditbench.training.steps import Stepper

STEPS = 4
RATE = 0.1


def gradient_descent(
    weight: np.ndarray[Any, Any], gradient: Callable[..., Any], decay: float, **_: Any
) -> Iterator[Any]:
    while True:
        weight = weight - RATE * (gradient(weight) + decay * weight)
        yield weight


def momentum(weight: Any, gradient: Any, decay: float, beta: float, ahead: bool, **_: Any) -> Iterator[Any]:
    """Sutskever et al. 2013, as torch has it: the first velocity is the first gradient."""
    velocity = 0.0
    while True:
        slope = gradient(weight) + decay * weight
        velocity = beta * velocity + slope
        weight = weight - RATE * (slope + beta * velocity if ahead else velocity)
        yield weight


def adam(weight: Any, gradient: Any, decay: float, betas: tuple[float, float], apart: bool, **_: Any) -> Iterator[Any]:
    """arXiv:1412.6980, algorithm 1; with the decay apart from the gradient arXiv:1711.05101, algorithm 2."""
    first, second = 0.0, 0.0
    for step in range(1, 10**6):
        slope = gradient(weight) + (0 if apart else decay * weight)
        if apart:
            weight = weight * (1 - RATE * decay)
        first = betas[0] * first + (1 - betas[0]) * slope
        second = betas[1] * second + (1 - betas[1]) * slope**2
        corrected = first / (1 - betas[0] ** step), second / (1 - betas[1] ** step)
        weight = weight - RATE * corrected[0] / (np.sqrt(corrected[1]) + 1e-3)
        yield weight


@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize(
    ("keys", "naive", "own"),
    [
        ({"optimizer": "gradient-descent"}, gradient_descent, {}),
        ({"optimizer": "sgd"}, gradient_descent, {}),
        ({"optimizer": "sgd", "momentum": 0.8}, momentum, {"beta": 0.8, "ahead": False}),
        ({"optimizer": "sgd", "momentum": 0.8, "nesterov": True}, momentum, {"beta": 0.8, "ahead": True}),
        ({"optimizer": "adam", "epsilon": 1e-3}, adam, {"betas": (0.9, 0.999), "apart": False}),
        ({"optimizer": "adam", "betas": [0.5, 0.7], "epsilon": 1e-3}, adam, {"betas": (0.5, 0.7), "apart": False}),
        ({"optimizer": "adamw", "epsilon": 1e-3}, adam, {"betas": (0.9, 0.999), "apart": True}),
    ],
)
def test_steps_are_those_of_the_formula(
    keys: dict[str, Any], naive: Callable[..., Iterator[Any]], own: dict[str, Any], decay: float
) -> None:
    start, wanted = np.array([0.5, -2.0, 3.0]), np.array([1.0, 1.0, -1.0])
    expected = naive(start, lambda weight: 2 * (weight - wanted), decay, **own)
    weight = nn.Parameter(torch.tensor(start))
    table = TrainTable.model_validate({"learning_rate": RATE, "weight_decay": decay, **keys})
    optimizer = make_optimizer([weight], table)
    for _ in range(STEPS):
        optimizer.zero_grad()
        ((weight - torch.tensor(wanted)) ** 2).sum().backward()
        optimizer.step()
        np.testing.assert_allclose(weight.detach().numpy(), next(expected), rtol=1e-12)


def test_gradient_descent_takes_all_rows_and_the_others_a_batch() -> None:
    assert rows_a_step(TrainTable(optimizer="gradient-descent"), 1000) == 1000
    assert rows_a_step(TrainTable(batch_size=64), 1000) == 64
    assert rows_a_step(TrainTable(batch_size=64), 10) == 10


@given(step=st.integers(0, 119), warmup=st.integers(0, 40), final=st.sampled_from([0.0, 0.2]))
def test_schedules_are_their_closed_forms(step: int, warmup: int, final: float) -> None:
    def rate(schedule: str, **keys: Any) -> float:
        document = {"schedule": schedule, "epochs": 12, "warmup_steps": warmup, "learning_rate": 0.5, **keys}
        return make_schedule(TrainTable.model_validate(document), epoch_steps=10).rate(step)

    if step < warmup:
        rising = 0.5 * (step + 1) / warmup
        found = {rate("constant"), rate("cosine", final_share=final), rate("linear", final_share=final), rate("step")}
        assert all(one == pytest.approx(rising) for one in found)
        return
    behind, whole = step - warmup, 120 - warmup
    assert rate("constant") == 0.5
    assert rate("step", decay=0.3, decay_epochs=2) == pytest.approx(0.5 * 0.3 ** math.floor(behind / 20))
    cosine = final + (1 - final) * 0.5 * (1 + math.cos(math.pi * behind / whole))
    assert rate("cosine", final_share=final) == pytest.approx(0.5 * cosine)
    linear = 0.5 + (0.5 * final - 0.5) * behind / whole
    assert rate("linear", final_share=final) == pytest.approx(linear)


def test_a_warm_up_in_epochs_is_one_in_steps() -> None:
    schedule = make_schedule(TrainTable(warmup_epochs=1.5, learning_rate=1.0), epoch_steps=10)
    assert [schedule.rate(step) for step in (0, 7, 14, 15)] == pytest.approx([1 / 15, 8 / 15, 1.0, 1.0])


@pytest.mark.parametrize("most", [0.1, 1e6])
def test_gradients_are_scaled_down_to_the_largest_norm(most: float) -> None:
    network = nn.Linear(3, 1)
    before = [parameter.detach().clone() for parameter in network.parameters()]
    rows, targets = torch.randn(8, 3), torch.randn(8)
    examples = Examples(rows=rows.__getitem__, targets=targets, positions=torch.arange(8))
    table = TrainTable(optimizer="sgd", clip_norm=most, batch_size=8)
    Stepper(network, RowLoss(function=mean_squared_error), table, examples, None).step(torch.arange(8), 0.5)
    weight, bias = before
    residual = rows @ weight[0] + bias - targets
    slopes = [2 * (residual[:, None] * rows).mean(dim=0), 2 * residual.mean()]
    norm = math.sqrt(sum(float((slope**2).sum()) for slope in slopes))
    share = min(1.0, most / norm)
    for old, new, slope in zip(before, network.parameters(), slopes, strict=True):
        torch.testing.assert_close(new.detach(), old - 0.5 * share * slope, rtol=1e-4, atol=1e-6)

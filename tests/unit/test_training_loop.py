"""The loop: the epoch that is kept, frozen parts, the loss of all rows, and how rows reach it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from auditbench.config_training import TrainTable
from auditbench.data.inputs import SeriesInput
from auditbench.models.batching import BatchSize
from auditbench.training import examples as examples_module
from auditbench.training.examples import Examples, encoded_rows
from auditbench.training.loop import evaluate, fit
from auditbench.training.losses import RowLoss, mean_squared_error
from tests.small_training import ROWS, fitted, network, quiet

MSE = RowLoss(function=mean_squared_error)


def all_rows(inputs: torch.Tensor, targets: torch.Tensor) -> Examples:
    """Encoded rows and their targets, all of them."""
    return Examples(rows=inputs.__getitem__, targets=targets, positions=torch.arange(len(targets)))


class Constant(nn.Module):
    """Gives its only weight, so that its loss can be steered."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.weight.expand(len(rows), 1)


def test_the_best_epoch_is_kept_and_patience_ends_training() -> None:
    network = Constant()
    # Training pulls the weight to 10 in steps that Adam keeps at 1; validation is best at 3.
    training = all_rows(torch.zeros(4, 1), torch.full((4,), 1000.0))
    validation = all_rows(torch.zeros(4, 1), torch.full((4,), 3.0))
    table = TrainTable(learning_rate=1.0, batch_size=4, epochs=50, patience=4)
    fitted = fit(network, training, validation, MSE, table, seed=0, progress=quiet)
    assert fitted.best_epoch == 3
    assert len(fitted.losses) == 3 + 4
    assert fitted.weights["weight"].item() == pytest.approx(3.0, abs=1e-2)


def test_the_weights_of_the_last_epoch_can_be_kept_instead() -> None:
    network = Constant()
    training = all_rows(torch.zeros(4, 1), torch.full((4,), 1000.0))
    validation = all_rows(torch.zeros(4, 1), torch.full((4,), 3.0))
    table = TrainTable(learning_rate=1.0, batch_size=4, epochs=50, patience=4, keep="last")
    fitted = fit(network, training, validation, MSE, table, seed=0, progress=quiet)
    assert fitted.best_epoch == len(fitted.losses) == 3 + 4
    assert fitted.weights["weight"].item() == network.weight.item() == pytest.approx(7.0, abs=1e-2)


@pytest.mark.parametrize("rows", [2, 16])
def test_the_loss_is_the_mean_over_rows_whatever_the_batches(rows: int) -> None:
    found = evaluate(Constant(), all_rows(torch.zeros(10, 1), torch.arange(10.0)), MSE, BatchSize(rows))
    assert found == pytest.approx(float((torch.arange(10.0) ** 2).mean()))


def test_frozen_parameters_and_their_statistics_stay_as_they_are() -> None:
    module = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))
    for parameter in module[:2].parameters():
        parameter.requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    after = fitted(module, {"weight_decay": 0.1}).weights
    changed = {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}
    assert changed == {"3.weight", "3.bias"}


def test_what_the_settings_say_reaches_the_steps() -> None:
    linear = fitted(network(), {"schedule": "linear", "final_share": 0.5, "epochs": 4})
    steps = np.arange(1, 5) * 3 - 1
    np.testing.assert_allclose(linear.rates, 0.01 * (1 - 0.5 * steps / 12))
    assert (linear.steps, len(linear.seconds)) == (12, 4)


def test_rows_that_are_encoded_batch_by_batch_are_those_that_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = {"s": SeriesInput(channels=("a", "b"), steps=3, mean=(1.0, 2.0), scale=(0.5, 2.0))}
    raw = {"s": np.random.default_rng(0).normal(size=(20, 2, 3))}
    positions = torch.tensor([3, 19, 0, 3])
    kept = encoded_rows(raw, inputs, "cpu")
    monkeypatch.setattr(examples_module, "KEPT_BYTES", 20 * 6 * 4)
    at_the_limit = encoded_rows(raw, inputs, "cpu")
    monkeypatch.setattr(examples_module, "KEPT_BYTES", 20 * 6 * 4 - 1)
    above = encoded_rows(raw, inputs, "cpu")
    for rows in (kept, at_the_limit, above):
        expected = (raw["s"][positions] - np.array([[1.0], [2.0]])) / np.array([[0.5], [2.0]])
        np.testing.assert_allclose(rows(positions).numpy(), expected, rtol=1e-6)
    raw["s"][:] = 0
    assert torch.equal(above(positions), above(positions + 0))
    assert float(kept(positions).abs().sum()) != float(above(positions).abs().sum())


def test_a_regression_on_weighted_rows_is_weighted_least_squares() -> None:
    rng = np.random.default_rng(3)
    rows, weights = rng.normal(size=(ROWS, 4)), rng.random(ROWS) + 0.05
    targets = rows @ [1.0, -2.0, 0.5, 0.0] + 0.3 + rng.normal(size=ROWS)
    design = np.column_stack([rows, np.ones(ROWS)]) * np.sqrt(weights)[:, None]
    exact = np.linalg.lstsq(design, targets * np.sqrt(weights), rcond=None)[0]
    encoded = torch.tensor(rows, dtype=torch.float32)
    given = Examples(
        rows=encoded.__getitem__,
        targets=torch.tensor(targets, dtype=torch.float32),
        weights=torch.tensor(weights, dtype=torch.float32),
        positions=torch.arange(ROWS),
    )
    module = nn.Linear(4, 1)
    table = TrainTable(optimizer="gradient-descent", learning_rate=0.2, epochs=300, patience=300, keep="last")
    loss = RowLoss(function=mean_squared_error)
    found = fit(module, given, given, loss, table, seed=0, progress=quiet)
    np.testing.assert_allclose([*found.weights["weight"][0], *found.weights["bias"]], exact, atol=1e-5)

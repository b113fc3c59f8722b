"""`lime_weights` as it is called: modules and functions, targets, few operations, flat memory, words for bad input."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import torch
from torch import nn

from auditbench.masking import Prediction
from auditbench.testing import count_operations, peak_memory
from auditbench_lime import library_weights, lime_weights

BOTH = pytest.mark.parametrize("independent", [False, True])


def network(features: int, outputs: int = 1) -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(features, 16), nn.ReLU(), nn.Linear(16, outputs)).eval()


@BOTH
def test_modules_and_predict_functions_agree_and_targets_are_chosen(independent: bool) -> None:
    rng = np.random.default_rng(2)
    training, rows = rng.normal(size=(100, 5)).astype(np.float32), rng.normal(size=(7, 5)).astype(np.float32)
    module = network(5, 3)

    def predict(table: npt.NDArray[Any]) -> npt.NDArray[Any]:
        with torch.no_grad():
            return module(torch.from_numpy(table).float()).numpy()

    explain = partial(lime_weights, num_samples=300, independent=independent)
    every = explain(module, torch.from_numpy(rows), torch.from_numpy(training))
    assert every.values.shape == (7, 3, 5)
    np.testing.assert_allclose(explain(predict, rows, training).values, every.values, atol=1e-4)
    np.testing.assert_allclose(explain(module, rows, training, target=1).values, every.values[:, 1:2], atol=1e-5)
    highest = predict(rows).argmax(axis=1)
    for target in ("predicted", highest):
        found = explain(module, rows, training, target=target)
        np.testing.assert_allclose(found.values[:, 0], every.values[np.arange(7), highest], atol=1e-5)
        np.testing.assert_allclose(found.intercept[:, 0], every.intercept[np.arange(7), highest], atol=1e-5)


def explain_rows(rows: int) -> None:
    rng = np.random.default_rng(6)
    training, table = rng.normal(size=(100, 30)), rng.normal(size=(rows, 30))
    lime_weights(network(30), table, training, num_samples=5000)


def test_cost_a_row_is_a_few_operations() -> None:
    with count_operations() as few:
        explain_rows(140)
    with count_operations() as many:
        explain_rows(560)
    assert (many.operations - few.operations) / 420 < 1.5
    assert many.host_reads == few.host_reads


def test_memory_is_flat_in_the_rows() -> None:
    explain_rows(140)
    with peak_memory() as few:
        explain_rows(140)
    with peak_memory() as many:
        explain_rows(560)
    assert many.bytes < 1.05 * few.bytes


def test_models_and_tables_come_in_any_form() -> None:
    rng = np.random.default_rng(2)
    training = pd.DataFrame(
        {"age": rng.integers(20, 60, 80), "tall": rng.random(80) < 0.5, "income": rng.normal(size=80)}
    )
    rows, module = training.iloc[:3], network(3)
    prediction = Prediction(module)
    for function in (lime_weights, library_weights):
        explain = partial(function, num_samples=100, categorical_features=[1])
        by_frame, by_array = (
            explain(prediction, rows, training),
            explain(module, rows.to_numpy(float), training.to_numpy(float)),
        )
        assert by_frame.names == ("age", "tall", "income")
        assert by_array.names == ("player 0", "player 1", "player 2")
        np.testing.assert_array_equal(by_frame.values, by_array.values)
        assert by_frame.model_rows == by_array.model_rows
    assert prediction.rows > by_frame.model_rows


@pytest.mark.parametrize("explain", [lime_weights, library_weights])
def test_a_seed_is_no_generator(explain: Any) -> None:
    with pytest.raises(TypeError, match=r"got int; np.random.default_rng\(seed\)"):
        explain(network(3), np.ones((1, 3)), np.ones((2, 3)), rng=7)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": np.ones((2, 3))}, "expected as many features in `training_rows` as in `rows`, got 4 and 3"),
        ({"rows": np.ones(4)}, r"expected `rows` of shape \(rows, features\)"),
        ({"rows": np.empty((0, 4))}, r"expected `rows` of shape \(rows, features\)"),
        ({"rows": np.full((1, 4), np.nan)}, "expected finite numbers in `rows`, got nan in row 0, feature 0"),
        ({"training_rows": np.full((1, 4), np.inf)}, "expected finite numbers in `training_rows`, got inf"),
        ({"num_samples": 9}, "of at least 10 samples, got num_samples=9"),
        ({"kernel_width": 0.0}, "expected a kernel width above 0, got 0.0"),
        ({"target": 2}, "expected targets from 0 to 1, got 2"),
        ({"target": "income"}, "'income'"),
        ({"categorical_features": [4]}, "expected categorical features from 0 to 3, got 4"),
        ({"categorical_features": [True, False, False, True]}, "expected indices of columns .* got bool"),
        ({"rows": pd.DataFrame({"a": ["x"], "b": [1]})}, "expected numbers in `rows`.*encode categories"),
        (
            {
                "rows": pd.DataFrame(np.ones((1, 2)), columns=["a", "b"]),
                "training_rows": pd.DataFrame({"b": [1], "a": [2]}),
            },
            "expected the columns of the rows",
        ),
        ({"model_or_predict": lambda table: table[:1]}, "expected outputs of shape"),
        ({"model_or_predict": lambda table: np.where(table[:, 0] > 0, np.nan, 1)}, "got nan .* for row 0, output 0"),
        (
            {"model_or_predict": lambda table: np.where(len(table) > 2, np.inf, table[:, 0])},
            "inf .* for perturbed row 0",
        ),
        ({"model_or_predict": nn.Linear(4, 2).train()}, "training mode"),
    ],
)
@pytest.mark.parametrize("explain", [lime_weights, library_weights])
def test_bad_input_is_refused_by_name(explain: Any, change: dict[str, Any], message: str) -> None:
    training = np.random.default_rng(0).normal(size=(30, 4))
    given_ = {
        "model_or_predict": lambda table: table[:, :2],
        "rows": training[:2],
        "training_rows": training,
        "num_samples": 50,
        **change,
    }
    with pytest.raises(ValueError, match=message):
        explain(given_.pop("model_or_predict"), given_.pop("rows"), given_.pop("training_rows"), **given_)

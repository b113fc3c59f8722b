"""`lime_weights` as it is called: modules and functions, targets, few operations, flat memory, words for bad input."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

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


class Operations(TorchDispatchMode):
    """Counts tensor operations, reads of the host, and the largest tensor that an operation gives."""

    def __init__(self) -> None:
        super().__init__()
        self.count = self.reads = self.largest = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = function(*args, **(kwargs or {}))
        self.count += 1
        self.reads += function is torch.ops.aten._local_scalar_dense.default
        for tensor in found if isinstance(found, tuple | list) else (found,):
            if isinstance(tensor, torch.Tensor):
                self.largest = max(self.largest, tensor.numel())
        return found


def operations(rows: int) -> Operations:
    rng = np.random.default_rng(6)
    training, table = rng.normal(size=(100, 30)), rng.normal(size=(rows, 30))
    with Operations() as counted:
        lime_weights(network(30), table, training, num_samples=5000)
    return counted


def test_cost_a_row_is_a_few_operations_and_memory_is_flat() -> None:
    few, many = operations(140), operations(560)
    assert (many.count - few.count) / 420 < 4
    assert many.reads == few.reads
    assert many.largest <= few.largest


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": np.ones((2, 3))}, "expected as many features in `training_rows` as in `rows`, got 4 and 3"),
        ({"rows": np.ones(4)}, r"expected `rows` of shape \(rows, features\)"),
        ({"rows": np.empty((0, 4))}, r"expected `rows` of shape \(rows, features\)"),
        ({"rows": np.full((1, 4), np.nan)}, "expected finite numbers in `rows`, got nan in row 0, feature 0"),
        ({"training_rows": np.full((1, 4), np.inf)}, "expected finite numbers in `training_rows`, got inf"),
        ({"num_samples": 9}, "expected at least 10 samples, got num_samples=9"),
        ({"kernel_width": 0.0}, "expected a kernel width above 0, got 0.0"),
        ({"target": 2}, "expected targets from 0 to 1, got 2 to 2"),
        ({"target": "income"}, "'income'"),
        ({"categorical_features": [4]}, "expected categorical features from 0 to 3, got 4"),
        ({"model_or_predict": lambda table: table[:1]}, "expected outputs of shape"),
        ({"model_or_predict": lambda table: np.where(table[:, 0] > 0, np.nan, 1)}, "NaN"),
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

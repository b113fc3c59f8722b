"""Rows and outputs of modules and predict functions: what is taken, in which dtype, what is counted and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LinearRegression, LogisticRegression
from torch import nn

from auditbench.masking import Prediction, chosen_targets
from auditbench.models import BatchSize
from tests.limited_model import Limited
from tests.naive_games import mlp, numbers


class Given(nn.Module):
    """Gives what it was made with, whatever the rows."""

    def __init__(self, given: Any) -> None:
        super().__init__()
        self.given = given
        self.eval()

    def forward(self, rows: torch.Tensor) -> Any:
        return self.given(rows)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_a_module_gets_arrays_in_the_dtype_of_its_parameters_and_tensors_as_they_are(dtype: torch.dtype) -> None:
    prediction = Prediction(mlp(4, 2).to(dtype))
    for rows in (
        numbers(3, 4).to(dtype),
        numbers(3, 4).double().numpy(),
        pd.DataFrame(numbers(3, 4).numpy()),
        numbers(3, 4).tolist(),
    ):
        tensor = prediction.as_rows(rows)
        assert tensor.dtype == dtype
        assert prediction.of_all(tensor).shape == (3, 2)
        torch.testing.assert_close(tensor, numbers(3, 4).to(dtype))
    assert prediction.as_rows(torch.tensor([[1, 2]])).dtype == torch.int64


def test_a_module_without_parameters_gets_single_precision_and_a_function_what_was_given() -> None:
    assert Prediction(nn.Identity().eval()).as_rows(numbers(3, 4).double().numpy()).dtype == torch.float32
    assert Prediction(mlp(4)).as_rows(numbers(3, 4).double()).dtype == torch.float64
    given: list[Any] = []
    for dtype in (np.float16, np.float32, np.float64, np.int32, np.int64, np.uint8, np.bool_):
        prediction = Prediction(lambda rows: given.append(rows.dtype) or rows[:, 0])
        prediction.of_all(prediction.as_rows(np.ones((2, 3), dtype=dtype)))
        assert given.pop() == dtype
    assert Prediction(len).as_rows(numbers(2, 3, dtype=torch.bfloat16)).dtype == torch.float32


def test_read_only_and_reversed_arrays_are_taken_and_left_alone() -> None:
    array = numbers(3, 4).numpy().copy()
    array.flags.writeable = False
    prediction = Prediction(lambda rows: rows.__imul__(0.0).sum(axis=1))
    assert prediction.of_all(prediction.as_rows(array)).tolist() == [[0.0]] * 3
    np.testing.assert_array_equal(array, numbers(3, 4).numpy())
    assert torch.equal(prediction.as_rows(array[::-1]), numbers(3, 4).flip(0))


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64])
def test_whole_outputs_become_numbers_that_may_be_subtracted(dtype: torch.dtype) -> None:
    outputs = Prediction(Given(lambda rows: (rows.sum(dim=1) > 0).to(dtype)))(numbers(5, 3))
    assert outputs.dtype == torch.float64
    assert float((outputs - 1.0).min()) == -1.0


def test_rows_and_calls_are_counted_also_where_memory_runs_out() -> None:
    module = Limited(mlp(4, 2), 10)
    prediction = Prediction(module, batch=BatchSize(64))
    whole = prediction.of_all(numbers(50, 4))
    assert prediction.rows == 50
    assert prediction.calls == len([rows for rows in module.tried if rows <= 10])
    torch.testing.assert_close(whole, mlp(4, 2)(numbers(50, 4)).detach())


def test_neither_a_module_nor_a_function_is_refused() -> None:
    with pytest.raises(TypeError, match=r"expected an nn.Module or a predict function, got ndarray"):
        Prediction(np.zeros(3))


def test_a_module_in_training_mode_is_refused() -> None:
    for module in (mlp(4).train(), nn.Sequential(mlp(4), nn.Dropout().train()).eval()):
        module[-1].train()
        with pytest.raises(ValueError, match=r"got one in training mode; call module.eval\(\) first"):
            Prediction(module)


def test_an_exported_program_which_has_no_modes_is_taken() -> None:
    module = mlp(4, 2)
    program = torch.export.export(module, (numbers(3, 4),), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},)).module()
    torch.testing.assert_close(Prediction(program)(numbers(5, 4)), module(numbers(5, 4)).detach())


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (np.zeros((0, 3)), r"at least one row, got shape \(0, 3\)"),
        (np.zeros(3), r"got shape \(3,\)"),
        (np.array([[1.0, np.nan]]), "got nan in row 0, feature 1; fill missing numbers first"),
        (torch.tensor([[[1.0]], [[float("inf")]]]), r"got inf in row 1, feature \(0, 0\)"),
        (pd.DataFrame({"a": [1.0, None]}), "got nan in row 1, feature 'a'"),
        (np.array([["a", "b"]]), "expected numbers in `rows`, got dtype <U1"),
        (pd.DataFrame({"a": [1.0], "b": ["x"]}), "expected numbers in `rows`, got columns b"),
        (torch.zeros((2, 2), dtype=torch.complex64), "expected real numbers in `rows`, got torch.complex64"),
    ],
)
def test_rows_that_cannot_be_explained_are_refused(rows: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Prediction(mlp(2)).as_rows(rows)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (lambda rows: rows.sum(), r"expected outputs of shape \(5,\) or \(5, outputs\), got \(\)"),
        (lambda rows: rows[:2], r"got \(2, 3\)"),
        (lambda rows: rows[:, :, None], r"got \(5, 3, 1\)"),
    ],
)
def test_outputs_of_another_shape_are_refused(given: Any, said: str) -> None:
    for model in (Given(given), given):
        with pytest.raises(ValueError, match=said):
            Prediction(model).of_all(numbers(5, 3))


def test_outputs_that_are_no_tensor_are_refused() -> None:
    with pytest.raises(ValueError, match="got tuple"):
        Prediction(Given(lambda rows: (rows, rows)))(numbers(5, 3))
    with pytest.raises(ValueError, match=r"expected numbers from the predict function, got None \(object\)"):
        Prediction(lambda rows: None)(numbers(5, 3))
    with pytest.raises(ValueError, match=r"got 'yes' \(<U3\); of a classifier pass predict_proba"):
        Prediction(lambda rows: np.full(len(rows), "yes"))(numbers(5, 3))


def test_an_estimator_is_refused_with_the_method_to_pass() -> None:
    with pytest.raises(TypeError, match=r"got LogisticRegression; pass its method predict_proba$"):
        Prediction(LogisticRegression())
    with pytest.raises(TypeError, match=r"got LinearRegression; pass its method predict$"):
        Prediction(LinearRegression())
    with pytest.raises(TypeError, match=r"got str$"):
        Prediction("model")


OUTPUTS = torch.tensor([[0.1, 0.7, 0.2], [0.5, 0.3, 0.4]])


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (None, OUTPUTS.tolist()),
        (2, [[0.2], [0.4]]),
        (np.int64(2), [[0.2], [0.4]]),
        ("predicted", [[0.7], [0.5]]),
        ([2, 1], [[0.2], [0.3]]),
        (np.array([2, 1], dtype=np.int32), [[0.2], [0.3]]),
        (torch.tensor([0, 1]), [[0.1], [0.3]]),
    ],
)
def test_targets_select_outputs_of_rows_and_of_parts_of_them(target: Any, expected: list[list[float]]) -> None:
    targets = chosen_targets(target, OUTPUTS)
    torch.testing.assert_close(targets.select(OUTPUTS), torch.tensor(expected))
    last = torch.tensor([1])
    torch.testing.assert_close(targets.of_rows(last).select(OUTPUTS[last]), torch.tensor(expected)[last])
    torch.testing.assert_close(targets.select(OUTPUTS[:, None])[:, 0], torch.tensor(expected))


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (3, "expected targets from 0 to 2, got 3"),
        (-1, "expected targets from 0 to 2, got -1"),
        ([0, 3], "expected targets from 0 to 2, got 3"),
        ([0, 1, 2], r"one for each of 2 rows, as the target, got \(3,\) of torch.int64"),
        ([[0], [1]], r"got \(2, 1\)"),
        (1.0, "expected one whole index as the target, got 1.0"),
        (True, "expected one whole index as the target, got True"),
        ([], r"got \(0,\)"),
        ("prediction", "or 'predicted' as the target, got 'prediction'"),
        (["a", "b"], r"or 'predicted' as the target, got \['a', 'b'\]"),
    ],
)
def test_targets_that_there_are_not_are_refused(target: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        chosen_targets(target, OUTPUTS)


@pytest.mark.parametrize("target", [None, 0, "predicted", [0, 0]])
def test_a_single_output_needs_no_choice(target: Any) -> None:
    targets = chosen_targets(target, OUTPUTS[:, :1])
    assert targets.chosen is None
    assert targets.count == 1

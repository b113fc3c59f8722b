"""Tensors that do not fit are two problems at most, with the first names and the number of them all."""

from __future__ import annotations

import math

import torch

from auditbench.models.tensors import tensor_problems

NETWORK = {"0.weight": torch.zeros(4, 5), "0.bias": torch.zeros(4), "2.weight": torch.zeros(1, 4)}


def test_the_weights_of_another_network_are_counted_and_the_first_are_named() -> None:
    found = {f"block.{index}.weight": torch.zeros(3, 3) for index in range(6)}
    (problem,) = tensor_problems(NETWORK, found, where="file", cast=True, fix="name it")
    assert problem.message == "the weights are not those of the architecture: 9 of 9 tensors"
    assert (problem.where, problem.fix) == ("file", "name it")
    assert problem.found == (
        "0.bias no such tensor; 0.weight no such tensor; 2.weight no such tensor; "
        "block.0.weight shape (3, 3), torch.float32; and 5 more"
    )
    assert problem.allowed == (
        "0.bias shape (4,), torch.float32; 0.weight shape (4, 5), torch.float32; "
        "2.weight shape (1, 4), torch.float32; block.0.weight no such tensor; and 5 more"
    )


def test_one_tensor_is_named_where_it_is_and_others_that_are_not_finite_apart() -> None:
    found = {name: torch.full_like(tensor, math.nan) for name, tensor in NETWORK.items()}
    found["0.weight"] = torch.zeros(4, 9)
    shape, infinite = tensor_problems(NETWORK, found, where="file", cast=True, fix="")
    assert shape.where == "file: 0.weight"
    assert shape.message == "the weights are not those of the architecture"
    assert (shape.found, shape.allowed) == ("shape (4, 9), torch.float32", "shape (4, 5), torch.float32")
    assert infinite.where == "file"
    assert infinite.message == "weights are not finite: 2 of 3 tensors"
    assert infinite.found.endswith(": 0.bias, 2.weight")


def test_tensors_that_fit_are_no_problem() -> None:
    found = {name: tensor.double() for name, tensor in NETWORK.items()}
    assert tensor_problems(NETWORK, found, where="file", cast=True, fix="") == []
    assert len(tensor_problems(NETWORK, found, where="file", cast=False, fix="")) == 1

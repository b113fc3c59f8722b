"""Operations are counted as torch dispatches them."""

from __future__ import annotations

import operator

import numpy as np
import pytest
import torch
from torch import nn

from auditbench.testing import count_operations


def test_a_linear_layer_and_its_activation_are_two_operations() -> None:
    layer, rows = nn.Linear(3, 2), torch.ones(4, 3)
    with count_operations() as count, torch.no_grad():
        torch.relu_(layer(rows))
    assert count.by_name == {"addmm": 1, "relu_": 1}
    assert (count.operations, count.host_reads) == (2, 0)


def test_backward_is_counted_too() -> None:
    rows = torch.ones(4, requires_grad=True)
    with count_operations() as forward:
        total = (rows * 2).sum()
    with count_operations() as backward:
        torch.autograd.grad(total, rows)
    assert forward.by_name == {"mul": 1, "sum": 1}
    assert backward.by_name["mul"] == 1


def test_views_are_no_operations() -> None:
    numbers = torch.zeros(2, 3)
    with count_operations() as count:
        numbers.t()[0].view(2).unsqueeze(0).expand(5, 2)
    assert count.operations == 0


@pytest.mark.parametrize(
    ("read", "reads"),
    [
        pytest.param(lambda numbers: numbers.sum().item(), 1, id="item"),
        pytest.param(lambda numbers: bool((numbers > 0).any()), 1, id="condition"),
        pytest.param(lambda numbers: numbers.nonzero(), 1, id="shape-depends-on-numbers"),
        pytest.param(lambda numbers: numbers[numbers > 0], 1, id="boolean-mask"),
        pytest.param(lambda numbers: numbers.tolist(), 1, id="tolist"),
        pytest.param(lambda numbers: numbers.cpu(), 1, id="cpu"),
        pytest.param(lambda numbers: numbers.numpy(), 1, id="numpy"),
        pytest.param(np.asarray, 1, id="array"),
        pytest.param(list, 1, id="iteration"),
        pytest.param(lambda numbers: list(numbers.expand(5, 3)), 0, id="iteration-over-rows"),
        pytest.param(lambda numbers: operator.setitem(numbers, numbers > 0, torch.ones(2)), 1, id="assignment-by-mask"),
        pytest.param(lambda numbers: operator.setitem(numbers, torch.tensor([0, 1]), 7.0), 0, id="assignment-by-index"),
        pytest.param(lambda numbers: numbers[torch.tensor([0, 1])].sum(), 0, id="index"),
        pytest.param(lambda numbers: torch.where(numbers > 0, numbers, 0), 0, id="where"),
    ],
)
def test_reads_of_the_host(read: object, reads: int) -> None:
    assert callable(read)
    with count_operations() as count:
        read(torch.arange(3.0))
    assert count.host_reads == reads


def test_counting_ends_with_the_context() -> None:
    with count_operations() as count:
        pass
    torch.zeros(3).add(1)
    assert count.operations == 0

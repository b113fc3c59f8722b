"""What the widest activation of a module is, whatever the module is made of, and that nothing is set on it."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from auditbench.masking.block_sizes import MOST_TOGETHER, block_rows, rows_together, widest_activation
from tests.naive_games import mlp, numbers, tokens

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")


class Functional(nn.Module):
    """No layer gives what is widest: an outer product of a row."""

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return F.softmax(rows.unsqueeze(2) * rows.unsqueeze(1), dim=2).sum(dim=(1, 2))


def exported(module: nn.Module) -> nn.Module:
    return torch.export.export(module, (numbers(3, 4),), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},)).module()


def attention() -> nn.Module:
    return nn.TransformerEncoderLayer(4, 2, 16, batch_first=True).eval().requires_grad_(False)


@pytest.mark.parametrize("rows", [1, 4])
@pytest.mark.parametrize(
    ("make", "shape", "widest"),
    [
        pytest.param(lambda: mlp(4, hidden=50), (4,), 50 * 4, id="layers"),
        pytest.param(lambda: mlp(70), (70,), 70 * 4, id="input"),
        pytest.param(lambda: torch.jit.script(mlp(4, hidden=50)), (4,), 50 * 4, id="scripted"),
        pytest.param(lambda: torch.jit.freeze(torch.jit.script(mlp(4, hidden=50))), (4,), 50 * 4, id="frozen"),
        pytest.param(lambda: nn.Sequential(torch.jit.script(mlp(4, hidden=50))).eval(), (4,), 50 * 4, id="holding"),
        pytest.param(lambda: exported(mlp(4, hidden=50)), (4,), 50 * 4, id="exported"),
        pytest.param(Functional, (9,), 81 * 4, id="functional"),
        pytest.param(attention, (3, 4), 3 * 16 * 4, id="attention"),
    ],
)
def test_the_widest_tensor_of_a_row(
    make: Callable[[], nn.Module], shape: tuple[int, ...], widest: int, rows: int
) -> None:
    assert widest_activation(make(), numbers(rows, *shape)) == widest


def test_bytes_are_those_of_the_numbers() -> None:
    assert widest_activation(mlp(4, hidden=50).double(), numbers(2, 4, dtype=torch.float64)) == 50 * 8
    assert widest_activation(nn.Embedding(9, 3), tokens(2, 5)) == 5 * 3 * 4
    assert widest_activation(nn.Embedding(9, 1), tokens(2, 5)) == 5 * 8


def test_one_run_of_the_rows_is_told_and_they_stay_as_they_are() -> None:
    rows, told = numbers(3, 4), list[int]()
    given = rows.clone()
    widest_activation(nn.ReLU(inplace=True), rows, told.append)
    assert told == [3]
    assert torch.equal(rows, given)


def test_nothing_is_set_on_the_module_and_other_threads_do_not_count() -> None:
    class Running(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 4)
            self.hooks = 0

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            self.hooks += len(self._forward_hooks) + len(self.layer._forward_hooks)
            if len(rows) == 2:
                other = threading.Thread(target=self, args=(many,))
                other.start()
                other.join()
            outputs: torch.Tensor = self.layer(rows)
            return outputs

    module, many = Running().eval(), numbers(500, 4)
    assert widest_activation(module, numbers(2, 4)) == 4 * 4
    assert module.hooks == 0


def test_blocks_shrink_with_the_bytes_of_a_row() -> None:
    assert block_rows(1 << 10, "cpu") == 8 << 10
    assert block_rows(1 << 30, "cpu") == 16
    assert block_rows(1, "cpu") == 1 << 16
    assert block_rows(1 << 10, "cuda:1") == 256 << 10
    assert block_rows(1 << 10, "cpu", whole=True) == 2 << 10
    assert block_rows(1 << 10, "cuda:1", whole=True) == 256 << 10
    assert block_rows(1 << 10, "elsewhere") == block_rows(1 << 10, "cpu")
    assert rows_together(1 << 20) == 32
    assert rows_together(1 << 40) == 1
    assert rows_together(0) == MOST_TOGETHER

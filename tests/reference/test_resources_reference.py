"""Multiply-accumulates against the textbook formula of each layer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from auditbench.data import TextInput
from auditbench.testing import toy_subject
from auditbench_resources.compute import multiply_accumulates
from auditbench_resources.inputs import longest_row
from auditbench_resources.summary import layer_table


class LastStep(nn.Module):
    """The last output of a recurrent layer over a series."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, series: torch.Tensor) -> torch.Tensor:
        return self.layer(series)[0][:, -1]


class SelfAttention(nn.Module):
    def __init__(self, layer: nn.MultiheadAttention) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.layer(tokens, tokens, tokens, need_weights=False)[0]


class DigitCnn(nn.Module):
    """Two convolutions with pooling between them, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 8, 3)
        self.pool, self.head = nn.MaxPool2d(2), nn.Linear(8 * 4, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.pool(self.second(self.pool(self.first(images).relu()).relu())).flatten(1))


class TextLstm(nn.Module):
    """An embedding, an LSTM in both directions, and a linear layer on its last step."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.lstm = nn.Embedding(50, 6), nn.LSTM(6, 5, batch_first=True, bidirectional=True)
        self.head = nn.Linear(10, 2)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.head(self.lstm(self.embedding(ids))[0][:, -1])


class Attending(nn.Module):
    """Attention of one head that is written out: its products belong to no layer below it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.project, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        queries, keys, values = self.project(tokens).chunk(3, dim=-1)
        return self.out(nn.functional.scaled_dot_product_attention(queries, keys, values, is_causal=True))


class Decoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.attend, self.head = nn.Embedding(30, 8), Attending(8), nn.Linear(8, 30)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.head(self.attend(self.embedding(ids))[:, -1])


def encoder_layer(width: int, hidden: int) -> nn.Module:
    return nn.TransformerEncoderLayer(width, 2, hidden, batch_first=True)


def encoder_products(steps: int, width: int, hidden: int) -> int:
    projections = steps * width * 3 * width + steps * width * width
    return projections + 2 * steps * steps * width + 2 * steps * width * hidden


@pytest.mark.parametrize(
    ("module", "shape", "expected"),
    [
        pytest.param(nn.Sequential(nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 3)), (10,), 10 * 20 + 20 * 3, id="mlp"),
        pytest.param(nn.Conv2d(3, 8, 3, padding=1), (3, 6, 6), 6 * 6 * 8 * 3 * 9, id="convolution"),
        pytest.param(nn.Conv2d(4, 8, 3, stride=2, groups=2), (4, 9, 9), 4 * 4 * 8 * 2 * 9, id="grouped-and-strided"),
        pytest.param(nn.Conv1d(2, 5, 4), (2, 10), 7 * 5 * 2 * 4, id="convolution-of-a-series"),
        pytest.param(LastStep(nn.LSTM(8, 12, batch_first=True)), (7, 8), 7 * 4 * 12 * (8 + 12), id="lstm"),
        pytest.param(LastStep(nn.GRU(8, 12, batch_first=True)), (7, 8), 7 * 3 * 12 * (8 + 12), id="gru"),
        pytest.param(
            SelfAttention(nn.MultiheadAttention(16, 4, batch_first=True)),
            (5, 16),
            5 * 16 * 16 * 4 + 2 * 5 * 5 * 16,
            id="attention",
        ),
        pytest.param(encoder_layer(16, 32), (5, 16), encoder_products(5, 16, 32), id="transformer"),
    ],
)
def test_counts_equal_the_formula(module: nn.Module, shape: tuple[int, ...], expected: int) -> None:
    module.eval()
    assert multiply_accumulates(module, torch.zeros(1, *shape)).total == expected
    assert multiply_accumulates(module, torch.zeros(4, *shape)).total == 4 * expected


def test_counts_by_module_add_up() -> None:
    module = nn.Sequential(nn.Linear(6, 4), nn.Sequential(nn.ReLU(), nn.Linear(4, 2)))
    found = multiply_accumulates(module, torch.zeros(1, 6))
    own = {path: call.own for path, call in found.by_module.items()}
    assert own == {"0": 6 * 4, "1.0": 0, "1.1": 4 * 2, "1": 0, ".": 0}
    assert sum(own.values()) == found.total
    assert found.by_module["1.1"].shape == (2,)


CNN = {"first": 12 * 12 * 4 * 9, "second": 4 * 4 * 8 * 4 * 9, "head": 32 * 10}
LSTM = {"embedding": 0, "lstm": 2 * 9 * 4 * 5 * (6 + 5), "head": 10 * 2}
DECODER = {
    "embedding": 0,
    "attend": 2 * 7 * 7 * 8,
    "attend.project": 7 * 8 * 24,
    "attend.out": 7 * 8 * 8,
    "head": 8 * 30,
}


@pytest.mark.parametrize(
    ("module", "rows", "expected", "shapes"),
    [
        pytest.param(DigitCnn(), torch.zeros(1, 1, 12, 12), CNN, ("4 × 12 × 12", "8 × 4 × 4", "10"), id="cnn"),
        pytest.param(TextLstm(), torch.ones(1, 9, dtype=torch.int64), LSTM, ("9 × 6", "9 × 10", "2"), id="lstm"),
        pytest.param(
            Decoder(),
            torch.ones(1, 7, dtype=torch.int64),
            DECODER,
            ("7 × 8", "7 × 8", "7 × 24", "7 × 8", "30"),
            id="decoder",
        ),
    ],
)
def test_the_network_reads_layer_by_layer(
    module: nn.Module, rows: torch.Tensor, expected: dict[str, int], shapes: tuple[str, ...]
) -> None:
    """Each part with its own products, look-ups with none, and the products of attention where they are made."""
    found = multiply_accumulates(module.eval(), rows)
    table = layer_table(module, found)
    assert {row[0]: row[4] for row in table.rows} == expected
    assert found.total == sum(expected.values())
    assert tuple(row[2] for row in table.rows) == shapes
    assert sum(row[3] for row in table.rows) == sum(parameter.numel() for parameter in module.parameters())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())


def test_a_module_called_twice_counts_both_calls_once() -> None:
    shared = nn.Linear(3, 3)
    found = multiply_accumulates(nn.Sequential(shared, nn.Sequential(shared, nn.ReLU())), torch.zeros(1, 3))
    assert {path: call.own for path, call in found.by_module.items() if call.own} == {"0": 18}
    assert found.total == 18


class FirstTokens(nn.Module):
    """Multiplies for tokens alone, none for padding: what it costs follows from the length of the text."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 4)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.layer(ids[ids != 0].float().unsqueeze(1)).sum(dim=0, keepdim=True)


def test_texts_are_counted_at_full_length() -> None:
    item = toy_subject(modality="text").data.inputs["text"]
    assert isinstance(item, TextInput)
    short = {"text": np.array([[3, 2, 0, 0, 0, 0, 0]])}
    row = longest_row(short, {"text": item})
    assert row["text"].tolist() == [[3, 2, 1, 1, 1, 1, 1]]
    assert multiply_accumulates(FirstTokens(), torch.from_numpy(row["text"])).total == item.length * 4
    assert short["text"][0, 2] == 0

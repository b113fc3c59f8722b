"""The embedding of tokens is found by what it is given, and a refusal says what its caller asks for."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from auditbench.errors import AnalyzerNotPossible
from auditbench.models.token_embedding import token_embedding


class Network(nn.Module):
    """Tokens and positions, each with an embedding, and one that nobody calls."""

    def __init__(self) -> None:
        super().__init__()
        self.positions, self.words, self.spare = nn.Embedding(8, 4), nn.Embedding(20, 4), nn.Embedding(20, 4)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return (self.words(ids) + self.positions(torch.arange(ids.shape[1]).expand_as(ids))).sum(dim=1)


@pytest.mark.parametrize("ids", [[3, 4, 5, 0], [5, 5, 5, 5], [0, 0, 0, 0], [2]])
def test_the_embedding_of_tokens_is_told_from_that_of_positions(ids: list[int]) -> None:
    network = Network().eval()
    found = token_embedding(network, torch.tensor([ids]), where="", fix="")
    assert found == ("words", network.words)
    assert not any(layer._forward_pre_hooks for layer in network.modules())


def test_a_refusal_says_where_and_what_to_do() -> None:
    with pytest.raises(AnalyzerNotPossible, match="has not one such layer") as refused:
        token_embedding(nn.Flatten(), torch.tensor([[3, 4]]), where="analyzers.some.method", fix="take another method")
    (problem,) = refused.value.problems
    assert (problem.where, problem.fix) == ("analyzers.some.method", "take another method")

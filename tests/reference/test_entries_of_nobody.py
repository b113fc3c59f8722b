"""Entries that belong to no player stay in every coalition, the empty one too: Shapley values against the definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from auditbench.masking import NOBODY, BackgroundRows, MaskToken, players_of, token_players
from auditbench_shap import shapley_values
from tests.naive_games import Numbers, masked, naive_shapley, outputs_of


def values_by_definition(
    module: nn.Module, row: torch.Tensor, background: torch.Tensor, groups: torch.Tensor
) -> tuple[Numbers, float]:
    """Contributions of the players of one row, and the mean output where all of them are hidden."""
    players = int(groups.max()) + 1
    found = naive_shapley(module, row, background, groups, players)[0]
    hidden = torch.stack([masked(row, other, groups, [False] * players) for other in background])
    return found, float(outputs_of(module, hidden).mean())


@pytest.mark.parametrize("traceable", [True, False])
@pytest.mark.parametrize(("method", "tolerance"), [("exact", 1e-6), ("permutation", 0.02), ("kernel", 0.05)])
def test_columns_of_nobody(method: str, tolerance: float, *, traceable: bool) -> None:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 1)).double().eval()

    def predict(rows: Numbers) -> Numbers:
        with torch.no_grad():
            outputs: Numbers = layers(torch.from_numpy(rows)).numpy()
        return outputs

    rows, background = torch.randn(4, 5, dtype=torch.float64), torch.randn(6, 5, dtype=torch.float64)
    found = shapley_values(
        layers if traceable else predict,
        rows,
        background,
        groups=[[0, 1], [2], [3]],
        method=method,
        rng=np.random.default_rng(0),
    )
    groups = torch.tensor([0, 0, 1, 2, NOBODY])
    for index, row in enumerate(rows):
        expected, base_value = values_by_definition(layers, row, background, groups)
        np.testing.assert_allclose(found.values[index, 0], expected, atol=tolerance * np.abs(expected).max())
        assert found.base_value[index, 0] == pytest.approx(base_value, rel=1e-9)
    assert len(set(found.base_value[:, 0])) == len(rows)


@pytest.mark.parametrize("method", ["exact", "permutation"])
def test_padding_and_absent_words(method: str) -> None:
    torch.manual_seed(0)
    module = (
        nn.Sequential(nn.Embedding(20, 4), nn.Flatten(), nn.Linear(24, 8), nn.Tanh(), nn.Linear(8, 1)).double().eval()
    )
    texts = torch.tensor([[9, 1, 2, 3, 4, 9], [9, 5, 6, 9, 0, 0], [9, 7, 8, 2, 9, 0]])
    players = token_players(texts, special=(0, 9))
    masker = MaskToken(token_id=10)
    found = shapley_values(module, texts, masker, groups=players, method=method, rng=np.random.default_rng(0))
    for index, text in enumerate(texts):
        groups = players.groups[index]
        expected, base_value = values_by_definition(module, text, torch.full((1, 6), 10), groups)
        present = len(expected)
        np.testing.assert_allclose(found.values[index, 0, :present], expected, atol=1e-6 if method == "exact" else 0.02)
        assert (np.abs(found.values[index, 0, present:]) < 1e-12).all()
        assert found.base_value[index, 0] == pytest.approx(base_value, rel=1e-9)


def test_the_background_of_nobodys_columns_changes_nothing() -> None:
    torch.manual_seed(1)
    module = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1)).double().eval()
    rows, background = torch.randn(3, 4, dtype=torch.float64), torch.randn(5, 4, dtype=torch.float64)
    other = background.clone()
    other[:, 3] += 7.0
    players = players_of([[0], [1], [2]], (4,))
    one, two = (shapley_values(module, rows, BackgroundRows(background=b), groups=players) for b in (background, other))
    np.testing.assert_allclose(one.values, two.values, atol=1e-12)
    np.testing.assert_allclose(one.base_value, two.base_value, atol=1e-12)

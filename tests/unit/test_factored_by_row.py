"""Rows with players of their own behind a first layer that is computed once, against rows that are masked one by one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from auditbench.masking import (
    NOBODY,
    BackgroundRows,
    Baseline,
    Coalitions,
    Evaluator,
    MaskedModel,
    Masker,
    MaskToken,
    Players,
    Prediction,
    chosen_targets,
    players_of,
    token_players,
)
from auditbench_shap import shapley_values
from tests.naive_games import masked, mlp, naive_shapley, numbers, outputs_of, tokens

PADDING = 0


def padded(texts: int, length: int) -> torch.Tensor:
    """Texts of falling length."""
    ids = tokens(texts, length, vocabulary=8) + 1
    for text in range(texts):
        ids[text, length - text :] = PADDING
    return ids


def reader(length: int, *, mean: bool = False) -> nn.Module:
    class Mean(nn.Module):
        def forward(self, embedded: torch.Tensor) -> torch.Tensor:
            return embedded.mean(dim=1)

    torch.manual_seed(0)
    pool, width = (Mean(), 3) if mean else (nn.Flatten(), 3 * length)
    return nn.Sequential(nn.Embedding(10, 3), pool, nn.Linear(width, 6), nn.Tanh(), nn.Linear(6, 2)).eval()


def texts_case(*, mean: bool) -> tuple[nn.Module, torch.Tensor, Players, Masker]:
    ids = padded(4, 5)
    return reader(5, mean=mean), ids, token_players(ids, special=[PADDING]), MaskToken(token_id=9)


def numbers_case(scale: float = 1.0) -> tuple[nn.Module, torch.Tensor, Players, Masker]:
    groups = torch.tensor([[0, 0, 1, 2, 2, NOBODY], [2, 1, 0, 0, NOBODY, NOBODY], [0, 1, 1, 1, 0, 0]])
    rows = numbers(3, 6)
    rows[:, 2] *= scale
    return mlp(6, 2), rows, players_of(groups, (6,)), Baseline(baseline=numbers(6, seed=1))


CASES: dict[str, tuple[nn.Module, torch.Tensor, Players, Masker]] = {
    "tokens": texts_case(mean=False),
    "mean-of-tokens": texts_case(mean=True),
    "numbers": numbers_case(),
    "numbers-far-apart": numbers_case(scale=1e4),
}


def evaluator(case: tuple[nn.Module, torch.Tensor, Players, Masker], *, factor: bool = True) -> Any:
    module, rows, players, masker = case
    model = MaskedModel(Prediction(module), players, masker, rows, targets=2, factor=factor)
    return model, Evaluator(model, rows, players, chosen_targets(None, torch.zeros(len(rows), 2)))


@pytest.mark.parametrize("name", CASES)
def test_each_coalition_gives_what_the_masked_row_gives(name: str) -> None:
    module, rows, players, masker = CASES[name]
    model, evaluated = evaluator(CASES[name])
    assert model.first is not None
    kept = torch.rand((1, 7, len(players)), generator=torch.Generator().manual_seed(0)) < 0.5
    coalitions = Coalitions(kept=kept, replacements=torch.zeros(1, dtype=torch.int64))
    replaced = masker.replacements(rows, players)[0, 0]

    def expected(kept: torch.Tensor) -> torch.Tensor:
        games = zip(rows, players.groups, strict=True)
        return torch.stack(
            [
                outputs_of(module, torch.stack([masked(row, replaced, groups, each.tolist()) for each in kept]))
                for row, groups in games
            ]
        )

    found, differences = evaluated.outputs(coalitions)[:, 0], evaluated.differences(coalitions)[:, 0]
    torch.testing.assert_close(found.double(), expected(kept[0]), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(differences.double(), expected(kept[0]) - expected(~kept[0]), atol=1e-5, rtol=1e-4)
    nobody = torch.zeros(1, len(players), dtype=torch.bool)
    torch.testing.assert_close(
        evaluated.outputs_of_replacements()[:, 0].double(), expected(nobody)[:, 0], atol=1e-5, rtol=1e-4
    )


def test_several_replacements_are_masked_in_place() -> None:
    module, rows, players, _ = CASES["tokens"]
    several = BackgroundRows(background=tokens(3, 5))
    model, _ = evaluator((module, rows, players, several))
    assert model.first is None


def test_values_of_padded_texts_are_those_of_their_definition() -> None:
    module, ids, players, masker = CASES["tokens"]
    found = shapley_values(module, ids, masker, groups=players, method="exact")
    replaced = masker.replacements(ids, players)[0]
    for text, (row, groups) in enumerate(zip(ids, players.groups, strict=True)):
        expected = naive_shapley(module, row, replaced, groups, len(players))
        assert abs(found.values[text] - expected).max() < 1e-5
        assert (abs(found.values[text][:, len(row) - text :]) < 1e-6).all()

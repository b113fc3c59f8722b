"""Occlusion against one masked row at a time, its model rows counted."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from auditbench.masking import (
    NOBODY,
    BackgroundRows,
    Baseline,
    Blur,
    MaskedModel,
    Masker,
    MaskToken,
    Players,
    Prediction,
    SegmentMean,
    occlusion,
    players_of,
    superpixels,
    time_segments,
    token_players,
)


def network(*layers: nn.Module) -> nn.Module:
    """The layers in double precision with weights that are the same in every run."""
    module = nn.Sequential(*layers).double().eval()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) / 3)
    return module


def numbers(*shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def occlusion_by_loops(
    module: nn.Module, rows: torch.Tensor, players: Players, masker: Masker
) -> npt.NDArray[np.float64]:
    """One masked row at a time, shape (rows, targets, players)."""
    replacements = masker.replacements(rows, players)
    values = []
    for index, row in enumerate(rows):
        groups = players.groups[index] if players.per_row else players.groups
        with torch.no_grad():
            for player in range(len(players)):
                hidden = [torch.where(groups == player, one, row) for one in replacements[index % len(replacements)]]
                loss = module(row[None])[0] - torch.stack([module(each[None])[0] for each in hidden]).mean(dim=0)
                values.append(loss.numpy())
    found: npt.NDArray[np.float64] = np.stack(values).reshape(len(rows), len(players), -1)
    return found.transpose(0, 2, 1)


TABLE = numbers(5, 6)
IMAGES = numbers(3, 2, 8, 8)
SERIES = numbers(4, 2, 9)
IDS = torch.tensor([[9, 1, 2, 3, 9], [9, 4, 9, 0, 0]])


@pytest.mark.parametrize(
    ("layers", "rows", "players", "masker"),
    [
        pytest.param(
            [nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3)],
            TABLE,
            players_of([[0, 1], [2], [4, 5]], (6,)),
            BackgroundRows(background=numbers(7, 6)),
            id="table",
        ),
        pytest.param(
            [nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2)],
            IMAGES,
            superpixels(IMAGES, count=6),
            SegmentMean(),
            id="superpixels",
        ),
        pytest.param(
            [nn.Flatten(), nn.Linear(128, 2)],
            IMAGES,
            superpixels(IMAGES, method="grid", count=4),
            Blur(sigma=2.0),
            id="tiles-of-a-linear-model",
        ),
        pytest.param(
            [nn.Conv1d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(21, 1)],
            SERIES,
            time_segments(SERIES, length=2, by_channel=True),
            Baseline(baseline=torch.zeros(2, 9)),
            id="series",
        ),
        pytest.param(
            [nn.Embedding(11, 4), nn.Flatten(), nn.Linear(20, 3)],
            IDS,
            token_players(IDS, special=(0, 9)),
            MaskToken(token_id=10),
            id="tokens",
        ),
    ],
)
def test_values_match_one_masked_row_at_a_time(
    layers: list[nn.Module], rows: torch.Tensor, players: Players, masker: Masker
) -> None:
    module = network(*layers)
    assert len(players) > 1
    found = occlusion(module, rows, masker, groups=players)
    expected = occlusion_by_loops(module, rows, players, masker)
    np.testing.assert_allclose(found.values, expected, rtol=1e-9, atol=1e-12)
    with torch.no_grad():
        np.testing.assert_allclose(found.outputs, module(rows).numpy(), rtol=1e-12)
    shared, count = masker.replacements(rows, players).shape[:2]
    factored = MaskedModel(Prediction(module), players, masker, rows, targets=1).first is not None
    tried = min(4, len(rows)) * (3 if factored else 1)  # a look at the model, then the whole beside its two parts
    alike = count if shared == 1 and not (players.groups == NOBODY).any() else 0
    assert found.model_rows == len(rows) * (len(players) * count + 1) + alike + tried
    assert found.names == players.names


def test_a_predict_function_and_a_target_give_what_the_module_gives() -> None:
    module = network(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    masker, players = BackgroundRows(background=numbers(4, 6)), players_of(None, (6,))

    def predict(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
        with torch.no_grad():
            given: npt.NDArray[Any] = module(torch.from_numpy(rows)).numpy()
        return given

    every = occlusion(module, TABLE, masker, groups=players)
    one = occlusion(predict, TABLE.numpy(), masker, groups=players, target=2)
    highest = occlusion(predict, TABLE.numpy(), masker, groups=players, target="predicted")
    np.testing.assert_allclose(one.values[:, 0], every.values[:, 2], rtol=1e-9, atol=1e-12)
    best = every.outputs.argmax(axis=1)
    np.testing.assert_allclose(highest.values[:, 0], every.values[np.arange(5), best], rtol=1e-9, atol=1e-12)


def test_a_player_that_a_row_lacks_is_worth_exactly_nothing_whatever_the_model_rounds() -> None:
    def rounded_by_place(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
        outputs: npt.NDArray[Any] = rows.sum(axis=1) + 1e-6 * np.arange(len(rows))
        return outputs

    found = occlusion(rounded_by_place, IDS, MaskToken(token_id=10), groups=token_players(IDS, special=(0, 9)))
    assert found.values[1, 0, 1:].tolist() == [0.0, 0.0]
    np.testing.assert_allclose(found.values[:, 0], [[-9, -8, -7], [-6, 0, 0]], rtol=1e-4)


def test_more_rows_than_are_held_at_once_are_all_explained() -> None:
    module = network(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 1))
    rows, players = numbers(300, 6), players_of(None, (6,))
    each = SegmentMean(channel_axis=None)
    groups = players_of([[0, 1, 2], [3, 4], [5]], (6,))
    found = occlusion(module, rows, each, groups=groups)
    np.testing.assert_allclose(found.values, occlusion_by_loops(module, rows, groups, each), rtol=1e-9, atol=1e-12)
    zeros = Baseline(baseline=torch.zeros(6))
    linear = network(nn.Linear(6, 1))
    weights = next(linear.parameters()).detach()[0]
    by_weight = occlusion(linear, rows, zeros, groups=players).values[:, 0]
    np.testing.assert_allclose(by_weight, (rows * weights).numpy(), rtol=1e-9, atol=1e-12)

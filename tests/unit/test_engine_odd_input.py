"""Input that is unlike what networks usually take: the engine answers as a plain predict function would, or refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from auditbench.masking import BackgroundRows, Players, cut_first_layer, occlusion, players_of
from auditbench.testing import peak_memory
from auditbench_fairness import count_groups
from auditbench_lime import lime_weights, masked_lime_weights
from auditbench_shap import shapley_values
from tests.naive_games import mlp, numbers


class Clamping(nn.Identity):
    """An identity by name alone."""

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return rows.clamp(max=3)


class Casting(nn.Module):
    """Takes rows of any dtype."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.eval()

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.network(rows.float())
        return outputs


def by_predict(model: nn.Module, rows: torch.Tensor, background: torch.Tensor) -> Any:
    return shapley_values(
        lambda table: model(torch.from_numpy(table)).detach().numpy(), rows.numpy(), background.numpy(), method="exact"
    )


def test_a_class_derived_from_a_layer_that_keeps_numbers_is_run_as_it_is() -> None:
    model = nn.Sequential(Clamping(), *mlp(4)).eval()
    rows, background = numbers(6, 4), numbers(9, 4, seed=1)
    rows[5] = 20
    assert cut_first_layer(model, rows[:4]) is None
    found = shapley_values(model, rows, background, method="exact")
    np.testing.assert_allclose(found.values, by_predict(model, rows, background).values, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.bool, torch.float64])
def test_rows_of_any_dtype_for_a_module_that_casts_them(dtype: torch.dtype) -> None:
    rows, background = torch.randint(0, 2, (5, 4)).to(dtype), torch.randint(0, 2, (7, 4)).to(dtype)
    model = Casting(mlp(4, 2))
    found = shapley_values(model, rows, background, method="exact")
    np.testing.assert_allclose(found.values, by_predict(model, rows, background).values, atol=1e-5)
    hidden = occlusion(model, rows, background)
    plain = occlusion(lambda table: model(torch.from_numpy(table)).detach().numpy(), rows.numpy(), background.numpy())
    np.testing.assert_allclose(hidden.values, plain.values, atol=1e-5)


def test_a_player_without_a_name_is_refused() -> None:
    players = Players(names=("a", "b"), groups=torch.tensor([0, 1, 2]))
    with pytest.raises(ValueError, match="expected groups from -1 to 1, as there are 2 names, got 0 to 2"):
        shapley_values(mlp(3), numbers(2, 3), numbers(4, 3), groups=players)


def test_a_row_that_lacks_a_player_between_others_is_refused() -> None:
    groups = np.array([[0, 1, 2], [0, 2, 2]])
    with pytest.raises(ValueError, match=r"without a gap, got \[0, 2\] in row 1"):
        players_of(groups, (3,), rows=2)


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ([np.int64(0), np.int64(1)], "a list of entries for each player"),
        ([[True, False, True]], "by index or name, got True in group 0"),
        (["age"], "a list of entries for each player, or an array of player indices, got 'age'"),
    ],
)
def test_groups_of_other_forms_are_refused(groups: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        players_of(groups, (3,))


def test_replacements_of_a_later_row_are_looked_at() -> None:
    class Later:
        def replacements(self, rows: torch.Tensor, players: Players) -> torch.Tensor:
            found = torch.zeros_like(rows)
            found[4:] = float("nan")
            return found.unsqueeze(1)

    with pytest.raises(ValueError, match="replacements of finite numbers, got NaN"):
        shapley_values(lambda table: np.nan_to_num(table).sum(axis=1), numbers(6, 3), Later())


def test_the_library_wants_background_rows() -> None:
    masker = BackgroundRows(background=numbers(5, 3))
    with pytest.raises(ValueError, match=r"expected background rows for shap.kernel, got the masker BackgroundRows"):
        shapley_values(mlp(3), numbers(2, 3), masker, method="shap.kernel")


def test_small_differences_beside_a_large_offset_show_that_a_model_is_noisy() -> None:
    noise = np.random.default_rng(0)
    rows = noise.normal(size=(3, 3))
    with pytest.raises(ValueError, match=r"to enumerate, got differences up to 0\.\d+; fix its seed, or pass method"):
        shapley_values(
            lambda table: 1000 + table[:, 0] + noise.normal(scale=0.3, size=len(table)), rows, np.zeros((1, 3))
        )


def test_outputs_in_common_are_evaluated_once_whatever_the_target_error() -> None:
    counted = 0

    def predict(table: Any) -> Any:
        nonlocal counted
        counted += int((table[:, :-1] == 0).all(axis=1).sum())
        return np.tanh(table[:, :-1] * np.arange(1, 8)).prod(axis=1) + table.sum(axis=1)

    rows = np.random.default_rng(0).normal(size=(1, 8))
    background = np.zeros((3, 8))
    shapley_values(
        predict, rows, background, groups=[[i] for i in range(7)], method="permutation", target_error=1e-9, budget=3000
    )
    assert counted <= 4 + 3


def test_categories_of_lime_are_named() -> None:
    rows = pd.DataFrame({"age": np.linspace(0, 1, 40), "sex": np.arange(40) % 2})
    named, numbered = (
        lime_weights(lambda table: table.sum(axis=1), rows[:3], rows, num_samples=50, categorical_features=given)
        for given in (["sex"], [1])
    )
    np.testing.assert_array_equal(named.values, numbered.values)
    with pytest.raises(ValueError, match=r"categorical features among age, sex, .*, got 'sey'"):
        lime_weights(lambda table: table.sum(axis=1), rows[:3], rows, categorical_features=["sey"])


def test_masked_lime_holds_no_more_with_more_background_rows() -> None:
    peaks = []
    for count in (20, 200):
        with peak_memory() as found:
            masked_lime_weights(mlp(5), numbers(32, 5), numbers(count, 5, seed=1), num_samples=200)
        peaks.append(found.bytes)
    assert peaks[1] < 1.5 * peaks[0]


def test_large_rows_are_not_all_evaluated_at_once() -> None:
    sizes = []

    class Wide(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1))

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            sizes.append(len(rows))
            return (rows * self.weight).repeat(1, 16, 1, 1).sum(dim=(1, 2, 3))

    occlusion(Wide().eval(), torch.rand(64, 1, 64, 64), torch.zeros(1, 1, 64, 64), groups=torch.zeros(1, 64, 64).long())
    assert max(sizes) <= 16


def test_counts_of_many_groups_add_up_to_those_of_all_rows() -> None:
    rng = np.random.default_rng(0)
    first, second = (np.stack([rng.integers(0, a, 300), rng.integers(0, 60, 300)], axis=1) for a in (60, 15))
    second[:, 0] += 60
    labels = rng.integers(0, 2, (2, 600))
    whole = count_groups(y_true=labels[0], y_pred=labels[1], groups=np.concatenate([first, second]))
    parts = [
        count_groups(y_true=labels[0, part], y_pred=labels[1, part], groups=groups)
        for part, groups in ((slice(0, 300), first), (slice(300, 600), second))
    ]
    added = parts[0] + parts[1]
    assert added.groups == whole.groups
    np.testing.assert_array_equal(added.table, whole.table)

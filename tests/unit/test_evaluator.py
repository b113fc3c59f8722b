"""The evaluator against a loop that masks one row for one coalition at a time, however it cuts its blocks."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from auditbench.errors import ModelMemoryError
from auditbench.masking import (
    NOBODY,
    BackgroundRows,
    Baseline,
    Blur,
    Coalitions,
    Evaluator,
    MaskedModel,
    Masker,
    MaskToken,
    Players,
    Prediction,
    SegmentMean,
    chosen_targets,
    evaluator,
    players_of,
)
from auditbench.models import BatchSize
from tests.limited_model import CPU_TEXT, Limited
from tests.naive_games import masked, mlp, numbers, outputs_of, tokens

SIZES = [1, 3, 14, 1000]


@pytest.fixture(autouse=True, scope="module")
def few_objects_to_look_at() -> Iterator[None]:
    """Keeps what the libraries made out of the collector, which is asked to look after each halving."""
    gc.freeze()
    yield
    gc.unfreeze()


def drawn(count: int, each: int, players: int, *, seed: int = 0) -> torch.Tensor:
    return torch.rand((count, each, players), generator=torch.Generator().manual_seed(seed)) < 0.5


def naive(
    model: Any, rows: torch.Tensor, replaced: torch.Tensor, players: Players, coalitions: Coalitions
) -> torch.Tensor:
    """Shape `(rows, replacements here, coalitions, outputs)`."""
    found = []
    for index, row in enumerate(rows):
        groups = players.groups[index] if players.per_row else players.groups
        others = replaced[index if len(replaced) > 1 else 0]
        for place, kept in enumerate(coalitions.kept):
            other = others[int(coalitions.replacements[place])]
            found.append(outputs_of(model, torch.stack([masked(row, other, groups, each) for each in kept])))
    return torch.stack(found).view(len(rows), *coalitions.kept.shape[:2], -1)


def check(
    model: nn.Module | Callable[[Any], Any],
    rows: torch.Tensor,
    masker: Masker,
    players: Players,
    *,
    target: Any = None,
    each: int = 5,
    factored: bool = False,
    batch: BatchSize | None = None,
    tolerance: float = 2e-6,
) -> MaskedModel:
    """Both halves and one half, on all replacements in another order, against the loop."""
    prediction = Prediction(model, batch=batch)
    given_rows = rows.clone()
    whole = MaskedModel(prediction, players, masker, rows, targets=1)
    assert (whole.first is not None) == factored
    outputs = prediction.of_all(rows)
    targets = chosen_targets(target, outputs)
    evaluated = Evaluator(whole, rows, players, targets)
    order = torch.arange(evaluated.replacements).flip(0)
    coalitions = Coalitions(kept=drawn(len(order), each, len(players)), replacements=order)
    opposite = Coalitions(kept=~coalitions.kept, replacements=order)
    replaced = masker.replacements(rows, players)
    plain = model if isinstance(model, nn.Module) else lambda x: torch.as_tensor(model(x.numpy()))
    expected = targets.select(naive(plain, rows, replaced, players, coalitions))
    against = targets.select(naive(plain, rows, replaced, players, opposite))
    for _ in range(2):
        found = evaluated.differences(coalitions).double()
        torch.testing.assert_close(found, expected - against, atol=tolerance, rtol=tolerance)
        torch.testing.assert_close(evaluated.outputs(coalitions).double(), expected, atol=tolerance, rtol=tolerance)
    hidden = Coalitions(kept=torch.zeros_like(coalitions.kept[:, :1]), replacements=order)
    starts = targets.select(naive(plain, rows, replaced, players, hidden))[:, :, 0].flip(1)
    torch.testing.assert_close(evaluated.outputs_of_replacements().double(), starts, atol=tolerance, rtol=tolerance)
    assert torch.equal(rows, given_rows)
    return whole


@pytest.fixture(params=SIZES)
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    size = int(request.param)
    monkeypatch.setattr(evaluator, "block_rows", lambda widest, device, whole: size)
    return size


def test_a_factored_module_whatever_the_block(block: int) -> None:
    check(
        mlp(6, 3),
        numbers(5, 6),
        BackgroundRows(background=numbers(4, 6, seed=1)),
        players_of(None, (6,)),
        factored=True,
    )


@pytest.mark.parametrize("size", [1.0, 1e4, 1e7])
def test_numbers_far_apart_keep_their_digits(size: float) -> None:
    module, rows, background = mlp(6, 1), numbers(5, 6), numbers(4, 6, seed=1)
    rows[:, 2] *= size
    background[:, 2] *= size
    coalitions = Coalitions(kept=drawn(4, 9, 6), replacements=torch.arange(4))
    found = []
    for dtype in (torch.float32, torch.float64):
        typed, of = module.to(dtype), (rows.to(dtype), BackgroundRows(background=background.to(dtype)))
        prediction, players = Prediction(typed), players_of(None, (6,))
        whole = MaskedModel(prediction, players, of[1], of[0], targets=1)
        assert whole.first is not None
        assert whole.far_apart == (size > 1)
        targets = chosen_targets(None, prediction.of_all(of[0]))
        found.append(Evaluator(whole, of[0], players, targets).outputs(coalitions).double())
        found.append(Evaluator(whole, of[0], players, targets).differences(coalitions).double())
    scale = found[2].abs().max(dim=3, keepdim=True).values.clamp(min=1)
    assert ((found[0] - found[2]).abs() / scale).max() < 1e-5
    assert ((found[1] - found[3]).abs() / scale).max() < 2e-5


def test_groups_and_what_is_nobodys_whatever_the_block(block: int) -> None:
    players = players_of([[4, 0], [2], [1]], (6,))
    for factored in (True, False):
        module = mlp(6, 2) if factored else Limited(mlp(6, 2), 10_000)
        check(module, numbers(5, 6), BackgroundRows(background=numbers(3, 6, seed=1)), players, factored=factored)


def test_a_predict_function_whatever_the_block(block: int) -> None:
    def predict(rows: Any) -> Any:
        return np.sin(rows).sum(axis=1) * rows[:, 0]

    check(
        predict,
        numbers(3, 4, dtype=torch.float64),
        BackgroundRows(background=numbers(3, 4, seed=1)),
        players_of(None, (4,)),
    )


def test_players_of_each_row_whatever_the_block(block: int) -> None:
    players = players_of(torch.tensor([[0, 1, 2, 2], [1, 1, 0, -1], [0, 0, 0, 1]]), (4,))
    check(mlp(4, 2), numbers(3, 4), BackgroundRows(background=numbers(3, 4, seed=1)), players)


@pytest.mark.parametrize("target", [None, 1, "predicted", [2, 0, 1]])
def test_targets_whatever_the_block(block: int, target: Any) -> None:
    check(
        mlp(4, 3),
        numbers(3, 4),
        Baseline(baseline=numbers(4, seed=1)),
        players_of(None, (4,)),
        target=target,
        factored=True,
    )


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_tokens_whatever_the_block(block: int, dtype: torch.dtype) -> None:
    embedded = nn.Sequential(nn.Embedding(9, 3), nn.Flatten(), nn.Linear(12, 5), nn.ReLU(), nn.Linear(5, 2)).eval()
    rows = tokens(4, 4).to(dtype)
    players = players_of([[0], [3, 1]], (4,))
    check(embedded, rows, MaskToken(token_id=0), players, factored=True)
    check(Limited(embedded, 10_000), rows, MaskToken(token_id=0), players)
    check(Limited(embedded, 10_000), rows, BackgroundRows(background=tokens(3, 4, seed=5)), players)


class Averaged(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(9, 3)
        self.layers = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.layers(self.embedding(rows).mean(dim=1))
        return outputs


def test_a_mean_of_embeddings() -> None:
    check(Averaged().eval(), tokens(3, 5), MaskToken(token_id=2), players_of(None, (5,)), factored=True)


@pytest.mark.parametrize("masker", [Blur(sigma=1.0), SegmentMean()], ids=["blur", "segment-mean"])
@pytest.mark.parametrize("per_row", [False, True])
def test_images_whatever_the_block(block: int, masker: Masker, per_row: bool) -> None:
    convolved = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 2)).eval()
    quarters = torch.tensor([[0, 0, 1, 1]] * 2 + [[2, 2, 3, 3]] * 2).expand(2, 4, 4)
    groups = torch.stack([quarters, quarters.flip(2), quarters.transpose(1, 2)]) if per_row else quarters
    check(convolved, numbers(3, 2, 4, 4), masker, players_of(groups, (2, 4, 4)), each=3)


def test_a_module_that_gives_its_input_or_a_view_of_it(block: int) -> None:
    class View(nn.Module):
        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            return rows[:, ::2]

    rows, background = numbers(5, 4), BackgroundRows(background=numbers(3, 4, seed=1))
    check(View().eval(), rows, background, players_of(None, (4,)))
    check(nn.Identity().eval(), rows, background, players_of(None, (4,)))
    for tail in (nn.Identity(), nn.Sigmoid(), nn.ReLU(inplace=True)):
        check(nn.Sequential(nn.Linear(4, 3), tail).eval(), rows, background, players_of(None, (4,)), factored=True)


def test_models_that_overwrite_their_input(block: int) -> None:
    class Overwriting(nn.Module):
        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            return rows.sub_(1.0).prod(dim=1)

    def predict(rows: Any) -> Any:
        rows -= 1.0
        return rows.prod(axis=1)

    def pure(rows: torch.Tensor) -> torch.Tensor:
        return (rows - 1.0).prod(dim=1)

    rows, background = numbers(5, 4), BackgroundRows(background=numbers(3, 4, seed=1))
    coalitions = Coalitions(kept=drawn(3, 4, 4), replacements=torch.arange(3))
    players = players_of(None, (4,))
    for model in (Overwriting().eval(), predict):
        prediction, given_rows = Prediction(model), rows.clone()
        whole = MaskedModel(prediction, players, background, given_rows, targets=1)
        targets = chosen_targets(None, prediction.of_all(given_rows))
        found = Evaluator(whole, given_rows, players, targets).outputs(coalitions).double()
        expected = naive(pure, rows, background.background.unsqueeze(0), players, coalitions)
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-6)
        assert torch.equal(given_rows, rows)
        torch.testing.assert_close(background.background, numbers(3, 4, seed=1), atol=0.0, rtol=0.0)


@pytest.mark.parametrize(
    ("most", "error"),
    [
        (1, MemoryError),
        (3, lambda: torch.OutOfMemoryError("CUDA out of memory.")),
        (16, lambda: RuntimeError(CPU_TEXT)),
        (25, MemoryError),
    ],
)
def test_where_memory_runs_out_within_a_block(most: int, error: Callable[[], Exception]) -> None:
    module = Limited(mlp(5, 2), most, error)
    whole = check(module, numbers(3, 5), BackgroundRows(background=numbers(4, 5, seed=1)), players_of(None, (5,)))
    assert whole.prediction.batch.halvings
    assert whole.prediction.batch.rows <= most
    assert max(rows for rows in module.tried[-20:]) <= most


@pytest.mark.parametrize("most", [1, 3, 16])
def test_a_factored_module_where_memory_runs_out(most: int) -> None:
    class Tight(nn.Module):
        """An activation that runs out of memory above so many rows, and is traced as one step."""

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            return tight(rows, most)

    module = nn.Sequential(nn.Linear(5, 4), Tight(), nn.Linear(4, 2)).eval()
    whole = check(
        module, numbers(3, 5), BackgroundRows(background=numbers(4, 5, seed=1)), players_of(None, (5,)), factored=True
    )
    assert whole.prediction.batch.rows <= most


def tight(rows: torch.Tensor, most: int) -> torch.Tensor:
    if len(rows) > most:
        raise MemoryError
    return rows.square()


torch.fx.wrap("tight")


def test_what_does_not_fit_at_all_is_told() -> None:
    with pytest.raises(ModelMemoryError, match="one row a batch"):
        check(Limited(mlp(5), 0), numbers(3, 5), Baseline(baseline=numbers(5, seed=1)), players_of(None, (5,)))


@settings(max_examples=40)
@given(
    rows=st.integers(1, 5),
    replacements=st.integers(1, 4),
    entries=st.integers(1, 5),
    each=st.integers(1, 6),
    outputs=st.integers(1, 3),
    size=st.integers(1, 40),
    seed=st.integers(0, 999),
    factored=st.booleans(),
)
def test_any_shape_and_block(
    rows: int, replacements: int, entries: int, each: int, outputs: int, size: int, seed: int, factored: bool
) -> None:
    owners = torch.randint(0, 3, (entries,), generator=torch.Generator().manual_seed(seed))
    index = torch.unique(owners, return_inverse=True)[1]
    players = players_of(
        torch.where(index == index.max(), NOBODY, index) if int(index.max()) and seed % 2 else index, (entries,)
    )
    module = mlp(entries, outputs, hidden=4, seed=seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluator, "block_rows", lambda widest, device, whole: size)
        check(
            module if factored else Limited(module, 10_000),
            numbers(rows, entries, seed=seed),
            BackgroundRows(background=numbers(replacements, entries, seed=seed + 1)),
            players,
            each=each,
            factored=factored,
        )


def test_no_coalitions_give_no_outputs() -> None:
    prediction, players, rows = Prediction(mlp(4, 2)), players_of(None, (4,)), numbers(3, 4)
    model = MaskedModel(prediction, players, Baseline(baseline=numbers(4)), rows, targets=1)
    targets = chosen_targets(None, prediction.of_all(rows))
    empty = Coalitions(kept=torch.zeros((1, 0, 4), dtype=torch.bool), replacements=torch.zeros(1, dtype=torch.int64))
    assert Evaluator(model, rows, players, targets).differences(empty).shape == (3, 1, 0, 2)


def test_parameters_that_need_gradients_hold_no_graph() -> None:
    embedded = nn.Sequential(nn.Embedding(9, 3), nn.Flatten(), nn.Linear(12, 5), nn.ReLU(), nn.Linear(5, 2)).eval()
    prediction, players, rows = Prediction(embedded), players_of(None, (4,)), tokens(4, 4)
    model = MaskedModel(prediction, players, MaskToken(token_id=0), rows, targets=1)
    targets = chosen_targets(None, prediction.of_all(rows))
    found = Evaluator(model, rows, players, targets)
    assert not found.differences(
        Coalitions(kept=drawn(1, 3, 4), replacements=torch.zeros(1, dtype=torch.int64))
    ).requires_grad
    assert not found._blocks._kept.requires_grad
    assert all(parameter.requires_grad and parameter.grad is None for parameter in embedded.parameters())


@pytest.mark.parametrize(
    ("masker", "said"),
    [
        (Baseline(baseline=torch.zeros(5)), r"got \(1, 1, 5\)"),
        (BackgroundRows(background=torch.zeros(0, 4)), r"got \(1, 0, 4\)"),
        (Baseline(baseline=torch.tensor([0.0, float("nan"), 0.0, 0.0])), "got NaN or infinity"),
        (BackgroundRows(background=torch.full((2, 4), float("inf"))), "got NaN or infinity"),
    ],
)
def test_replacements_that_do_not_fit_are_refused(masker: Masker, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        MaskedModel(Prediction(mlp(4)), players_of(None, (4,)), masker, numbers(3, 4), targets=1)


def test_players_of_other_rows_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected players of rows of shape \(3, 4\), got \(5,\)"):
        MaskedModel(Prediction(mlp(4)), players_of(None, (5,)), Baseline(baseline=numbers(4)), numbers(3, 4), targets=1)

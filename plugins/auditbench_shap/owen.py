"""`owen_values`: values of players that stand together, such as the words of a sentence, opened where they matter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch

from auditbench.masking import (
    Coalitions,
    Evaluator,
    MaskedModel,
    Players,
    Prediction,
    Target,
    Targets,
    chosen_targets,
    generator,
    setting_of,
)
from auditbench.masking.cells import players_present
from auditbench_shap.hierarchy import checked_levels, coalition_rows, coalition_weights, opened, together_orders
from auditbench_shap.walks import Sums, pair_rows, walk

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import nn

    from auditbench.masking.players import Groups
    from auditbench_shap.hierarchy import Levels

    Numbers: TypeAlias = npt.NDArray[np.float64]

LOOK_SHARE = 4
"""One part in so many of a budget that cannot open all groups goes into finding which ones matter."""
ROUNDS = 2
"""Rounds of walks: as few as have a standard error whatever the replacements are."""


class BudgetError(ValueError):
    """A budget of model rows is too small; the message says what is needed."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OwenValues:
    """Owen values of some rows, in the unit of the model's output.

    Attributes:
        values: Shape `(rows, targets, players)`, float64. With the base value they add up to the output.
        base_value: Shape `(rows, targets)`: mean output where everybody is hidden.
        standard_error: Of the values, from sampling orders, of their shape; 0 where they are exact, an upper bound in the
            mean where they come of two rounds, NaN for players that share the value of their group.
        opened: Which players have a value of their own, shape `(rows, players)`; the others have an equal share of the
            value of their group.
        model_rows: Rows that the model evaluated for the values, in all.
        names: Of the players.
    """

    values: Numbers
    base_value: Numbers
    standard_error: Numbers
    opened: npt.NDArray[np.bool_]
    model_rows: int
    names: tuple[str, ...]


def owen_values(
    model_or_predict: nn.Module | Callable[[npt.NDArray[Any]], npt.NDArray[Any]] | Prediction,
    rows: Any,
    background: Any,
    levels: Sequence[npt.ArrayLike],
    *,
    groups: Groups | Players | None = None,
    target: Target = None,
    budget: int = 1000,
    rng: np.random.Generator | None = None,
) -> OwenValues:
    """Values of `v(S) = mean over replacements b of f(x on S, b elsewhere)` for players that stand together on levels.

    A group is given its Shapley value among the groups beside it, and shares it out among its members likewise. Where the
    coalitions of this are few they are enumerated; else antithetic walks keep groups together. Where the budget does not
    hold two rounds over all players, the finest level that takes a quarter of it is walked first, and the groups with the
    largest contributions are opened, as far as the rest goes.

    Args:
        rows: As in `shapley_values`; so `background`, `groups` and `target`.
        levels: For each row the group of each of its players on each level, shape `(levels, players of the row)`, coarse
            levels first; without a level, shape `(0, players)`, the values are Shapley values.
        budget: Most model rows for each explained row; its own output, and those of what stands in, come on top.
        rng: Seed 0 when absent.

    Raises:
        BudgetError: The budget does not hold two rounds over the coarsest level that has several groups.
        ValueError: The arguments do not fit each other, or an output is NaN or infinite.

    References: Owen (1977), Values of games with a priori unions; Winter (1989), A value for cooperative games with levels
    structure of cooperation.
    """
    rng = generator(rng)
    prediction = model_or_predict if isinstance(model_or_predict, Prediction) else Prediction(model_or_predict)
    before = prediction.rows
    setting = setting_of(prediction, rows, background, groups)
    tensor, players = setting.rows, setting.players
    if len(levels) != len(tensor):
        raise ValueError(f"expected levels of {len(tensor)} rows, got {len(levels)}")
    outputs = prediction.of_all(tensor)
    targets = chosen_targets(target, outputs)
    model = MaskedModel(prediction, players, setting.masker, tensor, targets=targets.count)
    shape = (len(tensor), targets.count, len(players))
    values, variance, base = np.zeros(shape), np.zeros(shape), np.zeros(shape[:2])
    own = np.ones((len(tensor), len(players)), dtype=np.bool_)
    for row, present in enumerate(players_present(players, len(tensor)).tolist()):
        part = slice(row, row + 1)
        game = _Game(model, tensor[part], players.of_rows(part), targets.of_rows(part), outputs[part])
        base[row] = game.starts.double().mean(dim=1)[0].cpu().numpy()
        if present:
            found = game.values(checked_levels(levels[row], present), budget, rng)
            values[row, :, :present], variance[row, :, :present], own[row, :present] = found
    return OwenValues(
        values=values,
        base_value=base,
        standard_error=np.sqrt(variance),
        opened=own,
        model_rows=prediction.rows - before,
        names=players.names,
    )


class _Game:
    """One row with its players and outputs."""

    def __init__(
        self, model: MaskedModel, row: torch.Tensor, players: Players, targets: Targets, outputs: torch.Tensor
    ) -> None:
        self._model, self._row, self._players, self._targets = model, row, players, targets
        evaluator = Evaluator(model, row, players, targets)
        self.starts = evaluator.outputs_of_replacements()
        self.ends = targets.select(outputs)
        if not bool(torch.isfinite(self.starts).all() and torch.isfinite(self.ends).all()):
            raise ValueError("expected a model that gives finite outputs, got NaN or infinity")

    def values(
        self, levels: Levels, budget: int, rng: np.random.Generator
    ) -> tuple[Numbers, Numbers, npt.NDArray[np.bool_]]:
        """Values and variances, shape `(targets, players)`, and which players have one of their own."""
        players, count = levels.shape[1], self._model.replacements
        every = np.ones(players, dtype=np.bool_)
        if coalition_rows(levels) * count <= budget:
            exact = self._enumerated(levels)
            return exact, np.zeros_like(exact), every
        if ROUNDS * pair_rows(players, count) <= budget:
            rounds = budget // pair_rows(players, count)
            found = self._walked(np.arange(players), levels, rounds - rounds % ROUNDS, rng)
            return *_shared(found, np.arange(players)), every
        return self._opened(levels, budget, rng)

    def _opened(
        self, levels: Levels, budget: int, rng: np.random.Generator
    ) -> tuple[Numbers, Numbers, npt.NDArray[np.bool_]]:
        """What the budget reaches: the players of the groups that contribute most, and the other groups whole."""
        count = self._model.replacements
        sizes = [len(np.unique(level)) for level in levels]
        costs = {depth: ROUNDS * pair_rows(size, count) for depth, size in enumerate(sizes) if size > 1}
        coarsest = min(costs)
        if costs[coarsest] > budget:
            raise BudgetError(
                f"expected a budget of at least {costs[coarsest]} model rows a row for two rounds, got {budget}"
            )
        depth = max([coarsest, *(depth for depth, cost in costs.items() if cost <= budget // LOOK_SHARE)])
        coarse = np.unique(levels[depth], return_inverse=True)[1]
        items, shown = opened(levels, coarse, ())
        found = self._walked(items, shown, ROUNDS, rng)
        value = found.values[0].abs().amax(dim=1).cpu().numpy()[items]  # of each player's group
        order = np.argsort(-value[np.unique(coarse, return_index=True)[1]], kind="stable")
        free = (budget - costs[depth]) // (2 * ROUNDS * count) + 1 - len(order)  # items beside the groups
        chosen = []
        for group in order.tolist():
            more = int((coarse == group).sum()) - 1
            if more <= free:
                chosen.append(group)
                free -= more
        if chosen:
            items, shown = opened(levels, coarse, chosen)
            found = self._walked(items, shown, ROUNDS, rng)
        own = np.bincount(items)[items] == 1
        values, variance = _shared(found, items)
        return values, np.where(own, variance, np.nan), own

    def _walked(self, items: npt.NDArray[np.int64], levels: Levels, rounds: int, rng: np.random.Generator) -> Sums:
        """Walks over items, each of one or more players."""
        if levels.shape[1] == 1:
            rise = (self.ends.double() - self.starts.double().mean(dim=1)).unsqueeze(1)
            return Sums(values=rise, variance=torch.zeros_like(rise), rounds=rounds)
        merged = Players(
            names=tuple(f"item {item}" for item in range(levels.shape[1])),
            groups=torch.from_numpy(np.append(items, -1)).to(self._players.groups.device)[self._players.groups],
            per_row=self._players.per_row,
        )
        evaluator = Evaluator(self._model, self._row, merged, self._targets)
        orders = partial(together_orders, levels, rng=rng)
        return walk(evaluator, len(merged), self.starts, self.ends, rounds, rng, orders=orders)

    def _enumerated(self, levels: Levels) -> Numbers:
        kept, weights = coalition_weights(levels)
        inside = ~(kept.all(axis=1) | ~kept.any(axis=1))
        whole = np.zeros((len(kept), self.ends.shape[1]))
        whole[kept.all(axis=1)] = self.ends.double().cpu().numpy()
        whole[~kept.any(axis=1)] = self.starts.double().mean(dim=1).cpu().numpy()
        every = torch.zeros((int(inside.sum()), len(self._players)), dtype=torch.bool, device=self._row.device)
        every[:, : kept.shape[1]] = torch.from_numpy(kept[inside]).to(every.device)
        index = torch.arange(self._model.replacements, device=every.device)
        evaluator = Evaluator(self._model, self._row, self._players, self._targets)
        found = evaluator.outputs(Coalitions(kept=every.expand(len(index), *every.shape), replacements=index))
        whole[inside] = found.double().mean(dim=1)[0].cpu().numpy()
        return np.asarray((weights.T @ whole).T)


def _shared(found: Sums, items: npt.NDArray[np.int64]) -> tuple[Numbers, Numbers]:
    """Each player's equal share of the value of its item, and the variance of the value, shape `(targets, players)`."""
    if found.variance is None:
        raise ValueError(f"expected {ROUNDS} rounds of walks, got {found.rounds}")
    sizes = np.bincount(items)[items]
    values, variance = (part[0].T.cpu().numpy()[:, items] for part in (found.values, found.variance))
    return values / sizes, variance

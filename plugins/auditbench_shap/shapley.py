"""`shapley_values`: interventional Shapley values of the rows of any model, with their standard error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch

from auditbench.masking import (
    BackgroundRows,
    Evaluator,
    MaskedModel,
    Players,
    Prediction,
    Target,
    Targets,
    all_finite,
    chosen_targets,
    players_of,
)
from auditbench_shap.exact import enumerate_coalitions
from auditbench_shap.kernel import regress
from auditbench_shap.library import LibraryValues, explain
from auditbench_shap.methods import OwnMethod
from auditbench_shap.planning import Plan, plan_for
from auditbench_shap.walks import Sums, joined, walk

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import nn

    from auditbench.masking.players import Groups

    Numbers: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShapleyValues:
    """Shapley values of some rows, in the unit of the model's output.

    Attributes:
        values: Shape `(rows, targets, players)`, float64.
        base_value: Shape `(rows, targets)`: mean output where everybody is hidden. With the values it adds up to the output.
        standard_error: Of the values, from sampling coalitions, of their shape; 0 where they are exact, None where the
            method gives none.
        model_rows: Rows that the model evaluated for the values, in all; None for `shap.tree`, which calls no model.
        method: What `auto` chose, or the method asked for.
        names: Of the players.
    """

    values: Numbers
    base_value: Numbers
    standard_error: Numbers | None
    model_rows: int | None
    method: str
    names: tuple[str, ...]

    def to_shap(self, rows: Any = None) -> Any:
        """A `shap.Explanation`, for the plots of that library.

        Args:
            rows: What the plots show as the players' values, shape `(rows, players)`.
        """
        from auditbench_shap.explanation import to_shap

        return to_shap(self.values, self.base_value, rows, self.names)


def shapley_values(
    model_or_predict: nn.Module | Callable[[npt.NDArray[Any]], npt.NDArray[Any]] | Prediction,
    rows: Any,
    background: Any,
    *,
    method: str = "auto",
    target: Target = None,
    budget: int | None = None,
    target_error: float | None = None,
    groups: Groups | Players | None = None,
    rng: np.random.Generator | None = None,
) -> ShapleyValues:
    """Shapley values of `v(S) = mean over replacements b of f(x on S, b elsewhere)`.

    `exact` enumerates all coalitions. `permutation` walks antithetic pairs of permutations, as many for each replacement; it
    is exact for effects of one and two players. `kernel` regresses on paired coalitions, for budgets below one pair a
    replacement. `auto` takes the first of these that the budget allows. `shap.kernel`, `shap.permutation`, ... are the explainers of the
    shap library.

    Args:
        model_or_predict: A module in evaluation mode, or a function from numpy rows to outputs of shape `(rows,)` or
            `(rows, outputs)`.
        rows: Rows to explain, array or tensor of shape `(rows, ...)`, without NaN.
        background: Rows that stand in for what is hidden, shape `(background rows, ...)`, all of which are used; or a
            masker of `auditbench.masking`.
        target: None for all outputs, the index of one, `"predicted"`, or one index a row.
        budget: Model rows a row. Without it, `auto` enumerates up to 524,288, else walks two rounds.
        target_error: `permutation`: a row is walked on until its estimated relative error is not above this: the norm of
            its standard errors over the norm of its values.
        groups: Players, as `auditbench.masking.players_of` takes them; each entry of a row when absent.

    Raises:
        ValueError: Arguments that do not fit each other; the message says what is allowed.

    References: arXiv:1705.07874, equations 4 to 9; for the walks see `auditbench_shap.walks`.
    """
    if rng is not None and not isinstance(rng, np.random.Generator):
        raise TypeError(f"expected a numpy Generator as rng, got {type(rng).__name__}; np.random.default_rng(seed)")
    rng = rng or np.random.default_rng(0)
    if method.startswith("shap."):
        if target_error is not None:
            raise ValueError(
                f"expected no target error for {method}, which gives no standard error, got {target_error}"
            )
        return _by_library(
            explain(method, model_or_predict, rows, background, target=target, budget=budget, groups=groups, rng=rng),
            method,
            groups,
        )
    prediction = model_or_predict if isinstance(model_or_predict, Prediction) else Prediction(model_or_predict)
    before = prediction.rows
    tensor = prediction.as_rows(rows)
    players = groups if isinstance(groups, Players) else players_of(groups, tuple(tensor.shape[1:]), rows=len(tensor))
    masker = background
    if not hasattr(background, "replacements"):
        masker = _background(prediction, background, tensor)
        tensor = tensor.to(masker.background.dtype)
    outputs = prediction.of_all(tensor)
    if not all_finite(outputs):
        raise ValueError("expected a model that gives finite outputs for the rows, got NaN or infinity")
    targets = chosen_targets(target, outputs)
    model = MaskedModel(prediction, players, masker, tensor, targets=targets.count)
    plan = plan_for(method, len(players), model.replacements, budget=budget, target_error=target_error)
    found = []
    for start in range(0, len(tensor), model.rows_together):
        part = slice(start, start + model.rows_together)
        game = _Game(model, tensor[part], players.of_rows(part), targets.of_rows(part), outputs[part])
        found.append((game.base_value(), *_ESTIMATORS[plan.method](game, plan, rng)))
    base_values, values, variances = zip(*found, strict=True)
    known = variances[0] is not None
    return ShapleyValues(
        values=_by_target(torch.cat(values)),
        base_value=torch.cat(base_values).cpu().numpy(),
        standard_error=_by_target(torch.cat(variances).clamp(min=0).sqrt()) if known else None,
        model_rows=prediction.rows - before,
        method=plan.method,
        names=players.names,
    )


class _Game:
    """Some rows with their players and outputs."""

    def __init__(
        self, model: MaskedModel, rows: torch.Tensor, players: Players, targets: Targets, outputs: torch.Tensor
    ) -> None:
        self._parts = model, rows, players, targets, outputs
        self.evaluator = Evaluator(model, rows, players, targets)
        self.players = len(players)
        self.ends = targets.select(outputs)
        self.starts = self.evaluator.outputs_of_replacements()

    def base_value(self) -> torch.Tensor:
        """Mean output where everybody is hidden, shape `(rows, targets)`, float64."""
        return self.starts.double().mean(dim=1)

    def of_rows(self, chosen: torch.Tensor) -> _Game:
        """The game of some of the rows, by index."""
        model, rows, players, targets, outputs = self._parts
        return _Game(model, rows[chosen], players.of_rows(chosen), targets.of_rows(chosen), outputs[chosen])

    def walk(self, rounds: int, rng: np.random.Generator) -> Sums:
        """So many rounds of walks."""
        return walk(self.evaluator, self.players, self.starts, self.ends, rounds, rng)


_Found: TypeAlias = tuple[torch.Tensor, torch.Tensor | None]
"""Values and their variances, each of shape `(rows, players, targets)`."""


def _exact(game: _Game, plan: Plan, rng: np.random.Generator) -> _Found:
    values = enumerate_coalitions(game.evaluator, game.players, game.starts, game.ends)
    return values, torch.zeros_like(values)


def _kernel(game: _Game, plan: Plan, rng: np.random.Generator) -> _Found:
    controls = game.evaluator.replacement_columns()
    found = regress(game.evaluator, game.players, game.starts, game.ends, plan.amount, controls, rng)
    return found.values, found.variance


def _permutation(game: _Game, plan: Plan, rng: np.random.Generator) -> _Found:
    """Walks; with a target error twice as many again for the rows that are above it, until none is."""
    sums = game.walk(plan.amount, rng)
    if plan.target_error is None or sums.variance is None:
        return sums.values, sums.variance
    values, variance, rounds = sums.values, sums.variance, sums.rounds
    above = _above(values, variance, plan.target_error)
    while len(above) and rounds + 2 <= plan.most:
        further = game.of_rows(above).walk(max(2, min(rounds, plan.most - rounds)), rng)
        values[above], variance[above], rounds = joined(values[above], variance[above], rounds, further)
        above = above[_above(values[above], variance[above], plan.target_error)]
    return values, variance


_ESTIMATORS: dict[OwnMethod, Callable[[_Game, Plan, np.random.Generator], _Found]] = {
    "exact": _exact,
    "permutation": _permutation,
    "kernel": _kernel,
}


def _above(values: torch.Tensor, variance: torch.Tensor, limit: float) -> torch.Tensor:
    """Indices of the rows with a target whose relative error is above the limit."""
    error = variance.sum(dim=1).sqrt()
    return (error > limit * values.square().sum(dim=1).sqrt()).any(dim=1).nonzero()[:, 0]


def _by_library(found: LibraryValues, method: str, groups: Groups | Players | None) -> ShapleyValues:
    names = tuple(f"player {index}" for index in range(found.values.shape[2]))
    return ShapleyValues(
        values=found.values,
        base_value=found.base_value,
        standard_error=found.standard_error,
        model_rows=found.model_rows,
        method=method,
        names=groups.names if isinstance(groups, Players) else names,
    )


def _background(prediction: Prediction, background: Any, rows: torch.Tensor) -> BackgroundRows:
    found = prediction.as_rows(background)
    if found.shape[1:] != rows.shape[1:]:
        raise ValueError(
            f"expected background rows like the rows, (..., {tuple(rows.shape[1:])}), got {tuple(found.shape)}"
        )
    fixed = prediction.module is not None and rows.is_floating_point()
    return BackgroundRows(background=found.to(rows.dtype if fixed else torch.promote_types(found.dtype, rows.dtype)))


def _by_target(values: torch.Tensor) -> Numbers:
    return np.ascontiguousarray(values.transpose(1, 2).cpu().numpy())

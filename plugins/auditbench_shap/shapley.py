"""`shapley_values`: interventional Shapley values of the rows of any model, with their standard error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch

from auditbench.masking import (
    Evaluator,
    MaskedModel,
    Players,
    Prediction,
    Target,
    Targets,
    all_finite,
    check_same_columns,
    chosen_targets,
    column_names,
    generator,
    players_of,
    setting_of,
)
from auditbench_shap.exact import enumerate_coalitions
from auditbench_shap.kernel import regress
from auditbench_shap.library import LibraryValues, explain
from auditbench_shap.methods import OwnMethod
from auditbench_shap.null_players import only, rows_by_players
from auditbench_shap.planning import Plan, check_request, exact_rows_of, planner
from auditbench_shap.similar import MOST_PAIRED, similar_order
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
        base_value: Shape `(rows, targets)`: mean output where everybody is hidden. With the values it adds up to the
            output.
        standard_error: Of the values, from sampling coalitions, of their shape; 0 where they are exact, None where
            there is none. Of two rounds of walks, and of one, which also has the spread of the background in it, it is
            an upper bound in the mean; of boosted trees 1.96 of them covered 90 % of the values at two rounds. That of
            `kernel` takes what the regression leaves to be of one size for all coalitions, and was up to a seventh too
            small with a single replacement.
        reached: Which rows came down to the target error, for all of their targets, shape `(rows,)`; None without one.
        model_rows: Rows that the model evaluated for the values, in all; None for `shap.tree`, which calls no model.
        method: What `auto` chose, or the method asked for.
        names: Of the players.
    """

    values: Numbers
    base_value: Numbers
    standard_error: Numbers | None
    reached: npt.NDArray[np.bool_] | None
    model_rows: int | None
    method: str
    names: tuple[str, ...]

    def __repr__(self) -> str:
        rows, targets, players = self.values.shape
        return f"ShapleyValues({rows=}, {targets=}, {players=}, method={self.method!r}, model_rows={self.model_rows})"

    def to_shap(self, rows: Any = None) -> Any:
        """A `shap.Explanation`, for the plots of that library.

        Args:
            rows: What the plots show as the players' values, shape `(rows, players)`; a DataFrame also names the
                players.
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

    `exact` enumerates all coalitions. `permutation` walks antithetic pairs of permutations, as many for each
    replacement; it is exact for effects of one and two players. `kernel` regresses on paired coalitions, for budgets
    below one pair of walks a replacement. `auto` takes the first of these that the budget allows. `shap.kernel`,
    `shap.permutation`, ... are the explainers of the shap library.

    Args:
        model_or_predict: A module in evaluation mode, or a function from numpy rows to outputs of shape `(rows,)` or
            `(rows, outputs)`.
        rows: Rows to explain, array, table or tensor of shape `(rows, ...)`, without NaN.
        background: Rows that stand in for what is hidden, shape `(background rows, ...)`, all of which are used; or a
            masker of `auditbench.masking`.
        target: None for all outputs, the index of one, `"predicted"`, or one index a row.
        budget: Most model rows for each explained row. The outputs of the rows themselves and of the background, and
            those of the few rows that the model is looked at with, come on top. Without a budget `auto` enumerates up
            to 524,288 where the first layer of a module can be computed once, and up to 32,768 of any other model;
            beyond, it walks two rounds, more where there are fewer than 32 replacements to take a standard error from.
        target_error: `permutation`: a row whose estimated relative error is above this is walked on, as far as the
            budget, or 256 rounds, goes; see `ShapleyValues.reached`. It is the norm of the standard errors over the
            norm of the values.
        groups: Players, as `auditbench.masking.players_of` takes them, such as lists of columns by name; each entry of
            a row when absent, with the names of its columns where the rows are a table.
        rng: Seed 0 when absent.

    Raises:
        TypeError: The model is neither a module nor a function, or `rng` is no numpy Generator.
        ValueError: Arguments that do not fit each other; the message says what is allowed. An output is NaN or
            infinite. Or all coalitions of a model are to be enumerated that gives other outputs when it sees the same
            rows again.

    References: arXiv:1910.13413, section 2 (the game); arXiv:1705.07874 (the kernel). For the walks see
        `auditbench_shap.walks`.
    """
    rng = generator(rng)
    check_request(method, budget, target_error)
    check_same_columns(rows, background, "background")
    if method.startswith("shap."):
        columns = column_names(rows)
        if groups is not None and not isinstance(groups, Players):
            groups = players_of(groups, tuple(np.shape(rows)[1:]), columns=columns)
        found = explain(
            method, model_or_predict, rows, background, target=target, budget=budget, groups=groups, rng=rng
        )
        return _by_library(found, method, columns if groups is None else groups.names)
    prediction = model_or_predict if isinstance(model_or_predict, Prediction) else Prediction(model_or_predict)
    before = prediction.rows
    setting = setting_of(prediction, rows, background, groups)
    tensor, players, masker = setting.rows, setting.players, setting.masker
    planned = planner(method, setting, budget, target_error)
    planned()  # what is refused is refused before the model evaluates a row
    outputs = _checked(prediction.of_all(tensor), "the rows")
    targets = chosen_targets(target, outputs)
    model = MaskedModel(prediction, players, masker, tensor, targets=targets.count)
    plan = planned(exact_rows=exact_rows_of(model.first))
    pairs = _pairs(model, plan)
    order: list[torch.Tensor] = []
    explained: list[_Found] = []
    for chosen, active in rows_by_players(model, tensor, players, plan):
        own = only(players.of_rows(chosen), active)
        game = _Game(model, tensor[chosen], own, targets.of_rows(chosen), outputs[chosen], pairs=pairs)
        narrower = plan.of_players(len(own), model.replacements)
        if narrower.method == "exact" and not order:
            game.check_repeats()
        estimate = _ESTIMATORS[narrower.method](game, narrower, rng)
        explained.append(estimate.among(active, len(players)))
        order.append(chosen)
    return _result(explained, torch.cat(order), plan, players.names, prediction.rows - before)


_REPEATED_ROWS, _REPEATABLE, _ROUNDED = 4, 1e-3, 1e-5
"""Rows that an enumerated model sees twice, and the largest change of an output there, as a share of the most that
hiding changes it by, and of the output itself, which another batch may round in another way."""
_ROUNDINGS = 32
"""Roundings of the largest output that a target error cannot go below."""


class _Game:
    """Some rows with their players and outputs."""

    def __init__(
        self,
        model: MaskedModel,
        rows: torch.Tensor,
        players: Players,
        targets: Targets,
        outputs: torch.Tensor,
        *,
        starts: torch.Tensor | None = None,
        pairs: npt.NDArray[np.int64] | None = None,
    ) -> None:
        self._model = model
        self._rows = rows
        self._players = players
        self._targets = targets
        self._outputs = outputs
        self._pairs = pairs
        self.evaluator = Evaluator(model, rows, players, targets)
        self.players = len(players)
        self.ends = targets.select(outputs)
        self.starts = self.evaluator.outputs_of_replacements() if starts is None else starts

    def found(self, values: torch.Tensor, variance: torch.Tensor | None, above: torch.Tensor | None = None) -> _Found:
        """What was found, with the rows, by index, that are still above the target error."""
        reached = torch.ones(len(values), dtype=torch.bool, device=values.device)
        if above is not None:
            reached[above] = False
        base_value = self.starts.double().mean(dim=1)
        return _Found(values=values, base_value=base_value, variance=variance, reached=reached)

    def rounding(self) -> torch.Tensor:
        """Error below which values are rounding of the outputs, shape `(rows, targets)`, float64."""
        largest = torch.maximum(self.ends.abs(), self.starts.abs().amax(dim=1))
        return _ROUNDINGS * torch.finfo(largest.dtype).eps * largest.double()

    def of_rows(self, chosen: torch.Tensor) -> _Game:
        """The game of some of the rows, by index."""
        return _Game(
            self._model,
            self._rows[chosen],
            self._players.of_rows(chosen),
            self._targets.of_rows(chosen),
            self._outputs[chosen],
            starts=self.starts[chosen],
        )

    def check_repeats(self) -> None:
        """Raise ValueError where the model gives other outputs for a few rows that it has seen."""
        few = slice(0, _REPEATED_ROWS)
        change = (self._model.prediction.of_all(self._rows[few]) - self._outputs[few]).double().abs()
        explained = (self.ends.unsqueeze(1) - self.starts).double().abs().amax(dim=(0, 1))
        allowed = _REPEATABLE * explained + _ROUNDED * self.ends.double().abs().amax(dim=0)
        wrong = self._targets.of_rows(few).select(change) > allowed
        if bool(wrong.any()):
            fix = (
                ", or pass method='permutation', whose standard error has most of that noise in it"
                if self.players > 1
                else ""
            )
            raise ValueError(
                "expected a model that gives the same outputs for the same rows to enumerate, got differences up to"
                f" {float(change.max()):.3g}; fix its seed{fix}"
            )

    def walk(self, rounds: int, rng: np.random.Generator) -> Sums:
        """So many rounds of walks."""
        pairs = self._pairs if rounds == 1 else None
        return walk(self.evaluator, self.players, self.starts, self.ends, rounds, rng, pairs=pairs)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Found:
    """What an estimator found of some rows.

    Attributes:
        values: Shape `(rows, players, targets)`; so `variance`.
        base_value: Shape `(rows, targets)`.
        reached: Which rows came down to the target error, shape `(rows,)`; all of them without one.
    """

    values: torch.Tensor
    base_value: torch.Tensor
    variance: torch.Tensor | None
    reached: torch.Tensor

    def among(self, active: npt.NDArray[np.int64], players: int) -> _Found:
        """The same among all players, of which those that are not active contribute nothing."""
        if len(active) == players:
            return self

        place = torch.from_numpy(active).to(self.values.device)

        def widened(found: torch.Tensor) -> torch.Tensor:
            return found.new_zeros((len(found), players, found.shape[2])).index_copy_(1, place, found)

        variance = None if self.variance is None else widened(self.variance)
        return replace(self, values=widened(self.values), variance=variance)


def _exact(game: _Game, plan: Plan, rng: np.random.Generator) -> _Found:
    values = enumerate_coalitions(game.evaluator, game.players, game.starts, game.ends)
    return game.found(values, torch.zeros_like(values))


def _kernel(game: _Game, plan: Plan, rng: np.random.Generator) -> _Found:
    return game.found(*regress(game.evaluator, game.players, game.starts, game.ends, plan.amount, rng))


def _permutation(game: _Game, plan: Plan, rng: np.random.Generator) -> _Found:
    """Walks; with a target error twice as many again for the rows that are above it, as far as the plan allows."""
    sums = game.walk(plan.amount, rng)
    if plan.target_error is None or sums.variance is None:
        return game.found(sums.values, sums.variance)
    values, variance, rounds = sums.values, sums.variance, sums.rounds
    floor = game.rounding()
    above = _above(values, variance, plan.target_error, floor)
    while len(above) and rounds + 2 <= plan.most:
        further = game.of_rows(above).walk(max(2, min(rounds, plan.most - rounds)), rng)
        values[above], variance[above], rounds = joined(values[above], variance[above], rounds, further)
        above = above[_above(values[above], variance[above], plan.target_error, floor[above])]
    return game.found(values, variance, above)


_ESTIMATORS: dict[OwnMethod, Callable[[_Game, Plan, np.random.Generator], _Found]] = {
    "exact": _exact,
    "permutation": _permutation,
    "kernel": _kernel,
}


def _above(values: torch.Tensor, variance: torch.Tensor, limit: float, floor: torch.Tensor) -> torch.Tensor:
    """Indices of the rows with a target whose relative error is above the limit, and whose error is above the floor."""
    error = variance.sum(dim=1).sqrt()
    return (error > limit * values.square().sum(dim=1).sqrt() + floor).any(dim=1).nonzero()[:, 0]


def _pairs(model: MaskedModel, plan: Plan) -> npt.NDArray[np.int64] | None:
    """Replacements by two and two that are alike, for a single round of walks; None where they are not looked for."""
    single = plan.method == "permutation" and plan.amount == 1
    if not single or model.shared is None or not 1 < model.replacements <= MOST_PAIRED:
        return None
    return similar_order(model.shared)


def _result(
    found: list[_Found], order: torch.Tensor, plan: Plan, names: tuple[str, ...], model_rows: int
) -> ShapleyValues:
    """What was found of rows in some order, as they were given."""
    back = slice(None) if len(found) == 1 else order.argsort()
    values, base_value, reached = (
        torch.cat([getattr(one, name) for one in found])[back] for name in ("values", "base_value", "reached")
    )
    variances = [one.variance for one in found if one.variance is not None]
    known = len(variances) == len(found) and not plan.without_error
    _checked(values, "rows with hidden players")
    return ShapleyValues(
        values=_by_target(values),
        base_value=base_value.cpu().numpy(),
        standard_error=_by_target(torch.cat(variances)[back].clamp(min=0).sqrt()) if known else None,
        reached=None if plan.target_error is None else reached.cpu().numpy(),
        model_rows=model_rows,
        method=plan.method,
        names=names,
    )


def _by_library(found: LibraryValues, method: str, names: tuple[str, ...]) -> ShapleyValues:
    players = found.values.shape[2]
    return ShapleyValues(
        values=found.values,
        base_value=found.base_value,
        standard_error=found.standard_error,
        reached=None,
        model_rows=found.model_rows,
        method=method,
        names=names or tuple(f"player {index}" for index in range(players)),
    )


def _checked(outputs: torch.Tensor, what: str) -> torch.Tensor:
    """The outputs, or what was made of them; raises ValueError where a number is NaN or infinite."""
    if not all_finite(outputs):
        raise ValueError(f"expected a model that gives finite outputs for {what}, got NaN or infinity")
    return outputs


def _by_target(values: torch.Tensor) -> Numbers:
    return np.ascontiguousarray(values.transpose(1, 2).cpu().numpy())

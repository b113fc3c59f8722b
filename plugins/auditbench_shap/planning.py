"""Which estimator explains a row, and how much work it does: from the players, the replacements and the budget."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

import numpy as np

from auditbench_shap.exact import enumeration_rows
from auditbench_shap.kernel import least_pairs
from auditbench_shap.methods import METHODS, WITH_TARGET_ERROR, OwnMethod
from auditbench_shap.walks import pair_rows

if TYPE_CHECKING:
    import torch

    from auditbench.masking import FirstLayer, Masker, Players

EXACT_ROWS, EXACT_ROWS_OF_WHOLE = 1 << 19, 1 << 15
"""Model rows up to which `auto` enumerates when no budget is given: a module whose first layer is computed once, and any
other model, of which each row is a whole evaluation; 12 and 8 players with 100 background rows, for example."""
MANY_REPLACEMENTS, LEAST_REPEATS = 32, 32
"""Without a budget, so many replacements are walked two rounds. Fewer are walked on, until so many twos of rounds more
than one for each have been compared: what the standard error rests on."""
MOST_ROUNDS = 256
"""Rounds after which a target error is given up when no budget is given."""
KERNEL_PAIRS = 1024
"""Pairs of `kernel` beside one a player when no budget is given, as many rows as KernelExplainer has coalitions."""
_CHEAPER = "fewer players need less: make groups of them"
MOST_ENUMERATED = 24
"""Most players of `exact`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How rows are explained.

    Attributes:
        model_rows: For each explained row, before a target error asks for more.
        amount: Rounds of walks, or pairs of the regression.
        most: Rounds that a target error may lead to.
        budget: The most model rows for each explained row, where there is such a limit.
        line: Of `auto`, the model rows for each explained row up to which it enumerates.
        without_error: Whether nothing is visited twice, so that there is no standard error.
    """

    method: OwnMethod
    model_rows: int
    amount: int = 0
    most: int = 0
    budget: int | None = None
    line: int | None = None
    target_error: float | None = None
    without_error: bool = False

    def of_players(self, players: int, replacements: int) -> Plan:
        """The same method, budget and target error for rows with fewer players."""
        return plan_for(self.method, players, replacements, budget=self.budget, target_error=self.target_error)


def check_request(method: str, budget: int | None, target_error: float | None) -> None:
    """Raises ValueError where there is no such method, or no model could be explained with such a budget or target error."""
    if method not in METHODS:
        close = difflib.get_close_matches(str(method), METHODS, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"expected one of {', '.join(METHODS)} as the method, got {method!r}{hint}")
    whole = isinstance(budget, (int, np.integer, type(None)))  # callers may have no type checker
    if not whole or (budget is not None and budget < 1):
        raise ValueError(f"expected a budget of whole model rows a row, at least 1, got {budget!r}")
    if target_error is not None and not 0 < target_error < 1:
        raise ValueError(f"expected a target error between 0 and 1, a share of the values, got {target_error}")
    if target_error is not None and method not in WITH_TARGET_ERROR:
        raise ValueError(f"expected one of {', '.join(WITH_TARGET_ERROR)} for a target error, got the method {method}")


def exact_rows_of(first: FirstLayer | None) -> int:
    """Model rows up to which `auto` enumerates a model without a budget, by its first layer where it is computed once."""
    return EXACT_ROWS_OF_WHOLE if first is None else EXACT_ROWS


class Game(Protocol):
    """Rows with what a plan depends on, such as `auditbench.masking.Setting`."""

    @property
    def rows(self) -> torch.Tensor:
        """Shape `(rows, ...)`."""

    @property
    def players(self) -> Players:
        """Of these rows."""

    @property
    def masker(self) -> Masker:
        """What hides them."""


def planner(method: str, game: Game, budget: int | None, target_error: float | None) -> partial[Plan]:
    """`plan_for` with what is known before the model evaluates a row."""
    replacements, against = _replacements(game)
    return partial(
        plan_for,
        method,
        len(game.players),
        replacements,
        budget=budget,
        target_error=target_error,
        against_kernel=against,
    )


def least_budget(method: str, game: Game, target_error: float | None) -> int:
    """Model rows for each explained row from which on a method of this plugin has values with a standard error."""
    (replacements, against), players = _replacements(game), len(game.players)
    rounds = 2 if replacements == 1 or target_error is not None else 1
    walks, regression = rounds * pair_rows(players, replacements), 2 * least_pairs(players, replacements)
    if method == "exact":
        return enumeration_rows(players, replacements)
    if method == "kernel":
        return regression
    only_walks = method == "permutation" or against or target_error is not None
    return walks if only_walks else min(walks, regression)


def _replacements(game: Game) -> tuple[int, str]:
    """How many replacements a row has, and what keeps `kernel` from explaining the rows, if anything does."""
    players = game.players
    tried = game.masker.replacements(game.rows[:2], players.of_rows(slice(0, 2)))
    replacements = max(1, len(tried[0]))
    if replacements > 1 and (len(tried) > 1 or players.per_row):
        return replacements, "rows that do not share their replacements and players"
    if players.per_row and bool((players.groups.flatten(1).amax(dim=1) + 1 < len(players)).any()):
        return replacements, "rows that lack players"
    return replacements, ""


def plan_for(
    method: str,
    players: int,
    replacements: int,
    *,
    budget: int | None = None,
    target_error: float | None = None,
    exact_rows: int = EXACT_ROWS,
    against_kernel: str = "",
) -> Plan:
    """The estimator that a method of this plugin stands for, with its amount of work.

    Args:
        exact_rows: Model rows up to which `auto` enumerates without a budget.
        against_kernel: What keeps `kernel` from explaining the rows, if anything does.

    Raises:
        ValueError: There is no such method, or the budget or the target error does not fit it.
    """
    check_request(method, budget, target_error)
    line = exact_rows if budget is None else budget
    possible = not against_kernel and target_error is None
    chosen = _chosen(method, players, replacements, budget, line, kernel=possible)
    if chosen == "exact":
        plan = _enumeration(players, replacements, budget, target_error)
    elif chosen == "permutation":
        plan = _walks(players, replacements, budget, target_error)
    elif against_kernel:
        raise ValueError(f"expected the method permutation for {against_kernel}, got {method}")
    else:
        plan = _regression(method, players, replacements, budget)
    return replace(plan, line=line) if method == "auto" else plan


def _chosen(method: str, players: int, replacements: int, budget: int | None, line: int, *, kernel: bool) -> OwnMethod:
    """The estimator; of `auto` the first that the line and the budget allow, `kernel` only where it is possible."""
    if method == "auto":
        if players <= MOST_ENUMERATED and enumeration_rows(players, replacements) <= line:
            return "exact"
        small = budget is not None and budget < pair_rows(players, replacements)
        return "kernel" if kernel and small else "permutation"
    return "exact" if players == 1 else method  # type: ignore[return-value]  # it is one of the three


def _regression(method: str, players: int, replacements: int, budget: int | None) -> Plan:
    least = least_pairs(players, replacements)
    pairs = max(players + KERNEL_PAIRS, least) if budget is None else budget // 2
    if pairs < least:
        cheapest = min(2 * least, pair_rows(players, replacements)) if method == "auto" else 2 * least
        raise ValueError(f"expected a budget of at least {cheapest} model rows a row, got {budget}; {_CHEAPER}")
    return Plan(method="kernel", model_rows=2 * pairs, amount=pairs, budget=budget)


def _enumeration(players: int, replacements: int, budget: int | None, target_error: float | None) -> Plan:
    if players > MOST_ENUMERATED:
        raise ValueError(f"expected at most {MOST_ENUMERATED} players to enumerate, got {players}")
    needed = enumeration_rows(players, replacements)
    if budget is not None and budget < needed:
        raise ValueError(f"expected a budget of at least {needed} model rows a row to enumerate, got {budget}")
    return Plan(method="exact", model_rows=needed, budget=budget, target_error=target_error)


def _walks(players: int, replacements: int, budget: int | None, target_error: float | None) -> Plan:
    """Rounds in twos; a single one where the budget holds no more and no target error asks for the error."""
    pair = pair_rows(players, replacements)
    fewest = 1 if target_error is None else 2
    usual = 2 if replacements >= MANY_REPLACEMENTS else 2 - 2 * (-LEAST_REPEATS // replacements)
    held = MOST_ROUNDS if budget is None else budget // pair
    if held < fewest:
        what = "a round of walks" if target_error is None else "the two rounds of walks that a target error needs"
        raise ValueError(
            f"expected a budget of at least {fewest * pair} model rows a row for {what}, got {budget}; {_CHEAPER}"
        )
    held = max(1, held - held % 2)
    amount = usual if budget is None or target_error is not None else held
    rounds = min(amount, held)
    return Plan(
        method="permutation",
        model_rows=rounds * pair,
        amount=rounds,
        most=held,
        budget=budget,
        target_error=target_error,
        without_error=rounds == 1 and replacements == 1,
    )

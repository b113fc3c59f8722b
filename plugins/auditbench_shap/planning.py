"""Which estimator explains a row, and how much work it does: from the players, the replacements and the budget."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import get_args

import numpy as np

from auditbench_shap.exact import enumeration_rows
from auditbench_shap.methods import METHODS, OwnMethod
from auditbench_shap.walks import pair_rows

EXACT_ROWS = 1 << 19
"""Model rows up to which `auto` enumerates when no budget is given: 12 players with 100 background rows, for example."""
MANY_REPLACEMENTS, LEAST_REPEATS = 32, 16
"""Without a budget, so many replacements are walked two rounds. Fewer are walked on, until so many twos of rounds more than
one for each have been compared: what the standard error rests on."""
MOST_ROUNDS = 256
"""Rounds after which a target error is given up when no budget is given."""
KERNEL_PAIRS = 1024
"""Pairs of `kernel` beside one a player when no budget is given, as many rows as KernelExplainer has coalitions."""
MOST_ENUMERATED = 24
"""Most players of `exact`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How rows are explained.

    Attributes:
        amount: Rounds of walks, or pairs of the regression.
        most: Rounds that a target error may lead to.
    """

    method: OwnMethod
    amount: int = 0
    most: int = 0
    target_error: float | None = None


def plan_for(
    method: str, players: int, replacements: int, *, budget: int | None = None, target_error: float | None = None
) -> Plan:
    """The estimator that a method stands for, with its amount of work.

    Raises:
        ValueError: There is no such method, or the budget or the target error does not fit it.
    """
    whole = isinstance(budget, (int, np.integer, type(None)))  # callers may have no type checker
    if not whole or (budget is not None and budget < 1):
        raise ValueError(f"expected a budget of whole model rows a row, at least 1, got {budget!r}")
    chosen = _chosen(method, players, replacements, budget)
    if target_error is not None and not target_error > 0:
        raise ValueError(f"expected a target error above 0, got {target_error}")
    if target_error is not None and chosen == "kernel":
        raise ValueError(
            f"expected the method permutation or a larger budget for a target error, got {method}, {budget}"
        )
    if chosen == "exact":
        if players > MOST_ENUMERATED:
            raise ValueError(f"expected at most {MOST_ENUMERATED} players to enumerate, got {players}")
        needed = enumeration_rows(players, replacements)
        if budget is not None and budget < needed:
            raise ValueError(f"expected a budget of at least {needed} model rows a row to enumerate, got {budget}")
        return Plan(method="exact")
    if chosen == "permutation":
        return _walks(players, replacements, budget, target_error)
    pairs = players + KERNEL_PAIRS if budget is None else budget // 2
    if pairs < players:
        raise ValueError(f"expected a budget of at least {2 * players} model rows a row, got {budget}")
    return Plan(method="kernel", amount=pairs)


def _chosen(method: str, players: int, replacements: int, budget: int | None) -> OwnMethod:
    if method == "auto":
        if enumeration_rows(players, replacements) <= (EXACT_ROWS if budget is None else budget):
            return "exact"
        return "permutation" if budget is None or budget >= pair_rows(players, replacements) else "kernel"
    if method not in get_args(OwnMethod):
        close = difflib.get_close_matches(method, METHODS, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"expected one of {', '.join(METHODS)} as the method, got {method!r}{hint}")
    return "exact" if players == 1 else method  # type: ignore[return-value]  # it is one of the three


def _walks(players: int, replacements: int, budget: int | None, target_error: float | None) -> Plan:
    """Rounds in twos, or a single one where the budget holds no more."""
    pair = pair_rows(players, replacements)
    usual = 2 if replacements >= MANY_REPLACEMENTS else 2 - 2 * (-LEAST_REPEATS // replacements)
    held = MOST_ROUNDS if budget is None else budget // pair
    if held < 1:
        raise ValueError(f"expected a budget of at least {pair} model rows a row for a round of walks, got {budget}")
    held = max(1, held - held % 2)
    amount = usual if budget is None or target_error is not None else held
    return Plan(method="permutation", amount=min(amount, held), most=held, target_error=target_error)

"""Columns that follow from the outputs of a model, such as its decisions: told from some rows, so that none becomes a feature."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, TypeAlias

from auditbench.cli.guesses import words_of

Outputs: TypeAlias = Sequence[tuple[float, ...] | None]
"""What a model gave for each row; None where it is not known."""

# fmt: off
_OUTPUT_WORDS = frozenset((
    "prediction", "predictions", "predicted", "predict", "pred", "preds", "decision", "decided", "score", "scored", "scores",
    "prob", "probs", "proba", "probability", "logit", "logits", "yhat", "hat", "output", "rank", "decile", "band",
))
_SURE_WORDS = frozenset(("prediction", "predictions", "predicted", "pred", "preds", "yhat", "proba", "probs", "logit"))
_OUTPUT_TEXT = ("预测", "决策", "概率", "得分", "评分")
# fmt: on
_ROUNDING = 1e-3
"""How far sums of probabilities may lie from 1."""
_FEWEST = 10
"""Rows from which an equality is no accident."""


def surely_output(name: str) -> bool:
    """Whether a column name can hardly be that of anything but what a model gave, as `score` can."""
    return bool(words_of(name) & _SURE_WORDS) or "预测" in name


def named_as_output(name: str) -> str:
    """The word of a column name that says that the column may hold what a model gave; empty where none does."""
    words = sorted(words_of(name) & _OUTPUT_WORDS) or [text for text in _OUTPUT_TEXT if text in name]
    return words[0] if words else ""


def derived_reason(name: str, cells: Sequence[Any], outputs: Outputs, threshold: float) -> str:
    """Why a column follows from the outputs; empty where it does not.

    Args:
        threshold: From which the decision of one output is positive.
    """
    pairs = [
        (cell, given)
        for cell, given in zip(cells, outputs, strict=True)
        if isinstance(cell, (str, int, float)) and given is not None
    ]
    if len(pairs) < _FEWEST or len({cell for cell, _ in pairs}) < 2:
        return ""
    if all(cell == given[0] for cell, given in pairs):
        return "it holds the same numbers as the predictions"
    if all(len(given) == 1 and _adds_up(cell, given[0]) for cell, given in pairs):
        return "it and the predictions add up to 1"
    if _is_decision(pairs, threshold):
        return "it equals the decision of the predictions"
    said = named_as_output(name)
    if said and any(_follows([(cell, given[place]) for cell, given in pairs]) for place in range(len(pairs[0][1]))):
        return f"its name says {said!r}, and it follows from the predictions"
    return ""


def _adds_up(cell: Any, given: float) -> bool:
    return not isinstance(cell, str) and abs(cell + given - 1) <= _ROUNDING


def _is_decision(pairs: Sequence[tuple[Any, tuple[float, ...]]], threshold: float) -> bool:
    """Whether each decision has one value of the column, and each value one decision."""
    both = {
        (cell, given[0] >= threshold if len(given) == 1 else max(range(len(given)), key=given.__getitem__))
        for cell, given in pairs
    }
    return len(both) == len({cell for cell, _ in both}) == len({decision for _, decision in both}) > 1


def _follows(pairs: Sequence[tuple[Any, float]]) -> bool:
    """Whether cells rise or fall with an output; those that are no numbers, whether each stands for a range of it."""
    if all(isinstance(cell, (int, float)) for cell, _ in pairs):
        rising = [cell for cell, _ in sorted(pairs, key=lambda pair: (pair[1], pair[0]))]
        falling = [cell for cell, _ in sorted(pairs, key=lambda pair: (-pair[1], pair[0]))]
        return any(all(a <= b for a, b in pairwise(row)) for row in (rising, falling))
    cells = [cell for cell, _ in sorted(pairs, key=lambda pair: (pair[1], str(pair[0])))]
    changes = [a for a, b in pairwise(cells) if a != b]
    return len(changes) == len(set(cells)) - 1

"""What selects a row, or puts its score above the median; and the words that say so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.context import AuditContext
    from auditbench_impact_ratios import Mode, Params

    Mask: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rule:
    """Which rows count as hits in one mode.

    Attributes:
        hit: Shape `(rows,)`.
        told_as: First part of the keys of titles and notes: `selection`, `scoring`, or `scoring_value` of a regression.
        words: What these say of it: positive label and threshold, or the median of all rows and how many score that itself, and
            so not above it.
    """

    mode: Mode
    hit: Mask
    told_as: str
    words: Mapping[str, float | int | str]


def rules_of(context: AuditContext, params: Params) -> tuple[Rule, ...]:
    """The rules of the modes that are asked for and that the model has, in the order of the parameter.

    A score is the probability of the positive label, or the predicted value.

    Raises:
        ModelError: Outputs that are NaN or infinite.
    """
    outputs, data, model = context.finite_outputs(), context.data, context.model
    if data.task == "regression":
        return (_scoring(model.decisions(outputs)),)
    positive, threshold = data.classes[1], model.facts.threshold
    selection = Rule(
        mode="selection",
        hit=model.decisions(outputs) == 1,
        told_as="selection",
        words={"positive": positive, "threshold": 0.5 if threshold is None else threshold},
    )
    rules = {"selection": selection, "scoring": _scoring(model.probabilities(outputs)[:, 1], positive)}
    return tuple(rules[mode] for mode in dict.fromkeys(params.modes))


def _scoring(scores: npt.NDArray[np.float64], positive: str = "") -> Rule:
    median = float(np.median(scores))
    words: dict[str, float | int | str] = {"median": median, "n": len(scores), "ties": int((scores == median).sum())}
    if positive:
        words["positive"] = positive
    told_as = "scoring" if positive else "scoring_value"
    return Rule(mode="scoring", hit=scores > median, told_as=told_as, words=words)

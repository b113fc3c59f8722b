"""Outputs of a model as the reader sees them: which are log-odds, and the probabilities they stand for."""

from __future__ import annotations

import math
from collections.abc import Sequence

from auditbench.results import Attribution
from auditbench.run import AuditRun, Case


def sigmoid(logit: float) -> float:
    """Probability of log-odds, in [0, 1]; no finite value overflows."""
    if logit >= 0:
        return 1 / (1 + math.exp(-logit))
    odds = math.exp(logit)
    return odds / (1 + odds)


def softmax(scores: Sequence[float]) -> tuple[float, ...]:
    """Probabilities of the scores of all classes; they sum to 1, and no finite value overflows."""
    highest = max(scores)
    odds = [math.exp(score - highest) for score in scores]
    total = sum(odds)
    return tuple(value / total for value in odds)


def is_log_odds(run: AuditRun, block: Attribution) -> bool:
    """Whether the explained output is the one logit of a binary model; the logit of one class of several is no log-odds."""
    return run.model.task == "binary-classification" and block.unit == "logit" and len(block.target_names) == 1


def positive_class(run: AuditRun) -> str:
    """The class that a binary model decides for; empty where no class is positive."""
    if run.model.task != "binary-classification":
        return ""
    return run.data.positive or (run.model.classes[1] if len(run.model.classes) == 2 else "")


def case_probability(run: AuditRun, case: Case) -> float | None:
    """Probability of the positive class of a binary model, else of the predicted class; None where outputs are values."""
    model, outputs = run.model, case.output
    if model.output == "value":
        return None
    if model.task != "binary-classification" and case.predicted_probability is not None:
        return case.predicted_probability
    if not outputs:
        return None
    if model.task == "binary-classification" and len(outputs) == 1:
        return sigmoid(outputs[0]) if model.output == "logit" else outputs[0]
    if len(outputs) != len(model.classes) or case.predicted not in model.classes:
        return None
    probabilities = softmax(outputs) if model.output == "logit" else outputs
    return probabilities[model.classes.index(case.predicted)]

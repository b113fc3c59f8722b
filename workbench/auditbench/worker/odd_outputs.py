"""Outputs that cannot be, or are hardly, what a model is declared to give."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from auditbench.errors import ModelError
from auditbench.findings import Message

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.models import ModelUnderTest

_TELLING_ROWS = 50
"""Fewest rows on which logits that all lie between 0 and 1 look like probabilities, and zeros and ones like decisions."""

_ROUNDING = 1e-3
"""How far probabilities that were computed in half precision may lie outside 0 to 1, and their sum from 1."""


def with_doubt(model: ModelUnderTest, outputs: npt.NDArray[Any]) -> ModelUnderTest:
    """The model, with a limit where its outputs look like something else than it is declared to give."""
    limits = (*model.facts.limits, *doubts(model, outputs))
    return dataclasses.replace(model, facts=dataclasses.replace(model.facts, limits=limits))


def doubts(model: ModelUnderTest, outputs: npt.NDArray[Any]) -> tuple[Message, ...]:
    """That all it gives as logits could be probabilities, or all it gives as probabilities decisions."""
    if len(outputs) < _TELLING_ROWS or outputs.min() < 0 or outputs.max() > 1:
        return ()
    if model.facts.output == "logit":
        return (Message(key="core.model_logits_bounded", values={"rows": len(outputs)}),)
    if model.facts.output == "probability" and ((outputs == 0) | (outputs == 1)).all():
        return (Message(key="core.model_probabilities_decided", values={"rows": len(outputs)}),)
    return ()


def refuse_odd_outputs(model: ModelUnderTest, outputs: npt.NDArray[Any]) -> None:
    """Refuse outputs that cannot be what the model is declared to give.

    Raises:
        ModelError: An output is not finite, or no probability where the model is declared to give them.
    """
    wrong = ~np.isfinite(outputs).all(axis=1)
    if wrong.any():
        raise ModelError(
            "the model gives outputs that are not finite",
            where="model",
            found=f"{int(wrong.sum()):,} of {len(outputs):,} rows",
            fix="look for infinite or very large inputs, and for damaged weights",
        )
    if model.facts.output != "probability":
        return
    outside = ((outputs < -_ROUNDING) | (outputs > 1 + _ROUNDING)).any(axis=1)
    if outputs.shape[1] > 1:
        outside |= np.abs(outputs.sum(axis=1) - 1) > outputs.shape[1] * _ROUNDING
    if outside.any():
        raise ModelError(
            "the model is declared to give probabilities, and gives other numbers",
            where="model.output",
            found=f"{int(outside.sum()):,} of {len(outputs):,} rows, such as {outputs[outside][0].tolist()}"[:200],
            allowed="numbers from 0 to 1; for several classes, with the sum 1",
            fix='declare what the model gives, which may be "logit"',
        )

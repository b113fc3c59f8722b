"""How far the outputs of two networks that should be the same lie apart. Imports nothing heavy."""

from __future__ import annotations

import math
from dataclasses import dataclass

from auditbench.run import OutputScale

TOLERANCE = 1e-5
"""Largest scaled difference of an export, and of any two models that should be the same, when nothing else is asked for:
a hundred roundings of float32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How far the outputs of two networks lie apart on the same rows.

    Attributes:
        largest: Largest absolute difference of an output, in the declared scale.
        scaled: The same measured against the outputs of the first network; see `scaled_difference`.
    """

    rows: int
    largest: float
    scaled: float


def scaled_difference(largest: float, size: float, output: OutputScale) -> float:
    """A difference divided by the size of outputs; infinite where they are all 0 and the difference is not.

    The unit of a predicted value may be any, so that it is always divided. Logits and probabilities have theirs by what
    they decide, so that smaller ones than 1 are not scaled up.

    Args:
        largest: Largest absolute difference of an output.
        size: Largest absolute output.
        output: Declared scale of the outputs.
    """
    size = size if output == "value" else max(1.0, size)
    if not size:
        return math.inf if largest else 0.0
    return largest / size

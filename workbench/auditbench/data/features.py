"""Features: what the columns of the data mean and where each one stands in the encoded input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

FeatureKind: TypeAlias = Literal["number", "category"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSpec:
    """One feature of a table, as the model sees it.

    A raw row holds one number a feature: the value of a number (NaN when missing), or the index of a category, where
    `len(categories)` stands for missing or unseen. However many encoded columns it has, it is one feature to every
    explainer.

    Attributes:
        categories: Names in the order of their index; empty for numbers.
        start: First encoded column; `stop` is one past the last.
        fill: What stands in for a missing number: the median of the training rows.
        mean: Of the training rows after filling; `scale` their standard deviation. The encoded value of a number is
            `(value - mean) / scale`.
    """

    name: str
    kind: FeatureKind
    categories: tuple[str, ...] = ()
    start: int
    stop: int
    fill: float = 0.0
    mean: float = 0.0
    scale: float = 1.0


def encoded_width(features: tuple[FeatureSpec, ...]) -> int:
    """Number of encoded columns of a raw row."""
    return max((feature.stop for feature in features), default=0)

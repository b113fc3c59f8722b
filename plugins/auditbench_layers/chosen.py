"""Which layers of a network are looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from auditbench.errors import AnalyzerNotPossible
from auditbench.models.layers import Layer, model_layers, named_layers, stages

if TYPE_CHECKING:
    from auditbench.data import EvaluationData
    from auditbench.models import ModelUnderTest
    from auditbench_layers.params import Params

PASSING_ON = ("Dropout", "Flatten", "Identity")
"""Kinds of layers that give what they are given, in another shape at most."""


def check(model: ModelUnderTest, data: EvaluationData, params: Params) -> None:
    """Refuse layers that the network does not have; see `chosen_layers`."""
    chosen_layers(model, data, params.layers, params.most_layers)


def chosen_layers(model: ModelUnderTest, data: EvaluationData, names: tuple[str, ...], most: int) -> tuple[Layer, ...]:
    """The layers of these names, or else at most so many that show the network from first to last.

    Raises:
        AnalyzerNotPossible: The network has no layer that can be looked at.
        ConfigError: It has none of a name.
    """
    found = model_layers(model, data.take(np.arange(min(2, len(data)))).inputs)
    if not found:
        raise AnalyzerNotPossible(
            "no part of this network runs once and gives a tensor",
            where="model",
            found=model.facts.architecture or model.facts.format,
            allowed="a network of modules",
        )
    if names:
        return named_layers(found, names, where="analyzers.layers.layers")
    return stages(tuple(layer for layer in found if not layer.kind.startswith(PASSING_ON)) or found, most)

"""Which layers of a network are looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from auditbench.errors import AnalyzerNotPossible, ConfigError
from auditbench.models.layers import Layer, by_name, model_layers, stages

if TYPE_CHECKING:
    from auditbench.data import EvaluationData
    from auditbench.models import ModelUnderTest

PASSING_ON = ("Dropout", "Flatten", "Identity")
"""Kinds of layers that give what they are given, in another shape at most."""


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
    named = by_name(found)
    for name in names:
        if name not in named:
            raise ConfigError(
                "the network has no layer of this name that runs once and gives a tensor",
                where="analyzers.layers.layers",
                found=name,
                allowed=", ".join(layer.label for layer in found[:20]),
                fix="take a name from the table of layers",
            )
    if names:
        return tuple(dict.fromkeys(named[name] for name in names))
    return stages(tuple(layer for layer in found if not layer.kind.startswith(PASSING_ON)) or found, most)

"""What a model takes: the specification of each of its inputs. Imports nothing heavy.

A specification is fitted on the training rows, stands in a bundle, codes rows of files into raw arrays, and says how raw
arrays are encoded for the network.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from auditbench.data.features import FeatureSpec, encoded_width
from auditbench.run import InputFacts, Modality

PADDING, UNKNOWN = 0, 1
"""Token ids of every vocabulary: behind the end of a text, and a token that the training rows do not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableInput:
    """Columns of a table. Raw: float64 of shape `(rows, features)`; encoded: float32 `(rows, encoded columns)`."""

    features: tuple[FeatureSpec, ...]
    modality: Literal["tabular"] = "tabular"

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one encoded row."""
        return (encoded_width(self.features),)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageInput:
    """Images of one size. Raw: uint8 or float32 of shape `(rows, channels, height, width)`; encoded: float32 alike.

    Attributes:
        largest: What stands for full brightness in a raw image: 255 for uint8.
        mean: One number a channel, of raw images divided by `largest`; `scale` the standard deviation. The encoded
            value is `(value / largest - mean) / scale`.
    """

    channels: int
    height: int
    width: int
    largest: float = 255.0
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    modality: Literal["image"] = "image"

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one encoded row."""
        return self.channels, self.height, self.width


@dataclass(frozen=True, slots=True, kw_only=True)
class TextInput:
    """Texts as token ids. Raw and encoded: int64 of shape `(rows, length)`, `PADDING` behind the end.

    Attributes:
        unit: Whether a token is a word (a run of letters, digits and marks within words, in lower case), a character, or
            what a tokenizer cuts.
        vocabulary: Tokens by id, from 2 on; 0 and 1 are `PADDING` and `UNKNOWN`.
        length: Tokens of a text that the model sees.
        kept: Which end of a longer text it sees.
        tokenizer: The text of the tokenizer.json that cuts subwords; its own id of a token is less by 2. Empty otherwise.
    """

    unit: Literal["words", "characters", "subwords"]
    vocabulary: tuple[str, ...]
    length: int
    kept: Literal["first", "last"] = "first"
    tokenizer: str = field(default="", repr=False)
    modality: Literal["text"] = "text"

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one encoded row."""
        return (self.length,)

    @property
    def tokens(self) -> int:
        """How many token ids there are, with padding and unknown."""
        return len(self.vocabulary) + 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesInput:
    """Series of one length. Raw: float64 of shape `(rows, channels, steps)`, NaN where missing or behind the end;
    encoded: float32 alike, 0 for NaN.

    Attributes:
        channels: Their names.
        mean: One number a channel; `scale` the standard deviation. The encoded value is `(value - mean) / scale`.
    """

    channels: tuple[str, ...]
    steps: int
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    modality: Literal["series"] = "series"

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one encoded row."""
        return len(self.channels), self.steps


ModelInput: TypeAlias = TableInput | ImageInput | TextInput | SeriesInput


def modality_of(inputs: Mapping[str, ModelInput]) -> Modality:
    """That of the only input, or `mixed`."""
    return next(iter(inputs.values())).modality if len(inputs) == 1 else "mixed"


def features_of(inputs: Mapping[str, ModelInput]) -> tuple[FeatureSpec, ...]:
    """The features of a table, where the model takes one and nothing else."""
    only = next(iter(inputs.values())) if len(inputs) == 1 else None
    return only.features if isinstance(only, TableInput) else ()


def table_features(inputs: Mapping[str, ModelInput]) -> tuple[FeatureSpec, ...]:
    """The features of every table that the model takes, also beside other inputs."""
    return tuple(feature for item in inputs.values() if isinstance(item, TableInput) for feature in item.features)


def input_facts(inputs: Mapping[str, ModelInput]) -> tuple[InputFacts, ...]:
    """What the record says about each input."""
    return tuple(
        InputFacts(
            name=name,
            modality=item.modality,
            shape=item.shape,
            unit=item.unit if isinstance(item, TextInput) else "",
            vocabulary=len(item.vocabulary) if isinstance(item, TextInput) else 0,
        )
        for name, item in inputs.items()
    )


def encoded_size(inputs: Mapping[str, ModelInput]) -> int:
    """Numbers of one encoded row, over all inputs."""
    return sum(math.prod(item.shape) for item in inputs.values())

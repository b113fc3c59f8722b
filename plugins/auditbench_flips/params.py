"""Parameters of `flips`."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from auditbench_flips.gendered_words import GENDERED, SIDES


class Params(BaseModel):
    """`[analyzers.flips]`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    rows: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        10_000, description="Evaluated rows whose sensitive values are exchanged, a sample."
    )
    texts: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        2000, description="Evaluated rows in whose texts words are exchanged, a sample."
    )
    minimum_group: Annotated[int, Field(ge=2)] = Field(
        30, description="Values that fewer evaluated rows have are neither exchanged nor exchanged for."
    )
    most_values: Annotated[int, Field(ge=2, le=100)] = Field(
        8, description="Values of a sensitive feature that are exchanged for each other, the most frequent ones."
    )
    most_classes: Annotated[int, Field(ge=1)] = Field(
        5, description="Classes whose probability is followed where there are more than two, the most frequent ones."
    )
    words: tuple[Annotated[tuple[str, str], Field(strict=False)], ...] = Field(
        GENDERED,
        description="Pairs of words that are exchanged for each other in texts; where a word stands in several pairs, the first"
        " one counts.",
        strict=False,
    )
    sides: Annotated[tuple[str, str], Field(strict=False)] = Field(
        SIDES, description="What the first words of all pairs are about, and what the second are."
    )
    winogender: bool = Field(
        True,
        description="Also the 720 sentences of Winogender, in English: 60 occupations with a male, a female and a neutral pronoun.",
    )
    change_line: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.01, description="A share of changed decisions whose interval lies above this is a finding."
    )
    score_line: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.05, description="A mean change of a probability whose interval lies further from 0 than this is a finding."
    )

    @model_validator(mode="after")
    def _sides_are_apart(self) -> Params:
        if not self.words or any(not word.strip() for pair in self.words for word in pair):
            raise ValueError("expected pairs of two words each")
        first, second = ({word.lower() for word in side} for side in zip(*self.words, strict=True))
        if both := sorted(first & second):
            raise ValueError(f"expected each word on one side alone, got {both[0]!r} on both")
        if self.sides[0] == self.sides[1]:
            raise ValueError("expected two names in `sides` that differ")
        return self

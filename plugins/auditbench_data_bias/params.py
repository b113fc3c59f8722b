"""Parameters of `data-bias`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, field_validator

ROUNDING = 0.02
"""How far the shares of a population may be from 1 together: they are often given with two digits."""

Shares: TypeAlias = Annotated[Mapping[str, Annotated[float, Field(gt=0, lt=1)]], Field(min_length=2)]


class Params(BaseModel):
    """`[analyzers.data-bias]`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    population: Mapping[str, Shares] = Field(
        default_factory=dict,
        description="Shares of groups in the population that the data should stand for, by sensitive feature, such as"
        " `{ sex = { Female = 0.51, Male = 0.49 } }`; nothing is compared where none are given.",
    )
    minimum_group: Annotated[int, Field(ge=2)] = Field(
        30, description="The labels, missing cells and proxies of a group with fewer rows are not estimated."
    )
    intersections: Annotated[int, Field(ge=1, le=4)] = Field(
        2, description="Sensitive features combined at most: 1 for none, 2 for pairs."
    )
    representation_line: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.8,
        description="A group whose share in the data, divided by that in the population, has its interval below this is a finding.",
    )
    difference_line: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.1, description="A difference of base rates between groups whose interval lies above this is a finding."
    )
    missing_line: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.05, description="A difference in missing cells between groups whose interval lies above this is a finding."
    )
    proxy_line: Annotated[float, Field(ge=0.5, lt=1)] = Field(
        0.75, description="Inputs that tell a group with an AUC whose interval lies above this are a finding."
    )
    rows: Annotated[int, Field(ge=20, le=1_000_000)] = Field(
        5000,
        description="Evaluated rows on which it is measured how well the inputs tell the group, a sample; one half fits a small model, the other one is scored.",
    )
    most_groups: Annotated[int, Field(ge=2)] = Field(
        50, description="Groups of one feature that are listed, the largest first; of proxies at most 10."
    )
    most_classes: Annotated[int, Field(ge=1)] = Field(
        10, description="Classes whose base rates are compared, the most frequent first."
    )
    most_inputs: Annotated[int, Field(ge=1)] = Field(
        10, description="Single inputs that are listed for a sensitive feature, those that tell it most."
    )

    @field_validator("population")
    @classmethod
    def _shares_of_all(cls, population: Mapping[str, Mapping[str, float]]) -> Mapping[str, Mapping[str, float]]:
        for feature, shares in population.items():
            if abs(sum(shares.values()) - 1) > ROUNDING:
                raise ValueError(
                    f"expected the shares of {feature!r} to add up to 1, got {sum(shares.values()):.3g}; name the others too"
                )
        return population

"""Parameters of `training-rows`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Params(BaseModel):
    """Parameters of `training-rows`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    rows: Annotated[int, Field(ge=2, le=10_000)] = Field(
        200, description="Evaluated rows that are explained by training rows: the chosen cases and a sample."
    )
    train_rows: Annotated[int, Field(ge=10, le=100_000)] = Field(
        100_000, description="Training rows that are looked at; a sample where there are more."
    )
    answer: Literal["predicted", "observed"] = Field(
        "predicted",
        description="Class of an explained row that training rows support or oppose: the model's answer, or the row's label. "
        "Of a regression always the label.",
    )
    neighbours: Annotated[int, Field(ge=1, le=200)] = Field(10, description="Nearest training rows of each row.")
    distance: Literal["cosine", "euclidean"] = Field("cosine", description="Distance that neighbours are found by.")
    space: Annotated[str, Field(min_length=1)] = Field(
        "auto",
        description="Where neighbours are found: `last`, what the last linear layer takes; `inputs`, the encoded inputs; or "
        "the name of a layer. `auto` is `last` where there is such a layer, else `inputs`.",
    )
    candidates: Annotated[int, Field(ge=1, le=1000)] = Field(
        20, description="Training rows at the head of each ranking that are listed for review."
    )

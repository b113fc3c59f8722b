"""Parameters of the `shap` analyzer: the table `[analyzers.shap]`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Params(BaseModel):
    """`[analyzers.shap]`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    rows: Annotated[int, Field(ge=1)] = Field(100, description="Rows to explain: the chosen cases, then a sample.")
    background: Annotated[int, Field(ge=1)] = Field(
        50, description="Background rows whose values stand in for hidden features; all of them are used."
    )
    method: Literal["auto", "exact", "permutation", "kernel", "sampling"] = Field(
        "auto", description="Estimator; `auto` enumerates all coalitions up to 10 features, else draws permutations."
    )
    rounds: Annotated[int, Field(ge=2)] = Field(
        10, description="`permutation`: orders of the features, each walked forward and back, a row."
    )
    samples: Annotated[int, Field(ge=2)] | None = Field(
        None,
        description="Coalitions a row: 2 x features + 2048 for `kernel`, 1000 x features for `sampling`, when absent.",
    )
    sensitive_share: Annotated[float, Field(gt=0, le=1)] = Field(
        0.05,
        description="A sensitive feature whose share of all |contribution| has an interval at or above this is a finding.",
    )

"""Parameters of the `lime` analyzer: the table `[analyzers.lime]`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from auditbench.contracts import NAMES_A_METHOD
from auditbench.masking.player_params import PlayerParams


class Params(BaseModel):
    """`[analyzers.lime]`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    rows: Annotated[int, Field(ge=1)] = Field(100, description="Rows to explain: the chosen cases, then a sample.")
    background: Annotated[int, Field(ge=1)] = Field(
        1000, description="Background rows that bins and their frequencies are taken from; the model does not see them."
    )
    method: Literal["shared", "independent", "library"] = Field(
        "shared",
        description="Perturbed rows: the same for all rows that are explained together, each row's own, or each row's own"
        " by the lime library.",
        json_schema_extra={NAMES_A_METHOD: True},
    )
    num_samples: Annotated[int, Field(ge=10)] | None = Field(
        None,
        description="Samples of each local model: the row itself, the others perturbed rows. 5,000 for tables and 1,000 for"
        " other inputs when absent.",
    )
    kernel_width: Annotated[float, Field(gt=0)] | None = Field(
        None,
        description="Width of the kernel that weights perturbed rows; 0.75 x sqrt(features) for tables and 0.25, on the cosine distance, for other inputs when absent.",
    )
    low_fidelity: Annotated[float, Field(ge=0, le=1)] = Field(
        0.5, description="A median local fidelity (R squared) below this is a finding."
    )
    players: PlayerParams = Field(
        default_factory=PlayerParams, description="What of an image, a text or a series is hidden, and by what."
    )

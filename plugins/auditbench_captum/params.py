"""Parameters of the `captum` analyzer: the table `[analyzers.captum]`."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from auditbench.masking.player_params import PlayerParams
from auditbench_captum.methods import MethodName


class Params(BaseModel):
    """`[analyzers.captum]`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    rows: Annotated[int, Field(ge=1)] = Field(100, description="Rows to explain: the chosen cases, then a sample.")
    background: Annotated[int, Field(ge=1)] = Field(
        1000, description="Background rows whose encoded mean is the baseline."
    )
    method: MethodName = Field("integrated_gradients", description="Method of captum.")
    n_steps: Annotated[int, Field(ge=2)] = Field(
        64, description="`integrated_gradients`: Gauss-Legendre nodes on the path from the baseline to a row."
    )
    max_steps: Annotated[int, Field(ge=2)] = Field(
        1024, description="`integrated_gradients`: most nodes for a row whose completeness gap stays above `tolerance`."
    )
    n_samples: Annotated[int, Field(ge=1)] = Field(
        200,
        description="`gradient_shap`: random points between background rows and a row; `smooth_grad`: noisy copies of a row.",
    )
    tolerance: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.005, description="Completeness gap, as a share of the output range, above which the steps are doubled."
    )

    players: PlayerParams = Field(
        default_factory=PlayerParams,
        description="`occlusion`: what of an image, a text or a series is hidden, and by what.",
    )

    @model_validator(mode="after")
    def _steps_in_order(self) -> Params:
        if self.max_steps < self.n_steps:
            raise ValueError("expected `n_steps` <= `max_steps`")
        return self

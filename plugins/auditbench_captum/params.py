"""Parameters of the `captum` analyzer: the table `[analyzers.captum]`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from auditbench.contracts import NAMES_A_METHOD
from auditbench.masking.player_params import PlayerParams
from auditbench_captum.methods import MethodName


class Params(BaseModel):
    """`[analyzers.captum]`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    rows: Annotated[int, Field(ge=1)] = Field(100, description="Rows to explain: the chosen cases, then a sample.")
    background: Annotated[int, Field(ge=1)] = Field(
        1000, description="Background rows whose encoded mean is the baseline."
    )
    method: MethodName = Field(
        "integrated_gradients", description="Method of captum.", json_schema_extra={NAMES_A_METHOD: True}
    )
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
    layer: str = Field(
        "",
        description="`grad_cam`, `guided_grad_cam`: name of the layer whose channels are mapped, or the end of its name; the"
        " last convolution when empty.",
    )
    layer_channels: Literal["first", "last"] = Field(
        "first", description="`layer`: whether what it gives has its channels in front of its places or behind them."
    )
    window: Annotated[int, Field(ge=1)] | None = Field(
        None,
        description="`occlusion`: side of a square window that slides over images, in pixels, or its length over series, in"
        " steps, in place of superpixels and segments.",
    )
    stride: Annotated[int, Field(ge=1)] | None = Field(
        None, description="`occlusion`: pixels or steps from one window to the next; half of the window when absent."
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

    @model_validator(mode="after")
    def _of_the_method(self) -> Params:
        if (self.layer or self.layer_channels != "first") and self.method not in ("grad_cam", "guided_grad_cam"):
            raise ValueError('expected `layer` with method = "grad_cam" or "guided_grad_cam" alone')
        if (self.window or self.stride) and self.method != "occlusion":
            raise ValueError('expected `window` and `stride` with method = "occlusion" alone')
        if self.stride and self.stride > (self.window or 0):
            raise ValueError("expected `stride` <= `window`, so that everything is hidden once at least")
        return self

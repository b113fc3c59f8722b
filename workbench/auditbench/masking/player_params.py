"""How rows of images, texts and series are cut into players, and what hides them: parameters that explainers share."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

HiddenBy: TypeAlias = Literal["background", "baseline", "blur", "mean", "token"]


class PlayerParams(BaseModel):
    """Parameters of explainers that hide players; those of a table are its features."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    superpixels: Literal["slic", "grid", "felzenszwalb"] = Field(
        "slic",
        description="Images: how they are cut into regions; `grid` cuts all alike, so that regions can be compared.",
    )
    regions: Annotated[int, Field(ge=2, le=4096)] = Field(
        64,
        description="Images: about how many regions; `felzenszwalb` finds the number by itself, up to four times as many.",
    )
    segments: Annotated[int, Field(ge=2, le=4096)] = Field(16, description="Series: segments of time.")
    by_channel: bool = Field(True, description="Series: whether each channel has segments of its own.")
    hidden_by: HiddenBy | None = Field(
        None,
        description="What stands in for hidden players: `background` rows, their mean as one `baseline`, the image or series"
        " itself after a `blur`, the `mean` of the region or segment, or the mask `token` of a text. By default `blur` for"
        " images, `token` for texts, `background` for series and tables; `lime` takes `baseline` for series.",
    )

"""How rows of images, texts and series are cut into players, and what hides them: parameters that explainers share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from auditbench.errors import Problem
from auditbench.run import Modality

HiddenBy: TypeAlias = Literal["background", "baseline", "blur", "mean", "token"]
HIDERS: Mapping[Modality, tuple[HiddenBy, ...]] = {
    "tabular": ("background", "baseline"),
    "image": ("blur", "mean", "baseline", "background"),
    "series": ("background", "baseline", "blur", "mean"),
    "text": ("token",),
    "mixed": ("background",),
}
"""What may stand in for hidden players of a modality; the first is the default."""


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


def hider_problem(hidden_by: str | None, modality: Modality, *, where: str) -> Problem | None:
    """What is wrong with `hidden_by` for a modality; None where nothing is.

    Args:
        where: Key path of the parameter.
    """
    allowed = HIDERS[modality]
    if hidden_by is None or hidden_by in allowed:
        return None
    return Problem(
        message="parts of what this model takes cannot be hidden in this way",
        where=where,
        found=f"{hidden_by}, for {modality}",
        allowed=", ".join(allowed),
        fix=f'set hidden_by = "{allowed[0]}", or leave it away',
    )

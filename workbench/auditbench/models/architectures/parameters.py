"""Parameters that several architectures share."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator


def _odd(steps: int) -> int:
    if steps % 2 == 0:
        raise ValueError("expected an odd number, so that as many steps lie before as behind")
    return steps


Units: TypeAlias = Annotated[int, Field(ge=1, le=16_384)]
"""Units of a layer, channels of a convolution, numbers of an embedding."""

Layers: TypeAlias = Annotated[int, Field(ge=1, le=64)]
"""Equal layers, one behind another."""

Hidden: TypeAlias = Annotated[tuple[Units, ...], Field(max_length=16, strict=False)]
"""Units of each hidden layer before the last one; there may be none."""

Blocks: TypeAlias = Annotated[tuple[Units, ...], Field(min_length=1, max_length=64, strict=False)]
"""Channels of each block of convolutions."""

Kernel: TypeAlias = Annotated[int, Field(ge=1, le=1023), AfterValidator(_odd)]
"""Steps of a series that a convolution sees; an odd number."""

Share: TypeAlias = Annotated[float, Field(ge=0, lt=1)]
"""Share of numbers left out in each training step."""


class ArchitectureParams(BaseModel):
    """Abstract: parameters of an architecture, checked strictly."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class TransformerParams(ArchitectureParams):
    """Abstract: parameters of `encoder` and `decoder`."""

    width: Units = Field(64, description="Numbers that stand for a token; a multiple of `heads`.")
    layers: Layers = Field(2, description="Transformer layers.")
    heads: Annotated[int, Field(ge=1, le=256)] = Field(4, description="Attention heads of each layer.")
    feedforward: Units = Field(128, description="Units of the hidden layer behind each attention.")
    dropout: Share = Field(0.1, description="Share of numbers left out in each training step.")

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> TransformerParams:
        if self.width % self.heads:
            raise ValueError(f"expected `width` to be a multiple of `heads`, got {self.width} and {self.heads}")
        return self

"""Parameters that several architectures share, and those that networks read as a whole."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

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


class EncoderParams(TransformerParams):
    """Parameters of `encoder`."""

    pooling: Literal["first", "mean"] = Field(
        "mean", description="What is taken of the tokens: a learned one that stands before them, or their mean."
    )
    patch: Annotated[int, Field(ge=1, le=65_536)] = Field(
        1, description="Steps of a series that make one token; zeros stand behind the last. Texts have tokens already."
    )


class DecoderParams(TransformerParams):
    """Parameters of `decoder`."""

    tied: bool = Field(
        False, description="Whether the embedding of a token is also the weight of its output; for next tokens only."
    )


class RnnParams(ArchitectureParams):
    """Parameters of `rnn`."""

    cell: Literal["rnn", "lstm", "gru"] = Field("lstm", description="Recurrent unit: plain with tanh, LSTM, or GRU.")
    embedding: Units = Field(64, description="Numbers that stand for a token; series are read as they are.")
    hidden: Units = Field(64, description="Units of the state, in each direction.")
    layers: Layers = Field(1, description="Recurrent layers, one behind another.")
    bidirectional: bool = Field(False, description="Whether the input is read from both ends.")
    pooling: Literal["last", "mean", "max"] = Field(
        "last",
        description="What is taken of the states: the one that has read everything, or mean or maximum over steps.",
    )
    dropout: Share = Field(
        0.0,
        description="Share of numbers left out before each recurrent layer but of series the first, and at the end.",
    )


class JoinedParams(ArchitectureParams):
    """Parameters of `joined`; branches of one modality have equal ones."""

    table_hidden: Hidden = Field(
        (), description="Units of each hidden layer of a table; without one it is joined as it is."
    )
    image_channels: Blocks = Field((16, 32), description="Channels of each block of an image, as of `cnn`.")
    series_channels: Blocks = Field((32, 32), description="Channels of each block of a series, as of `cnn1d`.")
    kernel: Kernel = Field(7, description="Steps that a convolution of a series sees, an odd number.")
    embedding: Units = Field(32, description="Numbers that stand for a token of a text, which is joined as their mean.")
    batch_norm: bool = Field(False, description="Whether numbers are standardised over the batch behind a convolution.")
    hidden: Hidden = Field((64,), description="Units of each hidden layer behind the joined branches.")
    dropout: Share = Field(
        0.0, description="Share of numbers left out before each linear layer, in each training step."
    )

"""Parameters of the `layers` analyzer: the table `[analyzers.layers]`."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from auditbench.contracts import NAMES_A_MODEL

PartName: TypeAlias = Literal["activations", "contributions", "similarity", "probes"]
ContributionName: TypeAlias = Literal[
    "automatic", "conductance", "layer_integrated_gradients", "activation_x_gradient", "internal_influence"
]


class Params(BaseModel):
    """`[analyzers.layers]`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    parts: Annotated[tuple[PartName, ...], Field(min_length=1, strict=False)] = Field(
        ("activations", "contributions", "similarity", "probes"), description="What is measured."
    )
    rows: Annotated[int, Field(ge=20, le=100_000)] = Field(
        1000, description="Rows of `activations` and `probes`, drawn with the seed."
    )
    layers: Annotated[tuple[str, ...], Field(strict=False)] = Field(
        (),
        description="Names of layers, as the table lists them; the blocks of a deep network when empty, else its layers.",
    )
    most_layers: Annotated[int, Field(ge=2, le=100)] = Field(
        12, description="Layers that are taken where `layers` names none, evenly from first to last."
    )
    contributions: ContributionName = Field(
        "automatic",
        description="How contributions of units are measured; `automatic` is conductance, and above 10 million parameters "
        "activation times gradient, which takes one pass.",
    )
    contribution_rows: Annotated[int, Field(ge=2, le=10_000)] = Field(
        100, description="Rows whose contributions are measured."
    )
    background: Annotated[int, Field(ge=1)] = Field(
        1000,
        description="Background rows whose encoded mean is the baseline of contributions; a text's is mask tokens.",
    )
    steps: Annotated[int, Field(ge=2, le=1000)] = Field(32, description="Parts of the path from the baseline to a row.")
    top_units: Annotated[int, Field(ge=1, le=50)] = Field(5, description="Units of each layer that are listed.")
    dead_share: Annotated[float, Field(gt=0, le=1)] = Field(
        0.2, description="A share of units that are never active above this is a finding."
    )
    similarity_rows: Annotated[int, Field(ge=20, le=5000)] = Field(
        500,
        description="Rows of `similarity`, drawn among those of `rows`; time goes by their square, and memory for wide layers.",
    )
    with_model: str = Field(
        "",
        description="Further model whose layers `similarity` compares with: a name of the [models.NAME] tables; the only one "
        "when empty.",
        json_schema_extra={NAMES_A_MODEL: True},
    )
    probe_strength: Annotated[float, Field(gt=0, le=1e6)] = Field(
        1.0, description="Weight of the losses of a probe against its penalty: `C` of scikit-learn."
    )
    readable: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.1,
        description="A sensitive feature is a finding where a probe's balanced accuracy is more than this above chance, with "
        "the whole interval.",
    )
    most_classes: Annotated[int, Field(ge=2, le=100)] = Field(
        20, description="Classes that a probe tells apart, the most frequent ones; rows of others are left out of it."
    )

"""Parameters of the analyzers `language`, `language-lens` and `language-pairs`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from auditbench.contracts import NAMES_A_FILE

MethodName = Literal["shapley", "occlusion", "integrated_gradients"]


class Params(BaseModel):
    """`[analyzers.language]`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    rows: Annotated[int, Field(ge=1, le=1000)] = Field(
        12, description="Rows whose continuation is explained: the chosen cases, then a sample."
    )
    tokens: Annotated[int, Field(ge=1, le=64)] = Field(4, description="Tokens of each explained continuation.")
    continues: Literal["model", "text"] = Field(
        "model",
        description="What continues a context: the most probable tokens of the `model`, or what the `text` itself has.",
    )
    foil: Literal["most-probable", "text"] = Field(
        "most-probable",
        description="The token that the first one of a continuation is set against: the `most-probable` other one, or that of the"
        " `text` where it is another.",
    )
    method: MethodName = Field(
        "shapley",
        description="`shapley` hides players together, `occlusion` one at a time; `integrated_gradients` follows gradients at the embedding.",
    )
    players: Literal["words", "sentences"] = Field(
        "words", description="Parts of the context that contributions belong to."
    )
    budget: Annotated[int, Field(ge=8, le=100_000)] = Field(
        64,
        description="`shapley`: most coalitions for a row; each is an evaluation of the model, or one a token where it gives the last place of a text alone.",
    )
    n_steps: Annotated[int, Field(ge=2, le=1024)] = Field(
        32, description="`integrated_gradients`: Gauss-Legendre nodes on the path from hidden words to the context."
    )
    windows: Annotated[int, Field(ge=1, le=100_000)] = Field(
        64, description="Rows whose every place is looked at, for entropy and surprise by tokens of context."
    )


class LensParams(BaseModel):
    """`[analyzers.language-lens]`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    rows: Annotated[int, Field(ge=1, le=100_000)] = Field(200, description="Rows that are looked at, a sample.")


class PairParams(BaseModel):
    """`[analyzers.language-pairs]`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    file: str = Field(
        "",
        description="A .csv, .jsonl or .parquet file of minimal pairs, from the folder of the config; empty takes the 120 pairs of"
        " Winogender about 60 occupations, in English.",
        json_schema_extra={NAMES_A_FILE: True},
    )
    more: str = Field("sent_more", description="Column of the more stereotypical text of a pair.")
    less: str = Field("sent_less", description="Column of the less stereotypical text.")
    kind: str = Field(
        "bias_type", description="Column of the kind of bias; every pair is of one kind where it is missing."
    )
    cluster: str = Field(
        "cluster", description="Column of what several pairs have in common, such as a template; may be missing."
    )
    counted: Literal["shared", "all"] = Field(
        "shared",
        description="Language models: whether the tokens that both texts of a pair share are scored, or `all` of them.",
    )
    most_pairs: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        2000, description="Pairs that are scored, the first ones."
    )
    level: Annotated[float, Field(gt=0, lt=0.5)] = Field(
        0.05, description="False discovery rate up to which a difference of a kind of bias is a finding."
    )

    @model_validator(mode="after")
    def _columns_of_their_own(self) -> PairParams:
        named = [name for name in (self.more, self.less, self.kind, self.cluster) if name]
        if len(set(named)) < len(named):
            raise ValueError("expected `more`, `less`, `kind` and `cluster` to name different columns")
        return self

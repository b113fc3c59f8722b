"""Parameters of the `concepts` analyzer: the table `[analyzers.concepts]`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

from auditbench.contracts import MethodFacts

TCAV = MethodFacts(name="concepts.tcav", source=("arXiv:1711.11279, eq. 1–2",))
Pattern: TypeAlias = Literal["stripes", "patch", "brighter", "wave", "rise"]
Texts: TypeAlias = Annotated[tuple[str, ...], Field(strict=False)]


class Rule(BaseModel):
    """`[analyzers.concepts.examples.NAME]`: which rows are examples of a concept, by one rule."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    classes: Texts = Field((), description="Rows of these classes.")
    column: str = Field(
        "",
        description="Rows with these `values`, or from `at_least` to below `below`, in a sensitive or model's column.",
    )
    values: Texts = Field((), description="With `column`: categories, or groups of a sensitive feature.")
    at_least: float | None = Field(None, description="With `column`, of numbers.")
    below: float | None = Field(None, description="With `column`, of numbers.")
    words: Texts = Field((), description="Rows with one of these words in a text; capitals count alike.")
    planted: Pattern | None = Field(
        None,
        description="Rows into which this is put: of images `stripes`, `patch` (a bright square in the upper left corner) or "
        "`brighter`; of series `wave` or `rise`.",
    )

    @model_validator(mode="after")
    def _one_rule(self) -> Rule:
        if sum(map(bool, (self.classes, self.column, self.words, self.planted))) != 1:
            raise ValueError("expected exactly one of `classes`, `column`, `words` and `planted`")
        bounds = self.at_least is not None or self.below is not None
        if not self.column and (self.values or bounds):
            raise ValueError("expected `values`, `at_least` and `below` with `column` alone")
        if self.column and bool(self.values) == bounds:
            raise ValueError("expected either `values`, or `at_least`, `below` or both, with `column`")
        return self


class Params(BaseModel):
    """`[analyzers.concepts]`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    examples: Mapping[str, Rule] = Field(
        default_factory=dict,
        description="Concepts by name, and which training rows are examples of each; when empty, the groups of the sensitive "
        "features.",
    )
    layers: Texts = Field((), description="Layers of the network by name; when empty, the last one before the outputs.")
    outputs: Texts = Field((), description="Outputs that are tested, by name; all when empty.")
    rows: Annotated[int, Field(ge=10)] = Field(500, description="Most evaluated rows whose derivatives are taken.")
    pool: Annotated[int, Field(ge=40, le=10_000)] = Field(
        1000, description="Most training rows that examples and other rows are drawn from."
    )
    size: Annotated[int, Field(ge=10, le=1000)] = Field(
        60, description="Most examples of a concept, and as many other rows, that one classifier is made with."
    )
    runs: Annotated[int, Field(ge=20, le=500)] = Field(
        20, description="Classifiers of each concept; each draws examples and other rows anew."
    )
    random_concepts: Annotated[int, Field(ge=50, le=100_000)] = Field(
        400, description="Random concepts that each concept is ranked among."
    )
    penalty: Annotated[float, Field(gt=0)] = Field(
        1.0, description="Of the ridge, as a multiple of the mean squared length of a row's activations, centred."
    )

"""Parameters of the `concepts` analyzer: the table `[analyzers.concepts]`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, LiteralString, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from auditbench.contracts import MethodFacts

TCAV = MethodFacts(
    name="concepts.tcav",
    source=("arXiv:1711.11279, eq. 1–2", "doi:10.1016/j.neuroimage.2013.10.067", "arXiv:2202.03482"),
)
ImagePattern: TypeAlias = Literal["stripes", "patch", "brighter"]
SeriesPattern: TypeAlias = Literal["wave", "rise"]
Pattern: TypeAlias = Literal[ImagePattern, SeriesPattern]
VectorKind: TypeAlias = Literal["pattern", "filter"]
Texts: TypeAlias = Annotated[tuple[str, ...], Field(strict=False)]
PATTERNS = "; ".join(
    f"for {inputs}: {', '.join(get_args(patterns))}"
    for inputs, patterns in (("images", ImagePattern), ("series", SeriesPattern))
)
"""What can be planted, in words."""
_RULES = (
    'classes = ["NAME"]; column = "NAME" with values = ["NAME"], at_least = 0.5 or below = 0.5; words = ["NAME"], for texts; '
    f"planted, {PATTERNS}"
)
_FIRST = (
    'add planted = "stripes" for images, planted = "wave" for series, words = ["NAME"] for texts, or classes = ["NAME"]'
)


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
        given = [name for name in ("classes", "column", "words", "planted") if getattr(self, name)]
        bounds = [name for name in ("at_least", "below") if getattr(self, name) is not None]
        if len(given) != 1:
            rest = " and ".join(f"`{name}`" for name in given[1:])
            fix = f"keep `{given[0]}`, and give {rest} a table [analyzers.concepts.examples.NAME]" if given else _FIRST
            raise _misfit("expected exactly one of `classes`, `column`, `words` and `planted`", _RULES, fix)
        if not self.column and (self.values or bounds):
            fix = f'write column = "NAME" in place of `{given[0]}`, or take the other keys away'
            raise _misfit("expected `values`, `at_least` and `below` with `column` alone", _RULES, fix)
        if self.column and bool(self.values) == bool(bounds):
            raise _misfit(
                "expected either `values`, or `at_least`, `below` or both, with `column`",
                "`values` for categories and groups; `at_least`, `below` or both for numbers",
                f"take `values` or {' and '.join(f'`{name}`' for name in bounds)} away"
                if bounds
                else 'add values = ["NAME"] for categories or groups, at_least = 0.5 for numbers',
            )
        if self.at_least is not None and self.below is not None and self.at_least >= self.below:
            fix = f"write at_least = {self.below}, below = {self.at_least}"
            raise _misfit(
                "expected `at_least` < `below`: no row lies between them", "bounds with rows between them", fix
            )
        return self


def _misfit(message: LiteralString, allowed: str, fix: str) -> PydanticCustomError:
    """What is wrong with a rule, as the host says it."""
    return PydanticCustomError("value_error", message, {"allowed": allowed, "fix": fix})


class Params(BaseModel):
    """`[analyzers.concepts]`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    examples: Mapping[str, Rule] = Field(
        default_factory=dict,
        description="Concepts by name, and which training rows are examples of each; when empty, the groups of the sensitive "
        "features.",
        examples=[{"stripes": {"planted": "stripes"}}],
    )
    layers: Texts = Field((), description="Layers of the network by name; when empty, the last one before the outputs.")
    outputs: Texts = Field((), description="Outputs that are tested, by name; all when empty.")
    vector: VectorKind = Field(
        "pattern",
        description="Direction of a concept: `pattern`, how examples differ from other rows on average; `filter`, the normal of "
        "the classifier that tells them apart, as TCAV was published.",
    )
    rows: Annotated[int, Field(ge=10)] = Field(
        500,
        description="Most evaluated rows whose derivatives are taken, and that a pattern is planted into to measure what changes.",
    )
    pool: Annotated[int, Field(ge=40, le=10_000)] = Field(
        1000, description="Most training rows that examples and other rows are drawn from."
    )
    size: Annotated[int, Field(ge=10, le=1000)] = Field(
        60, description="Most examples of a concept, and as many other rows, that one classifier is made with."
    )
    runs: Annotated[int, Field(ge=20, le=500)] = Field(
        20, description="Classifiers of each concept; each draws examples and other rows anew."
    )
    random_concepts: Annotated[int, Field(ge=50, le=100_000)] | None = Field(
        None,
        description="Random concepts that each concept is ranked among; when left out twice as many as let one output alone "
        "be significant, 40 for each concept, layer and output, but at least 400 and at most 2,000.",
    )
    penalty: Annotated[float, Field(gt=0)] = Field(
        1.0, description="Of the ridge, as a multiple of the mean squared length of a row's activations, centred."
    )

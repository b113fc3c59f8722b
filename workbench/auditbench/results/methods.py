"""What is known of a method, whatever it finds on a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

FactPart: TypeAlias = Literal["title", "formula", "assumes", "needs", "fails"]
FACT_PARTS: tuple[FactPart, ...] = get_args(FactPart)


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodFacts:
    """The entry of a method in `auditbench explain` and in the reports of the audits that used it.

    Its words stand in the catalogues of its analyzer: title, formula, what it assumes, what it needs (of the model and
    the data, and a baseline), and how it is known to fail. The keys of `captum.occlusion` are
    `captum.facts.occlusion.title`, `captum.facts.occlusion.formula` and so on.

    Attributes:
        name: That of its analyzer, a dot and its own: the parameter that asks for it, where there is one. Attributions
            name it as their `method`.
        source: Where it is defined, the equation with it: `arXiv:1703.01365, eq. 1`; more than one where several are
            put together.
        modalities: The inputs that it explains; empty means any, or that its words say so.
    """

    name: str
    source: tuple[str, ...]
    modalities: tuple[str, ...] = ()

    def key(self, part: FactPart) -> str:
        """Key of one part of its words."""
        analyzer, _, own = self.name.partition(".")
        return f"{analyzer}.facts.{own}.{part}"

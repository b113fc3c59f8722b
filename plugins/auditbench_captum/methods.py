"""The gradient methods, by name: which inputs each explains, and what is known of it before it runs.

Occlusion slides over neighbouring inputs, and columns of a table have no neighbours; `feature_ablation` hides one feature of a
table at a time, `occlusion` one part of any other input.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from auditbench.contracts import MethodFacts

if TYPE_CHECKING:
    from auditbench.results import Shows

MethodName: TypeAlias = Literal[
    "integrated_gradients",
    "deep_lift",
    "gradient_shap",
    "input_x_gradient",
    "saliency",
    "feature_ablation",
    "smooth_grad",
    "grad_cam",
    "guided_grad_cam",
    "relevance",
    "occlusion",
    "attention",
]
StartsFrom: TypeAlias = Literal["baseline", "background", "zero", "nothing"]
Reading: TypeAlias = Literal["change", "hidden", "straight", "relevance", "slope", "map", "guided"]
"""What a value says: how the output changed from the starting point; what it loses when a part is hidden; the same if the model were
a straight line; a share of the output by rules; a slope; where channels that raise the output are active; the same in detail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """What is known of a method before it runs.

    Attributes:
        source: Where it is defined; see `MethodFacts`.
        starts_from: What the base value is the output of: the encoded mean of the background (`baseline`), the mean
            over its rows (`background`), or encoded zeros (`zero`); `nothing` where there is no starting point.
        additive: Whether base value plus contributions should give the output (completeness).
        reading: What a value says.
        linear: Whether contributions to the difference of two outputs are the difference of contributions.
        hooks: Whether it replaces the gradients of layers, and so is wrong where layers are no modules of torch.
        modalities: What it explains.
    """

    source: tuple[str, ...]
    starts_from: StartsFrom = "baseline"
    additive: bool = True
    reading: Reading = "change"
    linear: bool = True
    hooks: bool = False
    modalities: tuple[str, ...] = ("tabular",)

    @property
    def slope(self) -> bool:
        """Whether it gives slopes, |change of the output| per unit of an encoded column, instead of contributions.

        A feature has that of its steepest column; contributions of its columns are summed.
        """
        return self.reading == "slope"

    @property
    def mapped(self) -> bool:
        """Whether it gives maps of a class, which have no unit and show what raises one output alone."""
        return self.reading in ("map", "guided")

    @property
    def shows(self) -> Shows:
        """What is drawn."""
        return "slope" if self.slope else "map" if self.mapped else "contribution"

    @property
    def comparable(self) -> bool:
        """Whether its order of parts can be set beside that of methods that hide parts: it adds up, or hides them, too."""
        return self.additive or self.reading == "hidden"

    def unit(self, output: str) -> str:
        """Of its values, for a model whose output has this unit; 1 of maps."""
        return "1" if self.mapped else f"{output} per encoded unit" if self.slope else output


_PLACES: tuple[str, ...] = ("image", "series")
_PARTS: tuple[str, ...] = ("image", "series", "text")

METHODS: dict[MethodName, Method] = {
    "integrated_gradients": Method(source=("arXiv:1703.01365, eq. 1",), modalities=("tabular", *_PARTS)),
    "deep_lift": Method(source=("arXiv:1704.02685, eq. 1",), hooks=True, modalities=("tabular", *_PARTS)),
    "gradient_shap": Method(source=("arXiv:1906.10670",), starts_from="background", modalities=("tabular", *_PLACES)),
    "input_x_gradient": Method(
        source=("arXiv:1605.01713",),
        starts_from="zero",
        additive=False,
        reading="straight",
        modalities=("tabular", *_PARTS),
    ),
    "saliency": Method(
        source=("arXiv:1312.6034",),
        starts_from="nothing",
        additive=False,
        reading="slope",
        linear=False,
        modalities=("tabular", *_PARTS),
    ),
    "feature_ablation": Method(source=("arXiv:2009.07896",), additive=False, reading="hidden"),
    "smooth_grad": Method(
        source=("arXiv:1706.03825",),
        starts_from="nothing",
        additive=False,
        reading="slope",
        linear=False,
        modalities=_PLACES,
    ),
    "grad_cam": Method(
        source=("arXiv:1610.02391, eq. 1–2",),
        starts_from="nothing",
        additive=False,
        reading="map",
        linear=False,
        hooks=True,
        modalities=_PLACES,
    ),
    "guided_grad_cam": Method(
        source=("arXiv:1610.02391", "arXiv:1412.6806"),
        starts_from="nothing",
        additive=False,
        reading="guided",
        linear=False,
        hooks=True,
        modalities=_PLACES,
    ),
    "relevance": Method(
        source=("doi:10.1371/journal.pone.0130140", "doi:10.1007/978-3-030-28954-6_10"),
        starts_from="nothing",
        additive=False,
        reading="relevance",
        hooks=True,
        modalities=_PLACES,
    ),
    "occlusion": Method(source=("arXiv:1311.2901",), additive=False, reading="hidden", modalities=_PARTS),
    "attention": Method(
        source=("arXiv:2005.00928", "arXiv:1706.03762, eq. 1"),
        starts_from="nothing",
        additive=False,
        linear=False,
        hooks=True,
        modalities=("text",),
    ),
}
"""In the order of the documentation; the first is the default."""

FACTS = tuple(
    MethodFacts(name=f"captum.{name}", source=method.source, modalities=method.modalities)
    for name, method in METHODS.items()
)

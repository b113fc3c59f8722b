"""The gradient methods, by name: which inputs each explains, and what is known of it before it runs.

Occlusion slides over neighbouring inputs, and columns of a table have no neighbours; `feature_ablation` hides one feature of a
table at a time, `occlusion` one part of any other input.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from auditbench.contracts import MethodFacts

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
StartsFrom: TypeAlias = Literal["baseline", "background", "zero"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """What is known of a method before it runs.

    Attributes:
        source: Where it is defined; see `MethodFacts`.
        starts_from: What the base value is the output of: the encoded mean of the background (`baseline`), the mean
            over its rows (`background`), or encoded zeros (`zero`).
        additive: Whether base value plus contributions should give the output (completeness).
        slope: Whether it gives slopes, |change of the output| per unit of an encoded column, instead of contributions.
            A feature has that of its steepest column; contributions of its columns are summed.
        linear: Whether contributions to the difference of two outputs are the difference of contributions.
        hooks: Whether it replaces the gradients of layers, and so is wrong where layers are no modules of torch.
        modalities: What it explains.
    """

    source: tuple[str, ...]
    starts_from: StartsFrom = "baseline"
    additive: bool = True
    slope: bool = False
    linear: bool = True
    hooks: bool = False
    modalities: tuple[str, ...] = ("tabular",)


_PLACES: tuple[str, ...] = ("image", "series")
_PARTS: tuple[str, ...] = ("image", "series", "text")

METHODS: dict[MethodName, Method] = {
    "integrated_gradients": Method(source=("arXiv:1703.01365, eq. 1",), modalities=("tabular", *_PARTS)),
    "deep_lift": Method(source=("arXiv:1704.02685, eq. 1",), hooks=True, modalities=("tabular", *_PARTS)),
    "gradient_shap": Method(source=("arXiv:1906.10670",), starts_from="background", modalities=("tabular", *_PLACES)),
    "input_x_gradient": Method(
        source=("arXiv:1605.01713",), starts_from="zero", additive=False, modalities=("tabular", *_PARTS)
    ),
    "saliency": Method(
        source=("arXiv:1312.6034",), additive=False, slope=True, linear=False, modalities=("tabular", *_PARTS)
    ),
    "feature_ablation": Method(source=("arXiv:2009.07896",), additive=False),
    "smooth_grad": Method(source=("arXiv:1706.03825",), additive=False, slope=True, linear=False, modalities=_PLACES),
    "grad_cam": Method(
        source=("arXiv:1610.02391, eq. 1–2",), additive=False, linear=False, hooks=True, modalities=_PLACES
    ),
    "guided_grad_cam": Method(
        source=("arXiv:1610.02391", "arXiv:1412.6806"), additive=False, linear=False, hooks=True, modalities=_PLACES
    ),
    "relevance": Method(
        source=("doi:10.1371/journal.pone.0130140", "doi:10.1007/978-3-030-28954-6_10"),
        starts_from="zero",
        additive=False,
        hooks=True,
        modalities=_PLACES,
    ),
    "occlusion": Method(source=("arXiv:1311.2901",), additive=False, modalities=_PARTS),
    "attention": Method(
        source=("arXiv:2005.00928", "arXiv:1706.03762, eq. 1"),
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

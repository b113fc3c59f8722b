"""The gradient methods, by name: which inputs each explains, and what is known of it before it runs.

Occlusion slides over neighbouring inputs, and columns of a table have no neighbours; `feature_ablation` hides one feature of a
table at a time, `occlusion` one part of any other input.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

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
]
StartsFrom: TypeAlias = Literal["baseline", "background", "zero"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """What is known of a method before it runs.

    Attributes:
        reference: Paper it follows; empty where there is none.
        starts_from: What the base value is the output of: the encoded mean of the background (`baseline`), the mean
            over its rows (`background`), or encoded zeros (`zero`).
        additive: Whether base value plus contributions should give the output (completeness).
        slope: Whether it gives slopes, |change of the output| per unit of an encoded column, instead of contributions.
            A feature has that of its steepest column; contributions of its columns are summed.
        hooks: Whether it replaces the gradients of layers, and so is wrong where layers are no modules of torch.
        modalities: What it explains.
    """

    reference: str = ""
    starts_from: StartsFrom = "baseline"
    additive: bool = True
    slope: bool = False
    hooks: bool = False
    modalities: tuple[str, ...] = ("tabular",)


_PLACES: tuple[str, ...] = ("image", "series")
_PARTS: tuple[str, ...] = ("image", "series", "text")

METHODS: dict[MethodName, Method] = {
    "integrated_gradients": Method(reference="arXiv:1703.01365", modalities=("tabular", *_PARTS)),
    "deep_lift": Method(reference="arXiv:1704.02685", hooks=True),
    "gradient_shap": Method(reference="arXiv:1705.07874", starts_from="background"),
    "input_x_gradient": Method(
        reference="arXiv:1605.01713", starts_from="zero", additive=False, modalities=("tabular", *_PARTS)
    ),
    "saliency": Method(reference="arXiv:1312.6034", additive=False, slope=True, modalities=("tabular", *_PLACES)),
    "feature_ablation": Method(additive=False),
    "smooth_grad": Method(reference="arXiv:1706.03825", additive=False, slope=True, modalities=_PLACES),
    "grad_cam": Method(reference="arXiv:1610.02391", additive=False, hooks=True, modalities=_PLACES),
    "guided_grad_cam": Method(reference="arXiv:1610.02391", additive=False, hooks=True, modalities=_PLACES),
    "relevance": Method(
        reference="doi:10.1371/journal.pone.0130140", starts_from="zero", additive=False, hooks=True, modalities=_PLACES
    ),
    "occlusion": Method(reference="arXiv:1311.2901", additive=False, modalities=_PARTS),
}
"""In the order of the documentation; the first is the default."""

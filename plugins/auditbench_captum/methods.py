"""The methods of captum that make sense for a table, by name.

Occlusion slides a window over neighbouring inputs, and columns of a table have no neighbours; `feature_ablation` hides
one feature at a time instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

MethodName: TypeAlias = Literal[
    "integrated_gradients", "deep_lift", "gradient_shap", "input_x_gradient", "saliency", "feature_ablation"
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
    """

    reference: str = ""
    starts_from: StartsFrom = "baseline"
    additive: bool = True
    slope: bool = False
    hooks: bool = False


METHODS: dict[MethodName, Method] = {
    "integrated_gradients": Method(reference="arXiv:1703.01365"),
    "deep_lift": Method(reference="arXiv:1704.02685", hooks=True),
    "gradient_shap": Method(reference="arXiv:1705.07874", starts_from="background"),
    "input_x_gradient": Method(reference="arXiv:1605.01713", starts_from="zero", additive=False),
    "saliency": Method(reference="arXiv:1312.6034", additive=False, slope=True),
    "feature_ablation": Method(additive=False),
}
"""In the order of the documentation; the first is the default."""

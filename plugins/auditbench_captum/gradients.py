"""`gradient_attributions`: captum's contributions of encoded columns, as one number for each raw feature.

The analyzer knows this function alone, so that another engine can take the library's place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
from captum import attr
from torch import nn

from auditbench.masking import global_seed
from auditbench_captum.methods import METHODS

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.data import FeatureSpec
    from auditbench_captum.params import Params

    Numbers: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GradientAttributions:
    """Contributions to some rows' outputs, in the unit of the output, or slopes, per encoded unit; float64.

    Attributes:
        values: Shape `(rows, targets, features)`.
        base_values: Shape `(rows, targets)`.
        steps: Shape `(rows, targets)`: nodes of the path integral; 0 for methods without one.
        model_rows: Rows the model evaluated, with or without gradients.
    """

    values: Numbers
    base_values: Numbers
    steps: npt.NDArray[np.int64]
    model_rows: int


def gradient_attributions(
    module: nn.Module,
    encoded: torch.Tensor,
    background: torch.Tensor,
    outputs: Numbers,
    features: tuple[FeatureSpec, ...],
    *,
    params: Params,
    output_range: Numbers,
    batch_rows: int,
    rng: np.random.Generator,
) -> GradientAttributions:
    """Explain every output of some encoded rows with the method that the parameters name.

    Captum draws from the global generators of torch and numpy, which are seeded from `rng` here and put back.

    Args:
        module: Maps encoded rows to outputs, shape `(rows, targets)`; its parameters are not touched.
        encoded: Encoded rows to explain, shape `(rows, encoded columns)`, at most `batch_rows` of them.
        background: Encoded background rows; their mean is the baseline.
        outputs: Outputs of the rows, shape `(rows, targets)`.
        output_range: Shape `(targets,)`, what `params.tolerance` is a share of.
        batch_rows: Most rows the module takes at a time.
    """
    counted = _Counted(module)
    baseline = background.double().mean(dim=0, keepdim=True).to(encoded.dtype)
    base_values = np.tile(_base_value(counted, baseline, background, params, batch_rows), (len(encoded), 1))
    columns = np.zeros((*outputs.shape, encoded.shape[1]))
    steps = np.zeros(outputs.shape, dtype=np.int64)
    with torch.enable_grad(), global_seed(rng, str(encoded.device)):
        for target in range(outputs.shape[1]):
            if params.method == "integrated_gradients":
                change = outputs[:, target] - base_values[:, target]
                allowed = params.tolerance * output_range[target]
                columns[:, target], steps[:, target] = _integrated(
                    counted, encoded, baseline, target, change, allowed, params, batch_rows
                )
            else:
                columns[:, target] = _other(
                    counted, encoded, baseline, background, target, features, params, batch_rows
                )
    return GradientAttributions(
        values=_by_feature(columns, features, slope=METHODS[params.method].slope),
        base_values=base_values,
        steps=steps,
        model_rows=counted.rows,
    )


def _by_feature(columns: Numbers, features: tuple[FeatureSpec, ...], *, slope: bool) -> Numbers:
    """From encoded columns to features, shape `(rows, targets, features)`: sums of contributions, largest of slopes.

    A sum of slopes over a one-hot group would grow with its categories. References: arXiv:1312.6034, section 3.1, which
    takes the largest over the channels of a pixel.
    """
    parts = [columns[:, :, feature.start : feature.stop] for feature in features]
    return np.stack([part.max(axis=2) if slope else part.sum(axis=2) for part in parts], axis=2)


class _Counted(nn.Module):
    """The module itself, counting the rows it evaluates."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.training = module.training
        self.rows = 0

    def forward(self, encoded: torch.Tensor) -> torch.Tensor:
        self.rows += len(encoded)
        outputs: torch.Tensor = self.module(encoded)
        return outputs


def _base_value(
    module: nn.Module, baseline: torch.Tensor, background: torch.Tensor, params: Params, batch_rows: int
) -> Numbers:
    starts = {"baseline": baseline, "background": background, "zero": torch.zeros_like(baseline)}
    with torch.no_grad():
        outputs = torch.cat(
            [module(part) for part in torch.split(starts[METHODS[params.method].starts_from], batch_rows)]
        )
    return np.asarray(outputs.double().mean(dim=0).cpu().numpy())


def _integrated(
    module: nn.Module,
    encoded: torch.Tensor,
    baseline: torch.Tensor,
    target: int,
    change: Numbers,
    allowed: float,
    params: Params,
    batch_rows: int,
) -> tuple[Numbers, npt.NDArray[np.int64]]:
    """Integrated gradients, shape `(rows, encoded columns)`, and the nodes each row took.

    Where the contributions miss `change`, output minus base value, by more than `allowed`, a row is integrated again
    with twice the nodes, up to `params.max_steps`.

    References: arXiv:1703.01365, equation 1; nodes and weights of Gauss and Legendre instead of a Riemann sum.
    """
    explainer = attr.IntegratedGradients(module)
    values = np.zeros((len(encoded), encoded.shape[1]))
    steps = np.zeros(len(encoded), dtype=np.int64)
    open_rows, nodes = np.arange(len(encoded)), params.n_steps
    while len(open_rows):
        found = explainer.attribute(
            encoded[torch.from_numpy(open_rows).to(encoded.device)],
            baselines=baseline,
            target=target,
            n_steps=nodes,
            method="gausslegendre",
            internal_batch_size=batch_rows,
        )
        values[open_rows], steps[open_rows] = found.detach().double().cpu().numpy(), nodes
        nodes *= 2
        if nodes > params.max_steps:
            break
        open_rows = open_rows[np.abs(values[open_rows].sum(axis=1) - change[open_rows]) > allowed]
    return values, steps


def _other(
    module: nn.Module,
    encoded: torch.Tensor,
    baseline: torch.Tensor,
    background: torch.Tensor,
    target: int,
    features: tuple[FeatureSpec, ...],
    params: Params,
    batch_rows: int,
) -> Numbers:
    """Contributions of the encoded columns, shape `(rows, encoded columns)`."""
    inputs = encoded.clone().requires_grad_()
    if params.method == "deep_lift":
        found = attr.DeepLift(module).attribute(inputs, baselines=baseline, target=target)
    elif params.method == "gradient_shap":
        found = _expected_gradients(module, inputs, background, target, params.n_samples, batch_rows)
    elif params.method == "input_x_gradient":
        found = attr.InputXGradient(module).attribute(inputs, target=target)
    elif params.method == "saliency":
        found = attr.Saliency(module).attribute(inputs, target=target)
    else:
        with torch.no_grad():
            found = attr.FeatureAblation(module).attribute(
                encoded, baselines=baseline, target=target, feature_mask=_groups(features, encoded)
            )
        found = _once_a_group(found, features)
    return np.asarray(found.detach().double().cpu().numpy())


def _expected_gradients(
    module: nn.Module, inputs: torch.Tensor, background: torch.Tensor, target: int, n_samples: int, batch_rows: int
) -> torch.Tensor:
    """captum's GradientShap in parts of at most `batch_rows` model rows; it would take rows x samples at once."""
    explainer = attr.GradientShap(module)
    total, size = torch.zeros_like(inputs, requires_grad=False), max(1, batch_rows // len(inputs))
    for start in range(0, n_samples, size):
        part = min(size, n_samples - start)
        found = explainer.attribute(inputs, baselines=background, n_samples=part, target=target)
        total += part * found.detach()
    return total / n_samples


def _groups(features: tuple[FeatureSpec, ...], encoded: torch.Tensor) -> torch.Tensor:
    """Index of the raw feature of each encoded column, shape `(1, encoded columns)`."""
    groups = torch.zeros((1, encoded.shape[1]), dtype=torch.int64, device=encoded.device)
    for index, feature in enumerate(features):
        groups[:, feature.start : feature.stop] = index
    return groups


def _once_a_group(found: torch.Tensor, features: tuple[FeatureSpec, ...]) -> torch.Tensor:
    """Keep the first column of each group: captum repeats the effect of hiding a group in all of its columns."""
    kept = torch.zeros_like(found)
    for feature in features:
        kept[:, feature.start] = found[:, feature.start]
    return kept

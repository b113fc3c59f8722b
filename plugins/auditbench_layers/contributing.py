"""What the units of a layer contribute to an output: conductance, and attributions within the layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import torch

from auditbench.models.layer_outputs import held_outputs, replaced_output
from auditbench_layers.activity import by_place
from auditbench_layers.paths import Path

if TYPE_CHECKING:
    import numpy.typing as npt

    Numbers: TypeAlias = npt.NDArray[np.float64]

ContributionMethod: TypeAlias = Literal[
    "conductance", "layer_integrated_gradients", "activation_x_gradient", "internal_influence"
]


def layer_contributions(
    path: Path,
    targets: torch.Tensor,
    unit_axes: Mapping[str, int],
    *,
    method: ContributionMethod,
    steps: int,
) -> dict[str, Numbers]:
    """Contributions of units to one output of each row, added up over the places of a unit.

    Args:
        path: To the rows, of a network that is left as it is.
        targets: The output of each row, shape `(rows,)`.
        unit_axes: The axis of the units in what a layer gives, by name of the layer.
        steps: Parts or nodes of each path; `activation_x_gradient` takes none.

    Returns:
        Shape `(rows, units)` by name of the layer.

    References: `conductance` arXiv:1805.12233; `layer_integrated_gradients` arXiv:1703.01365, equation 1, within
        the layer; `internal_influence` arXiv:1802.03788, definition 1.
    """
    return _METHODS[method](path, targets, unit_axes, steps)


def change_of_output(path: Path, targets: torch.Tensor) -> Numbers:
    """How far the output of each row is from that of its baseline, at the ends of the path, shape `(rows,)`."""
    with torch.no_grad():
        both = [_chosen(path.outputs_at(share), targets).double() for share in (1.0, 0.0)]
    return np.asarray((both[0] - both[1]).cpu().numpy())


def model_rows(method: ContributionMethod, rows: int, steps: int, layers: int) -> int:
    """Rows that a network evaluates for `layer_contributions` of one text or row after another, ends of paths included."""
    evaluated = {
        "conductance": steps + 1,
        "layer_integrated_gradients": steps * layers + 2,
        "activation_x_gradient": 1,
        "internal_influence": steps,
    }
    return rows * evaluated[method]


def _conductance(path: Path, targets: torch.Tensor, axes: Mapping[str, int], steps: int) -> dict[str, Numbers]:
    """Slopes times the change of the layer, from each point of the path to the next, by the mean slope of the two."""
    totals: dict[str, torch.Tensor] = {}
    before: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
    for step in range(steps + 1):
        now = _slopes(path, targets, list(axes), step / steps)
        for name, (given, slope) in now.items():
            if step:
                part = _of_units((given - before[name][0]) * (slope + before[name][1]) / 2, axes[name])
                totals[name] = part if step == 1 else totals[name] + part
        before = now
    return {name: _array(total) for name, total in totals.items()}


def _activation_x_gradient(path: Path, targets: torch.Tensor, axes: Mapping[str, int], _: int) -> dict[str, Numbers]:
    found = _slopes(path, targets, list(axes), 1.0)
    return {name: _array(_of_units(given * slope, axes[name])) for name, (given, slope) in found.items()}


def _internal_influence(path: Path, targets: torch.Tensor, axes: Mapping[str, int], steps: int) -> dict[str, Numbers]:
    totals: dict[str, torch.Tensor] = {}
    for share, weight in _nodes(steps):
        for name, (_, slope) in _slopes(path, targets, list(axes), share).items():
            part = weight * _of_units(slope, axes[name])
            totals[name] = totals[name] + part if name in totals else part
    return {name: _array(total) for name, total in totals.items()}


def _layer_integrated_gradients(
    path: Path, targets: torch.Tensor, axes: Mapping[str, int], steps: int
) -> dict[str, Numbers]:
    """Each layer's own path, from what it gives for the baseline to what it gives for the row."""
    with torch.no_grad(), held_outputs(path.module, list(axes)) as held:
        path.module(path.starts)
        begins = dict(held)
        path.module(path.rows)
        ends = dict(held)
    found = {}
    for name, axis in axes.items():
        layer, total = path.module.get_submodule(name), torch.zeros_like(ends[name])
        for share, weight in _nodes(steps):
            points = torch.lerp(begins[name], ends[name], share).requires_grad_()
            with torch.enable_grad(), replaced_output(layer, points):
                outputs = path.module(path.rows)
                part = weight * _gradient(_chosen(outputs, targets).sum(), [points])[0]
            total += part
        found[name] = _array(_of_units((ends[name] - begins[name]) * total, axis))
    return found


_METHODS: Mapping[ContributionMethod, Callable[[Path, torch.Tensor, Mapping[str, int], int], dict[str, Numbers]]] = {
    "conductance": _conductance,
    "layer_integrated_gradients": _layer_integrated_gradients,
    "activation_x_gradient": _activation_x_gradient,
    "internal_influence": _internal_influence,
}


def _slopes(
    path: Path, targets: torch.Tensor, names: Sequence[str], share: float
) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """What each layer gives at a point of the path, and the gradient of the output by it, 0 where it has no part in it."""
    with torch.enable_grad(), held_outputs(path.module, names) as held:
        chosen = _chosen(path.outputs_at(share), targets).sum()
        given = [held[name] for name in names]
        gradients = _gradient(chosen, given)
    return {name: (each.detach(), slope) for name, each, slope in zip(names, given, gradients, strict=True)}


def _gradient(output: torch.Tensor, by: list[torch.Tensor]) -> list[torch.Tensor]:
    moving = [each for each in by if each.requires_grad]
    found = iter(torch.autograd.grad(output, moving, allow_unused=True) if moving else ())
    slopes = [next(found) if each.requires_grad else None for each in by]
    return [torch.zeros_like(each) if slope is None else slope for each, slope in zip(by, slopes, strict=True)]


def _chosen(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return outputs.gather(1, targets.unsqueeze(1))[:, 0]


def _of_units(values: torch.Tensor, axis: int) -> torch.Tensor:
    """Added up over the places of each unit, shape `(rows, units)`, float64."""
    return by_place(values, axis).sum(dim=2, dtype=torch.float64)


def _nodes(steps: int) -> list[tuple[float, float]]:
    """Gauss and Legendre's nodes and weights of the integral from 0 to 1."""
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    return [(float(node), float(weight)) for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True)]


def _array(values: torch.Tensor) -> Numbers:
    return np.asarray(values.detach().cpu().numpy(), dtype=np.float64)

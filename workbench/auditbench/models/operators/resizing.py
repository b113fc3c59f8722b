"""Images and series of another size, and numbers around them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from auditbench.models.opening.graph_content import GraphNode
from auditbench.models.operators.operation import Versions, bounded, unsupported, whole_numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class _Axis:
    """One axis to resize.

    Attributes:
        size: Numbers there are.
        wanted: Numbers there will be.
        scale: The one by the other, as the node gives it.
        start: With `end`, the part that is taken, as a share of the whole.
    """

    place: int
    size: int
    wanted: int
    scale: float
    start: float = 0.0
    end: float = 1.0


def _resized(
    node: GraphNode,
    values: Tensor,
    roi: Tensor | None = None,
    scales: Tensor | None = None,
    sizes: Tensor | None = None,
) -> Tensor:
    axes = _axes(node, values, roi, scales, sizes)
    wanted = {axis.place: axis.wanted for axis in axes}
    bounded(wanted.get(place, size) for place, size in enumerate(values.shape))
    mode = node.attributes.get("mode", "nearest")
    kept = values.dtype
    numbers = values if values.is_floating_point() or mode == "nearest" else values.double()
    for axis in axes:
        if axis.size != axis.wanted or axis.scale != 1 or _cropping(node):
            numbers = _along(node, numbers, axis, mode)
    return numbers.to(kept)


def _resized_of_10(node: GraphNode, values: Tensor, scales: Tensor) -> Tensor:
    """Up to version 10 places are counted from the edge; the nearest is that in front, and in a smaller image that behind."""
    given = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "simple", **node.attributes}
    return _resized(dataclasses.replace(node, attributes=given), values, None, scales)


def _resized_by_attributes(node: GraphNode, values: Tensor) -> Tensor:
    return _resized_of_10(node, values, torch.tensor(node.attributes["scales"]))


def _cropping(node: GraphNode) -> bool:
    return node.attributes.get("coordinate_transformation_mode") == "tf_crop_and_resize"


def _axes(
    node: GraphNode, values: Tensor, roi: Tensor | None, scales: Tensor | None, sizes: Tensor | None
) -> list[_Axis]:
    places = [axis % values.dim() for axis in node.attributes.get("axes", range(values.dim()))]
    given = [values.shape[place] for place in places]
    if scales is not None and scales.numel():
        factors = [float(scale) for scale in scales.tolist()]
        wanted = whole_numbers((torch.tensor(given) * scales.cpu().float()).floor())
    elif sizes is not None:
        wanted = whole_numbers(sizes)
        factors = [target / size for target, size in zip(wanted, given, strict=True)]
        policy = node.attributes.get("keep_aspect_ratio_policy", "stretch")
        if policy != "stretch":
            factor = min(factors) if policy == "not_larger" else max(factors)
            factors, wanted = [factor] * len(given), [math.floor(size * factor + 0.5) for size in given]
    else:
        raise unsupported(node, "without scales and sizes")
    part = [0.0] * len(places) + [1.0] * len(places)
    if roi is not None and roi.numel():
        part = [float(edge) for edge in roi.tolist()]
    return [
        _Axis(place=place, size=size, wanted=target, scale=factor, start=start, end=end)
        for place, size, target, factor, start, end in zip(
            places, given, wanted, factors, part[: len(places)], part[len(places) :], strict=True
        )
    ]


def _along(node: GraphNode, values: Tensor, axis: _Axis, mode: str) -> Tensor:
    places = _places(node, axis)
    if mode == "nearest":
        chosen = _nearest(node, places, axis).clamp(0, axis.size - 1).to(torch.int64)
        found = values.index_select(axis.place, chosen.to(values.device))
    elif mode in ("linear", "cubic"):
        weights = _weights(node, places, axis, mode).to(values)
        found = (values.movedim(axis.place, -1) @ weights.T).movedim(-1, axis.place)
    else:
        raise unsupported(node, f"with mode {mode!r}")
    if not _cropping(node):
        return found
    outside = ((places < 0) | (places > axis.size - 1)).to(values.device)
    shape = [-1 if place == axis.place else 1 for place in range(values.dim())]
    return found.masked_fill(outside.reshape(shape), node.attributes.get("extrapolation_value", 0.0))


def _places(node: GraphNode, axis: _Axis) -> Tensor:
    """Where each new number lies among the old ones, in float64 on the CPU."""
    new = torch.arange(axis.wanted, dtype=torch.float64)
    length = axis.scale * axis.size
    kind = node.attributes.get("coordinate_transformation_mode", "half_pixel")
    if kind == "asymmetric":
        return new / axis.scale
    if kind == "align_corners":
        return new * (axis.size - 1) / (length - 1) if axis.wanted > 1 else torch.zeros_like(new)
    if kind == "tf_crop_and_resize":
        if axis.wanted > 1:
            return axis.start * (axis.size - 1) + new * (axis.end - axis.start) * (axis.size - 1) / (length - 1)
        return torch.full_like(new, 0.5 * (axis.start + axis.end) * (axis.size - 1))
    centered = (new + 0.5) / axis.scale - 0.5
    if kind == "half_pixel":
        return centered
    if kind == "half_pixel_symmetric":
        return axis.size / 2 * (1 - axis.wanted / length) + centered
    if kind == "pytorch_half_pixel":
        return centered if axis.wanted > 1 else torch.zeros_like(new)
    raise unsupported(node, f"with coordinates {kind!r}")


def _nearest(node: GraphNode, places: Tensor, axis: _Axis) -> Tensor:
    kind = node.attributes.get("nearest_mode", "round_prefer_floor")
    if kind == "simple":
        kind = "ceil" if axis.scale < 1 else "floor"
    if kind == "floor":
        return places.floor()
    if kind == "ceil":
        return places.ceil()
    return (places + 0.5).floor() if kind == "round_prefer_ceil" else (places - 0.5).ceil()


def _weights(node: GraphNode, places: Tensor, axis: _Axis, mode: str) -> Tensor:
    """What each old number counts in each new one, shape `(wanted, size)`, in float64; those beyond an edge are the edge."""
    bounded([axis.wanted, axis.size])
    stretch = min(axis.scale, 1.0) if node.attributes.get("antialias", 0) else 1.0
    reach = math.ceil((1 if mode == "linear" else 2) / stretch)
    neighbours = places.floor()[:, None] + torch.arange(1 - reach, reach + 1)
    distance = ((neighbours - places[:, None]) * stretch).abs()
    counted = torch.clamp(1 - distance, min=0)
    if mode == "cubic":
        counted = _cubic(distance, node.attributes.get("cubic_coeff_a", -0.75))
    if node.attributes.get("exclude_outside", 0):
        counted = torch.where((neighbours < 0) | (neighbours >= axis.size), 0.0, counted)
    counted = counted / counted.sum(dim=1, keepdim=True)
    weights = torch.zeros((axis.wanted, axis.size), dtype=torch.float64)
    return weights.scatter_add(1, neighbours.clamp(0, axis.size - 1).to(torch.int64), counted)


def _cubic(distance: Tensor, a: float) -> Tensor:
    near = ((a + 2) * distance - (a + 3)) * distance * distance + 1
    far = ((distance - 5) * distance + 8) * distance * a - 4 * a
    return torch.where(distance <= 1, near, torch.where(distance < 2, far, torch.zeros_like(distance)))


def _padded(
    node: GraphNode,
    values: Tensor,
    pads: Tensor | None = None,
    number: Tensor | None = None,
    axes: Tensor | None = None,
) -> Tensor:
    given = list(node.attributes["pads"]) if pads is None else whole_numbers(pads)
    places = list(range(values.dim())) if axes is None else [axis % values.dim() for axis in whole_numbers(axes)]
    fill = node.attributes.get("value", 0.0) if number is None else number.reshape(()).item()
    both = {place: (given[at], given[at + len(places)]) for at, place in enumerate(places)}
    bounded(max(size + sum(both.get(place, (0, 0))), 0) for place, size in enumerate(values.shape))
    mode = node.attributes.get("mode", "constant")
    if mode == "constant":
        return F.pad(
            values, [edge for place in reversed(range(values.dim())) for edge in both.get(place, (0, 0))], value=fill
        )
    for place, (before, after) in both.items():
        if before or after:
            old = torch.arange(-before, values.shape[place] + after, device=values.device)
            values = values.index_select(place, _reflected(node, old, values.shape[place], mode))
    return values


def _reflected(node: GraphNode, places: Tensor, size: int, mode: str) -> Tensor:
    """The place within that one beyond an edge stands for."""
    if mode == "edge":
        return places.clamp(0, size - 1)
    if mode == "wrap":
        return places % size
    if mode != "reflect":
        raise unsupported(node, f"with mode {mode!r}")
    period = max(2 * (size - 1), 1)
    turned = places % period
    return torch.where(turned < size, turned, period - turned)


def _sampled(node: GraphNode, values: Tensor, grid: Tensor) -> Tensor:
    """`GridSample`: numbers at places that a second input names."""
    mode = node.attributes.get("mode", "linear")
    named = {"linear": "bilinear", "cubic": "bicubic"}.get(mode, mode)
    if values.dim() not in (4, 5) or (values.dim() == 5 and named == "bicubic"):
        raise unsupported(node, f"over {values.dim() - 2} axes with mode {mode!r}")
    return F.grid_sample(
        values,
        grid,
        mode=named,
        padding_mode=node.attributes.get("padding_mode", "zeros"),
        align_corners=bool(node.attributes.get("align_corners", 0)),
    )


RESIZING: Mapping[str, Versions] = {
    "GridSample": {16: _sampled},
    "Pad": {2: _padded},
    "Resize": {10: _resized_of_10, 11: _resized},
    "Upsample": {7: _resized_by_attributes, 9: _resized_of_10},
}

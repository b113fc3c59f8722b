"""Products of matrices, also of integers, and integers that stand for numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import torch
from torch import Tensor

from auditbench.models.opening.graph_content import GraphNode
from auditbench.models.operators.convolution import convolved, without_zero_point
from auditbench.models.operators.operation import Versions, bounded, common_shape, unsupported, widened
from auditbench.models.operators.tensors import dtype_of

_ENDS = {
    torch.uint8: (0, 255),
    torch.int8: (-128, 127),
    torch.uint16: (0, 65535),
    torch.int16: (-32768, 32767),
}


def _product(_: GraphNode, first: Tensor, second: Tensor) -> Tensor:
    if first.dim() > 1 and second.dim() > 1:
        bounded([*common_shape(first.shape[:-2], second.shape[:-2]), first.shape[-2], second.shape[-1]])
    return torch.matmul(first, second)


def _general(node: GraphNode, first: Tensor, second: Tensor, added: Tensor | None = None) -> Tensor:
    """`alpha * first @ second + beta * added`, either turned if the node says so."""
    given = node.attributes
    first = first.T if given.get("transA", 0) else first
    second = second.T if given.get("transB", 0) else second
    bounded([first.shape[0], second.shape[1]])
    alpha, beta = given.get("alpha", 1.0), given.get("beta", 1.0)
    if alpha == beta == 1 and added is not None and added.dim() == 1 and first.is_floating_point():
        return torch.addmm(added, first, second)
    found = first @ second if alpha == 1 else alpha * (first @ second)
    if added is None:
        return found.to(first.dtype)
    return (found + (added if beta == 1 else beta * added)).to(first.dtype)


def _einsum(node: GraphNode, *values: Tensor) -> Tensor:
    equation: str = node.attributes["equation"]
    _bound_einsum(equation.replace(" ", ""), values)
    return torch.einsum(equation, *values)


def _bound_einsum(equation: str, values: tuple[Tensor, ...]) -> None:
    """Bound the result, and what torch makes on the way to it: the product of the first two tensors, then with the third."""
    left, arrow, right = equation.partition("->")
    terms = [_einsum_axes(term, value.dim()) for term, value in zip(left.split(","), values, strict=True)]
    sizes: dict[str | int, int] = {}
    for term, value in zip(terms, values, strict=True):
        for axis, size in zip(term, value.shape, strict=True):
            sizes[axis] = max(size, sizes.get(axis, 1))
    counted = Counter(axis for term in terms for axis in term)
    given = {axis for axis in sizes if isinstance(axis, int) or (axis in right if arrow else counted[axis] == 1)}
    seen: set[str | int] = set()
    for done, term in enumerate(terms, start=1):
        seen.update(term)
        bounded(sizes[axis] for axis in seen & given.union(*terms[done:]))


def _einsum_axes(term: str, rank: int) -> list[str | int]:
    """The letter of each axis, and of those that dots stand for a number below 0, counted from the last of them."""
    before, _, after = term.partition("...")
    return [*before, *range(len(before) + len(after) - rank, 0), *after]


def _determinant(_: GraphNode, values: Tensor) -> Tensor:
    determinant: Tensor = torch.linalg.det(values)
    return determinant


def _of_integers(
    _: GraphNode, first: Tensor, second: Tensor, zero: Tensor | None = None, other_zero: Tensor | None = None
) -> Tensor:
    if zero is not None and zero.dim() == 1 and zero.numel() > 1:
        zero = zero[:, None]
    if other_zero is not None and other_zero.dim() == 1 and other_zero.numel() > 1:
        other_zero = other_zero[None]
    return torch.matmul(_less(first, zero), _less(second, other_zero)).to(torch.int32)


def _less(values: Tensor, zero: Tensor | None) -> Tensor:
    return values.double() if zero is None else values.double() - zero.double()


def _spread(numbers: Tensor, node: GraphNode, values: Tensor) -> Tensor:
    """Scale or zero point as the values lie: one for all, one for each place of an axis, or one for a block of places."""
    if numbers.numel() == 1 and numbers.dim() <= 1:
        return numbers.reshape(())
    axis = node.attributes.get("axis", 1) % values.dim()
    if numbers.dim() == 1:
        return numbers.reshape([-1 if place == axis else 1 for place in range(values.dim())])
    block = node.attributes.get("block_size", 0)
    if not block:
        raise unsupported(node, "with scales of several axes and no block_size")
    spread = numbers.repeat_interleave(min(block, values.shape[axis]), dim=axis)
    return spread.narrow(axis, 0, values.shape[axis])


def _quantized(node: GraphNode, values: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
    kind = zero.dtype if zero is not None else dtype_of(node.attributes.get("output_dtype", 0) or 2)
    if kind not in _ENDS:
        raise unsupported(node, f"to {kind}")
    scaled = values.to(scale.dtype) / _spread(scale, node, values)
    return _to_integers(scaled, None if zero is None else _spread(zero.to(torch.int32), node, values), kind)


def _to_integers(scaled: Tensor, zero: Tensor | None, kind: torch.dtype) -> Tensor:
    whole = torch.round(scaled) if zero is None else torch.round(scaled) + zero
    return torch.clamp(whole, *_ENDS[kind]).to(torch.int32).to(kind)


def _dequantized(node: GraphNode, values: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
    number = values.to(torch.int32)
    if zero is not None:
        number = number - _spread(zero.to(torch.int32), node, values)
    kind = dtype_of(node.attributes.get("output_dtype", 0)) if node.attributes.get("output_dtype", 0) else scale.dtype
    return (number.to(scale.dtype) * _spread(scale, node, values)).to(kind)


def _quantized_by_itself(_: GraphNode, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """`DynamicQuantizeLinear`: to 8 bits from the smallest to the largest number, 0 among them."""
    low, high = torch.clamp(values.min(), max=0), torch.clamp(values.max(), min=0)
    scale = (high - low) / 255
    divisor = torch.where(scale == 0, torch.ones_like(scale), scale)
    zero = torch.clamp(torch.round(-low / divisor), 0, 255)
    return _to_integers(values / divisor, zero, torch.uint8), scale, zero.to(torch.uint8)


def _quantized_product(
    _: GraphNode, first: Tensor, scale: Tensor, zero: Tensor, second: Tensor, other_scale: Tensor, other_zero: Tensor,
    found_scale: Tensor, found_zero: Tensor,
) -> Tensor:  # fmt: skip
    left, right = _columns(scale, zero, rows=True), _columns(other_scale, other_zero, rows=False)
    product = torch.matmul(_less(first, left[1]), _less(second, right[1]))
    scaled = product * left[0].double() * right[0].double() / found_scale.double()
    return _to_integers(scaled, found_zero.to(torch.int32), found_zero.dtype)


def _columns(scale: Tensor, zero: Tensor, *, rows: bool) -> tuple[Tensor, Tensor]:
    if scale.dim() != 1 or scale.numel() == 1:
        return scale, zero
    return (scale[:, None], zero[:, None]) if rows else (scale[None], zero[None])


def _quantized_convolution(
    node: GraphNode, values: Tensor, scale: Tensor, zero: Tensor, weight: Tensor, weight_scale: Tensor,
    weight_zero: Tensor, found_scale: Tensor, found_zero: Tensor, bias: Tensor | None = None,
) -> Tensor:  # fmt: skip
    added = None if bias is None else bias.double()
    found = convolved(node, without_zero_point(values, zero), without_zero_point(weight, weight_zero, 0), added)
    factor = (scale.double() * weight_scale.double() / found_scale.double()).reshape(-1, *[1] * (values.dim() - 2))
    return _to_integers(found * factor, found_zero.to(torch.int32), found_zero.dtype)


PRODUCTS: Mapping[str, Versions] = {
    "DequantizeLinear": {10: _dequantized},
    "Det": {11: _determinant},
    "DynamicQuantizeLinear": {11: _quantized_by_itself},
    "Einsum": {12: _einsum},
    "Gemm": {7: widened(_general)},
    "MatMul": {1: widened(_product)},
    "MatMulInteger": {10: _of_integers},
    "QLinearConv": {10: _quantized_convolution},
    "QLinearMatMul": {10: _quantized_product},
    "QuantizeLinear": {10: _quantized},
}

ROUNDING = frozenset(
    {"ConvInteger", "DynamicQuantizeLinear", "MatMulInteger", "QLinearConv", "QLinearMatMul", "QuantizeLinear"}
)
"""Operations through which no gradient comes, or one that says nothing: what they give changes in steps."""

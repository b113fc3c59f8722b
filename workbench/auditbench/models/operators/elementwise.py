"""Operations number by number, with numpy's broadcasting."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from auditbench.models.opening.graph_content import GraphNode
from auditbench.models.operators.operation import Function, Versions, refuse_huge_broadcast, unsupported, widened
from auditbench.models.operators.tensors import dtype_of


def _of_one(function: Callable[[Tensor], Tensor]) -> Function:
    def computed(_: GraphNode, values: Tensor) -> Tensor:
        return function(values)

    return computed


def _of_two(function: Callable[[Tensor, Tensor], Tensor]) -> Function:
    def computed(_: GraphNode, first: Tensor, second: Tensor) -> Tensor:
        refuse_huge_broadcast(first, second)
        return function(first, second)

    return widened(computed)


def _of_any(function: Callable[[Tensor, Tensor], Tensor]) -> Function:
    def computed(_: GraphNode, *values: Tensor) -> Tensor:
        refuse_huge_broadcast(*values)
        return functools.reduce(function, values)

    return widened(computed)


def _quotient(first: Tensor, second: Tensor) -> Tensor:
    return first / second if first.is_floating_point() else torch.div(first, second, rounding_mode="trunc")


def _power(base: Tensor, exponent: Tensor) -> Tensor:
    """In the type of the base, whatever that of the exponent."""
    if base.is_floating_point() or not exponent.is_floating_point():
        return torch.pow(base, exponent.to(base.dtype) if base.is_floating_point() else exponent).to(base.dtype)
    return torch.pow(base.double(), exponent.double()).to(base.dtype)


def _mean(_: GraphNode, *values: Tensor) -> Tensor:
    refuse_huge_broadcast(*values)
    return functools.reduce(torch.add, values) / len(values)


def _remainder(node: GraphNode, first: Tensor, second: Tensor) -> Tensor:
    return torch.fmod(first, second) if node.attributes.get("fmod", 0) else torch.remainder(first, second)


def _shifted(node: GraphNode, values: Tensor, places: Tensor) -> Tensor:
    left = node.attributes.get("direction") == "LEFT"
    return torch.bitwise_left_shift(values, places) if left else torch.bitwise_right_shift(values, places)


def _clipped_to_attributes(node: GraphNode, values: Tensor) -> Tensor:
    return torch.clamp(values, node.attributes.get("min", -math.inf), node.attributes.get("max", math.inf))


def _clipped(_: GraphNode, values: Tensor, least: Tensor | None = None, most: Tensor | None = None) -> Tensor:
    """As `torch.clamp`, whose gradient at the ends is 1; that of a maximum or minimum would be a half."""
    return values if least is None and most is None else torch.clamp(values, least, most)


def _cast(node: GraphNode, values: Tensor) -> Tensor:
    return values.to(dtype_of(node.attributes["to"]))


def _cast_like(_: GraphNode, values: Tensor, like: Tensor) -> Tensor:
    return values.to(like.dtype)


def _infinite(node: GraphNode, values: Tensor) -> Tensor:
    negative, positive = node.attributes.get("detect_negative", 1), node.attributes.get("detect_positive", 1)
    if not negative:
        return torch.isposinf(values) if positive else torch.zeros_like(values, dtype=torch.bool)
    return torch.isinf(values) if positive else torch.isneginf(values)


def _where(_: GraphNode, condition: Tensor, first: Tensor, second: Tensor) -> Tensor:
    refuse_huge_broadcast(condition, first, second)
    return torch.where(condition, first, second)


def _reversed_bits(node: GraphNode, values: Tensor) -> Tensor:
    """The same bits in another type of the same width."""
    kind = dtype_of(node.attributes["to"])
    if kind.itemsize != values.dtype.itemsize:
        raise unsupported(node, f"from {values.dtype} to {kind}")
    return values.view(kind)


_SINGLE: Mapping[str, Callable[[Tensor], Tensor]] = {
    "Abs": torch.abs,
    "Ceil": torch.ceil,
    "Exp": torch.exp,
    "Floor": torch.floor,
    "Log": torch.log,
    "Neg": torch.neg,
    "Reciprocal": torch.reciprocal,
    "Sqrt": torch.sqrt,
    "Acos": torch.acos,
    "Acosh": torch.acosh,
    "Asin": torch.asin,
    "Asinh": torch.asinh,
    "Atan": torch.atan,
    "Atanh": torch.atanh,
    "BitwiseNot": torch.bitwise_not,
    "Cos": torch.cos,
    "Cosh": torch.cosh,
    "Erf": torch.erf,
    "IsNaN": torch.isnan,
    "Round": torch.round,
    "Sign": torch.sign,
    "Sin": torch.sin,
    "Sinh": torch.sinh,
    "Tan": torch.tan,
}
_PAIRS: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "Add": torch.add,
    "And": torch.logical_and,
    "BitwiseAnd": torch.bitwise_and,
    "BitwiseOr": torch.bitwise_or,
    "BitwiseXor": torch.bitwise_xor,
    "Div": _quotient,
    "Equal": torch.eq,
    "Greater": torch.gt,
    "GreaterOrEqual": torch.ge,
    "Less": torch.lt,
    "LessOrEqual": torch.le,
    "Mul": torch.mul,
    "Or": torch.logical_or,
    "Pow": _power,
    "Sub": torch.sub,
    "Xor": torch.logical_xor,
}

ELEMENTWISE: Mapping[str, Versions] = {
    **{name: {6: widened(_of_one(function))} for name, function in _SINGLE.items()},
    **{name: {7: _of_two(function)} for name, function in _PAIRS.items()},
    "Max": {8: _of_any(torch.maximum)},
    "Mean": {8: _mean},
    "Min": {8: _of_any(torch.minimum)},
    "Sum": {8: _of_any(torch.add)},
    "BitCast": {26: _reversed_bits},
    "BitShift": {11: widened(_shifted)},
    "Cast": {6: _cast},
    "CastLike": {15: _cast_like},
    "Clip": {6: _clipped_to_attributes, 11: widened(_clipped)},
    "IsInf": {10: _infinite},
    "Mod": {10: widened(_remainder)},
    "Not": {1: _of_one(torch.logical_not)},
    "Where": {9: _where},
}
"""`Add` and the like had other broadcasting before version 7."""

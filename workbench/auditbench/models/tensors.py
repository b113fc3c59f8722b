"""Comparing the tensors of a file with those that a network has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from auditbench.errors import Problem

if TYPE_CHECKING:
    import torch


def tensor_problems(
    expected: Mapping[str, torch.Tensor], found: Mapping[str, torch.Tensor], *, where: str, cast: bool, fix: str
) -> list[Problem]:
    """Every tensor that is missing, too many, of another shape or type, or not finite.

    Args:
        where: The file.
        cast: Whether floating point numbers of another precision will do; they must be finite in the one expected.
        fix: What to do about a tensor that does not fit.
    """
    problems = []
    for name in sorted({*expected, *found}):
        one, other = expected.get(name), found.get(name)
        if one is None or other is None or one.shape != other.shape or not _same_type(one, other, cast=cast):
            problems.append(
                Problem(
                    message="the weights are not those of the architecture",
                    where=f"{where}: {name}",
                    found=_shape(other),
                    allowed=_shape(one),
                    fix=fix,
                )
            )
        elif not _is_finite(one, other):
            problems.append(
                Problem(
                    message="weights are not finite",
                    where=f"{where}: {name}",
                    found="NaN or an infinity, in the precision of the network",
                    allowed="finite numbers",
                    fix=fix,
                )
            )
    return problems


def _same_type(one: torch.Tensor, other: torch.Tensor, *, cast: bool) -> bool:
    both = one.is_floating_point() and other.is_floating_point()
    return one.dtype == other.dtype or (cast and both)


def _is_finite(one: torch.Tensor, other: torch.Tensor) -> bool:
    return not (other.is_floating_point() or other.is_complex()) or bool(other.to(one.dtype).isfinite().all())


def _shape(tensor: torch.Tensor | None) -> str:
    return "no such tensor" if tensor is None else f"shape {tuple(tensor.shape)}, {tensor.dtype}"

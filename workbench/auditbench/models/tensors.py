"""Comparing the tensors of a file with those that a network has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from auditbench.errors import Problem

if TYPE_CHECKING:
    import torch

_SHOWN = 4


def tensor_problems(
    expected: Mapping[str, torch.Tensor], found: Mapping[str, torch.Tensor], *, where: str, cast: bool, fix: str
) -> list[Problem]:
    """At most two problems: the tensors that are missing, too many, of another shape or type, and those not finite.

    Args:
        where: The file.
        cast: Whether floating point numbers of another precision will do; they must be finite in the one expected.
        fix: What to do about a tensor that does not fit.
    """
    names = sorted({*expected, *found})
    misfits, infinite = [], []
    for name in names:
        one, other = expected.get(name), found.get(name)
        if one is None or other is None or one.shape != other.shape or not _same_type(one, other, cast=cast):
            misfits.append(name)
        elif not _is_finite(one, other):
            infinite.append(name)
    problems = []
    if misfits:
        problems.append(
            Problem(
                message="the weights are not those of the architecture" + _count(misfits, names),
                where=_where(where, misfits),
                found=_listed(misfits, found),
                allowed=_listed(misfits, expected),
                fix=fix,
            )
        )
    if infinite:
        problems.append(
            Problem(
                message="weights are not finite" + _count(infinite, names),
                where=_where(where, infinite),
                found="NaN or an infinity, in the precision of the network" + _named(infinite),
                allowed="finite numbers",
                fix=fix,
            )
        )
    return problems


def _count(wrong: Sequence[str], names: Sequence[str]) -> str:
    return f": {len(wrong):,} of {len(names):,} tensors" if len(wrong) > 1 else ""


def _where(where: str, wrong: Sequence[str]) -> str:
    return f"{where}: {wrong[0]}" if len(wrong) == 1 else where


def _listed(wrong: Sequence[str], tensors: Mapping[str, torch.Tensor]) -> str:
    """The shape of the only tensor, or the first ones by name."""
    if len(wrong) == 1:
        return _shape(tensors.get(wrong[0]))
    return "; ".join(f"{name} {_shape(tensors.get(name))}" for name in wrong[:_SHOWN]) + _more(wrong)


def _named(wrong: Sequence[str]) -> str:
    return f": {', '.join(wrong[:_SHOWN])}{_more(wrong)}" if len(wrong) > 1 else ""


def _more(wrong: Sequence[str]) -> str:
    return f"; and {len(wrong) - _SHOWN:,} more" if len(wrong) > _SHOWN else ""


def _same_type(one: torch.Tensor, other: torch.Tensor, *, cast: bool) -> bool:
    both = one.is_floating_point() and other.is_floating_point()
    return one.dtype == other.dtype or (cast and both)


def _is_finite(one: torch.Tensor, other: torch.Tensor) -> bool:
    return not (other.is_floating_point() or other.is_complex()) or bool(other.to(one.dtype).isfinite().all())


def _shape(tensor: torch.Tensor | None) -> str:
    return "no such tensor" if tensor is None else f"shape {tuple(tensor.shape)}, {tensor.dtype}"

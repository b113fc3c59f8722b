"""What is measured: a method of a library, and what it gives for some rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    import numpy.typing as npt

Work = TypeVar("Work")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answer:
    """The result of one call.

    Attributes:
        values: Shape `(rows, players)`; absent where only the cost counts.
        model_rows: Rows the model evaluated, in all; None where the workload's counter has them.
        standard_error: As the method reports it, shape of `values`.
    """

    values: npt.NDArray[Any] | None = None
    model_rows: int | None = None
    standard_error: npt.NDArray[Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Method(Generic[Work]):
    """A method as a user calls it.

    Attributes:
        name: Of the method and its settings, unique within a comparison.
        library: The import package it needs.
        explain: Given a workload, rows of it and a seed.
        rows: How many rows one call explains: few where they are explained one by one, many where they share work.
    """

    name: str
    library: str
    explain: Callable[[Work, Any, int], Answer]
    rows: int


def installed(methods: Iterable[Method[Work]]) -> list[Method[Work]]:
    """Those whose library can be imported."""
    return [method for method in methods if find_spec(method.library) is not None]


def missing(methods: Iterable[Method[Work]]) -> list[str]:
    """The libraries that cannot, each once."""
    return sorted({method.library for method in methods if find_spec(method.library) is None})

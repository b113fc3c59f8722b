"""How many rows a model evaluates at a time: from shapes and memory, never from the clock, and halved in this one place.

A batch that does not fit is tried again with half of its rows, down to one. What was done before it is kept.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, TypeVar

from auditbench.errors import ModelMemoryError
from auditbench.machine_memory import machine_memory_bytes
from auditbench.models.out_of_memory import bytes_needed, is_out_of_memory

T = TypeVar("T")

MOST_HALVINGS = 10
"""The last of them goes to one row, whatever the size before it."""

_SHARE = 64
"""A batch may take this part of the memory, so that several methods and a second model fit beside it."""

_BOUNDS = {"cpu": (32, 2048), "cuda": (256, 16_384), "mps": (256, 4096)}
"""Fewest and most rows by kind of device."""

_EQUAL_BITS, _LAST = 32, 16
"""On a CPU, batches of 32 to 2,048 rows give equal bits, if the last part is not shorter than 16: a few rows take other
matrix kernels (measured with MKL and 1, 2 and 4 threads; parts of 1 to 3 rows, with two threads up to 11, differed)."""


class Sliceable(Protocol):
    """A tensor or an array, as far as parts of it are taken."""

    def __getitem__(self, part: slice, /) -> Any:
        """Some of its entries."""


Part = TypeVar("Part", bound=Sliceable)


class BatchSize:
    """Rows a batch, as they are now; whoever works in batches of one model shares it.

    Attributes:
        began_with: Rows that shapes and memory allow.
        rows: A power of two; less than `began_with` where memory ran out.
        halvings: How often it did.
    """

    def __init__(self, began_with: int) -> None:
        if began_with < 1:
            raise ValueError(f"expected at least 1 row a batch, got {began_with}")
        self.began_with = began_with
        self.rows = 1 << (began_with.bit_length() - 1)
        self.halvings = 0

    def halve(self, tried: int) -> None:
        """Take half of the rows that did not fit; at the last halving one row."""
        self.halvings += 1
        self.rows = 1 if self.halvings >= MOST_HALVINGS else max(1, tried // 2)


def fitting(work: Callable[[int], T], batch: BatchSize, *, most: int | None = None) -> T:
    """What `work` gives for as many rows as fit: it is called with the size, and again with half where memory runs out.

    The size that worked is kept for later calls. What a failed call held is freed before the next.

    Args:
        work: From a number of rows to a result; it must be able to begin again.
        most: Rows that there are; more are not tried.

    Raises:
        ModelMemoryError: One row does not fit.
    """
    while True:
        rows = batch.rows if most is None else min(batch.rows, 1 << (most - 1).bit_length())
        try:
            return work(rows)
        except (MemoryError, RuntimeError, OSError) as error:
            if not is_out_of_memory(error):
                raise
            needed, said = bytes_needed(error), str(error)
        _free()  # outside of `except`, where the failed call is no longer referred to
        if rows == 1:
            raise _one_row_too_many(needed, said)
        if batch.rows >= rows:
            batch.halve(rows)


def in_batches(work: Callable[[slice], Part], total: int, batch: BatchSize, *, rows_each: int = 1) -> list[Part]:
    """Work on `total` items in parts that fit, and give what came of each part, in order.

    Where the model sees one row an item, a last part of less than 16 is begun some items earlier and cut afterwards, so
    that the bits of a result do not depend on the size of the batches, from 32 rows up.

    Args:
        work: From a slice of the items to a tensor or array that begins with one entry for each of them.
        rows_each: Rows that the model sees at once for an item.

    Raises:
        ModelMemoryError: One row does not fit.
    """
    parts: list[Part] = []
    start = 0
    while start < total:
        most = None if start else total * rows_each  # later parts are not longer than the first, which fitted
        part, start = fitting(partial(_part, work, start, total, batch, rows_each), batch, most=most)
        parts.append(part)
    return parts


def batch_rows(width: int, parameters: int, device: str) -> int:
    """Rows evaluated at a time, a power of two.

    A row is taken to need four bytes for every encoded input, four times over (raw, encoded, and their copies), and
    for every parameter, which bounds the activations of a fully connected network.

    Args:
        width: Encoded inputs of a row.
        parameters: Of the model.
        device: `cpu`, `cuda:0`, ...
    """
    kind = device.partition(":")[0]
    fewest, most = _BOUNDS.get(kind, _BOUNDS["cpu"])
    fitting = memory_bytes(device) // _SHARE // (4 * (4 * width + parameters) + 1)
    power = 1 << max(0, fitting.bit_length() - 1)
    return max(fewest, min(most, power))


def memory_bytes(device: str) -> int:
    """Memory of a device: of the GPU; for a CPU, of the machine or of the cgroup (versions 1 and 2), if that is less."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.get_device_properties(device).total_memory)
    return machine_memory_bytes()


def _part(
    work: Callable[[slice], Part], start: int, total: int, batch: BatchSize, rows_each: int, rows: int
) -> tuple[Part, int]:
    """What came of the items from `start` on, and where the next part begins."""
    stop = min(total, start + max(1, rows // rows_each))
    begin = start
    if start and stop - start < _LAST and rows_each == 1 and batch.rows >= _EQUAL_BITS:
        begin = total // _LAST * _LAST - _LAST
    found = work(slice(begin, stop))
    return (found if begin == start else found[start - begin :]), stop


def _free() -> None:
    """Give back what only a failed call referred to."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def _one_row_too_many(needed: int | None, said: str) -> ModelMemoryError:
    amount = "" if needed is None else f"; {needed:,} bytes more were needed"
    error = ModelMemoryError(
        f"memory ran out with one row a batch{amount}",
        where="model",
        found=said.splitlines()[0][:200] if said else "no amount was told",
        allowed="a model that evaluates one row in the memory there is",
        fix="raise memory_gib in [limits], free memory, or take a device or a machine with more",
    )
    error.needed = needed
    return error

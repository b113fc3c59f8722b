"""How many threads a network computes with: from its size, never from the clock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

_SMALL = 1_000_000
"""Below so many parameters one thread is faster: handing a matrix out costs more than multiplying it. An MLP of 9,000
parameters trained six to ten times faster on one thread than on two, where another process used a core as well."""


def suitable_threads(parameters: int, available: int) -> int:
    """Threads for a network of so many parameters: one for a small one, otherwise what is available."""
    return 1 if parameters < _SMALL else available


@contextmanager
def computing_threads(parameters: int) -> Iterator[None]:
    """Set torch's threads to what suits a network, and put them back."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(suitable_threads(parameters, before))
    try:
        yield
    finally:
        torch.set_num_threads(before)

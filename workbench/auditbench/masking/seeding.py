"""Generators of explainers, and a seed for libraries that draw from the global ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def generator(rng: np.random.Generator | None) -> np.random.Generator:
    """The generator that a user gave, or one with seed 0.

    Raises:
        TypeError: It is no numpy Generator, such as a seed.
    """
    import numpy as np

    if rng is None:
        return np.random.default_rng(0)
    if not isinstance(rng, np.random.Generator):  # callers may have no type checker
        raise TypeError(
            f"expected a numpy Generator as rng, got {type(rng).__name__}; np.random.default_rng(seed) is one"
        )
    return rng


@contextmanager
def global_seed(rng: np.random.Generator, device: str = "cpu") -> Iterator[None]:
    """Seed the global generators of numpy and torch from `rng`, and put their states back on leaving.

    Args:
        device: Whose generator torch's one stands beside, `cpu` or `cuda:0`.
    """
    import numpy as np
    import torch

    state = np.random.get_state()  # noqa: NPY002 - the generator that such libraries draw from
    with torch.random.fork_rng(devices=[device] if device.startswith("cuda") else []):
        np.random.seed(int(rng.integers(2**32)))  # noqa: NPY002
        torch.manual_seed(int(rng.integers(2**63)))
        try:
            yield
        finally:
            np.random.set_state(state)  # noqa: NPY002

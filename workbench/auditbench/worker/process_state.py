"""Settings and generators of the process: what an analyzer changes is put back behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from auditbench.worker.interpreter_settings import interpreter_settings
from auditbench.worker.settings import Setting, put_back, read
from auditbench.worker.system_settings import system_settings
from auditbench.worker.torch_settings import numpy_settings, torch_settings

_Access: TypeAlias = tuple[Callable[[], Any], Callable[[Any], object]]


@contextmanager
def undisturbed_process() -> Iterator[None]:
    """Put settings and every global generator back after the block."""
    before = ProcessState()
    try:
        yield
    finally:
        before.put_back()


class ProcessState:
    """Settings and generators of the process at one moment.

    Attributes:
        settings: In the order in which they are put back.
    """

    def __init__(self) -> None:
        self.settings = _settings()
        self._values = read(self.settings)
        self._generators = _generators()
        self._states = [get() for get, _ in self._generators]

    def put_back(self) -> tuple[list[str], list[str]]:
        """Put everything back.

        Returns:
            Names of the settings that differed, and of those that still do. Generators that moved on are not among
            them: drawing is no fault.
        """
        changed, stuck = put_back(self.settings, self._values)
        try:
            for (_, put), state in zip(self._generators, self._states, strict=True):
                put(state)
        except Exception:  # noqa: BLE001 - a plugin can put anything in the place of a generator
            stuck.append("random numbers")
        return changed, stuck


def _settings() -> list[Setting]:
    """In the order in which they are put back: what sees every function of torch before what torch's setters set."""
    return [*torch_settings(), *numpy_settings(), *system_settings(), *interpreter_settings()]


def _generators() -> list[_Access]:
    import random

    import numpy as np
    import torch

    mtrand: Any = np.random
    found: list[_Access] = [
        (random.getstate, random.setstate),
        (mtrand.get_bit_generator, mtrand.set_bit_generator),
        (np.random.get_state, np.random.set_state),
        (torch.get_rng_state, torch.set_rng_state),
    ]
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        found.append((torch.cuda.get_rng_state_all, torch.cuda.set_rng_state_all))
    return found

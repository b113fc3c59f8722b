"""Settings of the process that decide what the next analyzer computes, and putting them back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

_Access: TypeAlias = tuple[Callable[[], Any], Callable[[Any], object]]

_UNREADABLE = object()
_MODULE_HOOKS = (
    "_global_backward_pre_hooks",
    "_global_backward_hooks",
    "_global_forward_pre_hooks",
    "_global_forward_hooks",
    "_global_forward_hooks_always_called",
    "_global_forward_hooks_with_kwargs",
    "_global_buffer_registration_hooks",
    "_global_module_registration_hooks",
    "_global_parameter_registration_hooks",
)


@contextmanager
def undisturbed_process() -> Iterator[list[str]]:
    """Put flags, threads and every global generator back after the block.

    Yields:
        Names of the settings that the block left changed, complete once it is over. Generators are put back as well
        and not named: drawing from them is no fault.
    """
    changed: list[str] = []
    settings, generators = _settings(), _generators()
    before = {name: _read(get) for name, (get, _) in settings.items()}
    states = [get() for get, _ in generators]
    try:
        yield changed
    finally:
        for (_, put), state in zip(generators, states, strict=True):
            put(state)
        for name, (get, put) in settings.items():
            if _read(get) != before[name]:
                changed.append(name)
                if before[name] is not _UNREADABLE:
                    put(before[name])


def _read(get: Callable[[], Any]) -> Any:
    """The value of a setting, if it has one: torch refuses to read what was set through two of its interfaces, and a
    working directory can have been removed.
    """
    try:
        return get()
    except (RuntimeError, OSError):
        return _UNREADABLE


def _settings() -> dict[str, _Access]:
    import os

    import numpy as np
    import torch

    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    return {
        "default dtype": (torch.get_default_dtype, torch.set_default_dtype),
        "default device": (torch.get_default_device, _set_default_device),
        "gradient mode": (torch.is_grad_enabled, torch.set_grad_enabled),
        "deterministic algorithms": (_deterministic, _set_deterministic),
        "cuDNN benchmark": _attribute(cudnn, "benchmark"),
        "cuDNN determinism": _attribute(cudnn, "deterministic"),
        "cuDNN TF32": _attribute(cudnn, "allow_tf32"),
        "matmul TF32": _attribute(matmul, "allow_tf32"),
        "threads": (torch.get_num_threads, torch.set_num_threads),
        "anomaly detection": (torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
        "hooks of all modules": (_module_hooks, _set_module_hooks),
        "numpy error handling": (np.geterr, lambda found: np.seterr(**found)),
        "working directory": (os.getcwd, os.chdir),
    }


def _generators() -> list[_Access]:
    import random

    import numpy as np
    import torch

    found: list[_Access] = [
        (random.getstate, random.setstate),
        (np.random.get_state, np.random.set_state),
        (torch.get_rng_state, torch.set_rng_state),
    ]
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        found.append((torch.cuda.get_rng_state_all, torch.cuda.set_rng_state_all))
    return found


def _attribute(owner: Any, name: str) -> _Access:
    return lambda: getattr(owner, name), lambda value: setattr(owner, name, value)


def _set_default_device(device: Any) -> None:
    import torch

    torch.set_default_device(None if device == torch.device("cpu") else device)


def _deterministic() -> tuple[bool, bool]:
    import torch

    return torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()


def _set_deterministic(found: tuple[bool, bool]) -> None:
    import torch

    torch.use_deterministic_algorithms(found[0], warn_only=found[1])


def _module_hooks() -> dict[str, dict[int, Any]]:
    """The hooks that torch calls for every module, by kind."""
    from torch.nn.modules import module

    return {kind: dict(getattr(module, kind)) for kind in _MODULE_HOOKS if hasattr(module, kind)}


def _set_module_hooks(found: dict[str, dict[int, Any]]) -> None:
    from torch.nn.modules import module

    for kind, hooks in found.items():
        kept = getattr(module, kind)
        kept.clear()
        kept.update(hooks)

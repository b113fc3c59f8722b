"""How many rows a model evaluates at a time: from shapes and memory, never from the clock."""

from __future__ import annotations

from pathlib import Path

_SHARE = 64
"""A batch may take this part of the memory, so that several methods and a second model fit beside it."""

_BOUNDS = {"cpu": (32, 2048), "cuda": (256, 16_384), "mps": (256, 4096)}
"""Fewest and most rows by kind of device. On a CPU, results for 32 to 2,048 rows a batch have equal bits; fewer rows
take other matrix kernels."""

_CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


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
    import psutil

    limits = [int(psutil.virtual_memory().total)]
    for file in _CGROUP_LIMITS:
        try:
            text = file.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            continue
        if text.isdecimal():
            limits.append(int(text))
    return min(limits)

"""How many masked rows a model evaluates at a time: a table by kind of device, never the clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import nn

_BYTES = {"cpu": 8 << 20, "cuda": 256 << 20, "mps": 64 << 20}
"""Bytes of the widest activation of a block. On a CPU a block stays in the last cache, on a GPU it fills the device.
Measured with networks of 12, 30 and 100 inputs and two hidden layers of 64 (2 cores of an AMD EPYC, 1 MiB of L2 each,
32 MiB of L3): 1 to 8 MiB took 0.7 to 1.3 of the time of plain evaluation and differed by a tenth, 16 MiB took up to 1.5. The
largest of the quick ones needs the fewest operations a row."""

_BOUNDS = {"cpu": (16, 1 << 16), "cuda": (256, 1 << 20), "mps": (256, 1 << 18)}
"""Fewest and most rows by kind of device."""

_TOGETHER_BYTES = 32 << 20
MOST_TOGETHER = 256
"""Most rows that share a plan, so that what a plan costs is small for each of them and its noise averages out."""


def block_rows(widest: int, device: str) -> int:
    """Masked rows a block.

    Args:
        widest: Numbers of the widest activation of one row, see `widest_activation`.
        device: `cpu`, `cuda:0`, ...
    """
    kind = device.partition(":")[0]
    fewest, most = _BOUNDS.get(kind, _BOUNDS["cpu"])
    return max(fewest, min(most, _BYTES.get(kind, _BYTES["cpu"]) // (4 * max(1, widest))))


def rows_together(numbers: int) -> int:
    """Rows that are explained with one plan, where each needs so many numbers beside its block."""
    return max(1, min(MOST_TOGETHER, _TOGETHER_BYTES // (4 * max(1, numbers))))


def widest_activation(module: nn.Module, rows: torch.Tensor) -> int:
    """Numbers a row of the widest tensor that a layer of the module takes or gives; the module runs once on the rows."""
    import torch

    widest = rows[0].numel()

    def note(layer: nn.Module, given: object, output: object) -> None:
        nonlocal widest
        if isinstance(output, torch.Tensor) and output.ndim and len(output):
            widest = max(widest, output.numel() // len(rows))

    layers = [layer for layer in module.modules() if next(layer.children(), None) is None]
    hooks = [layer.register_forward_hook(note) for layer in layers]
    try:
        with torch.no_grad():
            module(rows.clone())
    finally:
        for hook in hooks:
            hook.remove()
    return widest

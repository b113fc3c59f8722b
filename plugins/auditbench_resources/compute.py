"""Multiply-accumulates of one forward call, counted by operation, with every path open to the counter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiplyAccumulates:
    """Multiply-accumulates of matrix products and convolutions.

    Attributes:
        total: Of the whole call.
        by_module: Of each module that the call went through, by its path below the model, `0`, `encoder.layers.1`.
    """

    total: int
    by_module: Mapping[str, int]


def multiply_accumulates(module: nn.Module, encoded: torch.Tensor) -> MultiplyAccumulates:
    """Count one forward call of `module` on `encoded`, without gradients.

    Counted are matrix products (linear layers, attention, recurrent layers) and convolutions, as half of the floating
    point operations of `torch.utils.flop_counter`; activations, normalisation, pooling and look-ups are not.
    """
    with countable_operations(), torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(encoded)
    prefix = f"{type(module).__name__}."
    by_module = {
        path.removeprefix(prefix): sum(flops.values()) // 2
        for path, flops in counter.get_flop_counts().items()
        if path.startswith(prefix)
    }
    return MultiplyAccumulates(total=counter.get_total_flops() // 2, by_module=by_module)


@contextmanager
def countable_operations() -> Iterator[None]:
    """Keep fused paths off, which do their products where a counter does not see them; restored on leaving.

    These are oneDNN's and cuDNN's recurrent kernels, the fused transformer layer and fused attention. torch leaves its switches untyped.
    """
    fast_path = torch.backends.mha.get_fastpath_enabled()
    one_dnn = torch.backends.mkldnn.set_flags(_enabled=False, _fp32_precision=None)[0]  # type: ignore[no-untyped-call]
    cudnn = torch.backends.cudnn.set_flags(_enabled=False, _fp32_precision=None)[0]  # type: ignore[no-untyped-call]
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)
        torch.backends.cudnn.set_flags(_enabled=cudnn, _fp32_precision=None)  # type: ignore[no-untyped-call]
        torch.backends.mkldnn.set_flags(_enabled=one_dnn, _fp32_precision=None)  # type: ignore[no-untyped-call]

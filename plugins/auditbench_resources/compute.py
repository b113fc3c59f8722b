"""Multiply-accumulates of one forward call, counted by operation, with every path open to the counter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerCall:
    """What one module did in a call, however often it was called.

    Attributes:
        own: Multiply-accumulates in the module itself, without those of modules that it calls.
        shape: Of the first tensor that it gave last, without the rows; None where it gave no tensor.
    """

    own: int
    shape: tuple[int, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiplyAccumulates:
    """Multiply-accumulates of matrix products and convolutions.

    Attributes:
        total: Of the whole call.
        by_module: What each called module did itself, by path, `0`, `encoder.layers.1`; the model itself is `.`. Their
            `own` add up to `total`.
    """

    total: int
    by_module: Mapping[str, LayerCall]


def multiply_accumulates(module: nn.Module, encoded: torch.Tensor) -> MultiplyAccumulates:
    """Count one forward call of `module` on `encoded`, without gradients.

    Counted are matrix products (linear layers, attention, recurrent layers) and convolutions, as half of the floating
    point operations of `torch.utils.flop_counter`; activations, normalisation, pooling and look-ups are not.
    """
    with (
        countable_operations(),
        torch.no_grad(),
        FlopCounterMode(display=False) as counter,
        _watched_calls(module, counter) as calls,
    ):
        module(encoded)
    return MultiplyAccumulates(total=counter.get_total_flops() // 2, by_module=calls.by_path)


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


@dataclass(slots=True, kw_only=True)
class _Calls:
    """Calls of the modules of a model, the one that runs now last.

    Attributes:
        open: Of each call that runs: flops counted when it began, and flops of the calls within it that have ended.
    """

    paths: Mapping[int, str]
    counter: FlopCounterMode
    by_path: dict[str, LayerCall] = field(default_factory=dict)
    open: list[tuple[int, int]] = field(default_factory=list)

    def begin(self, module: nn.Module, _: Any) -> None:
        """A module is called."""
        if id(module) in self.paths:
            self.open.append((self.counter.get_total_flops(), 0))

    def end(self, module: nn.Module, _: Any, given: Any) -> None:
        """A module gave its result, or raised."""
        if id(module) not in self.paths:
            return
        began, within = self.open.pop()
        spent = self.counter.get_total_flops() - began
        if self.open:
            caller, others = self.open[-1]
            self.open[-1] = caller, others + spent
        path = self.paths[id(module)]
        before = self.by_path[path].own if path in self.by_path else 0
        self.by_path[path] = LayerCall(own=before + (spent - within) // 2, shape=_row_shape(given))


@contextmanager
def _watched_calls(module: nn.Module, counter: FlopCounterMode) -> Iterator[_Calls]:
    """Watch through hooks that torch calls for every module, so that none is left on a part of the model."""
    paths = {id(part): path or "." for path, part in module.named_modules()}
    calls = _Calls(paths=paths, counter=counter)
    handles = (register_module_forward_pre_hook(calls.begin), register_module_forward_hook(calls.end, always_call=True))
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def _row_shape(given: Any) -> tuple[int, ...] | None:
    tensor = next((leaf for leaf in tree_leaves(given) if isinstance(leaf, torch.Tensor)), None)
    return None if tensor is None else tuple(tensor.shape[1:])

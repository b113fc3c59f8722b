"""`count_operations`: tensor operations and host reads, a cost that is free of noise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch._ops import OpOverload


@dataclass(slots=True, kw_only=True)
class OperationCount:
    """Operations since the count began, those of backward passes included.

    Attributes:
        by_name: How often each operation ran, views left out.
        host_reads: What makes the host wait for the device: numbers read out of tensors, copies to the host, results
            whose shape depends on numbers, masks as an index, and the entries of a vector taken one by one.
    """

    by_name: Counter[str] = field(default_factory=Counter)
    host_reads: int = 0

    @property
    def operations(self) -> int:
        """All operations that compute, copy or allocate."""
        return self.by_name.total()


@contextmanager
def count_operations() -> Iterator[OperationCount]:
    """Count what torch dispatches in this thread.

    Composite functions count as the operations that they are made of. `tolist()`, `numpy()`, `cpu()` and numpy's own
    conversion are one host read each, on a CPU too, where they cost nothing; conversions by `to()` only where they copy.
    """
    import torch
    from torch.overrides import TorchFunctionMode
    from torch.utils._python_dispatch import TorchDispatchMode

    count = OperationCount()

    class Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it untyped
        def __torch_dispatch__(
            self, func: OpOverload, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
        ) -> Any:
            result = func(*args, **(kwargs or {}))
            if not func.is_view:
                count.by_name[func.overloadpacket.__name__] += 1
            count.host_reads += _reads(func, args) or _copies_to_host(result, args)
            return result

    tensor = torch.Tensor
    conversions = {tensor.tolist, tensor.numpy, tensor.cpu, tensor.__array__}

    class Converting(TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
        ) -> Any:
            before = count.host_reads
            result = func(*args, **(kwargs or {}))
            if func in conversions:
                count.host_reads = before + 1
            return result

    with Converting(), Counting():  # type: ignore[no-untyped-call]  # torch leaves it untyped
        yield count


def _reads(func: OpOverload, args: tuple[Any, ...]) -> bool:
    """Whether the host has to know numbers of a tensor; indexing has to only where a mask is the index.

    A vector that is split into single numbers, as iteration does, is about to be read.
    """
    import torch

    packet = func.overloadpacket
    if packet in (torch.ops.aten.index, torch.ops.aten.index_put, torch.ops.aten.index_put_):
        return any(index is not None and index.dtype in (torch.bool, torch.uint8) for index in args[1])
    if packet is torch.ops.aten.unbind:
        return bool(args[0].dim() == 1)
    return bool({torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape} & set(func.tags))


def _copies_to_host(result: Any, args: tuple[Any, ...]) -> bool:
    import torch

    on_host = isinstance(result, torch.Tensor) and result.device.type == "cpu"
    return on_host and any(isinstance(arg, torch.Tensor) and arg.device.type not in ("cpu", "meta") for arg in args)

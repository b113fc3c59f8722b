"""How many masked rows a model evaluates at a time: a table by kind of device, never the clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import nn

_BYTES = {"cpu": 8 << 20, "cuda": 256 << 20, "mps": 64 << 20}
"""Bytes of the widest activation of a block. On a CPU a block stays in the last cache, on a GPU it fills the device.
Measured with networks of 12, 30 and 100 inputs and two hidden layers of 64 (2 cores of an AMD EPYC, 1 MiB of L2 each,
32 MiB of L3): 1 to 8 MiB took 0.7 to 1.3 of the time of plain evaluation and differed by a tenth, 16 MiB took up to
1.5. The largest of the quick ones needs the fewest operations a row."""

_BYTES_OF_WHOLE = {**_BYTES, "cpu": 2 << 20}
"""The same for a module that is run as it is, which makes several activations anew and holds them side by side: 1 and 2
MiB were the quickest, 8 MiB took 1.1 to 1.4 of their time."""

_BOUNDS = {"cpu": (16, 1 << 16), "cuda": (256, 1 << 20), "mps": (256, 1 << 18)}
"""Fewest and most rows by kind of device."""

_TOGETHER_BYTES = 32 << 20
MOST_TOGETHER = 256
"""Most rows that share a plan, so that what a plan costs is small for each of them and its noise averages out."""


def block_rows(widest: int, device: str, *, whole: bool = False) -> int:
    """Masked rows a block.

    Args:
        widest: Bytes of the widest activation of one row, see `widest_activation`.
        device: `cpu`, `cuda:0`, ...
        whole: Whether a module is run as it is, instead of a part of it in reused buffers.
    """
    kind = device.partition(":")[0]
    fewest, most = _BOUNDS.get(kind, _BOUNDS["cpu"])
    sizes = _BYTES_OF_WHOLE if whole else _BYTES
    return max(fewest, min(most, sizes.get(kind, sizes["cpu"]) // max(1, widest)))


def rows_together(each: int) -> int:
    """Rows that are explained with one plan, where each needs so many bytes beside its block."""
    return max(1, min(MOST_TOGETHER, _TOGETHER_BYTES // max(1, each)))


def widest_activation(module: nn.Module, rows: torch.Tensor, ran: Callable[[int], object] | None = None) -> int:
    """Bytes that a row has in the widest tensor that the module takes or makes; it runs once on the rows.

    What is made is seen where torch carries it out, not by hooks: so it is of scripted and exported modules too, and
    nothing is set on a module that another thread may be running.

    Args:
        ran: Told the number of rows when the module has run on them.
    """
    import torch
    from torch.overrides import BaseTorchFunctionMode
    from torch.utils._python_dispatch import TorchDispatchMode

    widest = rows.numel() * rows.element_size()

    class Widest(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it untyped
        supports_higher_order_operators = True

        def __torch_dispatch__(
            self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
        ) -> Any:
            nonlocal widest
            result = func(*args, **(kwargs or {}))
            if not getattr(func, "is_view", False):
                made = result if isinstance(result, (tuple, list)) else (result,)
                sizes = (each.numel() * each.element_size() for each in made if isinstance(each, torch.Tensor))
                widest = max(widest, *sizes, 0)
            return result

    # Attention takes a path of one operation, which shows nothing of its inside, unless functions are looked at too.
    with torch.no_grad(), BaseTorchFunctionMode(), Widest():  # type: ignore[no-untyped-call]  # torch leaves it untyped
        module(rows.clone())
    if ran is not None:
        ran(len(rows))
    return -(-widest // len(rows))

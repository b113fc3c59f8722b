"""What explaining holds in memory at once, beside the rows it is given and the arrays it returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from benchmarks.workloads import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """The most bytes that a call held at once.

    Attributes:
        bytes: Beside what was held before it.
        device_bytes: All that torch held of the GPU, weights and rows included; None on a CPU.
    """

    bytes: int
    device_bytes: int | None = None


def shap_walks(workload: Table, rows: int, *, rounds: int = 1, background: int = 100, opaque: bool = False) -> float:
    """Bytes that walks of so many rows hold at once; a table with fewer rows, or background rows, repeats them."""
    import numpy as np

    from auditbench_shap import shapley_values

    hidden = _tiled(workload.training, background)
    return net_bytes(
        partial(
            shapley_values,
            workload.counted_model() if opaque else workload.model,
            _tiled(workload.rows, rows),
            hidden,
            method="permutation",
            budget=2 * rounds * background * (workload.features - 1),
            rng=np.random.default_rng(0),
        )
    )


def gradients(workload: Table, rows: int, *, steps: int = 50) -> float:
    """The same of integrated gradients."""
    from auditbench_captum import integrated_gradients

    return net_bytes(
        partial(
            integrated_gradients,
            workload.model,
            _tiled(workload.rows, rows),
            baseline=workload.baseline,
            target=0,
            steps=steps,
        )
    )


def lime(workload: Table, rows: int, *, independent: bool = False, samples: int = 5000) -> float:
    """The same of local linear fits."""
    import numpy as np

    from auditbench_lime import lime_weights

    return net_bytes(
        partial(
            lime_weights,
            workload.model,
            _tiled(workload.rows, rows),
            workload.training,
            num_samples=samples,
            independent=independent,
            rng=np.random.default_rng(0),
        )
    )


def net_bytes(explain: Callable[[], Any]) -> float:
    """The most bytes that a call holds at once, less the arrays that it returns, which have to grow with the rows."""
    import numpy as np

    from auditbench.testing import peak_memory

    with peak_memory() as measured:
        found = explain()
    arrays = [getattr(found, each.name) for each in fields(found)]
    return float(measured.bytes - sum(array.nbytes for array in arrays if isinstance(array, np.ndarray)))


def peak(call: Callable[[], object], device: str) -> Peak:
    """Of a call on `cpu` or `cuda`; run it, or what it imports, once before."""
    if device == "cpu":
        from auditbench.testing import peak_memory

        with peak_memory() as measured:
            call()
        return Peak(bytes=measured.bytes)
    import torch

    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    call()
    torch.cuda.synchronize()
    whole = torch.cuda.max_memory_allocated()
    return Peak(bytes=whole - before, device_bytes=whole)


def _tiled(rows: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.float32]:
    import numpy as np

    return rows[np.arange(count) % len(rows)]

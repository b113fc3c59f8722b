"""Memory while the model evaluates a batch: of the process, or of the GPU's allocator."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

MEBIBYTE = 1 << 20
SAMPLING_SECONDS = 0.0005
CALLING_SECONDS = 0.2
"""A short call is repeated for so long, so that a sample falls into it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryReading:
    """Bytes around calls; each is None where there is no meter or it saw nothing.

    Attributes:
        before: Just before the first call.
        peak: Highest value seen during them.
        meter: `process` for the resident set of this process, `cuda` for torch's allocator.
        samples: Readings that `peak` is the highest of; 1 for a counter that keeps the peak itself.
    """

    before: int | None
    peak: int | None
    meter: str
    samples: int


def measure_memory(call: Callable[[], object], device: str) -> MemoryReading:
    """Call and read memory around it; the call must have been made before, so that one-off costs are not in it."""
    return _cuda(call, device) if device.startswith("cuda") else _resident_set(call)


def _resident_set(call: Callable[[], object]) -> MemoryReading:
    try:
        import psutil
    except ImportError:
        call()
        return MemoryReading(before=None, peak=None, meter="process", samples=0)
    process = psutil.Process()
    seen: list[int] = []
    finished = threading.Event()

    def sample() -> None:
        while not finished.wait(SAMPLING_SECONDS):
            seen.append(process.memory_info().rss)

    before = process.memory_info().rss
    sampler = threading.Thread(target=sample, name="memory sampler", daemon=True)
    sampler.start()
    end = time.perf_counter() + CALLING_SECONDS
    try:
        call()
        while time.perf_counter() < end:
            call()
        seen.append(process.memory_info().rss)
    finally:
        finished.set()
        sampler.join()
    return MemoryReading(before=before, peak=max(seen), meter="process", samples=len(seen))


def _cuda(call: Callable[[], object], device: str) -> MemoryReading:
    import torch

    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    call()
    torch.cuda.synchronize(device)
    peak = torch.cuda.max_memory_allocated(device)
    return MemoryReading(before=before, peak=peak or None, meter="cuda", samples=1)

"""What the figures were measured on and with."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("auditbench", "torch", "numpy", "shap", "captum", "lime", "shapiq", "fairlearn", "aif360")


def machine(device: str) -> dict[str, str]:
    """Processor, clock, threads, and the versions of all libraries that take part."""
    import torch

    kind = torch.cuda.get_device_name() if device == "cuda" else _processor()
    clock = "elapsed time, synchronised" if device == "cuda" else "CPU time of the process"
    described = {
        "device": kind,
        "clock": clock,
        "threads": str(torch.get_num_threads()),
        "python": platform.python_version(),
    }
    return {**described, **{package: _version(package) for package in PACKAGES}}


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"

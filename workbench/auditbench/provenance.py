"""What is needed to do a run again: an allowlist of versions, seeds and flags. Facts of the host stand apart.

Nothing here reads the environment as a whole, a path or a user's name.
"""

from __future__ import annotations

import functools
import os
import platform
import re
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from auditbench import __version__
from auditbench.digests import digest_of_files, package_files
from auditbench.errors import UnsupportedPlatformError
from auditbench.models.formats import PACKAGES
from auditbench.run import PluginFacts, Provenance

DISTRIBUTION = "auditbench"


def check_platform() -> None:
    """Refuse an operating system that the host's processes and locks do not work on.

    Raises:
        UnsupportedPlatformError: This is Windows.
    """
    if sys.platform == "win32":
        raise UnsupportedPlatformError(
            "Auditbench does not run on Windows itself",
            found="win32",
            allowed="Linux, macOS",
            fix="use WSL 2, where it runs as on Linux",
        )


def provenance(
    *,
    plugins: Iterable[PluginFacts],
    seed: int,
    device: str,
    threads: int,
    determinism: Mapping[str, str],
    config_sha256: str,
    formats: Iterable[str] = (),
) -> Provenance:
    """The provenance of a run.

    Args:
        device: `cpu`, or the kind of GPU.
        determinism: Flags as the worker set them.
        formats: Of the audited model and of those that it is compared with.
    """
    taking_part = sorted(set(plugins), key=lambda plugin: plugin.name)
    return Provenance(
        product=__version__,
        python=platform.python_version(),
        packages=package_versions([*(plugin.distribution for plugin in taking_part), *format_packages(formats)]),
        plugins=tuple(taking_part),
        seed=seed,
        device=device,
        threads=threads,
        determinism=dict(sorted(determinism.items())),
        config_sha256=config_sha256,
    )


def package_versions(distributions: Iterable[str] = ()) -> dict[str, str]:
    """Versions of our own dependencies and of these distributions, by name; what is not installed is left out."""
    names = {name for text in _requirements(DISTRIBUTION) if (name := _required_name(text))} | set(distributions)
    found = {name: found for name in sorted(names - {DISTRIBUTION}) if (found := _version(name))}
    return dict(sorted(found.items()))


def format_packages(formats: Iterable[str]) -> set[str]:
    """Distributions that models of these formats are opened and computed with."""
    return {name for form in formats for name in PACKAGES.get(form, ())}


def required_versions(distribution: str) -> dict[str, str]:
    """Versions of what a distribution asks for, by name; extras and what is not installed are left out."""
    names = {name for text in _requirements(distribution) if (name := _required_name(text))}
    return {name: found for name in sorted(names) if (found := _version(name))}


@functools.cache
def product_digest() -> str:
    """sha256 over the files of the host itself, as they are when this process first asks."""
    import auditbench

    return digest_of_files(package_files(auditbench))


def available_cpus() -> int:
    """Processors this process may use: its affinity, further limited by a control group (version 1 or 2)."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    quota = _cgroup_quota()
    return max(1, affinity if quota is None else min(affinity, int(quota)))


def host_facts() -> dict[str, str]:
    """Operating system, processor, cores and memory of this machine; they belong under `volatile`."""
    import psutil

    return {
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": str(available_cpus()),
        "memory_gib": f"{psutil.virtual_memory().total / 2**30:.1f}",
    }


def _requirements(distribution: str) -> list[str]:
    try:
        return [text for text in requires(distribution) or [] if "extra ==" not in text]
    except PackageNotFoundError:
        return []


def _required_name(text: str) -> str:
    match = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", text)
    return match.group(0).lower() if match else ""


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _cgroup_quota() -> float | None:
    limit = _words("/sys/fs/cgroup/cpu.max")
    if len(limit) == 2 and limit[0] != "max":
        return float(limit[0]) / float(limit[1])
    quota, period = _words("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"), _words("/sys/fs/cgroup/cpu/cpu.cfs_period_us")
    if quota and period and float(quota[0]) > 0:
        return float(quota[0]) / float(period[0])
    return None


def _words(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError):
        return []


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())

"""How much memory there is for this process and what it starts, and whether the kernel ended one of them for want of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

GIB = 2**30

_ROOT = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")
_LIMITS = ("memory.max", "memory.limit_in_bytes")
_EVENTS = ("memory.events", "memory.oom_control")


def machine_memory_bytes() -> int:
    """Memory of the machine, or of the control group (version 1 or 2) that this process is in, if that is less."""
    import psutil

    found = [int(psutil.virtual_memory().total)]
    found += [int(text) for folder in _groups() for name in _LIMITS if (text := _text(folder / name)).isdecimal()]
    return min(found)


def kernel_kills() -> int | None:
    """Processes of this control group that the kernel has killed because memory ran out; None where it does not tell."""
    for folder in _groups():
        for name in _EVENTS:
            for line in _text(folder / name).splitlines():
                word, _, count = line.partition(" ")
                if word == "oom_kill" and count.isdecimal():
                    return int(count)
    return None


def _groups() -> Iterator[Path]:
    """Folders of this process's control group and of those above it, the nearest first; also where none is told."""
    for line in _text(_OWN).splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" or "memory" in controllers.split(","):
            base = _ROOT if number == "0" else _ROOT / "memory"
            place = PurePosixPath(path)
            for part in (place, *place.parents):
                yield base / part.relative_to("/")
    yield _ROOT
    yield _ROOT / "memory"


def _text(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""

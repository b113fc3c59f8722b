"""Settings that the operating system keeps for a process: environment, working directory, signals, limits."""

from __future__ import annotations

import os
import resource
import signal
from typing import Any

from auditbench.worker.settings import Setting

_TIMERS = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)
_LIMITS = tuple(sorted(name for name in dir(resource) if name.startswith("RLIMIT_")))
_SLACK = 0.001
_SET_BY_TORCH = frozenset({"TORCHINDUCTOR_CACHE_DIR"})


def system_settings() -> list[Setting]:
    """Every setting of the system for this process, in the order in which they are put back."""
    return [
        Setting(name="environment", get=_environment, put=_set_environment),
        Setting(name="working directory", get=os.getcwd, put=os.chdir),
        Setting(name="umask", get=_umask, put=os.umask),
        Setting(name="signal timers", get=_Timers, put=_set_timers),
        Setting(name="signal handlers", get=_signal_handlers, put=_set_signal_handlers),
        Setting(
            name="blocked signals", get=_blocked, put=lambda found: signal.pthread_sigmask(signal.SIG_SETMASK, found)
        ),
        Setting(name="limits of the process", get=_limits, put=_set_limits),
        Setting(
            name="priority",
            get=lambda: os.getpriority(os.PRIO_PROCESS, 0),
            put=lambda found: os.setpriority(os.PRIO_PROCESS, 0, found),
        ),
        Setting(
            name="processors", get=lambda: os.sched_getaffinity(0), put=lambda found: os.sched_setaffinity(0, found)
        ),
        Setting(name="files behind the standard streams", get=_streams, put=lambda _: None),
    ]


class _Timers:
    """What is left of each timer. Two states are equal when the later one has no more time left than the earlier."""

    def __init__(self) -> None:
        self.left = [signal.getitimer(which) for which in _TIMERS]

    def __eq__(self, before: object) -> bool:
        if not isinstance(before, _Timers):
            return NotImplemented
        return all(
            (now[0] > 0) == (then[0] > 0) and now[0] <= then[0] + _SLACK and now[1] == then[1]
            for now, then in zip(self.left, before.left, strict=True)
        )

    __hash__ = None  # type: ignore[assignment]


def _set_timers(found: _Timers) -> None:
    for which, (left, interval) in zip(_TIMERS, found.left, strict=True):
        signal.setitimer(which, left, interval)


def _environment() -> dict[str, str]:
    """All variables but those that torch sets by itself, when its compiler is first loaded."""
    return {name: value for name, value in os.environ.items() if name not in _SET_BY_TORCH}


def _set_environment(found: dict[str, str]) -> None:
    for name in [name for name in _environment() if name not in found]:
        del os.environ[name]
    for name, value in found.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


def _umask() -> int:
    """The mask of this process; reading it means to set one, for an instant a strict one."""
    found = os.umask(0o077)
    os.umask(found)
    return found


def _signal_handlers() -> dict[signal.Signals, Any]:
    return {number: signal.getsignal(number) for number in signal.Signals}


def _set_signal_handlers(found: dict[signal.Signals, Any]) -> None:
    for number, handler in found.items():
        if handler is not None and signal.getsignal(number) != handler:
            signal.signal(number, handler)


def _blocked() -> set[signal.Signals | int]:
    return signal.pthread_sigmask(signal.SIG_BLOCK, [])


def _limits() -> dict[str, tuple[int, int]]:
    return {name: resource.getrlimit(getattr(resource, name)) for name in _LIMITS}


def _set_limits(found: dict[str, tuple[int, int]]) -> None:
    for name, limits in found.items():
        if resource.getrlimit(getattr(resource, name)) != limits:
            resource.setrlimit(getattr(resource, name), limits)


def _streams() -> list[tuple[int, int] | None]:
    """Device and number of the file behind each of the three descriptors; None for one that is closed."""
    found: list[tuple[int, int] | None] = []
    for descriptor in range(3):
        try:
            status = os.fstat(descriptor)
        except OSError:
            found.append(None)
        else:
            found.append((status.st_dev, status.st_ino))
    return found

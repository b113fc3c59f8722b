"""The parent of a worker, which outlives it just long enough to end whatever it left running.

It is forked before anything heavy is loaded and runs no code of a plugin. On Linux it adopts every descendant whose own
parent is gone, in whatever session and with whatever environment, so that a process that was started twice removed
is found; elsewhere the supervisor's own search has to do. It ends everything when the supervisor goes, also when the
worker hangs in native code and cannot notice.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import select
import signal
import time

_SUBREAPER = 36
_END_SECONDS = 5.0


def keep_worker(line: int, life: int) -> None:
    """Split into keeper and worker; returns in the worker alone, which leads a session of its own.

    The keeper ends as the worker ended: with its status, or by its signal.

    Args:
        line: Descriptor that is the worker's alone.
        life: Descriptor whose other end closes when the supervisor goes.
    """
    _adopt_orphans()
    woken, wake = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    worker = os.fork()
    if worker == 0:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for descriptor in (woken, wake, life):
            os.close(descriptor)
        os.setsid()
        return
    os.close(line)
    status = _wait(worker, woken, life)
    _end_children(worker)
    _end_as(status)


def _adopt_orphans() -> None:
    """Make this process the parent of every descendant that loses its own; a system without the call has none."""
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)


def _wait(worker: int, woken: int, life: int) -> int:
    """Wait for the worker or for the end of the supervisor, and reap what was adopted; the worker's wait status."""
    waiting = select.poll()
    for descriptor in (woken, life):
        waiting.register(descriptor, select.POLLIN)
    while True:
        status = _reaped(worker)
        if status is not None:
            return status
        if any(descriptor == life for descriptor, _ in waiting.poll()):
            return signal.SIGKILL
        with contextlib.suppress(BlockingIOError):
            os.read(woken, 4096)


def _reaped(worker: int) -> int | None:
    """Reap every child that has ended; the status of the worker, if it is one of them."""
    found = None
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if pid == worker:
                found = status
    return found


def _end_children(worker: int) -> None:
    """Kill until no child is left: those of a killed child become ours. What no signal ends is left after a while."""
    deadline = time.monotonic() + _END_SECONDS
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(worker, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        while time.monotonic() < deadline:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                _kill_children()
                time.sleep(0.005)


def _kill_children() -> None:
    import psutil

    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            child.kill()


def _end_as(status: int) -> None:
    """End this process with a wait status, without a second dump of memory or trace."""
    if os.WIFSIGNALED(status):
        import resource

        number = os.WTERMSIG(status)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        faulthandler.disable()
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)

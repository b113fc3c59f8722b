"""Analyzers that end their process, keep it busy for ever, or leave others running. Each is a plugin of its own."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from auditbench.results import AnalysisResult, Metric
from tests.faults.fault import FaultGroup

DYING = FaultGroup("dying", apart=True, keys=("core.worker_signal",))
_LIMIT = 2.0
_EXITED, _KILLED, _CLOSED = ("core.worker_exited",), ("core.worker_killed",), ("core.worker_line_closed",)
_TIMED_OUT: Any = {"status": "timed_out", "keys": ("core.timed_out",), "time_limit": _LIMIT}
_LONG = 600
_RESULT = AnalysisResult(metrics=(Metric(name="done", value=1.0, n=1, no_interval="count"),))


@DYING("0", keys=_EXITED)
def exit_0(context: Any, params: Any) -> None:
    os._exit(0)


@DYING("3", keys=_EXITED)
def exit_3(context: Any, params: Any) -> None:
    os._exit(3)


@DYING("SIGSEGV")
def segfault(context: Any, params: Any) -> None:
    ctypes.string_at(0)


@DYING("SIGABRT")
def abort(context: Any, params: Any) -> None:
    os.abort()


@DYING("SIGSEGV")
def native_stack(context: Any, params: Any) -> None:
    sys.setrecursionlimit(2**31 - 1)
    nested: list[Any] = []
    for _ in range(1_000_000):
        nested = [nested]
    repr(nested)


@DYING(keys=_KILLED)
def kill_itself(context: Any, params: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@DYING(keys=_KILLED)
def kill_its_group(context: Any, params: Any) -> None:
    os.killpg(0, signal.SIGKILL)


@DYING("SIGTERM")
def terminate_itself(context: Any, params: Any) -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_LONG)


@DYING("SIGXCPU")
def out_of_processor_time(context: Any, params: Any) -> None:
    import resource

    spent = int(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]))
    resource.setrlimit(resource.RLIMIT_CPU, (spent + 1, spent + 60))
    while True:
        pass


@DYING("2", **_TIMED_OUT)
def python_loop(context: Any, params: Any) -> None:
    while True:
        pass


@DYING("2", **_TIMED_OUT)
def native_sleep(context: Any, params: Any) -> None:
    ctypes.PyDLL(None).sleep(_LONG)  # PyDLL keeps the interpreter's lock


@DYING("2", **_TIMED_OUT)
def native_algebra(context: Any, params: Any) -> None:
    import numpy as np

    matrix = np.random.default_rng(0).normal(size=(3000, 3000))
    while True:
        np.linalg.svd(matrix)


@DYING("2", **_TIMED_OUT)
def deaf_to_sigterm(context: Any, params: Any) -> None:
    for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)
    time.sleep(_LONG)


@DYING("2", **_TIMED_OUT)
def stopped(context: Any, params: Any) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


@DYING("2", **_TIMED_OUT)
def deadlock(context: Any, params: Any) -> None:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


@DYING("2", **_TIMED_OUT)
def hang_with_children(context: Any, params: Any) -> None:
    _sleeper()
    _sleeper(start_new_session=True)
    time.sleep(_LONG)


@DYING("2", **_TIMED_OUT)
def line_closed(context: Any, params: Any) -> None:
    for descriptor in line_descriptors():
        os.close(descriptor)
    time.sleep(_LONG)


@DYING(keys=_CLOSED)
def line_shut(context: Any, params: Any) -> AnalysisResult:
    for descriptor in line_descriptors():
        socket.socket(fileno=os.dup(descriptor)).shutdown(socket.SHUT_RDWR)
    time.sleep(1)
    return _RESULT


@DYING("2", **_TIMED_OUT)
def every_descriptor_closed(context: Any, params: Any) -> None:
    os.closerange(0, 4096)
    time.sleep(_LONG)


@DYING("3", keys=_EXITED)
def line_held_by_a_child(context: Any, params: Any) -> None:
    if os.fork() == 0:
        time.sleep(_LONG)
    os._exit(3)


@DYING(status="ok", warned=True)
def child_left(context: Any, params: Any) -> AnalysisResult:
    _sleeper()
    return _RESULT


@DYING(status="ok", warned=True)
def fork_left(context: Any, params: Any) -> AnalysisResult:
    if os.fork() == 0:
        time.sleep(_LONG)
    return _RESULT


@DYING(status="ok", warned=True)
def daemon_left(context: Any, params: Any) -> AnalysisResult:
    _twice_forked(_sleep)
    return _RESULT


@DYING(status="ok", warned=True)
def daemon_without_environment(context: Any, params: Any) -> AnalysisResult:
    _twice_forked(_sleep_without_environment)
    return _RESULT


@DYING("3", keys=_EXITED)
def daemon_and_exit(context: Any, params: Any) -> None:
    _twice_forked(_sleep_without_environment)
    os._exit(3)


@DYING(status="ok", warned=True)
def forked_in_two(context: Any, params: Any) -> AnalysisResult:
    os.fork()  # both of them go on and answer
    return _RESULT


@DYING(status="ok", warned=True)
def late_exit(context: Any, params: Any) -> AnalysisResult:
    threading.Thread(target=lambda: (time.sleep(5), os._exit(7)), daemon=True).start()
    return _RESULT


def _sleep() -> None:
    time.sleep(_LONG)


def _sleep_without_environment() -> None:
    os.execve("/bin/sleep", [os.environ["PYTHONPATH"], str(_LONG)], {})  # noqa: S606 - a program with no environment


def _sleeper(**options: Any) -> None:
    """Start a process that a test finds by its first argument, whatever its environment."""
    popen = subprocess.Popen([os.environ["PYTHONPATH"], str(_LONG)], executable="/bin/sleep", **options)
    _CHILDREN.append(popen)


_CHILDREN: list[subprocess.Popen[bytes]] = []


def _twice_forked(work: Callable[[], object]) -> None:
    """Do work in a process of its own session whose parent is gone."""
    child = os.fork()
    if child == 0:
        os.setsid()
        if os.fork() == 0:
            work()
        os._exit(0)
    os.waitpid(child, 0)


def line_descriptors() -> list[int]:
    """Descriptors that are sockets: the line to the supervisor."""
    found = []
    for entry in list(Path("/proc/self/fd").iterdir()):
        try:
            if str(entry.readlink()).startswith("socket:"):
                found.append(int(entry.name))
        except OSError:
            continue
    return found

"""Whatever a worker started ends with it, in whatever session, with whatever environment, and however the worker ends."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from auditbench.supervisor.process_tree import ProcessTree
from auditbench.supervisor.worker_process import WorkerFault, WorkerProcess, no_event
from tests.plugin_site import installed_site

LASTING = f"600.{os.getpid()}"
"""Seconds that a process of this file sleeps, by which it is known; those of another run of it differ."""
START = """
import subprocess
def start(**options):
    return subprocess.Popen(["/bin/sleep", "LASTING"], **options)
def twice_removed(environment):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execve("/bin/sleep", ["/bin/sleep", "LASTING"], environment)
        os._exit(0)
    os.wait()
""".replace("LASTING", LASTING)
WAYS = {
    "child": "start()",
    "session": "start(start_new_session=True)",
    "wiped": "start(start_new_session=True, env={})",
    "daemon": "twice_removed(dict(os.environ))",
    "wiped-daemon": "twice_removed({})",
    "stopped": "start().send_signal(19)",
}
ENDS = {"exit": "os._exit(3)", "kill": "os.kill(os.getpid(), 9)", "group": "os.killpg(0, 9)"}


def sleepers() -> list[int]:
    """Living processes that the plugin of this file started."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cmdline() == ["/bin/sleep", LASTING] and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def until(condition: Callable[[], bool]) -> bool:
    """Wait for something that is about to happen."""
    for _ in range(2400):
        if condition():
            return True
        time.sleep(0.025)
    return False


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Callable[[str], WorkerProcess]]:
    """Starts a worker that finds a plugin `spawner` with this code."""
    started = []
    with installed_site(tmp_path / "site") as site:

        def start(code: str) -> WorkerProcess:
            site.add("spawner", START + code)
            started.append(WorkerProcess("w", tmp_path / "worker.log"))
            return started[0]

        yield start
        for process in started:
            process.kill()


@pytest.mark.parametrize(
    ("way", "end"), [*((way, "exit") for way in WAYS), ("wiped-daemon", "kill"), ("wiped-daemon", "group")]
)
def test_nothing_outlives_a_worker_that_died(worker: Callable[[str], WorkerProcess], way: str, end: str) -> None:
    process = worker(f"{WAYS[way]}\n{ENDS[end]}\n")
    with pytest.raises(WorkerFault) as caught:
        process.ask("describe", seconds=60, event=no_event, plugins=["spawner"])
    assert caught.value.reason.key == ("core.worker_exited" if end == "exit" else "core.worker_killed")
    assert sleepers() == []


@pytest.mark.parametrize("way", ["child", "wiped-daemon"])
def test_nothing_outlives_a_worker_that_was_stopped(worker: Callable[[str], WorkerProcess], way: str) -> None:
    process = worker(f"{WAYS[way]}\n")
    process.ask("describe", seconds=60, event=no_event, plugins=["spawner"])
    assert len(sleepers()) == 1
    process.stop()
    assert sleepers() == []


@pytest.mark.parametrize("way", WAYS)
def test_what_is_left_is_ended_and_counted_while_the_worker_lives(
    worker: Callable[[str], WorkerProcess], way: str
) -> None:
    process = worker(f"{WAYS[way]}\n")
    process.ask("describe", seconds=60, event=no_event, plugins=["spawner"])
    assert process.end_others() == 1
    assert sleepers() == []
    assert process.end_others() == 0
    assert process.ask("describe", seconds=60, event=no_event, plugins=[])["plugins"] == []


def test_what_python_keeps_for_itself_is_not_called_left(worker: Callable[[str], WorkerProcess]) -> None:
    process = worker("import multiprocessing\nlock = multiprocessing.get_context('spawn').Lock()\n")
    process.ask("describe", seconds=60, event=no_event, plugins=["spawner"])
    assert process.end_others() == 0


@pytest.mark.parametrize("code", ["", "start()", "import ctypes\nstart()\nctypes.PyDLL(None).sleep(600)"])
def test_worker_and_children_end_when_the_supervisor_is_killed(tmp_path: Path, code: str) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from auditbench.supervisor.worker_process import WorkerProcess, no_event\n"
        "worker = WorkerProcess('w', Path(sys.argv[1]))\n"
        "print(worker._process.pid, flush=True)\n"
        "worker.ask('describe', seconds=600, event=no_event, plugins=['spawner'])\n"
        "print('answered', flush=True); sys.stdin.read()"
    )
    told = tmp_path / "told"
    with installed_site(tmp_path / "site") as site:
        site.add("spawner", f"{START}open({str(told)!r}, 'w').close()\n{code}\n")
        supervisor = subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path / "log")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with supervisor:
            assert supervisor.stdout is not None
            keeper = int(supervisor.stdout.readline())
            assert until(told.exists)
            assert until(lambda: len(sleepers()) == code.count("start()"))
            supervisor.kill()
    assert until(lambda: not psutil.pid_exists(keeper) or psutil.Process(keeper).status() == psutil.STATUS_ZOMBIE)
    assert until(lambda: sleepers() == [])


def test_the_mark_finds_a_process_that_descent_does_not() -> None:
    mark = f"test-{os.getpid()}"
    stranger = subprocess.Popen(["/bin/sleep", "600"], env={"AUDITBENCH_WORKER": mark}, start_new_session=True)
    other = subprocess.Popen(["/bin/sleep", "600"], env={"AUDITBENCH_WORKER": f"{mark}-other"})
    nobody = subprocess.Popen(["/bin/true"])
    tree = ProcessTree(nobody.pid, mark)
    nobody.wait()
    try:
        assert tree.end() == 1
        assert stranger.poll() is not None
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()

"""The supervisor ends a worker that grows too large, cuts logs that do, and knows what the machine has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from auditbench.findings import Message
from auditbench.machine_memory import GIB, kernel_kills, machine_memory_bytes
from auditbench.supervisor import watchdog, worker_process
from auditbench.supervisor.watchdog import bound_log, end_of_log, memory_limit
from auditbench.supervisor.worker_process import WorkerFault, WorkerProcess, no_event
from tests.plugin_site import installed_site

LIMIT = 320 * 2**20
EAT = """
import mmap
def eat():
    block = mmap.mmap(-1, 640 * 2**20)
    for start in range(0, len(block), 2**20):
        block[start : start + 2**20] = b"x" * 2**20
    time.sleep(600)
"""


@pytest.fixture
def ask(tmp_path: Path) -> Iterator[Callable[..., object]]:
    """Lets a worker load a plugin with this code."""
    started: list[WorkerProcess] = []
    with installed_site(tmp_path / "site") as site:

        def start(code: str, *, seconds: float = 60.0, memory: int | None = LIMIT) -> object:
            site.add("eater", code)
            started.append(WorkerProcess("w", tmp_path / "worker.log", memory=memory))
            return started[0].ask("describe", seconds=seconds, event=no_event, plugins=["eater"])

        yield start
        for process in started:
            process.kill()


@pytest.mark.parametrize(
    "code",
    [
        f"{EAT}eat()\n",
        f"{EAT}if os.fork() == 0:\n    eat()\ntime.sleep(600)\n",
        f"{EAT}if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        eat()\n    os._exit(0)\ntime.sleep(600)\n",
    ],
    ids=["worker", "child", "daemon"],
)
def test_shared_memory_beyond_the_limit_ends_the_worker(ask: Callable[..., object], code: str) -> None:
    with pytest.raises(WorkerFault) as caught:
        ask(code)
    assert caught.value.reason == Message(key="core.memory_limit", values={"gib": LIMIT / GIB})
    assert not caught.value.timed_out
    assert "limit of 0.312 GiB" in caught.value.text()


def test_private_memory_beyond_the_limit_is_an_error_of_the_plugin(ask: Callable[..., object]) -> None:
    assert ask("try:\n    bytearray(2**30)\nexcept MemoryError:\n    pass\nelse:\n    os._exit(9)\n")


def test_what_processes_share_counts_once(ask: Callable[..., object]) -> None:
    held = "block = b'x' * (100 * 2**20)\nfor _ in range(4):\n    if os.fork() == 0:\n        time.sleep(600)\ntime.sleep(1)\n"
    assert ask(held)


def test_a_worker_within_its_limit_is_left_alone(ask: Callable[..., object]) -> None:
    assert ask("block = bytearray(2**20)\n")


def test_a_flood_of_output_does_not_fill_the_disk(
    ask: Callable[..., object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "LOG_BYTES", 2**20)
    monkeypatch.setattr(watchdog, "KEPT_BYTES", 2**12)
    monkeypatch.setattr(worker_process, "_TICK", 0.02)
    flood = "for _ in range(200):\n    os.write(1, b'flood ' * 20_000)\n    time.sleep(0.01)\nos.write(1, b'the end')\n"
    ask(flood)
    log = (tmp_path / "worker.log").read_bytes()
    assert len(log) < 10 * 2**20 < 200 * 120_000
    assert b"bytes of this log were cut off here and are kept nowhere]" in log[:100]
    assert log.endswith(b"the end")


def test_what_a_worker_wrote_last_is_cut_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "LOG_BYTES", 100)
    monkeypatch.setattr(watchdog, "KEPT_BYTES", 10)
    worker = WorkerProcess("w", tmp_path / "worker.log")
    worker.kill()
    with (tmp_path / "worker.log").open("wb") as log:
        log.write(b"x" * 200)
    again = WorkerProcess("w", tmp_path / "worker.log")
    again.kill()
    assert len((tmp_path / "worker.log").read_bytes()) < 100


def test_a_long_log_keeps_its_end_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "LOG_BYTES", 100)
    monkeypatch.setattr(watchdog, "KEPT_BYTES", 10)
    path = tmp_path / "log"
    with path.open("ab") as writer:
        writer.write(b"x" * 90 + b"0123456789")
        writer.flush()
        bound_log(path)
        assert path.read_bytes() == b"x" * 90 + b"0123456789"
        writer.write(b"!")
        writer.flush()
        bound_log(path)
        writer.write(b"more")
    assert path.read_bytes() == b"[91 bytes of this log were cut off here and are kept nowhere]\n123456789!more"
    bound_log(tmp_path / "absent")


@pytest.mark.parametrize(("length", "expected"), [(3, "cde"), (9, "abcde"), (0, "")])
def test_the_end_of_a_log_is_read(tmp_path: Path, length: int, expected: str) -> None:
    (tmp_path / "log").write_bytes(b"abcde")
    assert end_of_log(tmp_path / "log", length) == expected
    assert end_of_log(tmp_path / "absent", length) == ""


def test_without_a_limit_it_is_three_quarters_of_what_there_is() -> None:
    assert memory_limit(None) == int(machine_memory_bytes() * 0.75)
    assert memory_limit(0.5) == 2**29


@pytest.mark.parametrize(
    ("own", "files", "limit", "kills"),
    [
        ("0::/a/b\n", {"memory.max": "max", "a/memory.max": "4096", "a/b/memory.max": "max"}, 4096, None),
        ("0::/a/b\n", {"a/b/memory.max": "8192", "a/b/memory.events": "low 0\noom 3\noom_kill 2\n"}, 8192, 2),
        ("4:memory:/c\n0::/\n", {"memory/c/memory.limit_in_bytes": "4096"}, 4096, None),
        ("4:memory:/c\n", {"memory/c/memory.oom_control": "under_oom 0\noom_kill 7\n"}, None, 7),
        ("0::/\n", {"memory.max": "0x10"}, None, None),
        ("nonsense", {}, None, None),
    ],
)
def test_limits_and_kills_of_control_groups(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    own: str,
    files: dict[str, str],
    limit: int | None,
    kills: int | None,
) -> None:
    (tmp_path / "own").write_text(own)
    for name, text in files.items():
        (tmp_path / "cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "cgroup" / name).write_text(text)
    monkeypatch.setattr("auditbench.machine_memory._OWN", tmp_path / "own")
    monkeypatch.setattr("auditbench.machine_memory._ROOT", tmp_path / "cgroup")
    assert machine_memory_bytes() == (psutil.virtual_memory().total if limit is None else limit)
    assert kernel_kills() == kills


@pytest.mark.parametrize(
    ("before", "after", "key"),
    [(1, 2, "core.worker_out_of_memory"), (1, 1, "core.worker_killed"), (None, None, "core.worker_killed")],
)
def test_a_kill_by_the_kernel_is_named_where_the_kernel_tells(
    ask: Callable[..., object], monkeypatch: pytest.MonkeyPatch, before: int | None, after: int | None, key: str
) -> None:
    counts = iter([before, after])
    monkeypatch.setattr(worker_process, "kernel_kills", lambda: next(counts))
    with pytest.raises(WorkerFault) as caught:
        ask("os.kill(os.getpid(), 9)\n")
    assert caught.value.reason == Message(key=key)

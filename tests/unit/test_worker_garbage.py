"""Whatever a plugin writes on its worker's line, the supervisor calls it garbage and ends the worker."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from auditbench.errors import WorkerError
from auditbench.supervisor.worker_events import Pace, Progress, WorkerEvent
from auditbench.supervisor.worker_process import WorkerFault, WorkerProcess, no_event
from auditbench.wire import encode
from tests.plugin_site import installed_site

LINE = """
import socket
for number in os.listdir("/proc/self/fd"):
    try:
        if os.readlink(f"/proc/self/fd/{number}").startswith("socket:"):
            line = socket.socket(fileno=os.dup(int(number)))
    except OSError:
        pass
"""
PROGRESS = {"kind": "event", "event": "progress", "name": "a", "step": "s", "done": 1, "total": 2}


def framed(body: bytes, *, length: int | None = None) -> bytes:
    """A frame of any bytes, with a right digest."""
    size = len(body) if length is None else length
    return size.to_bytes(8, "big") + hashlib.sha256(body).digest() + body


def told_by(tmp_path: Path, code: str, event: Callable[[WorkerEvent], None] = no_event) -> object:
    """What the supervisor makes of a worker whose plugin runs this code with its `line`."""
    with installed_site(tmp_path / "site") as site:
        site.add("babbler", f"{LINE}{code}\n")
        worker = WorkerProcess("w", tmp_path / "worker.log")
        try:
            return worker.ask("describe", seconds=60, event=event, plugins=["babbler"])
        finally:
            worker.kill()
            assert not worker.alive


@pytest.mark.parametrize(
    ("content", "found"),
    [
        pytest.param(b"\x00" * 40, "another sha256", id="zeros"),
        pytest.param(b"\xff" * 40, "a length of", id="length-bomb"),
        pytest.param(b"junk " * 2**20, "a length of", id="five-megabytes"),
        pytest.param(framed(b'{"kind":"answer"}')[:-1] + b"]", "another sha256", id="another-digest"),
        pytest.param(framed(b'{"kind":"answer","number":1,"plugins":NaN}'), "no JSON", id="nan"),
        pytest.param(framed(b"[" * 100_000), "no JSON", id="deep"),
        pytest.param(framed(b'{"kind":"answer","number":1,"number":1}'), "no JSON", id="key-twice"),
        pytest.param(encode({"kind": "answer", "number": 2, "plugins": []}), "another question", id="another-question"),
        pytest.param(encode({"kind": "answer", "plugins": []}), "another question", id="no-number"),
        pytest.param(encode({"kind": "command", "number": 1}), "another question", id="a-command"),
        pytest.param(encode({"kind": "error", "number": 1}), "without its parts", id="no-error"),
        pytest.param(encode({"kind": "error", "number": 1, "error": []}), "without its parts", id="error-is-a-list"),
        pytest.param(encode({**PROGRESS, "done": "all"}), "event does not follow", id="event-of-another-schema"),
        pytest.param(encode({**PROGRESS, "event": "applause"}), "known event", id="unknown-event"),
    ],
)
def test_garbage_is_named_and_ends_the_worker(tmp_path: Path, content: bytes, found: str) -> None:
    written = f"line.sendall({content!r})"
    if len(content) > 2**20:
        written = f"line.sendall(b'junk ' * {2**20})"
    with pytest.raises(WorkerFault) as caught:
        told_by(tmp_path, f"{written}\ntime.sleep(600)")
    assert caught.value.reason.key == "core.worker_garbled"
    assert found in caught.value.text()


def test_a_worker_that_closed_its_line_is_told_as_that(tmp_path: Path) -> None:
    with pytest.raises(WorkerFault) as caught:
        told_by(tmp_path, "line.shutdown(socket.SHUT_RDWR)\ntime.sleep(600)")
    assert caught.value.reason.key == "core.worker_line_closed"


def test_an_answer_without_a_part_is_an_error_of_the_worker(tmp_path: Path) -> None:
    answer = told_by(tmp_path, f"line.sendall({encode({'kind': 'answer', 'number': 1})!r})\ntime.sleep(600)")
    assert isinstance(answer, dict)
    with pytest.raises(WorkerError, match="without its parts"):
        answer["plugins"]


def test_a_flood_of_events_is_heard_at_a_pace_and_ends_with_its_time(tmp_path: Path) -> None:
    heard: list[WorkerEvent] = []
    flood = f"frame = {encode(PROGRESS)!r} * 100\nwhile True:\n    line.sendall(frame)"
    with installed_site(tmp_path / "site") as site:
        site.add("babbler", f"{LINE}{flood}\n")
        worker = WorkerProcess("w", tmp_path / "worker.log")
        worker.ask("describe", seconds=60, event=no_event, plugins=[])
        with pytest.raises(WorkerFault) as caught:
            worker.ask("describe", seconds=3, event=heard.append, plugins=["babbler"])
    assert caught.value.timed_out
    assert set(heard) == {Progress(name="a", step="s", done=1, total=2)}
    assert len(heard) <= 3 * 2000 + 200


def test_a_pace_lets_so_many_pass_and_then_waits_for_the_rest_of_the_span() -> None:
    now, slept = [0.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    pace = Pace(lambda: now[0], sleep)
    for _ in range(200):
        pace.wait()
    assert slept == []
    now[0] = 0.04
    pace.wait()
    assert slept == [pytest.approx(0.06)]
    for _ in range(200):
        pace.wait()
    assert len(slept) == 1

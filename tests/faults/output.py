"""Analyzers that write where they should not, or far too much."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from typing import Any

from auditbench.results import AnalysisResult, Metric
from tests.faults.dying import line_descriptors
from tests.faults.fault import FaultGroup

OUTPUT = FaultGroup("output", status="ok")
LINE = FaultGroup("line", keys=("core.worker_garbled",))
_MEBIBYTE = b"x" * (1 << 20)
_RESULT = AnalysisResult(metrics=(Metric(name="done", value=1.0, n=1, no_interval="count"),))
_LONG = 600


@OUTPUT()
def five_mebibytes(context: Any, params: Any) -> AnalysisResult:
    sys.stdout.write("y" * 5_000_000)
    sys.stderr.write("\x1b[31m::error::y\n" * 300_000)
    return _RESULT


@OUTPUT()
def hundred_mebibytes(context: Any, params: Any) -> AnalysisResult:
    for _ in range(100):
        os.write(1, _MEBIBYTE)
        os.write(2, _MEBIBYTE)
    return _RESULT


@OUTPUT()
def hundred_mebibytes_of_a_child(context: Any, params: Any) -> AnalysisResult:
    subprocess.run(["head", "-c", "100000000", "/dev/zero"], check=False)
    return _RESULT


@OUTPUT()
def flood_of_progress(context: Any, params: Any) -> AnalysisResult:
    for _ in range(100_000):
        context.progress(1, 1, step="flood")
    return _RESULT


@OUTPUT()
def long_step(context: Any, params: Any) -> AnalysisResult:
    context.progress(1, 1, step="\x1b[31m::error::\n[/b]" + "s" * 5_000_000)
    return _RESULT


@OUTPUT(status="failed", keys=("core.worker_garbled", "core.analyzer_raised", "core.invalid_result"))
def progress_beyond_numbers(context: Any, params: Any) -> AnalysisResult:
    context.progress(10**30, 10**30, step="flood")
    context.progress(float("nan"), 1)
    return _RESULT


@LINE("no message")
def garbage_on_the_line(context: Any, params: Any) -> None:
    _say(b"x" * 4096)


@LINE("message")
def damaged_message(context: Any, params: Any) -> None:
    body = b'{"kind":"answer","number":3}'
    _say(len(body).to_bytes(8, "big") + b"\0" * 32 + body)


@LINE("question")
def answer_to_nothing(context: Any, params: Any) -> None:
    _say(_frame(b'{"kind":"answer","number":-1}'))


@LINE("event")
def event_unknown(context: Any, params: Any) -> None:
    _say(_frame(b'{"kind":"event","event":"\\u001b[31mparty"}'))


@LINE()
def brackets_on_the_line(context: Any, params: Any) -> None:
    _say(_frame(b"[" * 1_000_000))


@LINE("file")
def chunk_elsewhere(context: Any, params: Any) -> None:
    chunk = b'{"kind":"event","event":"chunk","step":"s","chunk":0,"file":"../../etc/passwd","sha256":""}'
    _say(_frame(chunk))


@LINE(status="timed_out", keys=("core.timed_out", "core.worker_garbled"), time_limit=2.0)
def half_a_message(context: Any, params: Any) -> None:
    _say((1000).to_bytes(8, "big") + b"\0" * 32 + b"{")


def _frame(body: bytes) -> bytes:
    return len(body).to_bytes(8, "big") + hashlib.sha256(body).digest() + body


def _say(content: bytes) -> None:
    """Write to the line and wait for the end."""
    for descriptor in line_descriptors():
        os.write(descriptor, content)
    time.sleep(_LONG)

"""The other end of `tests.hostile.opener`: asks, keeps the time from outside, and starts it again when it had to end it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 120.0


class HelperEndedError(Exception):
    """The helper took too long, or died; its process group is gone."""


class Helper:
    """One process that opens files on request."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._rest = b""

    def ask(self, seconds: float, **request: Any) -> dict[str, Any]:
        """The answer to a request.

        Raises:
            HelperEndedError: There is none within that time.
        """
        process = self._process or self._start()
        assert process.stdin is not None
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.flush()
        return self._answer(process, seconds)

    def end(self) -> None:
        """End the process and whatever it started."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()
        self._process, self._rest = None, b""

    def _start(self) -> subprocess.Popen[bytes]:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.hostile.opener"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )
        assert self._answer(self._process, START_SECONDS) == {"ready": True}
        return self._process

    def _answer(self, process: subprocess.Popen[bytes], seconds: float) -> dict[str, Any]:
        assert process.stdout is not None
        deadline = time.monotonic() + seconds
        while b"\n" not in self._rest:
            left = deadline - time.monotonic()
            ready = select.select([process.stdout], [], [], max(left, 0.0))[0]
            block = os.read(process.stdout.fileno(), 65536) if ready else b""
            if not block:
                self.end()
                raise HelperEndedError("it died" if ready else f"no answer within {seconds:g} s")
            self._rest += block
        line, _, self._rest = self._rest.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

"""Calling a function in a fresh interpreter, where nothing is loaded yet and a crash or a hang ends nothing else."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

_SECONDS = 240.0
_PROGRAM = f"from {__name__} import serve; serve()"


class LostProcessError(Exception):
    """A fresh process gave no answer; the message is a clause that says how it ended."""


def call_fresh(
    function: Callable[..., Any], *, folder: Path, seconds: float = _SECONDS, **arguments: Any
) -> dict[str, Any]:
    """What a function gives in a fresh interpreter that looks for modules where this one does.

    Args:
        function: At the top of a module; gives a JSON object.
        folder: Where the process stands.
        arguments: JSON values.

    Raises:
        LostProcessError: It crashed, raised or took longer.
    """
    question = json.dumps({"function": reference_of(function), "arguments": arguments})
    with tempfile.TemporaryDirectory(prefix="auditbench-") as home:
        answer = Path(home) / "answer.json"
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", _PROGRAM, str(answer)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)},
        )
        try:
            _, said = process.communicate(question.encode(), timeout=seconds)
        except subprocess.TimeoutExpired:
            raise LostProcessError(f"it was ended after {seconds:g} seconds") from None
        finally:
            _end(process)
        if process.returncode < 0:
            raise LostProcessError(f"it was ended by {signal.Signals(-process.returncode).name}")
        if not answer.exists():
            last = said.decode("utf-8", "replace").strip().rpartition("\n")[2]
            raise LostProcessError(f"it ended with status {process.returncode}: {last[:300]}")
        found: dict[str, Any] = json.loads(answer.read_text())
        return found


def reference_of(function: Callable[..., Any]) -> str | None:
    """`module:name` by which another process finds the function; None for one that was made by a call or at a prompt."""
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", "")
    reference = f"{module}:{name}"
    if not module or module == "__main__" or "<" in name:
        return None
    try:
        return reference if referenced(reference) is function else None
    except (ImportError, AttributeError):
        return None


def referenced(reference: str) -> Any:
    """The function of a `module:name`; its module is imported."""
    module, _, name = reference.partition(":")
    found: Any = import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def serve() -> None:
    """Be the fresh interpreter: read what to call from standard input, and write the answer to the file that is named.

    Standard output is no answer, since whatever is called may print.
    """
    answer, question = Path(sys.argv[1]), json.load(sys.stdin)
    given = referenced(question["function"])(**question["arguments"])
    written = answer.with_suffix(".part")
    written.write_text(json.dumps(given))
    written.replace(answer)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process with what it started in its group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()

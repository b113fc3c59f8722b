"""picklescan's view of a file, if it is installed: another list, made by others, shown beside ours.

It runs in a process of its own, with limits, since it reads whatever the file makes it read.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_SECONDS = 60
_PROGRAM = """
import io, json, resource, sys
from importlib.metadata import version
resource.setrlimit(resource.RLIMIT_AS, (4 * 2**30, 4 * 2**30))
import logging
logging.disable(logging.CRITICAL)
from picklescan.scanner import scan_bytes
found = scan_bytes(io.BytesIO(sys.stdin.buffer.read()), sys.argv[1], sys.argv[2])
names = [[f"{item.module}.{item.name}", item.safety.value] for item in found.globals]
json.dump({"version": version("picklescan"), "names": names, "failed": bool(found.scan_err)}, sys.stdout)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondOpinion:
    """What picklescan says of a file.

    Attributes:
        version: Of picklescan; empty if it is not installed.
        dangerous: Names that it holds for dangerous.
        suspicious: Names that it does not know.
        innocuous: How many names it holds for harmless.
        failed: Why there is no complete answer; empty if there is one.
    """

    version: str = ""
    dangerous: tuple[str, ...] = ()
    suspicious: tuple[str, ...] = ()
    innocuous: int = 0
    failed: str = ""


def second_opinion(path: Path, content: bytes) -> SecondOpinion:
    """Ask picklescan about the bytes of a file."""
    if importlib.util.find_spec("picklescan") is None:
        return SecondOpinion(failed="it is not installed: pip install 'auditbench[scan]'")
    command = [sys.executable, "-I", "-c", _PROGRAM, path.name, path.suffix]
    try:
        done = subprocess.run(command, input=content, capture_output=True, timeout=_SECONDS, check=False)
        answer = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return SecondOpinion(failed=f"it took more than {_SECONDS} seconds")
    except ValueError:
        return SecondOpinion(failed="it ended without an answer")
    names = sorted({(str(name), str(safety)) for name, safety in answer["names"]})
    return SecondOpinion(
        version=str(answer["version"]),
        dangerous=tuple(name for name, safety in names if safety == "dangerous"),
        suspicious=tuple(name for name, safety in names if safety == "suspicious"),
        innocuous=sum(safety == "innocuous" for _, safety in names),
        failed="it could not read all of the file" if answer["failed"] else "",
    )

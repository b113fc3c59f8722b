"""Opening a model in a fresh process: what that starts or runs, and what becomes of broken copies."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from auditbench.errors import AuditbenchError, ExitCode
from auditbench.hookspecs import PROJECT
from auditbench.testing.conformance import broken_copies
from auditbench.testing.conformance.broken_copies import copy_model
from auditbench.testing.conformance.fresh_process import referenced
from auditbench.testing.conformance.samples import read_sample

_STARTS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "pty.spawn")
_CONNECTS = ("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.sendto", "socket.sendmsg")
_UNPICKLES = ("pickle.find_class",)
_RUNS = ("exec",)
_HEARD = (*_STARTS, *_CONNECTS, *_UNPICKLES, *_RUNS)
_IMPORTING = "<frozen importlib"


def open_watched(*, reference: str, sample: str) -> dict[str, Any]:
    """Open a sample under a hook that hears of processes, connections, pickles and code.

    What a library does while it is imported is not counted.

    Returns:
        `heard`: each thing once, in words.
    """
    request = read_sample(Path(sample)).request()
    load = referenced(reference)
    heard: list[str] = []
    watching = [True]
    own = _code_of(load.__module__)

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if not watching or not event.startswith(_HEARD):
            return  # asking for the frame is an event, too
        if said := _in_words(event, arguments, sys._getframe(1), request.path, own):  # noqa: SLF001 - who did it
            heard.append(said)

    sys.addaudithook(hear)
    try:
        load(request)
    finally:
        watching.clear()
    return {"heard": list(dict.fromkeys(heard))}


def open_copies(*, reference: str, sample: str, names: list[str]) -> dict[str, Any]:
    """Open broken copies of the model of a sample, one after another.

    Returns:
        `copies`: of each name, `opened`, `refused` with `fix`, or `raised`; and whether it `ran` code of the file.
    """
    asked = read_sample(Path(sample))
    load = referenced(reference)
    copies = []
    for name in names:
        with tempfile.TemporaryDirectory(prefix="auditbench-") as folder:
            path = Path(folder) / asked.model_path.name
            copy_model(asked.model_path, path, name)
            broken_copies.sprung.clear()
            copies.append({"name": name, **_opened(load, asked.request(path=path))})
            copies[-1]["ran"] = bool(broken_copies.sprung)
    return {"copies": copies}


def _opened(load: Any, request: Any) -> dict[str, Any]:
    try:
        load(request)
    except AuditbenchError as error:
        if error.exit_code == ExitCode.REFUSED:
            return {"state": "refused", "said": error.describe(), "fix": all(one.fix for one in error.problems)}
        return {"state": "raised", "said": f"{type(error).__name__}: {error}"}
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a loader raises is what is looked for
        return {"state": "raised", "said": f"{type(error).__name__}: {error}"[:300]}
    return {"state": "opened"}


def _code_of(module: str) -> tuple[Path, ...]:
    """The folders of the package that a module is in, or the file of a module by itself; of the host's own, that file."""
    package = sys.modules[module.partition(".")[0]]
    folders = [] if package.__name__ == PROJECT else list(getattr(package, "__path__", ()))
    return tuple(Path(place).absolute() for place in folders or [sys.modules[module].__file__] if place)


def _in_words(event: str, arguments: tuple[Any, ...], frame: FrameType, path: Path, own: tuple[Path, ...]) -> str:
    """An event that opening a model has no business with; empty for any other."""
    if event in _RUNS:
        code = arguments[0]
        name = code.co_filename if isinstance(code, CodeType) else ""
        within = bool(name) and Path(name).absolute().is_relative_to(path.absolute())
        asking = Path(frame.f_code.co_filename).absolute()
        return f"ran code of {Path(name).name}" if within or any(map(asking.is_relative_to, own)) else ""
    if _is_importing(frame):
        return ""
    if event in _UNPICKLES:
        return f"unpickled {'.'.join(map(str, arguments[:2]))}"
    return f"started a process ({event})" if event.startswith(_STARTS) else f"used the network ({event})"


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith(_IMPORTING):
            return True
        frame = frame.f_back
    return False

"""A process that opens hostile files on request, so that whoever asks survives what they do.

It reads one JSON object a line from its standard input and answers each with one line: what every road to a model made
of the file, and by how much its memory grew. Whoever asks keeps the time.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import json
import os
import resource
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOM = 1536 * 2**20
OTHER_FILE = "0" * 64


def main() -> None:
    """Answer until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    _warm_up()
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        most = size + ROOM + request.get("bytes", 0) if request["do"] != "run" else resource.RLIM_INFINITY
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))
        answer = _measured(lambda request=request: ACTIONS[request["do"]](request))
        print(json.dumps(answer), file=answers, flush=True)


def _warm_up() -> None:
    """Import what the roads import, so that it does not count as memory of the first file."""
    import torch

    torch.set_num_threads(1)
    for kind in ("safetensors", "bundle", "factory"):
        _open({"path": __file__, "pretends": kind})


def _measured(act: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts at what is used now
    before = _status("VmRSS")
    answer = act()
    return {**answer, "growth": _status("VmHWM") - before}


def _status(name: str) -> int:
    """A line of the process's status, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def _open(request: dict[str, Any]) -> dict[str, Any]:
    """What every road makes of a file; the one that a config would take comes first."""
    with _rights(request) as path:
        return {"roads": {name: _tried(road) for name, road in _roads(request["pretends"], path)}}


@contextlib.contextmanager
def _rights(request: dict[str, Any]) -> Iterator[Path]:
    """The path to open; where asked for, without the rights of root and from its own folder, as those above are closed."""
    path = Path(request["path"])
    if not request.get("unprivileged") or os.geteuid() != 0:
        yield path
        return
    here = Path.cwd()
    os.chdir(path.parent)
    os.seteuid(65534)
    try:
        yield Path(path.name)
    finally:
        os.seteuid(0)
        os.chdir(here)


def _roads(pretends: str, path: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    from auditbench.config import ModelTable
    from auditbench.models import load_bundle
    from auditbench.models.architectures import BUILT_IN
    from auditbench.models.opening import load_factory, open_program, read_weights

    if pretends == "bundle":
        table = ModelTable(task="binary-classification")
        yield "bundle", lambda: load_bundle(path, table, "cpu", {item.name: item for item in BUILT_IN})
        return
    if pretends == "factory":
        yield "factory", lambda: load_factory(path, "build", trust=())
        yield "factory of another file", lambda: load_factory(path, "build", trust=(OTHER_FILE,))
        return
    if pretends == "keras":
        from auditbench.models.opening.keras_files import open_keras

        yield "keras", lambda: open_keras(path, device="cpu")
        return
    kinds = ("torchscript", "exported", "pickle")
    if pretends in kinds:
        yield pretends, lambda: open_program(path, pretends, trust=(), device="cpu")
    yield "weights", lambda: read_weights(path)
    for kind in kinds:
        yield f"{kind} of another file", functools.partial(open_program, path, kind, trust=(OTHER_FILE,), device="cpu")


def _tried(road: Callable[[], object]) -> dict[str, Any]:
    from auditbench.cli.terminal import safe_line
    from auditbench.errors import ModelError

    try:
        opened = road()
    except ModelError as error:
        problems = [{"found": problem.found, "fix": problem.fix} for problem in error.problems]
        shown = "\n".join(map(safe_line, error.describe().split("\n")))
        return {"outcome": "refused", "code": error.code, "problems": problems, "shown": shown}
    except BaseException as error:  # noqa: BLE001 - whatever else comes is what the test is there to find
        return {"outcome": "raised", "shown": f"{type(error).__name__}: {error}"[:2000]}
    return {"outcome": "opened", "shown": f"{type(opened).__name__} {getattr(opened, 'kind', '')}".strip()}


def _scan(request: dict[str, Any]) -> dict[str, Any]:
    """What a listing of the file's imports says, or why there is none."""
    from auditbench.models.opening.scanning import scan

    found: list[Any] = []
    with _rights(request) as path:
        tried = _tried(lambda: found.append(scan(path)))
    clean = bool(found) and found[0].clean
    return {"scan": tried, "clean": clean, "names": [item.name for item in found[0].outside] if found else []}


def _run(request: dict[str, Any]) -> dict[str, Any]:
    """Do what one should not, in a child that is thrown away."""
    if request["runs"] == "exported":
        importlib.import_module("torch.export.pt2_archive._package")  # once here, instead of in every child
    child = os.fork()
    if not child:
        try:
            CARELESS[request["runs"]](Path(request["path"]))
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    return {}


def _load_pickle(path: Path) -> None:
    import pickle

    with path.open("rb") as handle:
        pickle.load(handle)


def _load_torch(path: Path) -> None:
    import torch

    torch.load(path, weights_only=False)


def _load_exported(path: Path) -> None:
    import torch

    torch.export.load(path)


def _load_script(path: Path) -> None:
    import torch

    torch.jit.load(path)(torch.ones(2, 3))


def _load_joblib(path: Path) -> None:
    import joblib

    joblib.load(path)


def _load_numpy(path: Path) -> None:
    import numpy as np

    loaded = np.load(path, allow_pickle=True)
    if path.suffix == ".npz":
        dict(loaded)


def _import(path: Path) -> None:
    import runpy

    runpy.run_path(str(path))


def _load_keras(path: Path) -> None:
    import numpy as np

    from auditbench.models.opening.keras_library import imported_keras

    network = imported_keras("a test").saving.load_model(path, safe_mode=False)
    network(np.zeros((2, *network.input_shape[1:]), np.float32))


CARELESS: dict[str, Callable[[Path], None]] = {
    "pickle": _load_pickle,
    "torch": _load_torch,
    "exported": _load_exported,
    "torchscript": _load_script,
    "joblib": _load_joblib,
    "numpy": _load_numpy,
    "import": _import,
    "keras": _load_keras,
}
ACTIONS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {"open": _open, "scan": _scan, "run": _run}

if __name__ == "__main__":
    main()

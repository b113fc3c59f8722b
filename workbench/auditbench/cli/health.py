"""What `doctor` looks at. Whatever could crash is tried in a process of its own."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from auditbench.descriptions import PluginDescription, Provision

_GIB = 1024**3
_LEAST_MEMORY = 2 * _GIB
_LEAST_DISK = _GIB
_SECONDS = 180
_REQUIRED = (
    "captum", "jinja2", "lime", "numpy", "pandas", "pluggy", "psutil", "pyarrow", "pydantic", "rich", "safetensors", "scipy",
    "shap", "torch",
)  # fmt: skip

_TORCH = """
import json, torch
layer = torch.nn.Linear(2, 1)
layer(torch.ones(3, 2)).sum().backward()
cuda = torch.cuda.is_available()
if cuda:
    torch.ones(8, 8, device="cuda").matmul(torch.ones(8, 8, device="cuda")).sum().item()
print(json.dumps({"version": torch.__version__, "threads": torch.get_num_threads(), "built_for": torch.version.cuda or "",
                  "device": torch.cuda.get_device_name(0) if cuda else ""}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at; `fix` says what to do when it is not in order."""

    name: str
    ok: bool
    detail: str
    fix: str = ""


def examine() -> Iterator[Check]:
    """Every check, in the order in which problems are best solved."""
    yield check_platform()
    yield check_python()
    yield check_packages()
    yield check_formats()
    yield from check_torch()
    yield check_torchvision()
    yield check_memory()
    yield check_folder(Path.cwd(), "this folder")
    yield check_folder(Path(tempfile.gettempdir()), "temporary files")
    yield from check_plugins()


def check_platform() -> Check:
    """Linux and macOS are supported."""
    return Check(
        name="system",
        ok=sys.platform in {"linux", "darwin"},
        detail=f"{platform.system()} {platform.machine()}",
        fix="use Linux, macOS, or WSL 2 on Windows",
    )


def check_python() -> Check:
    """Python 3.11 to 3.13 are supported."""
    return Check(
        name="python",
        ok=(3, 11) <= sys.version_info[:2] <= (3, 13),
        detail=f"{platform.python_version()} in {sys.prefix}",
        fix="make the virtual environment with Python 3.11, 3.12 or 3.13",
    )


def check_packages() -> Check:
    """Every package that Auditbench needs is installed."""
    absent = [name for name in _REQUIRED if find_spec(name) is None]
    return Check(
        name="packages",
        ok=not absent,
        detail=f"not installed: {', '.join(absent)}" if absent else f"{len(_REQUIRED)} required packages are installed",
        fix=f"pip install {' '.join(absent)}",
    )


def check_formats() -> Check:
    """Which formats of a model can be opened, and which extras bring the others."""
    from auditbench.models.opening.packages import OPENING

    extras = {form: extra for form, (names, extra) in OPENING.items() if any(find_spec(name) is None for name in names)}
    openable = ", ".join(form for form in OPENING if form not in extras)
    absent = "; ".join(f"{form} with pip install 'auditbench[{extra}]'" for form, extra in extras.items())
    said = [f"{openable} can be opened" if openable else "", f"not yet: {absent}" if absent else ""]
    return Check(name="formats", ok=True, detail="; ".join(part for part in said if part))


def check_torch() -> Iterator[Check]:
    """Torch starts, differentiates, and says which device it uses."""
    fix = "reinstall torch for this machine: pip install --force-reinstall torch"
    try:
        found = _run_apart(_TORCH)
    except RuntimeError as error:
        yield Check(name="torch", ok=False, detail=str(error), fix=fix)
        return
    yield Check(name="torch", ok=True, detail=str(found["version"]))
    device = str(found["device"]) or "cpu"
    if found["built_for"] and not found["device"]:
        device += f" (torch is built for CUDA {found['built_for']} and sees no device, which is in order without a GPU)"
    yield Check(name="device", ok=True, detail=device)
    yield Check(name="threads", ok=True, detail=f"torch uses {found['threads']} of {os.cpu_count()} processors")


def check_torchvision() -> Check:
    """Torchvision is not needed, and one that does not fit torch breaks packages that import it when they find it."""
    if find_spec("torchvision") is None:
        return Check(name="torchvision", ok=True, detail="not installed, and not needed")
    try:
        _run_apart("import torchvision; print('{}')")
    except RuntimeError as error:
        return Check(name="torchvision", ok=False, detail=str(error), fix="pip uninstall torchvision")
    return Check(name="torchvision", ok=True, detail="installed and loads")


def check_memory() -> Check:
    """Enough memory is free for a small audit."""
    import psutil

    free = psutil.virtual_memory().available
    if (limit := _container_limit()) is not None:
        free = min(free, limit)
    return Check(
        name="memory",
        ok=free >= _LEAST_MEMORY,
        detail=f"{free / _GIB:.1f} GiB available",
        fix=f"free memory until {_LEAST_MEMORY / _GIB:.0f} GiB are available, or evaluate fewer rows: data.max_rows",
    )


def check_folder(folder: Path, name: str) -> Check:
    """A folder can be written to and has room."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder):
            free = shutil.disk_usage(folder).free
    except OSError as error:
        detail = f"{folder}: {error.strerror}"
        return Check(name=name, ok=False, detail=detail, fix="change to a folder that you may write to, or use --out")
    return Check(
        name=name,
        ok=free >= _LEAST_DISK,
        detail=f"{folder}: writable, {free / _GIB:.1f} GiB free",
        fix=f"free disk space until {_LEAST_DISK / _GIB:.0f} GiB are available",
    )


def check_plugins() -> Iterator[Check]:
    """Every installed plugin loads, and the packages it needs are there."""
    from auditbench import supervisor

    described = supervisor.describe(None)
    if not described:
        yield Check(name="plugins", ok=True, detail="none are installed")
    for plugin in described:
        yield _plugin_check(plugin)


def _plugin_check(plugin: PluginDescription) -> Check:
    name = f"plugin {plugin.plugin.name}"
    broken = [item.missing for item in plugin.provides if item.kind == "preset" and item.missing]
    if problems := (*plugin.problems, *broken):
        first = problems[0]
        detail = ": ".join(filter(None, (first.where if first in broken else "", first.message, first.found)))
        fix = first.fix or f"pip install --upgrade {plugin.plugin.distribution}, or uninstall it"
        return Check(name=name, ok=False, detail=detail, fix=fix)
    lacking = [analyzer for analyzer in plugin.analyzers if analyzer.missing_packages]
    if lacking:
        absent = sorted({package for analyzer in lacking for package in analyzer.missing_packages})
        fixes = dict.fromkeys(analyzer.missing.fix for analyzer in lacking if analyzer.missing)
        return Check(name=name, ok=False, detail=f"needs {', '.join(absent)}", fix="; ".join(fixes))
    provided = [f"analyzer {item.name}{_without(', '.join(item.missing_programs))}" for item in plugin.analyzers]
    provided += [f"{item.kind} {item.name}{_without(_lacking(item))}" for item in plugin.provides]
    source = f"{plugin.plugin.distribution} {plugin.plugin.version}"
    return Check(name=name, ok=True, detail=f"{source}: {', '.join(provided) or 'observes runs'}")


def _lacking(provision: Provision) -> str:
    """Why something that nobody has to use cannot be used here, and how it could; empty when it can."""
    missing = provision.missing
    return f"{missing.message}; {missing.fix}" if missing else ""


def _without(missing: str) -> str:
    return f" (not here: {missing})" if missing else ""


def _run_apart(program: str) -> dict[str, Any]:
    """Run a program in another interpreter and return the JSON object it prints last.

    Raises:
        RuntimeError: It failed, crashed or hung; the text says how.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", program], capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"no answer after {_SECONDS} s") from error
    if done.returncode < 0:
        raise RuntimeError(f"crashed with signal {-done.returncode}")
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["failed without a word"])[-1])
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def _container_limit() -> int | None:
    """Memory limit of the container in bytes, where there is one."""
    try:
        text = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None

"""An environment of its own for wheels: nothing is installed in it but these, and the host stands behind it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class FreshEnvironment:
    """A virtual environment that also sees what is installed beside this Python, so that nothing is downloaded."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def install(self, wheel: Path) -> None:
        pip = [sys.executable, "-m", "pip", "--python", str(self.python)]
        ran([*pip, "install", "--no-deps", "--no-index", "--quiet", str(wheel)], wheel.parent)

    def run(self, *arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run a module: `run("auditbench", "plugins", "list", cwd=...)`."""
        return run([str(self.python), "-m", *map(str, arguments)], cwd)


def fresh_environment(folder: Path) -> FreshEnvironment:
    venv.create(folder, with_pip=False, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    # `addsitedir` and not a path alone: the host may be installed by a .pth file of its own.
    (site / "host.pth").write_text(f"import site; site.addsitedir({sysconfig.get_paths()['purelib']!r})\n")
    return FreshEnvironment(folder)


def built_wheel(project: Path, out: Path) -> Path:
    """The wheel of a copy of a project, built by what is installed here."""
    copy = shutil.copytree(project, out / "source", ignore=shutil.ignore_patterns("__pycache__", ".*_cache"))
    ran([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(copy)], out)
    (wheel,) = out.glob("*.whl")
    return wheel


def run(command: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as its author would, without what these tests have put on the path."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "PYTEST"))}
    environment |= {"PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=280)


def ran(command: list[str], cwd: Path) -> None:
    done = run(command, cwd)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"

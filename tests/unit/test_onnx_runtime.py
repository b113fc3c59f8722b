"""onnxruntime is imported without what it says of devices that it looks for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SAID = "2026-10-13 19:56:01.173419807 [W:onnxruntime:Default, device_discovery.cc:164 Discover] no file /sys/card0/vendor\n"
COLOURED = f"\x1b[0;93m{SAID.strip()}\x1b[m\n"
ERROR = SAID.replace("[W:", "[E:")
FAKE = """
import os, sys
os.write(2, {text!r}.encode())
severity = []
set_default_logger_severity = severity.append
{last}
"""
PROGRAM = """
import sys
from auditbench.models.opening.runtime import imported_runtime
print(imported_runtime().severity, imported_runtime() is sys.modules["onnxruntime"])
print("afterwards", file=sys.stderr)
"""


def imported(folder: Path, text: str, last: str = "") -> subprocess.CompletedProcess[str]:
    """What comes of it in a process of its own, where a module of that name writes a text to standard error."""
    (folder / "onnxruntime.py").write_text(FAKE.format(text=text, last=last))
    program = f"import sys; sys.path.insert(0, {str(folder)!r})\n{PROGRAM}"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("text", [SAID, COLOURED, SAID * 3])
def test_warnings_of_the_import_are_left_out(tmp_path: Path, text: str) -> None:
    done = imported(tmp_path, text)
    assert (done.stdout, done.stderr) == ("[3] True\n", "afterwards\n")


@pytest.mark.parametrize("text", ["something else\n", ERROR, "half a line"])
def test_what_else_is_written_is_passed_on(tmp_path: Path, text: str) -> None:
    assert imported(tmp_path, SAID + text).stderr == f"{text}afterwards\n"


def test_an_import_that_fails_says_why(tmp_path: Path) -> None:
    done = imported(tmp_path, SAID, "raise ImportError('a library is missing')")
    assert done.returncode == 1
    assert done.stderr.endswith("ImportError: a library is missing\n")
    assert "device_discovery" not in done.stderr

"""A report of any format is written without torch and without the libraries that explain models."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"torch", "captum", "shap", "lime", "sklearn", "pandas", "matplotlib"}
PROGRAM = """
import sys
from pathlib import Path
from auditbench.contracts import RenderOptions
from auditbench.registry import Registry
from tests.html_fixture import income_run
files = Registry().renderer({name!r}).record.render(income_run(), RenderOptions(folder=Path()))
assert files and all(files.values())
print(*{{name.partition('.')[0] for name in sys.modules}})
"""


@pytest.mark.parametrize("name", ["html", "junit", "markdown", "model-card", "sarif", "csv", "xlsx"])
def test_rendering_loads_no_heavy_library(name: str) -> None:
    program = [sys.executable, "-c", PROGRAM.format(name=name)]
    root = Path(__file__).parents[2]
    done = subprocess.run(program, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) & HEAVY == set()

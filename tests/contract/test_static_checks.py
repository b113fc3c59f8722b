"""The checks of style, types and imports are part of the suite, so that one command runs everything."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCT = [ROOT / "workbench", ROOT / "plugins", ROOT / "reports"]

CHECKS = {
    "ruff check": [sys.executable, "-m", "ruff", "check", "."],
    "ruff format": [sys.executable, "-m", "ruff", "format", "--check", "--diff", "."],
    "mypy": [sys.executable, "-m", "mypy"],
    "import-linter": [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
}


@pytest.mark.parametrize("command", [pytest.param(command, id=name) for name, command in CHECKS.items()])
def test_check_is_clean(command: list[str]) -> None:
    environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "120"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"


def test_product_evaluates_no_text_and_unpickles_no_array() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{call.lineno}: {reason}"
        for folder in PRODUCT
        for path in sorted(folder.rglob("*.py"))
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and (reason := _runs_its_input(call))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("source", "refused"),
    [
        pytest.param("frame.query('a > 1')", True, id="query"),
        pytest.param("frame.eval(text)", True, id="eval-of-text"),
        pytest.param("model.eval()", False, id="evaluation-mode"),
        pytest.param("np.load(path, allow_pickle=True)", True, id="pickled-array"),
        pytest.param("np.load(path, allow_pickle=flag)", True, id="perhaps-pickled-array"),
        pytest.param("np.load(path, allow_pickle=False)", False, id="plain-array"),
    ],
)
def test_calls_that_run_their_input_are_recognised(source: str, refused: bool) -> None:
    (statement,) = ast.parse(source).body
    assert isinstance(statement, ast.Expr)
    assert isinstance(statement.value, ast.Call)
    assert bool(_runs_its_input(statement.value)) == refused


def _runs_its_input(call: ast.Call) -> str:
    """Say why `call` could run text or bytes as code, beyond what the linter sees; empty if it could not."""
    if isinstance(call.func, ast.Attribute) and call.func.attr in {"eval", "query"} and (call.args or call.keywords):
        return f"`.{call.func.attr}(...)` evaluates text as code"
    for keyword in call.keywords:
        if keyword.arg == "allow_pickle" and not (isinstance(keyword.value, ast.Constant) and not keyword.value.value):
            return "`allow_pickle` must be False"
    return ""

"""`auditbench --help` answers before anything heavy is imported, and so does every command's own help."""

from __future__ import annotations

import subprocess
import sys

import pytest

from auditbench.cli.commands import COMMANDS

HEAVY = {
    "torch",
    "numpy",
    "pandas",
    "pyarrow",
    "pydantic",
    "jinja2",
    "rich",
    "shap",
    "captum",
    "lime",
    "scipy",
    "matplotlib",
}

# Runs the command line in a fresh interpreter and reports what it loaded, whatever it printed.
PROGRAM = """
import sys
from auditbench.cli import main
try:
    main(sys.argv[1:])
finally:
    print(*{name.partition(".")[0] for name in sys.modules}, file=sys.stderr)
"""


def loaded_by(*arguments: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize(
    "arguments", [("--help",), ("--version",), *((name, "--help") for name in COMMANDS)], ids=" ".join
)
def test_nothing_heavy_is_imported(arguments: tuple[str, ...]) -> None:
    loaded = loaded_by(*arguments)
    assert "click" in loaded
    assert loaded & HEAVY == set()


def test_the_list_of_commands_imports_none_of_them() -> None:
    program = PROGRAM.replace('.partition(".")[0]', "")
    done = subprocess.run([sys.executable, "-c", program, "--help"], capture_output=True, text=True, check=True)
    modules = set(done.stderr.splitlines()[-1].split())
    assert "auditbench.cli.commands" in modules
    assert not modules & {f"auditbench.cli.{name}" for name in COMMANDS}


def test_the_check_sees_a_heavy_import() -> None:
    assert loaded_by("schema", "config") & HEAVY == {"pydantic"}

"""What runs the steps of a pipeline here: the scripts as they stand in its file, with a python that installs nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml  # noqa: TID251 - reads the files of pipelines, as their services do

ROOT = Path(__file__).parents[2]
_EXPRESSION = re.compile(r"\$\{\{ (.*?) \}\}")
_PYTHON = """#!/bin/sh
if [ "$1 $2 $3" = "-P -m pip" ]; then
  printf '%s\\n' "$@" > {log}
else
  exec {python} "$@"
fi
"""


def read_yaml(name: str) -> Any:
    """A file of the repository."""
    return yaml.safe_load((ROOT / name).read_text())


@dataclass(frozen=True, kw_only=True)
class Shell:
    """A shell in a workspace, whose `python` writes down what `-P -m pip` is asked for."""

    workspace: Path
    home: Path

    @property
    def installed(self) -> list[str]:
        """Arguments of the last `python -P -m pip`."""
        return (self.home / "pip").read_text().splitlines()

    def run(self, script: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run a script as the runners of both services do: bash that stops at the first error."""
        programs = self.home / "bin"
        programs.mkdir(parents=True, exist_ok=True)
        python = programs / "python"
        python.write_text(_PYTHON.format(log=self.home / "pip", python=sys.executable))
        python.chmod(0o755)
        file = self.home / "script.sh"
        file.write_text(script)
        path = os.pathsep.join([str(programs), os.environ["PATH"]])
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(file)],
            cwd=self.workspace,
            env={**os.environ, "PATH": path, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=280,
        )


@dataclass(frozen=True, kw_only=True)
class Job:
    """How the action ended: its outputs, what it added to the job summary, and the exit code of its last step."""

    code: int
    outputs: dict[str, str]
    summary: str
    log: str


def run_action(shell: Shell, **inputs: str) -> Job:
    """Run the steps of action.yml that are scripts, one after the other, until one fails."""
    action = read_yaml("action.yml")
    given = {name: str(table.get("default", "")) for name, table in action["inputs"].items()} | inputs
    assert given.keys() == action["inputs"].keys()
    known = {f"inputs.{name}": value for name, value in given.items()} | {"github.action_path": str(ROOT)}
    shell.home.mkdir(exist_ok=True)
    summary, log, code = shell.home / "summary", "", 0
    summary.write_text("")
    for step in action["runs"]["steps"]:
        if "run" not in step:
            continue
        written = shell.home / "output"
        written.write_text("")
        files = {"GITHUB_OUTPUT": str(written), "GITHUB_STEP_SUMMARY": str(summary)}
        variables = {name: evaluated(text, known) for name, text in step.get("env", {}).items()}
        done = shell.run(step["run"], {**files, **variables})
        log, code = log + done.stdout + done.stderr, done.returncode
        told = dict(line.split("=", 1) for line in written.read_text().splitlines())
        known |= {f"steps.{step.get('id')}.outputs.{name}": value for name, value in told.items()}
        if code:
            break
    outputs = {name: evaluated(table["value"], known) for name, table in action["outputs"].items()}
    return Job(code=code, outputs=outputs, summary=summary.read_text(), log=log)


def evaluated(text: str, known: Mapping[str, str]) -> str:
    """A value with its expressions replaced; an expression that names nothing is empty."""
    return _EXPRESSION.sub(lambda match: known.get(match[1], ""), text)

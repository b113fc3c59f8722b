"""The embedded example with 1,000 explained rows for each of SHAP, LIME and integrated gradients, on two cores."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.lines import Line
from benchmarks.section import Scale, Section

NAME = "demo"
ROWS = 1000
_FLOOR = 60
_ANALYZERS = ("shap", "lime", "captum")


def run(scale: Scale) -> Section:
    """Elapsed seconds of the whole command, and of the three analyzers as the run itself records them."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}
        example = Path(folder) / "example"
        _auditbench(environment, "demo", "--out", str(example))
        settings = [
            part for name in _ANALYZERS for part in ("--set", f"analyzers.{name}.rows={2 if scale.tiny else ROWS}")
        ]
        out = Path(folder) / "run"
        started = time.perf_counter()
        _auditbench(environment, "audit", str(example / "audit.toml"), "--out", str(out), *settings)
        whole = time.perf_counter() - started
        seconds = json.loads((out / "run.json").read_text(encoding="utf-8"))["volatile"]["seconds"]
    spent = {name: seconds[name] for name in _ANALYZERS}
    detail = ", ".join(f"{name} {value:.1f} s" for name, value in spent.items())
    lines = [
        Line(
            section=NAME,
            claim=f"Adult example: seconds of the whole audit, SHAP, LIME and integrated gradients of {ROWS:,} rows",
            measured=whole,
            floor=_FLOOR,
            at_least=False,
            detail=f"2 threads, from the start of the command to its end; {detail}",
        ),
        Line(
            section=NAME,
            claim="Adult example: seconds of those three analyzers",
            measured=sum(spent.values()),
            at_least=False,
            detail=detail,
        ),
    ]
    return Section(name=NAME, lines=lines)


def _auditbench(environment: dict[str, str], *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "auditbench", *arguments], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode not in (0, 1):
        raise RuntimeError(
            f"expected auditbench {arguments[0]} to end with 0 or 1, got {done.returncode}:\n{done.stderr}"
        )

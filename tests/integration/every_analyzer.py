"""An audit with every analyzer of ours on as few rows as they take, for tests that run it several times."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.integration.small_audit import write_rows

CONFIG = """
[audit]
name = "every analyzer"
[model]
task = "binary-classification"
[train]
architecture = "mlp"
parameters = {hidden = [4]}
epochs = 2
[data]
test = "rows.csv"
split = "split"
target = "bought"
positive = "yes"
sensitive = ["sex"]
[analyzers.performance]
replicates = 40
[analyzers.fairness]
[analyzers.data-bias]
minimum_group = 5
[analyzers.flips]
minimum_group = 5
[analyzers.shap]
rows = 6
background = 6
method = "permutation"
budget = 400
[analyzers.lime]
rows = 2
num_samples = 50
[analyzers.captum]
rows = 6
method = "gradient_shap"
n_samples = 10
[analyzers.resources]
seconds = 0.05
[[gates]]
metric = "performance.accuracy"
min = 0.01
decide = "estimate"
[[gates]]
metric = "fairness.demographic_parity_ratio"
where = {feature = "sex"}
min = 0.999
[report]
cases = 2
"""
ANALYZERS = ("performance", "fairness", "data-bias", "flips", "shap", "lime", "captum", "resources")


def write_audit(folder: Path) -> Path:
    """Write data and config in a new folder; gives the path of the config. The model is trained by the audit."""
    folder.mkdir(parents=True)
    write_rows(folder)
    config = folder / "audit.toml"
    config.write_text(CONFIG)
    return config


def auditbench(
    *arguments: str | Path,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    before: Sequence[str] = (),
) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own.

    Args:
        environment: Added to that of this process.
        before: Words of a command that runs it.
    """
    words = [*before, sys.executable, "-m", "auditbench", *map(str, arguments)]
    seen = {**os.environ, **(environment or {})}
    return subprocess.run(words, capture_output=True, text=True, env=seen, cwd=cwd, check=False, timeout=280)


def stable_part(run: Path) -> dict[str, Any]:
    """What must be equal between equal runs: the record without `volatile`, in order, and the bytes of every array."""
    document = json.loads((run / "run.json").read_bytes())
    del document["volatile"]
    files = sorted(path for path in (run / "arrays").rglob("*") if path.is_file())
    arrays = {path.relative_to(run).as_posix(): path.read_bytes() for path in files}
    return {"record": json.dumps(document, indent=1), "arrays": arrays}

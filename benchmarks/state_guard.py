"""What the state guard costs: seconds a check at 25 million parameters, share of the demo's run, kinds covered."""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from auditbench.testing import toy_subject
from auditbench.worker.determinism import make_deterministic
from auditbench.worker.leftovers import Leftovers
from auditbench.worker.patches import Patches
from auditbench.worker.process_state import ProcessState
from auditbench.worker.state_guard import model_state
from auditbench.worker.subject_state import subject_state

_WIDTH = 2500
_REPEATS = 5


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, help="a finished run folder; the demo is run when absent")
    options = parser.parse_args()
    make_deterministic()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads; the shortest of {_REPEATS}")
    _digests()
    _checks()
    if options.run is None:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(
                [sys.executable, "-m", "auditbench", "demo", "--out", folder], check=True, capture_output=True
            )
            _share(Path(folder) / "run")
    else:
        _share(options.run)


def _digests() -> None:
    """The candidates for the digest of weights, on 25 million numbers of float32."""
    numbers = torch.randn(25_000_000)
    content = numbers.numpy()
    candidates: dict[str, Callable[[], object]] = {
        "sha256": lambda: hashlib.sha256(content).digest(),
        "blake2b": lambda: hashlib.blake2b(content).digest(),
        "crc32": lambda: zlib.crc32(content),
        "adler32": lambda: zlib.adler32(content),
        "torch.hash_tensor": lambda: torch.hash_tensor(numbers),
    }
    for name, digest in candidates.items():
        print(f"digest   {name:18} {_shortest(digest):7.3f} s")


def _checks() -> None:
    """The parts of one check, on four layers of 2,500 x 2,500."""
    toy = toy_subject()
    layers = [nn.Linear(9, _WIDTH), *(nn.Linear(_WIDTH, _WIDTH) for _ in range(4)), nn.Linear(_WIDTH, 1)]
    module = nn.Sequential(*layers).eval().requires_grad_(False)
    model = dataclasses.replace(toy.model, module=module)
    outputs = model.predict(toy.data.take(torch.arange(len(toy.data)).numpy()).inputs)
    state = subject_state(model, toy.data, outputs)
    before = Patches([module]), ProcessState(), Leftovers()
    count = sum(part.numel() for part in module.parameters())
    print(f"check    {count:,} parameters")
    parts: dict[str, Callable[[], object]] = {
        "model": lambda: model_state(module, model.encoder),
        "model, data, outputs": lambda: state.changes(model, toy.data, outputs),
        "functions: snapshot": lambda: Patches([module]),
        "functions: compare": before[0].put_back,
        "process: snapshot": ProcessState,
        "process: compare": before[1].put_back,
        "running: snapshot": Leftovers,
        "running: compare": before[2].since,
    }
    spent = {name: _shortest(part) for name, part in parts.items()}
    for name, seconds in spent.items():
        print(f"check    {name:20} {seconds * 1000:8.2f} ms")
    print(f"check    one analyzer         {(sum(spent.values()) - spent['model']) * 1000:8.2f} ms")
    kinds = [*model_state(module).kinds, "data", "outputs"]
    settings = {setting.name for setting in before[1].settings}
    print(f"covers   {len(kinds)} kinds of model and data: {', '.join(kinds)}")
    print(f"covers   {len(settings)} settings of the process: {', '.join(sorted(settings))}")


def _share(folder: Path) -> None:
    seconds = json.loads((folder / "run.json").read_text())["volatile"]["seconds"]
    guard, total = seconds["guard"], sum(seconds.values())
    print(f"run      guard {guard:.3f} s of {total:.1f} s: {100 * guard / total:.2f} %")


def _shortest(function: Callable[[], object]) -> float:
    times = []
    for _ in range(_REPEATS):
        started = time.perf_counter()
        function()
        times.append(time.perf_counter() - started)
    return min(times)


if __name__ == "__main__":
    main()

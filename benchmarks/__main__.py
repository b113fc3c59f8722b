"""`python -m benchmarks --quick`: measure part after part; print, and write tables and pictures, after each."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.lines import Line

SECTIONS = (
    "shapley",
    "exact",
    "baseline",
    "lime",
    "gradients",
    "superpixels",
    "parts",
    "fairness",
    "overhead",
    "large",
    "intervals",
    "operations",
    "scaling",
    "memory",
    "demo",
    "page",
)
FULL_ONLY = ("baseline", "parts", "large", "memory", "demo", "page")
"""Parts that are left out of a quick run unless they are named."""
RESULTS = Path(__file__).parent / "results"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the chosen parts."""
    options = _parser().parse_args(arguments)
    _one_thread()
    from benchmarks.machine import machine
    from benchmarks.pictures import write_pictures
    from benchmarks.section import Scale, Section
    from benchmarks.tables import write_tables

    scale = Scale(full=options.full, device=options.device)
    chosen = options.only or [name for name in SECTIONS if options.full or name not in FULL_ONLY]
    kind = "full" if options.full else "quick"
    name = "-".join([kind, options.device, *(options.only or [])])
    described = machine(options.device)
    sections: list[Section] = []
    for part in chosen:
        print(f"{part} ...", flush=True)
        started = time.perf_counter()
        found: Section = import_module(f"benchmarks.sections.{part}").run(scale)
        found = replace(found, seconds=time.perf_counter() - started)
        sections.append(found)
        print(f"{part}: {found.seconds:.1f} s", flush=True)
        for line in found.lines:
            _print(line)
        write_tables(options.out, name, sections, described)
        write_pictures(options.out, [found], scale)
    print(f"all: {sum(section.seconds or 0.0 for section in sections):.1f} s; tables in {options.out / name}.md")


def _print(line: Line) -> None:
    measured = line.reason if line.measured is None else f"{line.measured:.4g}"
    print(f"{line.verdict:12} {line.claim}: {measured}", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    scale = parser.add_mutually_exclusive_group()
    scale.add_argument("--quick", action="store_true", help="fewer workloads, rows and turns; the default")
    scale.add_argument("--full", action="store_true", help="every workload and peer, eleven repeats")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--only", action="append", choices=SECTIONS, help="a part; may be given several times")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where tables and pictures are written")
    return parser


def _one_thread() -> None:
    """Set before any numerical library is imported, so that CPU time is the time of one thread."""
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[variable] = "1"
    os.environ["MPLBACKEND"] = "Agg"
    import torch

    torch.set_num_threads(1)


if __name__ == "__main__":
    main()

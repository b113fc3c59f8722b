"""Loading a renderer and drawing with it in a fresh process: what it brings in, and what it leaves behind."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from auditbench.contracts import RenderOptions
from auditbench.testing.conformance.fresh_process import referenced
from auditbench.testing.known_runs import every_block_run

_HEAVY = ("torch",)


def load_and_draw(*, reference: str, packages: list[str], draw: bool) -> dict[str, Any]:
    """Import the module of a renderer as if packages were missing, then draw a run with them.

    Args:
        reference: `module:name` of its function.
        packages: Import names of what it needs.
        draw: False leaves it at the import.

    Returns:
        `absent`: why the import failed without the packages; `heavy`: libraries that were loaded; `written`: files in the
        current folder afterwards. None where nothing was drawn, and `raised` says why.
    """
    found: dict[str, Any] = {"absent": _import_without(packages, reference), "heavy": None, "written": None}
    if not draw:
        return {**found, "raised": "something that it needs is missing"}
    before = set(Path().iterdir())
    try:
        referenced(reference)(every_block_run(), RenderOptions(folder=Path()))
    except Exception as error:  # noqa: BLE001 - code of a plugin; that it raises is told by another promise
        return {**found, "raised": f"{type(error).__name__}: {error}"[:300]}
    written = sorted(path.name for path in set(Path().iterdir()) - before)
    return {**found, "heavy": [name for name in _HEAVY if name in sys.modules], "written": written, "raised": ""}


def _import_without(packages: list[str], reference: str) -> list[str]:
    """Import a module while some packages seem to be missing; why that failed, or nothing."""
    for package in packages:
        sys.modules[package] = None  # type: ignore[assignment] # as Python has it: the import then raises
    try:
        referenced(reference)
    except ImportError as error:
        return [f"{type(error).__name__}: {error}"[:300]]
    finally:
        for package in packages:
            sys.modules.pop(package, None)
    return []

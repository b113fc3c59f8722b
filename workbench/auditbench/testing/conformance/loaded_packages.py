"""`loaded_packages`: what importing a plugin brings in; called in a fresh interpreter, so that nothing heavy stands here."""

from __future__ import annotations

import sys
from importlib import import_module


def loaded_packages(module: str) -> dict[str, list[str]]:
    """The `packages` that are loaded once a module is, and once its analyzers are known."""
    list(getattr(import_module(module), "auditbench_analyzers", tuple)())
    return {"packages": sorted({name.partition(".")[0] for name in sys.modules})}

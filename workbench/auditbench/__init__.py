"""Auditbench: a plugin-based workbench for interpreting and auditing PyTorch models."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from auditbench.api import audit
    from auditbench.compared_runs import compare
    from auditbench.comparison.record import Comparison
    from auditbench.contracts import Analyzer, Architecture, DatasetLoader, MethodFacts, ModelLoader, Needs, Renderer
    from auditbench.hookspecs import hookimpl
    from auditbench.run import AuditRun
    from auditbench.run_file import read_run

__version__ = "0.1.0"

_HOMES = {
    "Analyzer": "contracts",
    "Architecture": "contracts",
    "AuditRun": "run",
    "Comparison": "comparison.record",
    "DatasetLoader": "contracts",
    "MethodFacts": "contracts",
    "ModelLoader": "contracts",
    "Needs": "contracts",
    "Renderer": "contracts",
    "audit": "api",
    "compare": "compared_runs",
    "hookimpl": "hookspecs",
    "read_run": "run_file",
}

__all__ = [
    "Analyzer",
    "Architecture",
    "AuditRun",
    "Comparison",
    "DatasetLoader",
    "MethodFacts",
    "ModelLoader",
    "Needs",
    "Renderer",
    "__version__",
    "audit",
    "compare",
    "hookimpl",
    "read_run",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import auditbench` stays light."""
    if name not in _HOMES:
        raise AttributeError(f"module 'auditbench' has no attribute {name!r}")
    return getattr(import_module(f"auditbench.{_HOMES[name]}"), name)

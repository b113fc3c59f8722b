"""Promises of an analyzer's record: that it fits the contract, says what it is, and is there before anything heavy."""

from __future__ import annotations

import functools
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from auditbench.contract_checks import misfits
from auditbench.contracts import Analyzer
from auditbench.errors import PluginError, Problem
from auditbench.plugin_entries import find_entry
from auditbench.registry import NAME
from auditbench.testing.conformance.analyzer_tryout import Tryout
from auditbench.testing.conformance.fresh_process import LostProcessError, call_fresh
from auditbench.testing.conformance.loaded_packages import loaded_packages
from auditbench.testing.conformance.promises import FITS, Promise
from auditbench.testing.conformance.trying import Check, NotTried, no_record

HEAVY = (
    "captum", "jax", "keras", "lightgbm", "lime", "matplotlib", "numpy", "onnxruntime", "pandas", "PIL", "polars",
    "pyarrow", "scipy", "shap", "skimage", "sklearn", "tensorflow", "torch", "torchvision", "transformers", "xgboost",
)  # fmt: skip


def _fits(tryout: Tryout) -> Problem | None:
    analyzer = tryout.analyzer
    if not isinstance(analyzer, Analyzer):
        return no_record(analyzer, Analyzer, "auditbench_analyzers")
    found = list(misfits(analyzer))
    if not found:
        return None
    return Problem(
        message="a field of its record is not what the contract says",
        where=", ".join(misfit.field for misfit in found),
        found=found[0].found,
        allowed=found[0].allowed,
        fix=f"correct {found[0].field}",
    )


def _says(tryout: Tryout) -> Problem | None:
    analyzer = tryout.record
    said: dict[str, Any] = {"name": analyzer.name, "topic": analyzer.topic, "summary": analyzer.summary}
    for field, text in said.items():
        if not isinstance(text, str) and field != "name":
            raise NotTried(f"its {field} is no text")
        if not isinstance(text, str) or not text.strip() or "\n" in text:
            return Problem(
                message="its record does not say what it is",
                where=field,
                found=repr(text)[:80],
                allowed="text of one line",
                fix=f"give Analyzer(...) a {field}",
            )
    if not NAME.fullmatch(analyzer.name):
        return Problem(
            message="its name cannot stand in audit.toml",
            where="name",
            found=repr(analyzer.name[:80]),
            allowed="lower-case letters, digits, `_`, `.` and `-`, beginning with a letter",
            fix="rename the analyzer and its entry point",
        )
    return None


def _loads_lightly(tryout: Tryout) -> Problem | None:
    module = _module_of(tryout.record)
    brought = sorted({*HEAVY, *tryout.record.needs.packages}.intersection(_packages_of(module)))
    if not brought:
        return None
    return Problem(
        message="importing its module brings in a numerical library",
        where=module,
        found=", ".join(brought),
        allowed="the standard library, pydantic, and what `auditbench` itself imports",
        fix="import it inside the function that needs it",
    )


@functools.cache
def _packages_of(module: str) -> frozenset[str]:
    try:
        return frozenset(call_fresh(loaded_packages, folder=Path.cwd(), module=module)["packages"])
    except LostProcessError as error:
        raise NotTried(f"{module} cannot be imported in a fresh interpreter: {error}") from error


def _module_of(analyzer: Analyzer) -> str:
    """The module of the entry point that may provide it, else the outermost one that its function is in.

    Raises:
        NotTried: No module of that name can be imported, as where it is defined in a test.
    """
    own = str(getattr(analyzer.analyze, "__module__", ""))
    try:
        entry = find_entry(str(analyzer.name)).module.partition(":")[0].strip()
    except PluginError:
        entry = ""
    if entry and entry.partition(".")[0] == own.partition(".")[0]:
        return entry
    parts = own.split(".")
    names = (".".join(parts[: place + 1]) for place in range(len(parts)))
    found = next(filter(_is_module, names), "")
    if not found:
        raise NotTried(f"its function is in {own or 'no module'}, which cannot be imported by its name")
    return found


def _is_module(name: str) -> bool:
    """Whether a fresh interpreter would find it; a folder that is no package is none."""
    try:
        spec = find_spec(name) if name != "__main__" else None
    except (ImportError, ValueError):
        return False
    return spec is not None and spec.origin is not None


CHECKS: tuple[Check[Tryout], ...] = (
    (FITS, _fits),
    (Promise(key="says-what-it-is", sentence="States a name, a topic, and a summary of one line."), _says),
    (
        Promise(key="loads-lightly", sentence="Brings in no numerical library when its module is imported."),
        _loads_lightly,
    ),
)

"""A folder with plugins as installed distributions, visible to this process and to every worker it starts."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

IMPORTS = """
import os
import sys
import time

from pydantic import BaseModel, ConfigDict

from auditbench import Analyzer, MethodFacts, Needs, Renderer, hookimpl
from auditbench.results import AnalysisResult, Attribution, Metric
"""
ANALYZERS = """
@hookimpl
def auditbench_analyzers():
    yield Analyzer(name="{name}", topic="probe", summary="A probe", analyze=analyze)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginSite:
    """Where `add` installs plugins, for whoever has the folder on PYTHONPATH."""

    path: Path
    modules: list[str] = field(default_factory=list)

    def add(
        self,
        entry: str,
        code: str,
        *,
        distribution: str = "",
        version: str = "1.0",
        module: str = "",
        imports: str = IMPORTS,
        requires: str = "",
    ) -> None:
        """Install a module behind an entry point.

        Args:
            distribution: Named like the entry point when empty.
            imports: Stands before the code.
            requires: A distribution that this one asks for.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        distribution = distribution or entry
        module = module or f"probe_{distribution.replace('-', '_')}_{entry.replace('-', '_')}"
        self.modules.append(module)
        (self.path / f"{module}.py").write_text(imports + code)
        info = self.path / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir(exist_ok=True)
        metadata = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
        (info / "METADATA").write_text(metadata + (f"Requires-Dist: {requires}\n" if requires else ""))
        points = info / "entry_points.txt"
        line = f"[auditbench.plugins]\n{entry} = {module}\n"
        known = points.read_text() if points.exists() else ""
        points.write_text(known if line in known else known + line)
        importlib.invalidate_caches()

    def add_analyzer(self, name: str, body: str, *, requires: str = "") -> None:
        """Install an analyzer of one function; `body` stands in `analyze(context, params)`."""
        lines = "".join(f"    {line}\n" for line in body.strip().splitlines())
        self.add(name, f"def analyze(context, params):\n{lines}\n{ANALYZERS.format(name=name)}", requires=requires)


@contextmanager
def installed_site(path: Path) -> Iterator[PluginSite]:
    """A site on `sys.path` and PYTHONPATH as long as the block runs."""
    path.mkdir(exist_ok=True)
    site = PluginSite(path=path)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(path))
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(path), os.environ.get("PYTHONPATH", "")])))
        yield site
    for module in site.modules:
        sys.modules.pop(module, None)

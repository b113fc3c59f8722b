"""Other people's plugins, as installed distributions in a folder of their own."""

from __future__ import annotations

from pathlib import Path

RECORD = """
from auditbench import Analyzer, hookimpl


@hookimpl
def auditbench_analyzers():
    yield Analyzer(name="{name}", topic="{topic}", summary="A plugin of a test", analyze=analyze)
"""


def write_distribution(
    site: Path, name: str, code: str, *, whole_module: bool = False, version: str = "1.0", topic: str = "elsewhere"
) -> Path:
    """Write an importable module and the metadata of its distribution; put `site` on PYTHONPATH to install it.

    Args:
        code: Defines `analyze(context, params)`, unless it is a whole module with its hooks.
    """
    module = f"auditbench_{name.replace('-', '_')}"
    info = site / f"{module}-{version}.dist-info"
    info.mkdir(parents=True)
    (site / f"{module}.py").write_text(code if whole_module else code + RECORD.format(name=name, topic=topic))
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: auditbench-{name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[auditbench.plugins]\n{name} = {module}\n")
    return site

"""Every misbehaviour of a plugin that an audit must survive, installed as distributions.

`tests.faults` holds what misbehaves, `tests.state_corruptions` what is left changed. Each plugin also has a witness, which
behaves well: in the worker of its plugin, after the faults, it must give what it gives without them.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from auditbench import Analyzer
from tests.faults.dying import DYING
from tests.faults.fault import Fault
from tests.faults.output import LINE, OUTPUT
from tests.faults.raising import RAISING
from tests.faults.results import RESULTS
from tests.faults.witness import probe, witness
from tests.plugin_site import PluginSite
from tests.process_corruptions import PROCESS
from tests.state_corruptions import FINAL, MODEL, PATCHES, UNNAMED

FAULTS: tuple[Fault, ...] = (*RAISING.faults, *RESULTS.faults, *OUTPUT.faults, *LINE.faults, *DYING.faults)
TOGETHER = (RAISING.name, RESULTS.name, OUTPUT.name, LINE.name)
STATES = {"model": MODEL, "patch": PATCHES, "process": PROCESS, "final": FINAL, "random": UNNAMED}
_GROUPS = (RAISING, RESULTS, OUTPUT, LINE, DYING)
_LISTED = """
from tests import fault_plugin
@hookimpl
def auditbench_analyzers():
    yield from fault_plugin.analyzers({plugin!r})
"""
_NAMING = """
from tests.faults import naming
@hookimpl
def auditbench_analyzers():
    yield from naming.analyzers()
@hookimpl
def auditbench_renderers():
    yield from naming.renderers()
"""
_STATES = """
from tests.faults.witness import probe
BODIES = {{}}
{functions}
@hookimpl
def auditbench_analyzers():
    yield Analyzer(name={plugin!r} + "-probe", topic="probe", summary="", analyze=probe)
    for name, body in BODIES.items():
        yield Analyzer(name={plugin!r} + "-" + name, topic="fault", summary="", analyze=body)
        yield Analyzer(name={plugin!r} + "-" + name + "-probe", topic="probe", summary="", analyze=probe)
"""


def install(site: PluginSite) -> None:
    """Install every plugin of the catalogue."""
    for plugin in dict.fromkeys(fault.plugin for fault in FAULTS):
        site.add(plugin, _LISTED.format(plugin=plugin))
    site.add("naming", _NAMING)
    for kind, bodies in STATES.items():
        functions = "".join(_function(number, name, body) for number, (name, body) in enumerate(bodies.items()))
        site.add(f"state-{kind}", _STATES.format(plugin=f"state-{kind}", functions=functions))


def analyzers(plugin: str) -> Iterator[Analyzer]:
    """The analyzers of one plugin of faults, its witness last."""
    for group in _GROUPS:
        yield from group.analyzers(plugin)
    if plugin in TOGETHER:
        yield Analyzer(name=f"{plugin}-witness", topic="witness", summary="Behaves well", analyze=witness)


def state_analyzers(kind: str) -> Iterator[str]:
    """The analyzers of one plugin that leaves state changed, each followed by a probe; a probe is first."""
    yield f"state-{kind}-probe"
    for name in STATES[kind]:
        yield from (f"state-{kind}-{name}", f"state-{kind}-{name}-probe")


def tables(faults: tuple[Fault, ...]) -> str:
    """The tables of some faults in audit.toml."""
    lines = []
    for fault in faults:
        lines += [f"[analyzers.{fault.name}]", *(f"{key} = {value}" for key, value in fault.table.items())]
    return "\n".join(lines) + "\n"


def _function(number: int, name: str, body: str) -> str:
    lines = textwrap.indent(body.strip(), "    ")
    return (
        f"def corrupt_{number}(context, params):\n{lines}\n    return AnalysisResult()\n"
        f"BODIES[{name!r}] = corrupt_{number}\n"
    )


__all__ = ["FAULTS", "STATES", "TOGETHER", "analyzers", "install", "probe", "state_analyzers", "tables"]

"""Audits with one analyzer that works and some that do not; shared by the tests of the supervisor."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from auditbench import supervisor
from auditbench.config_file import load_config
from auditbench.run import AuditRun
from tests.in_process_worker import workers_in_this_process
from tests.integration.small_audit import write_config, write_rows
from tests.plugin_site import PluginSite, installed_site

GOOD = """
class Params(BaseModel):
    model_config = ConfigDict(extra="forbid")
    rows: int = 10
    name: str = "x"

def analyze(context, params):
    import numpy as np
    rows = context.explained_rows(params.rows)
    found = context.map_rows(chunk, rows, chunk_rows=4)
    right = float((context.model.decisions(context.outputs) == context.data.y_true).mean())
    block = Attribution(
        name="probe", method="probe", values=found["values"][:, :, None], player_names=("all",),
        target_names=context.model.target_names, base_values=found["values"] * 0, outputs=found["values"],
        row_ids=rows.row_ids, unit="logit", model_rows=len(rows),
    )
    metrics = (
        Metric(name="right", value=right, n=len(context.data), no_interval="exact"),
        Metric(name="clock", value=time.perf_counter(), n=1, no_interval="not_estimated", repeatable=False),
    )
    return AnalysisResult(metrics=metrics, attributions=(block,))

def chunk(rows, rng):
    import numpy as np
    noise = rng.normal(size=(len(rows), 1))
    with open(os.environ["PROBE_TRACE"], "a+") as file:
        file.write("chunk\\n")
        file.seek(0)
        chunks = len(file.readlines())
    if os.environ.get("PROBE_KILL") == str(chunks):
        os.kill(os.getpid(), 9)
    return {"values": noise}

@hookimpl
def auditbench_analyzers():
    yield Analyzer(name="good", topic="probe", summary="", analyze=analyze, Params=Params, metrics=("right", "clock"))
    yield Analyzer(name="good-late", topic="probe", summary="", analyze=late, after=("good",))

def late(context, params):
    import numpy as np
    values = np.asarray(context.results["good"].attributions[0].values)
    again = context.rerun("good", data=context.data.subset(np.arange(5)))
    metrics = (
        Metric(name="sum", value=float(values.sum()), n=len(values), no_interval="exact"),
        Metric(name="rows", value=float(len(again.attributions[0].row_ids)), n=1, no_interval="count"),
    )
    return AnalysisResult(metrics=metrics)
"""
FAULTS = {
    "raises": "raise ValueError('on purpose at ' + hex(id(context)))",
    "vanishes": "os._exit(0)",
    "hangs": "import subprocess\nsubprocess.Popen(['sleep', '600'])\nimport signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(600)",
    "changes": "context.model.module.train()\nreturn AnalysisResult()",
}
TEXT = """
def render(run, options):
    return {'a.txt': run.verdict.encode()}

def bad(run, options):
    raise ValueError('no ink')

@hookimpl
def auditbench_renderers():
    yield Renderer(name='text', summary='', render=render)
    yield Renderer(name='text-bad', summary='', render=bad)

@hookimpl
def auditbench_audit_finished(run):
    raise RuntimeError(run.verdict)
"""


@contextmanager
def probe_site(folder: Path) -> Iterator[PluginSite]:
    """The plugins in a folder, and beside them rows with a model, trained without a process of its own."""
    with installed_site(folder / "site") as site, pytest.MonkeyPatch.context() as patch:
        site.add("good", GOOD)
        for name, body in FAULTS.items():
            site.add_analyzer(name, body)
        site.add("text", TEXT)
        patch.setenv("PROBE_TRACE", str(folder / "trace"))
        write_rows(folder)
        with workers_in_this_process():
            supervisor.train(load_config(write_config(folder)))
        yield site


def audit(folder: Path, tail: str, out: Path, *overrides: str, **options: Any) -> AuditRun:
    """Audit the rows of a folder with these tables; `options` are those of the supervisor."""
    return supervisor.audit(load_config(write_config(folder, tail), overrides), out=out, device="cpu", **options)

"""What plugins log in an audit: it stands in the log of their worker, and the run says how many warnings there are."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import auditbench
from auditbench.findings import Message
from auditbench.run import AuditRun
from tests.integration.probe_audit import audit, probe_site
from tests.integration.small_audit import Recorder
from tests.plugin_site import ANALYZERS, installed_site

LOUD = """
import logging
log = logging.getLogger(__name__)

def analyze(context, params):
    log.info("%d columns", len(context.data.features))
    log.warning("few rows")
    logging.getLogger(__name__ + ".kernel").error("fewer")
    logging.getLogger("of_somebody_else").warning("not ours")
    print("printed", flush=True)
    return AnalysisResult()
"""
TABLES = "[analyzers.loud]\n[analyzers.quiet]\n"
OWN = "probe_loud_loud"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("logging")
    with probe_site(folder) as site:
        site.add("loud", LOUD + ANALYZERS.format(name="loud"))
        site.add_analyzer("quiet", "import logging\nlogging.getLogger(__name__).info('hush')\nreturn AnalysisResult()")
        yield folder


@pytest.fixture(scope="module")
def logged(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[AuditRun, Path]:
    """An audit with workers of their own."""
    out = tmp_path_factory.mktemp("out") / "run"
    return audit(folder, TABLES, out), out


def test_lines_stand_in_the_log_of_the_worker(logged: tuple[AuditRun, Path]) -> None:
    _, out = logged
    assert (out / "logs" / "worker-plugin-loud.log").read_text().splitlines() == [
        f"INFO loud: {OWN}: 3 columns",
        f"WARNING loud: {OWN}: few rows",
        f"ERROR loud: {OWN}.kernel: fewer",
        "WARNING loud: of_somebody_else: not ours",
        "printed",
    ]
    assert (out / "logs" / "worker-plugin-quiet.log").read_text() == "INFO quiet: probe_quiet_quiet: hush\n"


def test_the_run_says_how_many_warnings_there_are_and_where(logged: tuple[AuditRun, Path]) -> None:
    run, out = logged
    log = "logs/worker-plugin-loud.log"
    assert run.warnings == (Message(key="core.logged_warnings", values={"analyzer": "loud", "n": 2, "log": log}),)
    assert log in json.loads((out / "manifest.json").read_bytes())["files"]
    assert [result.status for result in run.results] == ["ok", "ok"]


def test_a_result_that_is_used_again_says_it_again(logged: tuple[AuditRun, Path], folder: Path) -> None:
    run, out = logged
    recorder = Recorder()
    again = audit(folder, TABLES, out, listener=recorder)
    assert recorder.states["loud"] == "reused"
    assert again.warnings == run.warnings
    assert (out / again.warnings[0].values["log"]).is_file()  # type: ignore[operator]


def test_in_the_callers_process_logging_is_the_callers(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    body = (
        "import logging\nlogging.getLogger('its.own').info('from inside')\nlogging.getLogger('its.own').warning('loud')"
    )
    caplog.set_level(logging.INFO, logger="its")
    before = list(logging.root.handlers), logging.root.level, logging.getLogger("its.own").level
    with installed_site(tmp_path / "site") as site:
        site.add_analyzer("talks", f"{body}\nassert not context.cancelled\nreturn AnalysisResult()")
        run = auditbench.audit(
            nn.Linear(2, 1), torch.zeros(20, 2).numpy(), np.arange(20) % 2,
            task="binary-classification", output="logit", analyzers={"talks": {}},
        )  # fmt: skip
    assert [(record.levelname, record.message) for record in caplog.records if record.name == "its.own"] == [
        ("INFO", "from inside"),
        ("WARNING", "loud"),
    ]
    assert (list(logging.root.handlers), logging.root.level, logging.getLogger("its.own").level) == before
    assert [(result.status, run.warnings) for result in run.results] == [("ok", ())]

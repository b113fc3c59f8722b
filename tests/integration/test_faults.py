"""Every misbehaviour of the catalogue in real audits: each is contained and named, and nothing else is touched by it.

Four audits of the same model and rows: one without faults, one with the analyzers that raise, return nonsense and flood,
one in which every process dies or hangs, and one whose analyzers leave state changed.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from auditbench import supervisor
from auditbench.config_file import load_config
from auditbench.results import AnalysisResult
from auditbench.run import AuditRun
from auditbench.run_file import read_run
from tests import fault_plugin
from tests.fault_plugin import FAULTS, STATES, TOGETHER
from tests.faults.dying import DYING
from tests.faults.fault import Fault
from tests.faults.naming import ANALYZER, NAMES, OUTSIDE
from tests.faults.output import OUTPUT
from tests.integration.small_audit import write_rows
from tests.plugin_site import installed_site

CONFIG = """
[audit]
name = "faults"
[model]
task = "binary-classification"
[train]
architecture = "mlp"
parameters = {{ hidden = [8], dropout = 0.2 }}
epochs = 1
[data]
test = "rows.csv"
split = "split"
target = "bought"
positive = "yes"
sensitive = ["sex"]
[report]
formats = [{formats}]
cases = 2
[limits]
analyzer_seconds = 40
load_seconds = 60
"""
FIRST_PARTY = ("performance", "fairness")
WITNESSES = tuple(f"{plugin}-witness" for plugin in TOGETHER)
HIDDEN = {"state-random"}  # drawing random numbers is no fault, and is not told
AUDIT_SECONDS = 400
MOST_LOGS = 20 << 20
ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(900)


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """A finished `auditbench audit`: its record and what it printed."""

    run: AuditRun
    document: dict[str, Any]
    folder: Path
    code: int
    output: str

    def result(self, name: str) -> AnalysisResult:
        """The result of an analyzer."""
        found = self.run.result(name)
        assert found is not None, name
        return found


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with rows, a trained model, and every plugin of the catalogue installed."""
    home = tmp_path_factory.mktemp("faults")
    with installed_site(home / "site") as site, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([os.environ["PYTHONPATH"], str(ROOT)]))
        fault_plugin.install(site)
        write_rows(home)
        supervisor.train(load_config(_config(home, "train", "")), device="cpu")
        yield home


@pytest.fixture(scope="module")
def audits(home: Path) -> dict[str, Audited]:
    """All audits of this file, two at a time."""
    tails = _tails()
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(tails, pool.map(lambda name: _audit(home, name, tails[name]), tails), strict=True))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_has_the_status_and_the_reason_that_name_it(audits: dict[str, Audited], fault: Fault) -> None:
    audited = _holding(audits, fault)
    result = audited.result(fault.name)
    reason = result.reason.key if result.reason else ""
    said = [str(value) for value in result.reason.values.values()] if result.reason else []
    assert (result.status, reason) in {(fault.status, key) for key in fault.keys or ("",)}, said
    assert not said or any(fault.says in value for value in said), said
    assert all(len(value) <= 1000 and value.isprintable() for value in said)
    warned = [warning for warning in audited.run.warnings if warning.values.get("analyzer") == fault.name]
    assert bool(warned) >= fault.warned
    assert result.analyzer == fault.name
    if fault.status != "ok":
        assert not any(getattr(result, block) for block in ("metrics", "tables", "attributions", "notes", "findings"))
        assert f"  {fault.name} " in audited.output


@pytest.mark.parametrize(
    ("audit", "name"),
    [
        *[(audit, name) for audit in ("deaths", "states", "nonsense") for name in FIRST_PARTY],
        *[("nonsense", name) for name in WITNESSES],
    ],
)
def test_other_sections_are_those_of_an_audit_without_faults(audits: dict[str, Audited], audit: str, name: str) -> None:
    assert audits["plain"].result(name).status == "ok"
    assert _bits(audits[audit], name) == _bits(audits["plain"], name)


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, bodies in STATES.items() for name in bodies], ids=lambda part: part
)
def test_what_is_left_changed_is_told_and_does_not_reach_the_next_analyzer(
    audits: dict[str, Audited], kind: str, name: str
) -> None:
    audited, analyzer = audits["states"], f"state-{kind}-{name}"
    assert audited.result(analyzer).status == "ok", audited.result(analyzer).reason
    told = [warning for warning in audited.run.warnings if warning.values.get("analyzer") == analyzer]
    assert bool(told) == (f"state-{kind}" not in HIDDEN)
    first, after = _state(audited, f"state-{kind}-probe"), _state(audited, f"{analyzer}-probe")
    assert {place for place in first if first[place] != after.get(place)} == set()


@pytest.mark.parametrize("key", NAMES)
def test_a_name_leads_to_no_file_outside_and_collides_with_none(audits: dict[str, Audited], key: str) -> None:
    audited = audits["nonsense"]
    result = audited.result(ANALYZER)
    number = list(NAMES).index(key)
    block = result.attributions[number]
    path = str(block.values.path)  # type: ignore[union-attr]
    assert block.name == NAMES[key]
    assert re.fullmatch(rf"arrays/{ANALYZER}/attributions/[a-z0-9_.-]{{1,80}}/values\.npy", path)
    assert ".." not in path.split("/")
    assert (audited.folder / path).is_file()
    assert float(block.values.__array__().max()) == number


@pytest.mark.parametrize("key", NAMES)
def test_a_report_of_an_odd_name_is_refused_and_named(audits: dict[str, Audited], key: str) -> None:
    failed = [warning for warning in audits["nonsense"].run.warnings if warning.key == "core.renderer_failed"]
    (warning,) = [warning for warning in failed if warning.values["format"] == f"naming-{key}"]
    assert str(warning.values["error"]).isprintable()


def test_the_folders_hold_what_a_run_holds(audits: dict[str, Audited], home: Path) -> None:
    known = {"site", "rows.csv", "model", *audits, *(f"{name}.toml" for name in (*audits, "train"))}
    assert {path.name for path in home.iterdir()} == known
    assert not OUTSIDE.exists()
    for audited in audits.values():
        run_files = {"run.json", "manifest.json", "journal.jsonl", ".lock", "arrays", "logs", "chunks", "report.html"}
        assert {path.name for path in audited.folder.iterdir()} <= run_files
        names = [path.relative_to(audited.folder).as_posix() for path in audited.folder.rglob("*")]
        assert [name for name in names if not re.fullmatch(r"[A-Za-z0-9_./-]+", name)] == []


@pytest.mark.parametrize("audit", ["deaths", "nonsense"])
def test_the_audit_is_finished_and_incomplete(audits: dict[str, Audited], audit: str) -> None:
    audited = audits[audit]
    assert (audited.code, audited.run.exit_code, audited.run.status) == (3, 3, "complete")
    assert audited.run.verdict == "evidence_incomplete"


@pytest.mark.parametrize("audit", ["plain", "states"])
def test_the_audit_is_finished_and_complete(audits: dict[str, Audited], audit: str) -> None:
    assert (audits[audit].code, audits[audit].run.exit_code, audits[audit].run.status) == (0, 0, "complete")


@pytest.mark.parametrize("audit", ["plain", "deaths", "states", "nonsense"])
def test_the_terminal_shows_no_trace_and_no_code(audits: dict[str, Audited], audit: str) -> None:
    output = audits[audit].output
    assert "Traceback" not in output
    assert all(char.isprintable() or char == "\n" for char in output)
    assert not any(line.startswith("::") for line in output.splitlines())
    assert max(map(len, output.splitlines())) < 20_000


def test_logs_are_short(audits: dict[str, Audited]) -> None:
    for audited in audits.values():
        logs = [path.stat().st_size for path in (audited.folder / "logs").glob("*")]
        assert max(logs, default=0) <= MOST_LOGS
        assert (audited.folder / "run.json").stat().st_size < 20 << 20


def test_nothing_is_left_running(audits: dict[str, Audited], home: Path) -> None:
    assert len(audits) == 4
    assert [str(process) for process in _processes_of(home)] == []


def test_the_catalogue_holds_what_the_fault_model_asks_for() -> None:
    names = [fault.name for fault in FAULTS]
    assert len(set(names)) == len(names)
    assert sum(name.startswith("raising-") for name in names) >= 12
    assert len(DYING.faults) >= 10
    assert sum(name.startswith("result-") for name in names) >= 20
    assert sum(len(bodies) for bodies in STATES.values()) >= 40
    assert len(NAMES) >= 6
    assert len(OUTPUT.faults) >= 2


def _config(home: Path, name: str, tail: str) -> Path:
    path = home / f"{name}.toml"
    formats = ", ".join(f'"naming-{key}"' for key in NAMES) if name == "nonsense" else ""
    path.write_text(CONFIG.format(formats=f'"html", {formats}') + tail)
    return path


def _tails() -> dict[str, str]:
    """What follows the common part of each audit's config, by its name; the longest audit first."""
    together = tuple(fault for fault in FAULTS if fault.plugin in TOGETHER)
    apart = tuple(fault for fault in FAULTS if fault.plugin not in TOGETHER)
    states = [name for kind in STATES for name in fault_plugin.state_analyzers(kind)]
    return {
        "deaths": _tables(["performance"]) + fault_plugin.tables(apart) + _tables(["fairness"]),
        "states": _tables([*FIRST_PARTY, *states]),
        "nonsense": _tables(["performance"])
        + fault_plugin.tables(together)
        + _tables(["fairness", ANALYZER, *WITNESSES]),
        "plain": _tables([*FIRST_PARTY, *WITNESSES]),
    }


def _tables(names: Iterable[str]) -> str:
    return "".join(f"[analyzers.{name}]\n" for name in names)


def _audit(home: Path, name: str, tail: str) -> Audited:
    config, out = _config(home, name, tail), home / name
    command = [sys.executable, "-m", "auditbench", "audit", str(config), "--out", str(out), "--device", "cpu"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=AUDIT_SECONDS)
    output = done.stdout.decode() + done.stderr.decode()
    assert (out / "run.json").exists(), output[-3000:]
    document = json.loads((out / "run.json").read_bytes())
    return Audited(run=read_run(out), document=document, folder=out, code=done.returncode, output=output)


def _holding(audits: dict[str, Audited], fault: Fault) -> Audited:
    return audits["nonsense" if fault.plugin in TOGETHER else "deaths"]


def _bits(audited: Audited, name: str) -> str:
    """A result as run.json holds it, with the digests of its arrays."""
    (found,) = [result for result in audited.document["results"] if result["analyzer"] == name]
    return json.dumps(found)


def _state(audited: Audited, name: str) -> dict[str, object]:
    result = audited.result(name)
    assert result.status == "ok", result.reason
    return dict(result.notes[0].text.values)


def _processes_of(folder: Path) -> Iterator[psutil.Process]:
    """Processes that have the folder in their environment or their arguments, but for this one and its children."""
    own = {os.getpid(), os.getppid()}
    for process in psutil.process_iter():
        try:
            known = [*process.environ().values(), *process.cmdline()]
            if process.pid not in own and process.status() != "zombie" and any(str(folder) in text for text in known):
                yield process
        except psutil.Error:
            continue

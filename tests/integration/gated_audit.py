"""Audits with a gate on an analyzer that can fail to give its number in many ways; shared by the tests of gates."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from auditbench.cli.boundary import guarded
from tests.in_process_worker import workers_in_this_process
from tests.plugin_site import PluginSite, installed_site

CONFIG = """
[audit]
name = "people"
[model]
path = "model"
task = "binary-classification"
[data]
test = "test.csv"
train = "train.csv"
target = "approved"
positive = "yes"
sensitive = ["city"]
[report]
formats = []
cases = 0
[limits]
environment = ["PROBE_KIND"]
"""
TRAIN = '[train]\narchitecture = "linear"\nepochs = 1\n'
HEADER = "age,income,city,approved\n"
STEADY = "[analyzers.steady]\n"
PROBE = "[analyzers.probe]\nrequired = false\n"
GATE = "[[gates]]\nmetric = 'probe.score'\nmin = 0\n"

ANALYZERS = """
from auditbench.errors import AnalyzerNotPossible
from auditbench.findings import Message
from auditbench.results import Interval

WHY = Message(key="probe.why")
INTERVAL = Interval(low=0.4, high=0.6, method="wilson")

def score(value=0.5, **fields):
    return Metric(**{"name": "score", "value": value, "n": 10, "no_interval": "exact", **fields})

def smuggled(record, **fields):
    for name, value in fields.items():
        object.__setattr__(record, name, value)
    return record

def raises(error):
    raise error

def labelled(**fields):
    return score(where=fields)

class Rounded(float):
    def __round__(self, digits=0):
        return float("nan")

def numpy_value(value):
    import numpy as np
    with np.errstate(all="ignore"):
        return score(np.float32(value) / np.float32(0))

KINDS = {
    "number": lambda: score(),
    "below": lambda: score(-1.0),
    "no-interval": lambda: score(no_interval="not_estimated"),
    "nan": lambda: score(float("nan")),
    "inf": lambda: score(float("inf")),
    "minus-inf": lambda: score(float("-inf")),
    "nan-after-rounding": lambda: score(round(Rounded(0.5), 3)),
    "numpy-nan": lambda: numpy_value(0),
    "numpy-inf": lambda: numpy_value(1),
    "undefined": lambda: score(None, reason=WHY, no_interval=""),
    "undefined-without-a-reason": lambda: score(None),
    "smuggled-nan": lambda: smuggled(score(), value=float("nan")),
    "smuggled-inf": lambda: smuggled(score(), value=float("inf")),
    "smuggled-none": lambda: smuggled(score(), value=None),
    "smuggled-interval-nan": lambda: score(interval=smuggled(INTERVAL, low=float("nan")), no_interval=""),
    "true": lambda: score(True),
    "numpy-true": lambda: score(__import__("numpy").bool_(True)),
    "text": lambda: smuggled(score(), value="0.5"),
    "list": lambda: smuggled(score(), value=[0.5]),
    "rows-as-text": lambda: smuggled(score(), n="10"),
    "no-rows": lambda: score(n=0),
    "rows-none": lambda: smuggled(score(), n=None),
    "raises": lambda: raises(ValueError("on purpose")),
    "exits": lambda: raises(SystemExit(0)),
    "not-possible": lambda: raises(AnalyzerNotPossible("not here")),
    "returns-none": lambda: None,
    "returns-a-dict": lambda: {"score": 0.5},
    "no-metrics": lambda: (),
    "another-name": lambda: score(name="scores"),
    "labels": lambda: (labelled(group="a"), labelled(group="b")),
    "twice": lambda: (score(), score()),
    "status-failed": lambda: AnalysisResult(status="failed", reason=WHY, metrics=(score(),)),
    "vanishes": lambda: os._exit(0),
    "killed": lambda: os.kill(os.getpid(), 9),
    "hangs": lambda: time.sleep(600),
    "status-of-another": lambda: AnalysisResult(analyzer="steady", status="not_applicable", reason=WHY),
}

class Params(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: str = "number"

class LenientParams(BaseModel):
    kind: str = "number"

def probe(context, params):
    kind = os.environ.get("PROBE_KIND", params.kind)
    if kind == "model-changed":
        next(context.model.module.parameters()).data.neg_()
        return AnalysisResult(metrics=(score(),))
    found = KINDS[kind]()
    if isinstance(found, Metric):
        found = (found,)
    return AnalysisResult(metrics=found) if isinstance(found, tuple) else found

@hookimpl
def auditbench_analyzers():
    yield Analyzer(name="probe", topic="probe", summary="", analyze=probe, Params=Params)
    yield Analyzer(name="probe-lenient", topic="probe", summary="", analyze=probe, Params=LenientParams)
    yield Analyzer(name="probe-declared", topic="probe", summary="", analyze=probe, Params=Params, metrics=("score",))
    yield Analyzer(name="probe-needy", topic="probe", summary="", analyze=probe, needs=Needs(packages=("absent_package",)))
    yield Analyzer(name="probe-regression", topic="probe", summary="", analyze=probe, needs=Needs(tasks=("regression",)))
"""
STEADY_PLUGIN = """
def steady(context, params):
    return AnalysisResult(metrics=(Metric(name="one", value=1.0, n=1, no_interval="count"),))

@hookimpl
def auditbench_analyzers():
    yield Analyzer(name="steady", topic="probe", summary="", analyze=steady)
"""


BLANK_PLUGIN = """
def render(run, options):
    raise ValueError("no ink")

def page(run, options):
    return {"page.txt": run.verdict.encode()}

@hookimpl
def auditbench_renderers():
    yield Renderer(name="blank", summary="", render=render)
    yield Renderer(name="blank-page", summary="", render=page)
"""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One way to have no number.

    Attributes:
        code: The exit code it must give; never 0.
        state: Of the gate; empty where the audit is refused before it is decided.
        kind: What the probe returns.
        tables: Analyzers and gates.
        options: Of the command.
        test: Evaluated rows.
        words: What the terminal must say.
    """

    code: int = 1
    state: str = ""
    kind: str = "number"
    tables: str = STEADY + PROBE + GATE
    options: tuple[str, ...] = ()
    test: str = ""
    words: tuple[str, ...] = ()


@dataclass
class Told:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str
    document: dict[str, object] = field(default_factory=dict)


@contextmanager
def gated_site(folder: Path) -> Iterator[PluginSite]:
    """Plugins in a folder, and beside them a model with its data, trained without a process of its own."""
    with installed_site(folder / "site") as site:
        site.add("probe", ANALYZERS)
        site.add("steady", STEADY_PLUGIN)
        site.add("broken", "raise ImportError('no such module')\n")
        site.add("blank", BLANK_PLUGIN)
        (folder / "audit.toml").write_text(CONFIG + TRAIN)
        (folder / "train.csv").write_text(rows(120))
        (folder / "test.csv").write_text(rows(60))
        with workers_in_this_process():
            assert guarded(["train", str(folder / "audit.toml")]) == 0
        yield site


def copy_subject(site: PluginSite, home: Path) -> Path:
    """Make a folder with copies of data and model."""
    home.mkdir()
    for name in ("train.csv", "test.csv"):
        shutil.copy(site.path.parent / name, home / name)
    shutil.copytree(site.path.parent / "model", home / "model")
    return home


def rows(count: int, *, label: str = "", city: str = "") -> str:
    return HEADER + "".join(
        f"{20 + i % 40},{1000 + 37 * i % 500},{city or 'AB'[i % 2]},{label or ('yes' if i * i % 7 < 3 else 'no')}\n"
        for i in range(count)
    )


def audit(folder: Path, row: Row, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Told:
    """One `auditbench audit` of a row, read as a script reads it and, in `err`, as a person does."""
    monkeypatch.setenv("PROBE_KIND", row.kind)
    (folder / "audit.toml").write_text(CONFIG + row.tables)
    if row.test:
        (folder / "test.csv").write_text(row.test.strip(" "))
    capsys.readouterr()
    code = guarded(["audit", str(folder / "audit.toml"), "--out", str(folder / "run"), "--json", *row.options])
    told = capsys.readouterr()
    return Told(code, told.out, told.err, json.loads(told.out) if told.out else {})

"""`auditbench plugins check`: projects that are not installed, installed plugins, and plugins that hang or crash."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from auditbench.cli.boundary import guarded
from auditbench.findings import Message
from auditbench.supervisor.worker_process import WorkerFault
from auditbench.testing.conformance import separate
from auditbench.testing.conformance.analyzers import all_checks
from tests.plugin_site import installed_site
from tests.zoo.loaders import write_sample

PROJECT = """
[project]
name = "auditbench-probe"
version = "1.0"
dependencies = ["auditbench"]
[project.entry-points."auditbench.plugins"]
probe = "{module}"
"""
GOOD = """
import html
from auditbench.contracts import Renderer
from auditbench.hookspecs import hookimpl
from auditbench.messages import load_messages, merge_catalogues
from auditbench.safe_text import safe_text

AUDITBENCH_API = "1.1"

def draw(run, options):
    say = merge_catalogues(options.language, load_messages("auditbench")[options.language])
    lines = [say.say(f"core.verdict_{run.verdict}"), *(f"{one.analyzer}: {one.status}" for one in run.results)]
    return {"probe.html": html.escape("\\n".join(map(safe_text, lines))).encode()}

@hookimpl
def auditbench_renderers():
    yield Renderer(name="probe", summary="A page", render=draw)
"""
ENDING = (
    GOOD
    + """
    yield Renderer(name="probe-crash", summary="Crashes", render=crash)
    yield Renderer(name="probe-hang", summary="Hangs", render=hang)

def crash(run, options):
    import os
    os.abort()

def hang(run, options):
    import time
    while True:
        time.sleep(1)
"""
)
EXITING = """
import os
from pydantic import BaseModel
from auditbench.contracts import Analyzer
from auditbench.hookspecs import hookimpl

AUDITBENCH_API = "1.1"

class Params(BaseModel):
    rows: int = 4

def analyze(context, params):
    os._exit(3)

@hookimpl
def auditbench_analyzers():
    yield Analyzer(name="probe", topic="probe", summary="Ends it all", analyze=analyze, Params=Params)
"""
LOADER = """
from auditbench.contracts import ModelLoader
from auditbench.hookspecs import hookimpl

@hookimpl
def auditbench_model_loaders():
    yield ModelLoader(name="probe", summary="Any file", load=load)

def load(request):
    raise ValueError("no such format")
"""


def write_project(folder: Path, code: str, *, module: str = "auditbench_probe_project", more: str = "") -> Path:
    (folder / "src" / module).mkdir(parents=True)
    (folder / "src" / module / "__init__.py").write_text(code)
    (folder / "pyproject.toml").write_text(PROJECT.format(module=module) + more)
    return folder


def checked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """The exit code, and each outcome by its promise for each thing."""
    code = guarded(["plugins", "check", "--json", *arguments])
    found = json.loads(capsys.readouterr().out)
    return code, {
        f"{one['kind']} {one['name']}": {outcome["promise"]["key"]: outcome for outcome in one["outcomes"]}
        for one in found
    }


def test_a_project_that_is_not_installed_keeps_its_promises(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = guarded(["plugins", "check", str(write_project(tmp_path, GOOD))])
    said = capsys.readouterr()
    assert code == 0, said.out
    assert "auditbench_probe_project" not in sys.modules
    assert "renderer probe" in said.out
    assert "  kept       tells-the-verdict: Tells the verdict, where its files are text." in said.out
    assert "  not tried  speaks-both-languages: Says in Chinese what it says in English." in said.out
    assert said.out.endswith("19 promises kept, 0 broken, 2 not tried\n")
    assert "renderer probe: same-bytes" in said.err


def test_a_crash_and_a_hang_break_a_promise_and_end_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = checked(capsys, str(write_project(tmp_path, ENDING)), "--time-limit", "30")
    assert code == 2
    assert list(found) == [
        "project auditbench-probe",
        "plugin probe",
        "renderer probe",
        "renderer probe-crash",
        "renderer probe-hang",
    ]
    assert {outcome["state"] for outcome in found["renderer probe"].values()} == {"kept"}
    crash, hang = (found[f"renderer probe-{name}"]["survives"] for name in ("crash", "hang"))
    assert crash["state"] == hang["state"] == "broken"
    assert crash["problem"]["message"] == "the process was lost when `draws-every-block` was tried"
    assert "SIGABRT" in crash["problem"]["found"]
    assert "in crash" in crash["problem"]["found"]
    assert "limit of 30 seconds" in hang["problem"]["found"]
    assert "--time-limit" in hang["problem"]["fix"]
    assert "--time-limit" not in crash["problem"]["fix"]


@pytest.mark.parametrize(
    ("key", "timed_out", "allowed"),
    [
        ("core.timed_out", True, "an answer within 30 seconds"),
        ("core.memory_limit", False, "no more memory than there is"),
        ("core.worker_out_of_memory", False, "no more memory than there is"),
        ("core.worker_exited", False, "a result, or an exception"),
    ],
)
def test_more_time_is_offered_only_where_time_ran_out(key: str, timed_out: bool, allowed: str) -> None:
    found, fix = separate._way_on(WorkerFault(Message(key=key), timed_out=timed_out), 30)
    assert found == allowed
    assert ("--time-limit" in fix) == timed_out


def test_what_is_known_of_a_thing_that_ends_its_process_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = checked(capsys, str(write_project(tmp_path, EXITING)))
    assert code == 2
    outcomes = found["analyzer probe"]
    assert list(outcomes) == ["survives", *(promise.key for promise, _ in all_checks())]
    states = {key: one["state"] for key, one in outcomes.items()}
    lost = list(states)[1:].index("runs-where-it-applies") + 1
    assert states["survives"] == "broken"
    assert set(list(states.values())[1:lost]) <= {"kept", "broken"}
    assert states["parameters-have-help"] == "broken"
    assert set(list(states.values())[lost:]) == {"not_tried"}
    assert outcomes["repeatable"]["reason"] == "the process was lost when `runs-where-it-applies` was tried"
    problem = outcomes["survives"]["problem"]
    assert "status 3" in problem["found"]
    assert "--time-limit" not in problem["fix"]
    assert "seconds" not in problem["allowed"]


def test_a_project_with_faults_names_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "sample").mkdir()
    write_sample(tmp_path / "sample")
    sample = tmp_path / "sample" / "audit.toml"
    sample.write_text(sample.read_text().replace("numbers", "probe"))
    folder = write_project(tmp_path, LOADER)
    text = (folder / "pyproject.toml").read_text().replace('version = "1.0"\n', "").replace('"auditbench"', "")
    named = '[tool.auditbench.conformance.samples]\nprobe = "sample/audit.toml"\n'
    (folder / "pyproject.toml").write_text(text + named)
    code, found = checked(capsys, str(folder))
    assert code == 2
    broken = {name: [key for key, one in things.items() if one["state"] == "broken"] for name, things in found.items()}
    assert broken == {
        "project auditbench-probe": ["says-its-version", "requires-auditbench"],
        "plugin probe": ["states-its-api"],
        "loader probe": ["opens"],
    }
    assert "ValueError: no such format" in found["loader probe"]["opens"]["problem"]["found"]
    assert {one["state"] for key, one in found["loader probe"].items() if key != "opens"} == {"not_tried"}


@pytest.mark.parametrize(
    ("code", "found"),
    [
        pytest.param("import os\nos._exit(3)\n", "status 3", id="ends"),
        pytest.param("import time\ntime.sleep(1000)\n", "limit of 10 seconds", id="hangs"),
        pytest.param("1 / 0\n", "ZeroDivisionError", id="raises"),
        pytest.param(GOOD.replace('name="probe"', 'name="other"'), "other", id="another-name"),
        pytest.param(GOOD.replace('"1.1"', '"7.0"'), "7.0", id="another-api"),
    ],
)
def test_a_plugin_that_cannot_be_loaded_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, code: str, found: str
) -> None:
    monkeypatch.setattr(separate, "_DESCRIBE_SECONDS", 10.0)
    exit_code, outcomes = checked(capsys, str(write_project(tmp_path, code)))
    assert exit_code == 2
    problem = outcomes["plugin probe"]["can-be-loaded"]["problem"]
    assert found in problem["found"]


def test_an_installed_plugin_is_checked_by_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with installed_site(tmp_path / "site") as site:
        site.add("probe", GOOD, imports="")
        code, found = checked(capsys, "probe")
    assert code == 0
    assert list(found) == ["plugin probe", "renderer probe"]


def test_a_folder_called_like_an_installed_plugin_is_checked_only_where_it_is_meant(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(separate, "check_plugin", lambda name, **_: asked.append(name) or ())
    monkeypatch.setattr(separate, "check_project", lambda folder, **_: asked.append(folder) or ())
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shap").mkdir()
    (tmp_path / "mine").mkdir()
    for argument, meant, said in (
        ("shap", "shap", "the installed plugin shap"),
        ("./shap", Path("shap"), f"the project in {tmp_path / 'shap'}"),
        ("shap/", Path("shap"), f"the project in {tmp_path / 'shap'}"),
        (".", Path(), f"the project in {tmp_path}"),
        ("mine", Path("mine"), f"the project in {tmp_path / 'mine'}"),
    ):
        asked: list[object] = []
        guarded(["plugins", "check", argument])
        assert (asked, capsys.readouterr().err.splitlines()) == ([meant], [f"checks {said}"])
    (tmp_path / "shap" / "pyproject.toml").write_text("")
    asked = []
    guarded(["plugins", "check", "shap"])
    assert asked == [Path("shap")]


@pytest.mark.parametrize(
    ("argument", "said"),
    [("no-such-plugin", "no installed plugin provides 'no-such-plugin'"), (".", "there is no such file")],
)
def test_what_is_no_plugin_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, argument: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert guarded(["plugins", "check", argument]) == 2
    assert said in capsys.readouterr().err

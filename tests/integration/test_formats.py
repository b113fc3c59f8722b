"""Formats go by the names that people write, and one that cannot be written here is refused before an audit begins."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import auditbench
from auditbench.cli.boundary import guarded
from auditbench.errors import ConfigError
from tests.in_process_worker import workers_in_this_process
from tests.integration.gated_audit import CONFIG, STEADY, gated_site
from tests.plugin_site import PluginSite

PRESS = """
from auditbench.contracts import Program

PRESS = Program(title="A press", names=("no-such-press",), variable="PRESS", install="buy one")

def render(run, options):
    return {"press.txt": b"ink"}

@hookimpl
def auditbench_renderers():
    yield Renderer(name="press", summary="", render=render, needs=Needs(programs=(PRESS,)))
"""
LACKING = "press: A press is not installed\n  found: none of no-such-press on the path\n  fix: buy one\n"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PluginSite]:
    with gated_site(tmp_path_factory.mktemp("formats")) as site, workers_in_this_process():
        site.add("press", PRESS)
        yield site


@pytest.fixture(scope="module")
def home(site: PluginSite) -> Path:
    """A folder with a run that wrote its tables."""
    folder = site.path.parent
    (folder / "audit.toml").write_text(CONFIG.replace("formats = []", 'formats = ["csv", "xlsx", "json"]') + STEADY)
    assert guarded(["audit", str(folder / "audit.toml"), "--out", str(folder / "run")]) == 0
    return folder


def files(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("[!.]*") if path.is_file()}


def test_tables_are_asked_for_by_the_ends_of_their_names(home: Path) -> None:
    assert (home / "run" / "tables.xlsx").read_bytes().startswith(b"PK")
    assert (home / "run" / "table-metrics.csv").read_text("utf-8-sig").splitlines()[1].startswith('"steady.one"')


@pytest.mark.parametrize("command", ["check", "audit"])
def test_what_lacks_a_program_is_refused_before_the_audit(
    home: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    before = files(home)
    out = ["--out", str(home / "new")] if command == "audit" else []
    assert guarded([command, str(home / "audit.toml"), "--format", "html,press", *out]) == 2
    assert capsys.readouterr().err.endswith(f"AB100 report.formats: {LACKING}")
    assert files(home) == before
    assert not (home / "new").exists()


def test_render_writes_all_formats_or_none(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(home / "run", tmp_path / "run")
    before = files(tmp_path)
    assert guarded(["render", str(tmp_path / "run"), "--format", "junit,press"]) == 2
    assert capsys.readouterr().err == f"AB406 --format: {LACKING}"
    assert files(tmp_path) == before
    monkeypatch.setenv("PRESS", "/bin/sh")
    assert guarded(["render", str(tmp_path / "run"), "--format", "junit,press"]) == 0
    assert (tmp_path / "run" / "junit.xml").is_file()
    assert (tmp_path / "run" / "press.txt").read_bytes() == b"ink"


@pytest.mark.parametrize(
    ("name", "fix"),
    [("htm", "did you mean `html`?"), ("pres", "did you mean `press`?"), ("excel", "see `auditbench plugins list`")],
)
def test_an_unknown_format_gets_those_that_there_are(
    home: Path, capsys: pytest.CaptureFixture[str], name: str, fix: str
) -> None:
    allowed = "csv, html, junit, markdown, model-card, pdf, sarif, xlsx, json; or what these plugins provide: blank, "
    for code, command in (("AB100", ["check", "audit.toml"]), ("AB402", ["render", "run"])):
        assert guarded([command[0], str(home / command[1]), "--format", f"{name},csv"]) == 2
        err = capsys.readouterr().err
        assert err.startswith(code)
        assert f"nothing installed provides the format '{name}'\n  found: {name}\n  allowed: {allowed}" in err
        assert err.endswith(f"  fix: {fix}\n")


def test_an_analyzer_is_no_format(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(["check", str(home / "audit.toml"), "--format", "steady"]) == 2
    assert "nothing installed provides the format 'steady'" in capsys.readouterr().err


def test_an_audit_of_a_live_model_is_refused_before_it_begins(site: PluginSite, tmp_path: Path) -> None:
    rows = np.zeros((4, 2), dtype=np.float32)
    with pytest.raises(ConfigError, match="A press is not installed"):
        auditbench.audit(
            torch.nn.Linear(2, 1), rows, [0, 1, 0, 1], task="binary-classification", output="logit",
            analyzers={"steady": {}}, out=tmp_path / "run", formats=["press"],
        )  # fmt: skip
    assert not (tmp_path / "run").exists()

"""What a plugin of another distribution brings besides code: presets, and words on what to install and on what goes away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from auditbench.cli.boundary import guarded
from auditbench.run_file import read_run
from tests.integration.small_audit import write_config
from tests.plugin_site import PluginSite, installed_site

CODE = """
import warnings
from pathlib import Path
from auditbench.contracts import ModelLoader
from auditbench.deprecation import ContractDeprecationWarning

AUDITBENCH_API = "1.1"
DEEP = Needs(packages=("absent_package",), extra="deep")

def old(place):
    warnings.warn(f"old in {place}", ContractDeprecationWarning, stacklevel=2)

old("loading")

def analyze(context, params):
    old("analyzing")
    return AnalysisResult(metrics=(Metric(name="gap", value=0.25, n=40, no_interval="exact"),))

def render(run, options):
    old("rendering")
    return {"gap.txt": b"gap"}

@hookimpl
def auditbench_analyzers():
    yield Analyzer(name="gap", topic="probe", summary="A gap", analyze=analyze, metrics=("gap",), cost="outputs")
    yield Analyzer(name="gap-deep", topic="probe", summary="Deep", analyze=analyze, needs=DEEP)

@hookimpl
def auditbench_renderers():
    yield Renderer(name="gap-text", summary="Text", render=render)
    yield Renderer(name="gap-page", summary="A page", render=render, needs=DEEP)

@hookimpl
def auditbench_model_loaders():
    yield ModelLoader(name="gap-format", summary="A format", load=print, needs=DEEP)

@hookimpl
def auditbench_audit_finished(run):
    old("observing")
"""
PRESET = 'tasks = ["binary-classification"]\n[[gates]]\nid = "small"\nmetric = "gap.gap"\nmax = 0.5\n'
WORDS = {"en": ("A small gap.", "Half is the most we accept."), "zh-CN": ("差距要小。", "我们最多接受一半。")}
INSTALL = "pip install 'gap-tools[deep]'"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PluginSite]:
    with installed_site(tmp_path_factory.mktemp("plugins") / "site") as found:
        found.add("gap", CODE, distribution="gap-tools", version="2.0", module="gap_tools")
        package = found.path / "gap_tools"
        for folder in ("presets", "messages"):
            (package / folder).mkdir(parents=True)
        (found.path / "gap_tools.py").rename(package / "__init__.py")
        (package / "presets" / "gap-basics.toml").write_text(PRESET)
        for language, (purpose, reason) in WORDS.items():
            lines = f'"preset.gap-basics" = "{purpose}"\n"preset.gap-basics.small" = "{reason}"\n'
            (package / "messages" / f"{language}.toml").write_text(lines, encoding="utf-8")
        yield found


@pytest.fixture(scope="module")
def audited(site: PluginSite, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was decided by the preset."""
    folder = tmp_path_factory.mktemp("audit")
    path = write_config(folder, "[analyzers.gap]\n[analyzers.gap-deep]\nrequired = false\n")
    text = path.read_text().replace('name = "small"', 'name = "small"\ngates = ["preset:gap-basics"]')
    path.write_text(text.replace("formats = []", 'formats = ["html", "gap-text"]'))
    assert guarded(["audit", str(path), "--out", str(folder / "run")]) == 0
    return folder / "run"


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    """What a command writes, to both streams."""
    capsys.readouterr()
    assert guarded(list(arguments)) == code
    return "".join(capsys.readouterr())


@pytest.mark.parametrize("language", WORDS)
def test_the_sentences_of_a_preset_stand_in_reports(audited: Path, language: str) -> None:
    assert guarded(["render", str(audited), "--format", "html", "--lang", language]) == 0
    assert WORDS[language][1] in (audited / "report.html").read_text("utf-8")


def test_the_sentences_of_a_preset_stand_on_the_terminal(audited: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert WORDS["en"][1] in said(capsys, "gate", str(audited), "--gates", "preset:gap-basics")
    assert WORDS["en"][1] in said(capsys, "gate", str(audited))


def test_a_record_has_its_words_where_the_plugin_is_gone(
    audited: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("auditbench.presets.sources.list_entry_points", lambda: ())
    assert WORDS["en"][1] in said(capsys, "gate", str(audited))
    assert "there is no such preset" in said(capsys, "gate", str(audited), "--gates", "preset:gap-basics", code=2)


def test_what_a_plugin_uses_that_goes_away_stands_in_the_run_once(audited: Path) -> None:
    told = [warning.values for warning in read_run(audited).warnings if warning.key == "core.deprecated"]
    assert [(values["plugin"], values["source"]) for values in told] == [("gap", "gap-tools 2.0")] * 4
    assert {str(values["what"]) for values in told} == {
        "old in loading", "old in analyzing", "old in rendering", "old in observing",
    }  # fmt: skip
    assert "old in observing" in (audited / "report.html").read_text("utf-8")


def test_it_stands_there_as_well_when_the_audit_goes_on(audited: Path) -> None:
    before = read_run(audited)
    assert guarded(["audit", str(audited.parent / "audit.toml"), "--out", str(audited)]) == 0
    assert read_run(audited).warnings == before.warnings


def test_an_optional_analyzer_says_what_to_install(audited: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = read_run(audited).result("gap-deep")
    assert result is not None
    assert result.status == "not_applicable"
    assert result.reason is not None
    assert (result.reason.values["package"], result.reason.values["install"]) == ("absent_package", INSTALL)
    assert INSTALL in said(capsys, "check", str(audited.parent / "audit.toml"))
    assert "gap-tools[deep]" in (audited / "report.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("tail", "old", "new", "where"),
    [
        pytest.param("[analyzers.gap-deep]\n", "", "", "analyzers.gap-deep", id="analyzer"),
        pytest.param("[analyzers.gap]\n", "formats = []", 'formats = ["gap-page"]', "gap-page", id="renderer"),
        pytest.param(
            "[analyzers.gap]\n", "[model]", '[model]\nformat = "gap-format"', "model.format: gap-format", id="loader"
        ),
    ],
)
def test_what_a_config_needs_is_refused_with_what_to_install(
    site: PluginSite, tmp_path: Path, capsys: pytest.CaptureFixture[str], tail: str, old: str, new: str, where: str
) -> None:
    path = write_config(tmp_path, tail)
    text = path.read_text().replace(old, new) if old else path.read_text()
    path.write_text(text.split("[train]")[0] + "[data]" + text.split("[data]")[1] if "gap-format" in text else text)
    told = said(capsys, "check", str(path), code=2)
    assert f"{where}: the package 'absent_package' is not installed" in told
    assert f"fix: {INSTALL}" in told


def test_show_and_doctor_say_what_to_install(site: PluginSite, capsys: pytest.CaptureFixture[str]) -> None:
    shown = said(capsys, "plugins", "show", "gap")
    assert "  written for  version 1.1 of the contracts" in shown
    assert "  cost        evaluates no model: it reads the outputs that the audit has\n" in shown
    assert f"  missing     absent_package; {INSTALL}\n" in shown
    assert shown.count(f"    fix: {INSTALL}\n") == 2
    assert "preset gap-basics: A small gap.\n" in shown
    (document,) = [json.loads(said(capsys, "plugins", "show", "gap", "--json"))]
    assert (document["api"], document["analyzers"][0]["cost"]) == ("1.1", "outputs")
    assert {item["kind"] for item in document["provides"]} == {"renderer", "model format", "preset"}


def test_listing_does_not_import_what_a_plugin_needs(site: PluginSite, capsys: pytest.CaptureFixture[str]) -> None:
    site.add("loud", "raise RuntimeError('imported')", distribution="loud-tools")
    listed = {entry["name"]: entry for entry in json.loads(said(capsys, "plugins", "list", "--json"))}
    assert listed["loud"]["distribution"] == "loud-tools"
    assert listed["gap"] == {
        "name": "gap",
        "distribution": "gap-tools",
        "version": "2.0",
        "module": "gap_tools",
        "module_found": True,
    }

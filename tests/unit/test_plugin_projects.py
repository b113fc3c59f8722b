"""Projects of plugins, read without running their code: layouts, builders, what is wrong with them."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path

import pytest

from auditbench.descriptions import AnalyzerDescription, PluginDescription, Provision
from auditbench.errors import ConfigError, Problem
from auditbench.run import PluginFacts
from auditbench.testing.conformance import plugin_record, projects
from auditbench.testing.conformance.plugin_record import plugin_conformance
from auditbench.testing.conformance.projects import PluginProject, module_file, project_conformance, read_project
from auditbench.testing.conformance.separate import check_project
from auditbench.testing.conformance.traces import folder_state

PROJECT = """
[build-system]
requires = ["{builder}"]
[project]
name = "auditbench-gap"
{version}
dependencies = ["auditbench>=0.1", "numpy"]
[project.entry-points."auditbench.plugins"]
gap = "{module}"
"""
LAYOUTS = {
    "src": ("src/auditbench_gap/__init__.py", "src"),
    "flat": ("auditbench_gap/__init__.py", "."),
    "single-module": ("auditbench_gap.py", "."),
    "single-module-in-src": ("src/auditbench_gap.py", "src"),
    "own-folder": ("python/auditbench_gap/__init__.py", "python"),
}
BUILDERS = {
    "setuptools": 'version = "1.0"',
    "hatchling": 'dynamic = ["version"]\n',
    "flit_core": 'dynamic = ["version", "description"]',
    "poetry-core": 'version = "1.0"',
}


def write_project(
    folder: Path, file: str = "auditbench_gap.py", *, builder: str = "setuptools", text: str = ""
) -> Path:
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('AUDITBENCH_API = "1.1"\nraise SystemExit("imported")\n')
    usual = PROJECT.format(builder=builder, version=BUILDERS[builder], module="auditbench_gap")
    (folder / "pyproject.toml").write_text(text or usual)
    return folder


def broken(project: PluginProject) -> list[str]:
    return [outcome.promise.key for outcome in project_conformance(project).broken]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("builder", BUILDERS)
def test_every_layout_and_builder_is_read(tmp_path: Path, layout: str, builder: str) -> None:
    file, root = LAYOUTS[layout]
    project = read_project(write_project(tmp_path, file, builder=builder))
    assert project.entry_points == {"gap": "auditbench_gap"}
    assert project.roots == ((tmp_path / root).absolute(),)
    assert module_file(project.roots, "auditbench_gap") == tmp_path / file
    assert broken(project) == []


def test_what_is_wrong_with_a_project_is_named(tmp_path: Path) -> None:
    text = PROJECT.format(builder="setuptools", version='version = "1.0"', module="auditbench_gap")
    cases = {
        "says-its-version": text.replace('version = "1.0"', ""),
        "requires-auditbench": text.replace("auditbench>=0.1", "auditbench-extra"),
        "names-its-plugins": text.replace('gap = "', 'Gap = "'),
        "has-its-modules": text.replace('= "auditbench_gap"', '= "auditbench_gapp"'),
    }
    for promise, changed in cases.items():
        assert broken(read_project(write_project(tmp_path, text=changed))) == [promise]
    assert set(cases) == {promise.key for promise, _ in projects.CHECKS}


@pytest.mark.parametrize(
    ("written", "fix"),
    [("auditbench_gapp", "did you mean `auditbench_gap`?"), ("other", "correct the name of the module")],
)
def test_a_misspelt_module_is_told_the_nearest(tmp_path: Path, written: str, fix: str) -> None:
    text = PROJECT.format(builder="setuptools", version='version = "1.0"', module=written)
    conformance = project_conformance(read_project(write_project(tmp_path, text=text)))
    (problem,) = [one.problem for one in conformance.broken]
    assert problem is not None
    assert problem.fix == fix


def test_names_of_the_product_are_taken(tmp_path: Path) -> None:
    text = PROJECT.format(builder="setuptools", version='version = "1.0"', module="auditbench_gap")
    assert broken(read_project(write_project(tmp_path, text=text.replace("gap = ", "fairness = ")))) == [
        "names-its-plugins"
    ]


def test_without_an_entry_point_there_is_no_plugin(tmp_path: Path) -> None:
    text = '[project]\nname = "x"\nversion = "1"\ndependencies = ["auditbench"]\n'
    conformance = project_conformance(read_project(write_project(tmp_path, text=text)))
    assert [outcome.promise.key for outcome in conformance.broken] == ["names-its-plugins"]
    assert [outcome.promise.key for outcome in conformance.not_tried] == ["has-its-modules"]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[tool.poetry]\nname = 'x'\n", "pyproject.toml"),
        ("[project]\nname = 'x'\n[tool.auditbench.conformance]\nsample = {}\n", "tool.auditbench.conformance"),
        (
            "[project]\nname = 'x'\n[tool.auditbench.conformance.samples]\ngap = 'absent.toml'\n",
            "tool.auditbench.conformance.samples.gap",
        ),
        (
            "[project]\nname = 'x'\n[tool.auditbench.conformance.parameters]\ngap = 3\n",
            "tool.auditbench.conformance.parameters.gap",
        ),
    ],
)
def test_a_file_that_says_something_else_is_refused(tmp_path: Path, text: str, where: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read_project(write_project(tmp_path, text=text))
    assert raised.value.problems[0].where.endswith(where)


@pytest.mark.parametrize(
    ("key", "value"), [("name", "3"), ("version", "1.0"), ("dependencies", "3"), ("dynamic", "'version'")]
)
def test_a_key_of_another_type_is_refused(tmp_path: Path, key: str, value: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read_project(write_project(tmp_path, text=f"[project]\n{key} = {value}\n"))
    (problem,) = raised.value.problems
    assert (problem.where, problem.fix) == (f"project.{key}", "correct it")


@pytest.mark.parametrize("module", ["", ".", "../..", "/etc", ":gap", "auditbench_gap\\u0000"])
def test_what_is_no_module_is_not_in_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    text = PROJECT.format(builder="setuptools", version='version = "1.0"', module=module)
    monkeypatch.chdir(write_project(tmp_path, text=text))
    assert broken(read_project(Path())) == ["has-its-modules"]


def test_the_name_of_a_project_is_no_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (aside := tmp_path / "a" / "b" / "c").mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(aside))
    write_project(tmp_path / "project", text='[project]\nname = "../../../escaped"\nversion = "1"\n')
    before = folder_state(tmp_path)
    (conformance,) = check_project(tmp_path / "project", seconds=1)
    assert folder_state(tmp_path) == before
    assert "says-its-version" in [outcome.promise.key for outcome in conformance.broken]


def test_a_version_of_the_contracts_may_come_from_another_module(tmp_path: Path) -> None:
    (module := tmp_path / "auditbench_gap.py").write_text("from auditbench_gap_facts import AUDITBENCH_API\n")
    description = dataclasses.replace(described(), api="1.1")
    assert not plugin_conformance(description, module).broken


def test_samples_and_parameters_are_read(tmp_path: Path) -> None:
    (tmp_path / "audit.toml").write_text("")
    settings = (
        '\n[tool.auditbench.conformance]\nsamples = { gap = "audit.toml" }\nparameters = { gap = { rows = 3 } }\n'
    )
    write_project(tmp_path)
    (tmp_path / "pyproject.toml").write_text((tmp_path / "pyproject.toml").read_text() + settings)
    found = read_project(tmp_path).settings
    assert found.samples == {"gap": (tmp_path / "audit.toml").absolute()}
    assert found.parameters == {"gap": {"rows": 3}}


PRESET = Provision(kind="preset", name="gap-basics", summary="The least.")


def described(**messages: dict[str, str]) -> PluginDescription:
    facts = PluginFacts(name="gap", distribution="x", version="1")
    analyzer = AnalyzerDescription(
        name="gap",
        topic="t",
        summary="s",
        plugin=facts,
        messages={name.replace("_", "-"): words for name, words in messages.items()},
    )
    return PluginDescription(plugin=facts, first_party=False, analyzers=(analyzer,), provides=(PRESET,))


def test_a_plugin_that_keeps_its_promises_does(tmp_path: Path) -> None:
    module = write_project(tmp_path) / "auditbench_gap.py"
    words = {"gap.rate": "Rate"}
    conformance = plugin_conformance(described(en=words, zh_CN=words), module)
    assert [outcome.state for outcome in conformance.outcomes] == ["kept"] * len(plugin_record.CHECKS)


def test_what_is_wrong_with_a_plugin_is_named(tmp_path: Path) -> None:
    module = tmp_path / "auditbench_gap.py"
    module.write_text('"""AUDITBENCH_API = "1.1" stands in a text alone."""\n')
    facts = PluginFacts(name="gap", distribution="x", version="1")
    lost = PluginDescription(plugin=facts, first_party=False, problems=(Problem(message="no", fix="mend it"),))
    assert [one.promise.key for one in plugin_conformance(lost, module).broken] == ["can-be-loaded", "states-its-api"]
    one_language = plugin_conformance(described(en={"gap.rate": "Rate"}), module).broken
    assert [one.promise.key for one in one_language] == ["states-its-api", "speaks-both-languages"]
    assert one_language[1].problem is not None
    assert one_language[1].problem.found == "gap.rate"


def test_a_preset_that_cannot_be_used_breaks_a_promise(tmp_path: Path) -> None:
    module, wrong = write_project(tmp_path) / "auditbench_gap.py", Problem(message="no such metric", fix="rename it")
    words = described(en={"gap.rate": "Rate"}, zh_CN={"gap.rate": "率"})
    broken = dataclasses.replace(words, provides=(PRESET, dataclasses.replace(PRESET, missing=wrong)))
    (outcome,) = plugin_conformance(broken, module).broken
    assert (outcome.promise.key, outcome.problem) == ("presets-are-usable", wrong)
    (untried,) = plugin_conformance(dataclasses.replace(words, provides=()), module).not_tried
    assert untried.promise.key == "presets-are-usable"


def test_catalogues_beside_the_module_count(tmp_path: Path) -> None:
    module = write_project(tmp_path, "gap/__init__.py") / "gap" / "__init__.py"
    (module.parent / "messages").mkdir()
    (module.parent / "messages" / "zh-CN.toml").write_text('"gap.title" = "标题"\n')
    (problem,) = [one.problem for one in plugin_conformance(described(en={}), module).broken]
    assert problem is not None
    assert (problem.where, problem.found) == ("messages/en.toml", "gap.title")

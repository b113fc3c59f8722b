"""`auditbench plugins new`: what it writes passes its own tests, the kit and mypy, and its wheel works elsewhere."""

from __future__ import annotations

import json
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

from auditbench.cli.boundary import guarded
from auditbench.cli.plugins_new import KINDS, TEMPLATES
from auditbench.run_file import read_run
from tests.fresh_environment import FreshEnvironment, built_wheel, fresh_environment, run
from tests.integration.small_audit import write_config

ROOT = Path(__file__).parents[2]
OWN_TESTS = {"analyzer": 3, "renderer": 3, "loader": 3, "architecture": 2}
USE = """
[analyzers.my-analyzer]
confidence = 0.6
[[gates]]
metric = "my-analyzer.confident_errors"
max = 1
"""


@dataclass(frozen=True)
class Projects:
    """A project of each kind, and an environment with the wheel of each."""

    folder: Path
    environment: FreshEnvironment

    def project(self, kind: str) -> Path:
        return self.folder / f"auditbench-my-{kind}"


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> Projects:
    folder = tmp_path_factory.mktemp("projects")
    made = Projects(folder=folder, environment=fresh_environment(folder / "environment"))
    for kind in KINDS:
        assert guarded(["plugins", "new", f"my-{kind}", "--kind", kind, "--out", str(made.project(kind))]) == 0
        (wheels := folder / f"wheel-{kind}").mkdir()
        made.environment.install(built_wheel(made.project(kind), wheels))
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_it_passes_its_own_tests_with_its_wheel(projects: Projects, kind: str) -> None:
    done = projects.environment.run("pytest", "-q", "-p", "no:cacheprovider", "-W", "error", cwd=projects.project(kind))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{OWN_TESTS[kind]} passed" in done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_it_passes_strict_mypy(projects: Projects, kind: str) -> None:
    cache = projects.folder / "mypy"
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(cache), "src", "tests"]
    done = run(command, projects.project(kind))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_it_keeps_every_promise_before_it_is_installed(projects: Projects, kind: str) -> None:
    done = run([sys.executable, "-m", "auditbench", "plugins", "check", ".", "--json"], projects.project(kind))
    assert done.returncode == 0, done.stdout + done.stderr
    found = {one["name"]: one["outcomes"] for one in json.loads(done.stdout) if one["kind"] == kind}
    states = [outcome["state"] for outcome in found[f"my-{kind}"]]
    assert "broken" not in states
    assert states.count("kept") > len(states) / 2


def test_wheels_show_in_the_list(projects: Projects) -> None:
    done = projects.environment.run("auditbench", "plugins", "list", "--json", cwd=projects.folder)
    listed = {entry["name"]: (entry["distribution"], entry["version"]) for entry in json.loads(done.stdout)}
    assert {name: listed.get(name) for name in (f"my-{kind}" for kind in KINDS)} == {
        f"my-{kind}": (f"auditbench-my-{kind}", "0.1.0") for kind in KINDS
    }


def test_an_audit_uses_them_and_every_format_shows_them(projects: Projects, tmp_path: Path) -> None:
    config = write_config(tmp_path, USE)
    config.write_text(config.read_text().replace('"linear"', '"my-architecture"'))
    command = ("auditbench", "audit", config, "--out", tmp_path / "run", "--format", "html,markdown,my-renderer")
    done = projects.environment.run(*command, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    run_of_it = read_run(tmp_path / "run")
    assert run_of_it.model.architecture == "my-architecture"
    (metric,) = run_of_it.results[0].metrics
    assert metric.value is not None
    assert metric.interval is not None
    for name, words in (
        ("report.html", "Wrong among the sure decisions"),
        ("report.md", "Wrong among the sure decisions"),
        ("my-renderer.rst", "Wrong among the sure decisions"),
    ):
        assert words in (tmp_path / "run" / name).read_text(), name


def test_an_audit_opens_the_model_of_the_loader(projects: Projects, tmp_path: Path) -> None:
    sample = projects.project("loader") / "tests" / "sample" / "audit.toml"
    config = tmp_path / "audit.toml"
    paths = sample.read_text().replace('"model.csv"', f'"{sample.parent}/model.csv"')
    paths = paths.replace('"rows.csv"', f'"{sample.parent}/rows.csv"')
    config.write_text(f'{paths}\n[audit]\nname = "late"\n[analyzers.my-analyzer]\n[report]\nformats = []\n')
    done = projects.environment.run("auditbench", "audit", config, "--out", tmp_path / "run", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert read_run(tmp_path / "run").model.format == "my-loader"


def test_nothing_is_written_outside_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home, work, aside = (tmp_path / name for name in ("home", "work", "aside"))
    for folder in (home, work, aside):
        folder.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("TMPDIR", str(aside))
    monkeypatch.chdir(work)
    templates = sorted(TEMPLATES.rglob("*"))
    assert guarded(["plugins", "new", "gap"]) == 0
    assert [path.name for path in work.iterdir()] == ["auditbench-gap"]
    assert not [*home.iterdir(), *aside.iterdir()]
    assert sorted(TEMPLATES.rglob("*")) == templates
    assert not [path for path in (work / "auditbench-gap").rglob("*") if "cookiecutter" in path.name]
    told = capsys.readouterr().out
    assert "choose a licence" in told
    assert "cd auditbench-gap\n  pip install -e '.[test]'\n  pytest\n  auditbench plugins check ." in told


@pytest.mark.parametrize(
    ("builder", "root"),
    [
        pytest.param(WheelBuilder, "auditbench", id="wheel"),
        pytest.param(SdistBuilder, "workbench/auditbench", id="sdist"),
    ],
)
def test_templates_are_shipped(builder: type[WheelBuilder | SdistBuilder], root: str) -> None:
    shipped = {Path(file.distribution_path) for file in builder(str(ROOT)).recurse_included_files()}
    files = [Path(root, "scaffold", path.relative_to(TEMPLATES)) for path in TEMPLATES.rglob("*") if path.is_file()]
    assert len(files) > 15
    assert [file for file in files if file not in shipped] == []


def test_nothing_of_a_template_is_left_in_a_file(projects: Projects) -> None:
    for kind in KINDS:
        files = [path for path in projects.project(kind).rglob("*") if path.is_file()]
        assert not [path for path in files if b"cookiecutter" in path.read_bytes() or b"{%" in path.read_bytes()]


def test_its_test_extra_asks_for_all_that_the_promises_are_tried_with(projects: Projects) -> None:
    for kind in KINDS:
        document = tomllib.loads((projects.project(kind) / "pyproject.toml").read_text())
        names = {line.partition(">")[0] for line in document["project"]["optional-dependencies"]["test"]}
        assert names >= {"jsonschema", "pytest"}, kind


def test_a_path_that_looks_like_a_template_is_a_path(tmp_path: Path) -> None:
    folder = tmp_path / "{{cookiecutter.name}}" / "{% x %}"
    assert guarded(["plugins", "new", "gap", "--out", str(folder)]) == 0
    assert (folder / "pyproject.toml").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["{{cookiecutter.name}}"]


def test_what_is_there_is_left_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(["plugins", "new", "gap", "--out", str(tmp_path)]) == 2
    assert not [*tmp_path.iterdir()]
    assert "there already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        pytest.param(["Gap"], "AB100", "cannot have this name", id="upper-case"),
        pytest.param(["gap-"], "AB100", "cannot have this name", id="ends-in-a-hyphen"),
        pytest.param(["../gap"], "AB100", "cannot have this name", id="a-path"),
        pytest.param(["shap"], "AB401", "the plugin 'shap' of auditbench", id="installed"),
        pytest.param(["shap-fast"], "AB401", "the plugin 'shap' of auditbench", id="begins-as-an-installed-one"),
        pytest.param(["tables"], "AB401", "the import package 'auditbench_tables'", id="package-that-is-there"),
        pytest.param(["onnx", "--kind", "loader"], "AB401", "Auditbench itself", id="format-of-the-product"),
        pytest.param(["mlp", "--kind", "architecture"], "AB401", "Auditbench itself", id="network-of-the-product"),
    ],
)
def test_a_name_that_cannot_be_is_refused(
    arguments: list[str], code: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guarded(["plugins", "new", *arguments, "--out", str(tmp_path / "project")]) == 2
    error = capsys.readouterr().err
    assert error.startswith(code)
    assert said in error
    assert not [*tmp_path.iterdir()]


def test_without_cookiecutter_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "cookiecutter.generate", None)
    assert guarded(["plugins", "new", "gap", "--out", str(tmp_path / "gap")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("AB403")
    assert "pip install 'auditbench[author]'" in error

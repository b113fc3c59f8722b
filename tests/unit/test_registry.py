"""Plugins: found by metadata, loaded when named, and judged before anything relies on them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from auditbench.contracts import Needs, Program
from auditbench.errors import (
    AuditbenchError,
    MissingDependencyError,
    MissingProgramError,
    PluginConflictError,
    PluginError,
    UnknownPluginError,
)
from auditbench.missing_needs import missing_dependency, missing_packages, missing_programs
from auditbench.plugin_entries import PluginEntry, find_entry, list_entry_points
from auditbench.registry import Registry
from tests.plugin_site import PluginSite, installed_site

ENTRY = PluginEntry(name="p", module="m", distribution="others", version="2.0")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[PluginSite]:
    with installed_site(tmp_path / "site") as found:
        yield found


def yields(*names: str) -> str:
    records = "\n".join(f"    yield Analyzer(name={n!r}, topic='t', summary='s', analyze=print)" for n in names)
    return f"@hookimpl\ndef auditbench_analyzers():\n{records}\n"


def refused(name: str) -> AuditbenchError:
    with pytest.raises(AuditbenchError) as caught:
        Registry().analyzer(name, where=f"analyzers.{name}")
    return caught.value


def test_a_plugin_gives_what_its_name_covers(site: PluginSite) -> None:
    site.add("acme", yields("acme", "acme-drift"), distribution="acme-tools", version="3.1")
    registry = Registry()
    provided = registry.analyzer("acme-drift")
    assert provided.record.name == "acme-drift"
    assert (provided.origin.distribution, provided.origin.version) == ("acme-tools", "3.1")
    assert not provided.origin.first_party
    assert {item.record.name for item in registry.provided_by("acme")} == {"acme", "acme-drift"}


def test_listing_imports_nothing(site: PluginSite) -> None:
    site.add("loud", "raise RuntimeError('imported')")
    assert "loud" in {entry.name for entry in list_entry_points()}
    assert refused("loud").problems[0].found == "RuntimeError: imported"


def test_the_host_alone_lists_nothing(tmp_path: Path) -> None:
    program = "import auditbench.plugin_entries as r; print(r.list_entry_points())"
    host = Path(__file__).parents[2] / "workbench"
    libraries = [path for path in sys.path if path.endswith("site-packages")]
    # The libraries without the metadata of this project: a folder of links to everything else.
    alone = tmp_path / "alone"
    alone.mkdir()
    for library in libraries:
        for item in Path(library).iterdir():
            if "auditbench" not in item.name.lower() and not (alone / item.name).exists():
                (alone / item.name).symlink_to(item)
    done = subprocess.run(
        [sys.executable, "-S", "-c", program],
        env={"PYTHONPATH": f"{host}:{alone}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "()\n"


def test_ours_are_first_party() -> None:
    ours = [entry for entry in list_entry_points() if entry.first_party]
    assert {"performance", "shap", "html"} <= {entry.name for entry in ours}
    assert {entry.distribution for entry in ours} == {"auditbench"}


def test_the_longest_plugin_name_counts(site: PluginSite) -> None:
    site.add("acme", yields("acme"))
    site.add("acme-drift", yields("acme-drift-fast"))
    assert find_entry("acme-drift-fast").name == "acme-drift"
    assert find_entry("acme-other").name == "acme"


def test_two_distributions_of_one_name(site: PluginSite) -> None:
    site.add("twin", yields("twin"), distribution="first", version="1.2")
    site.add("twin", yields("twin"), distribution="second", version="3.4")
    error = refused("twin")
    assert isinstance(error, PluginConflictError)
    assert "first 1.2" in error.problems[0].found
    assert "second 3.4" in error.problems[0].found


def test_two_plugins_that_provide_one_name(site: PluginSite) -> None:
    site.add("acme", yields("acme", "acme-drift"))
    site.add("acme-drift", yields("acme-drift"))
    registry = Registry()
    registry.analyzer("acme")
    with pytest.raises(PluginConflictError, match="acme-drift"):
        registry.analyzer("acme-drift")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        pytest.param(yields("other"), "`rule`, or `rule-` and more", id="foreign-name"),
        pytest.param(yields("rule Two"), "`rule`, or `rule-` and more", id="bad-letters"),
        pytest.param("raise ValueError('broken')", "ValueError: broken", id="raises"),
        pytest.param("sys.exit(3)", "SystemExit: 3", id="exits"),
        pytest.param("def (", "SyntaxError", id="syntax"),
        pytest.param("x = 1", "mark its functions with `@hookimpl`", id="no-hook"),
        pytest.param("def auditbench_analyzers():\n    return []", "@hookimpl", id="unmarked-hook"),
        pytest.param("@hookimpl\ndef auditbench_analysers():\n    return []", "unknown hook", id="misspelt-hook"),
        pytest.param("@hookimpl\ndef auditbench_analyzers(config):\n    return []", "config", id="unknown-argument"),
        pytest.param(
            "@hookimpl\ndef auditbench_analyzers():\n    return [1]", "something else than Analyzer", id="type"
        ),
        pytest.param("@hookimpl\ndef auditbench_analyzers():\n    return 1", "TypeError", id="no-iterable"),
        pytest.param("@hookimpl\ndef auditbench_analyzers():\n    raise OSError('x')", "OSError: x", id="hook-raises"),
    ],
)
def test_a_broken_plugin_is_named(site: PluginSite, code: str, words: str) -> None:
    site.add("rule", code, distribution="their-tools", version="0.3")
    error = refused("rule")
    assert isinstance(error, PluginError)
    assert "rule (their-tools 0.3)" in error.problems[0].where
    assert words in error.describe()


def analyzer(fields: str) -> str:
    record = f"dict(dict(name='rule', topic='t', summary='s', analyze=print), {fields})"
    return f"@hookimpl\ndef auditbench_analyzers():\n    yield Analyzer(**{record})\n"


@pytest.mark.parametrize(
    ("fields", "field", "found"),
    [
        pytest.param("metrics='gap'", "metrics", "str 'gap'", id="text-for-a-tuple"),
        pytest.param("metrics=('gap', 1)", "metrics", "tuple ('gap', 1)", id="number-in-a-tuple"),
        pytest.param("metrics=('a',), metric_tasks={'a': ('binary',)}", "metric_tasks", "'binary'", id="no-such-task"),
        pytest.param("metrics=('a',), metric_tasks={'a': ()}", "metric_tasks", "'a': ()", id="metric-of-no-task"),
        pytest.param(
            "metrics=('a',), metric_tasks={'b': ('regression',)}", "metric_tasks", "'b'", id="task-of-no-metric"
        ),
        pytest.param("metrics=('a',), shares=('b',)", "shares", "str 'b'", id="share-that-is-no-metric"),
        pytest.param("shares='gap'", "shares", "str 'gap'", id="text-for-shares"),
        pytest.param("methods='a'", "methods", "str 'a'", id="text-for-methods"),
        pytest.param(
            "methods=(MethodFacts(name='rule.a', source='p'),)", "methods", "source='p'", id="text-for-sources"
        ),
        pytest.param(
            "methods=(MethodFacts(name='rule.a', source=(), modalities=('table',)),)",
            "methods",
            "'table'",
            id="no-input",
        ),
        pytest.param("methods=(MethodFacts(name='a', source=()),)", "methods", "str 'a'", id="method-of-nobody"),
        pytest.param("methods=(MethodFacts(name='rule.', source=()),)", "methods", "str 'rule.'", id="nameless-method"),
        pytest.param("methods=(MethodFacts(name='rule.a', source=()),) * 2", "methods", "'rule.a'", id="method-twice"),
        pytest.param("after=['shap']", "after", "list ['shap']", id="list-for-a-tuple"),
        pytest.param("needs=None", "needs", "NoneType None", id="no-needs"),
        pytest.param("needs=Needs(capabilities=('gradient',))", "needs.capabilities", "('gradient',)", id="capability"),
        pytest.param("needs=Needs(packages='torch')", "needs.packages", "str 'torch'", id="text-for-packages"),
        pytest.param("needs=Needs(programs=('git',))", "needs.programs", "tuple ('git',)", id="text-for-a-program"),
        pytest.param("needs=Needs(sensitive_features=1)", "needs.sensitive_features", "int 1", id="one-for-true"),
        pytest.param("analyze=3", "analyze", "int 3", id="no-function"),
        pytest.param("topic=None", "topic", "NoneType None", id="no-topic"),
        pytest.param("Params=dict", "Params", "type <class 'dict'>", id="no-model"),
        pytest.param("messages={'en': 'text'}", "messages", "dict {'en': 'text'}", id="no-catalogue"),
        pytest.param("messages={'en': {'rule.a': '{x:d}'}}", "messages.en['rule.a']", "str '{x:d}'", id="template"),
        pytest.param("messages={'en': {'rule.a': {'one': 'a'}}}", "messages.en['rule.a']", "{'one': 'a'}", id="plural"),
    ],
)
def test_every_field_of_a_record_is_checked(site: PluginSite, fields: str, field: str, found: str) -> None:
    site.add("rule", analyzer(fields))
    (problem,) = refused("rule").problems
    assert problem.where == f"plugin rule (rule 1.0): {field}"
    assert found in problem.found
    assert problem.allowed


@pytest.mark.parametrize(
    "name", ["required: bool = True", "time_limit: int = 1", "limit: int = Field(1, alias='required')"]
)
def test_a_parameter_may_not_take_a_key_of_the_host(site: PluginSite, name: str) -> None:
    params = f"from pydantic import Field\nclass Params(BaseModel):\n    {name}\n"
    site.add("rule", params + analyzer("Params=Params"))
    (problem,) = refused("rule").problems
    assert "Params." in problem.where
    assert problem.allowed == "any name but memory_gib, required, time_limit"


@pytest.mark.parametrize(
    ("hook", "record", "field"),
    [
        ("renderers", "Renderer(name='rule', summary='s', render=1)", "render"),
        ("model_loaders", "ModelLoader(name='rule', summary=1, load=print)", "summary"),
        ("dataset_loaders", "DatasetLoader(name='rule', summary='s', load=None)", "load"),
        ("architectures", "Architecture(name='rule', summary='s', build=print, Params=1)", "Params"),
    ],
)
def test_every_kind_of_record_is_checked(site: PluginSite, hook: str, record: str, field: str) -> None:
    imports = "from auditbench.contracts import Architecture, DatasetLoader, ModelLoader\n"
    site.add("rule", f"{imports}@hookimpl\ndef auditbench_{hook}():\n    yield {record}\n")
    assert refused("rule").problems[0].where.endswith(f": {field}")


def test_a_plugin_may_be_loaded_for_its_hooks_alone(site: PluginSite) -> None:
    site.add("watch", "@hookimpl\ndef auditbench_audit_finished(run):\n    pass\n")
    registry = Registry()
    assert [entry.name for entry in registry.load_named(["watch"])] == ["watch"]
    assert registry.provided_by("watch") == ()
    with pytest.raises(UnknownPluginError) as caught:
        registry.load_named(["watch-more"])
    assert caught.value.problems[0].fix == "did you mean `watch`?"


def test_the_code_of_a_plugin_is_its_whole_package(site: PluginSite) -> None:
    package = site.path / "acme_package"
    (package / "deep").mkdir(parents=True)
    (package / "__init__.py").write_text("from acme_package.rules import *\n")
    (package / "rules.py").write_text("from auditbench import Analyzer, hookimpl\n" + yields("acme"))
    (package / "deep" / "table.csv").write_text("1")
    site.add("acme", "from acme_package import *", module="acme_module")
    (site.path / "acme-1.0.dist-info" / "entry_points.txt").write_text(
        "[auditbench.plugins]\nacme = acme_package.rules\n"
    )
    site.modules.extend(["acme_package", "acme_package.rules"])
    registry = Registry()
    entry = registry.load("acme")
    first = registry.code_of(entry)
    assert len(first) == 64
    assert registry.code_of(entry) == first
    (package / "deep" / "left.pyc").write_bytes(b"compiled")
    assert registry.code_of(entry) == first
    (package / "deep" / "table.csv").write_text("2")
    assert registry.code_of(entry) != first


def test_a_refused_plugin_leaves_the_registry_usable(site: PluginSite) -> None:
    site.add("bad", yields("elsewhere"))
    site.add("good", yields("good"))
    registry = Registry()
    for _ in range(2):
        with pytest.raises(PluginError):
            registry.analyzer("bad")
    assert registry.analyzer("good").record.name == "good"
    assert [entry.name for entry in registry.loaded] == ["good"]


def test_a_missing_package_is_named(site: PluginSite) -> None:
    site.add("needy", "import absent_package.part")
    error = refused("needy")
    assert isinstance(error, MissingDependencyError)
    assert error.problems[0].fix == "pip install 'absent_package'"


@pytest.mark.parametrize(
    ("line", "fix"),
    [
        pytest.param(
            "from auditbench.mesages import load_messages", "did you mean `auditbench.messages`?", id="module"
        ),
        pytest.param(
            "import auditbench.results.metricss", "did you mean `auditbench.results.metrics`?", id="inner-module"
        ),
        pytest.param("from auditbench.messages import load_mesages", "did you mean `load_messages`?", id="name"),
        pytest.param("from auditbench import hookimp", "did you mean `hookimpl`?", id="name-of-the-package"),
        pytest.param("from auditbench import mesages", "did you mean `messages`?", id="module-as-a-name"),
        pytest.param(
            "from auditbench.quantum import Qubit", "pip install --upgrade auditbench probe-tools", id="nothing-close"
        ),
    ],
)
def test_what_auditbench_has_not_is_named_with_its_line_and_the_nearest(site: PluginSite, line: str, fix: str) -> None:
    site.add("probe", f"\n\n{line}\n", distribution="probe-tools", module="probe_asking", imports="")
    error = refused("probe")
    assert not isinstance(error, MissingDependencyError)
    (problem,) = error.problems
    assert problem.where == f"plugin probe (probe-tools 1.0): {site.path / 'probe_asking.py'}:3"
    upgrade = "pip install --upgrade auditbench probe-tools"
    assert problem.fix == (fix if fix == upgrade else f"{fix} If it is of a later version: {upgrade}")


def test_a_missing_module_of_its_own_is_its_own_fault(site: PluginSite) -> None:
    site.add("hollow", "x = 1", module="hollow_module")
    (site.path / "hollow_module.py").unlink()
    error = refused("hollow")
    assert not isinstance(error, MissingDependencyError)
    assert "hollow_module" in error.problems[0].found


def test_needs_are_looked_up_and_not_imported() -> None:
    needs = Needs(packages=("json", "absent_package", "absent.part"), extra="more")
    sys.modules.pop("antigravity", None)
    assert missing_packages(needs) == ("absent_package", "absent.part")
    assert missing_packages(Needs(packages=("antigravity",))) == ()
    assert "antigravity" not in sys.modules


def test_a_module_within_a_package_is_found_and_the_package_not_imported(site: PluginSite) -> None:
    package = site.path / "loud_package"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "part.py").write_text("")
    names = ("loud_package.part", "loud_package.other", "loud_package.part.deeper", "os.path.more", "")
    assert missing_packages(Needs(packages=names)) == names[1:]
    assert "loud_package" not in sys.modules


def test_what_to_install_names_the_extra_of_the_distribution() -> None:
    needs = Needs(packages=("absent_package",), extra="more")
    ours = PluginEntry(name="p", module="m", distribution="auditbench", version="1")
    fixes = [missing_dependency(needs, origin, "w") for origin in (ours, ENTRY)]
    assert [error.problems[0].fix for error in fixes if error] == [
        "pip install 'auditbench[more]'",
        "pip install 'others[more]'",
    ]
    assert missing_dependency(Needs(packages=("json",)), ENTRY, "w") is None


def test_what_to_install_names_every_package_that_is_missing() -> None:
    error = missing_dependency(Needs(packages=("absent_one", "json", "absent_two")), ENTRY, "w")
    assert error is not None
    assert error.problems[0].fix == "pip install 'absent_one' 'absent_two'"


@pytest.mark.parametrize(
    ("hook", "record", "kind"),
    [
        ("model_loaders", "ModelLoader(name='rule', summary='s', load=print, needs=DEEP)", "model_loader"),
        ("dataset_loaders", "DatasetLoader(name='rule', summary='s', load=print, needs=DEEP)", "dataset_loader"),
        ("architectures", "Architecture(name='rule', summary='s', build=print, needs=DEEP)", "architecture"),
    ],
)
def test_a_loader_that_lacks_a_package_is_not_given(site: PluginSite, hook: str, record: str, kind: str) -> None:
    imports = "from auditbench import Architecture, DatasetLoader, ModelLoader\n"
    deep = "DEEP = Needs(packages=('absent_package',), extra='deep')\n"
    code = f"{imports}{deep}@hookimpl\ndef auditbench_{hook}():\n    yield {record}\n"
    site.add("rule", code, distribution="rule-tools")
    registry = Registry()
    with pytest.raises(MissingDependencyError) as caught:
        getattr(registry, kind)("rule", where="here")
    (problem,) = caught.value.problems
    assert (problem.where, problem.fix) == ("here: rule", "pip install 'rule-tools[deep]'")
    assert [item.record.name for item in registry.provided_by("rule")] == ["rule"]


def test_a_program_is_the_named_one_or_the_first_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("second", "third", "named"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("PRINTER", raising=False)
    program = Program(title="A printer", names=("first", "second", "third"), variable="PRINTER", install="buy one")
    needs = Needs(programs=(program,))
    assert program.find() == str(tmp_path / "second")
    assert missing_programs(needs) == ()
    assert missing_dependency(needs, ENTRY, "w") is None
    monkeypatch.setenv("PRINTER", str(tmp_path / "named"))
    assert program.find() == str(tmp_path / "named")
    monkeypatch.setenv("PRINTER", "absent")
    assert missing_programs(needs) == ("A printer",)
    error = missing_dependency(needs, ENTRY, "w")
    assert isinstance(error, MissingProgramError)
    assert error.describe() == "AB406 w: A printer is not installed\n  found: PRINTER=absent\n  fix: buy one"
    monkeypatch.delenv("PRINTER")
    monkeypatch.setenv("PATH", "")
    assert program.looked_for() == "none of first, second, third on the path"
    assert missing_programs(needs) == ("A printer",)


def test_an_unknown_name_gets_the_nearest(site: PluginSite) -> None:
    site.add("acme", yields("acme-drift"))
    error = refused("shapp")
    assert isinstance(error, UnknownPluginError)
    assert error.problems[0].fix == "did you mean `shap`?"
    assert "acme-drift" in refused("acme-drifts").problems[0].fix


def test_an_empty_path_has_no_plugins() -> None:
    with pytest.raises(UnknownPluginError) as caught:
        find_entry("shap", [])
    assert caught.value.problems[0].allowed == "no plugins are installed"

"""The version of the contracts that a plugin states: kept, or refused with what to install."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from auditbench import plugin_api
from auditbench.contracts import API_VERSION
from auditbench.errors import PluginError
from auditbench.registry import Registry
from auditbench.worker.describing import describe_plugin
from tests.plugin_site import ANALYZERS, PluginSite, installed_site

CODE = "def analyze(context, params):\n    return AnalysisResult()\n" + ANALYZERS.format(name="gap")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[PluginSite]:
    with installed_site(tmp_path / "site") as found:
        yield found


def described(site: PluginSite, stated: str, *, own: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The version of a plugin with this line, loaded by a host whose contracts are of the version `own`."""
    monkeypatch.setattr(plugin_api, "API_VERSION", own)
    site.add("gap", f"{stated}\n{CODE}", distribution="gap-tools", version="0.4")
    registry = Registry()
    registry.load("gap")
    return registry.api_of("gap")


@pytest.mark.parametrize(
    ("stated", "own", "version"),
    [
        pytest.param("", "1.1", "1.0", id="unstated"),
        pytest.param('AUDITBENCH_API = "1.0"', "1.1", "1.0", id="earlier"),
        pytest.param('AUDITBENCH_API = "1.1"', "1.1", "1.1", id="same"),
        pytest.param('AUDITBENCH_API = "1.9"', "1.10", "1.9", id="numbers-not-letters"),
    ],
)
def test_a_version_of_the_same_major_that_is_no_later_is_kept(
    site: PluginSite, monkeypatch: pytest.MonkeyPatch, stated: str, own: str, version: str
) -> None:
    assert described(site, stated, own=own, monkeypatch=monkeypatch) == version


@pytest.mark.parametrize(
    ("stated", "own", "found", "allowed", "fix"),
    [
        pytest.param('"1.2"', "1.1", "'1.2'", "1.0 to 1.1", "pip install --upgrade auditbench", id="later-minor"),
        pytest.param('"1.10"', "1.9", "'1.10'", "1.0 to 1.9", "pip install --upgrade auditbench", id="ten-after-nine"),
        pytest.param('"2.0"', "1.1", "'2.0'", "1.0 to 1.1", "pip install --upgrade auditbench", id="later-major"),
        pytest.param('"1.1"', "2.0", "'1.1'", "2.0", "pip install --upgrade gap-tools", id="earlier-major"),
        pytest.param("None", "2.3", "NoneType None", "two numbers", 'AUDITBENCH_API = "1.1"', id="none"),
        pytest.param("1.1", "1.1", "float 1.1", "two numbers", 'AUDITBENCH_API = "1.1"', id="number"),
        pytest.param('"1"', "1.1", "str '1'", "two numbers", 'AUDITBENCH_API = "1.1"', id="one-number"),
        pytest.param('"1.1.0"', "1.1", "str '1.1.0'", "two numbers", 'AUDITBENCH_API = "1.1"', id="three-numbers"),
        pytest.param('"1.01"', "1.1", "str '1.01'", "two numbers", 'AUDITBENCH_API = "1.1"', id="leading-zero"),
        pytest.param('"1.1\\n"', "1.1", "str '1.1\\n'", "two numbers", 'AUDITBENCH_API = "1.1"', id="line-end"),
        pytest.param("'\\u0661.1'", "1.1", "str", "two numbers", 'AUDITBENCH_API = "1.1"', id="other-digits"),
    ],
)
def test_any_other_is_refused_with_what_to_install(
    site: PluginSite, monkeypatch: pytest.MonkeyPatch, stated: str, own: str, found: str, allowed: str, fix: str
) -> None:
    with pytest.raises(PluginError) as caught:
        described(site, f"AUDITBENCH_API = {stated}", own=own, monkeypatch=monkeypatch)
    (problem,) = caught.value.problems
    assert problem.where == "plugin gap (gap-tools 0.4)"
    assert found in problem.found
    assert allowed in problem.allowed
    assert fix.replace("1.1", own) in problem.fix


def add_in_a_package(site: PluginSite, stated: str, own: str = "") -> None:
    """Install a plugin whose module is one of a package that states this version, with a line of its own."""
    site.add("gap", f"{own}\n{CODE}", module="gap_kit.hooks")
    package = site.path / "gap_kit"
    package.mkdir()
    (package / "__init__.py").write_text(f'AUDITBENCH_API = "{stated}"')
    (site.path / "gap_kit.hooks.py").rename(package / "hooks.py")
    site.modules.append("gap_kit")


@pytest.mark.parametrize(("own", "version"), [("", "1.1"), ('AUDITBENCH_API = "1.0"', "1.0")])
def test_a_package_may_state_it_for_its_modules(site: PluginSite, own: str, version: str) -> None:
    add_in_a_package(site, "1.1", own)
    registry = Registry()
    registry.load("gap")
    assert registry.api_of("gap") == version


def test_a_version_of_its_package_that_is_not_kept_is_refused(site: PluginSite) -> None:
    add_in_a_package(site, "2.0")
    with pytest.raises(PluginError, match="another version of the contracts"):
        Registry().load("gap")


def test_a_plugin_that_asks_for_a_name_of_a_later_version_is_told_to_upgrade(site: PluginSite) -> None:
    site.add("gap", f"from auditbench.contracts import Later\n{CODE}", distribution="gap-tools")
    with pytest.raises(PluginError) as caught:
        Registry().load("gap")
    (problem,) = caught.value.problems
    assert "'Later'" in problem.found
    assert API_VERSION in problem.allowed
    assert problem.fix == "pip install --upgrade auditbench gap-tools"


def test_a_module_of_ours_that_is_not_there_is_no_package_to_install(site: PluginSite) -> None:
    site.add("gap", f"import auditbench.later\n{CODE}")
    with pytest.raises(PluginError, match="this version of Auditbench has not") as caught:
        Registry().load("gap")
    assert "pip install --upgrade auditbench" in caught.value.problems[0].fix


def test_a_plugin_says_what_it_implements_and_for_which_version(site: PluginSite) -> None:
    observer = "@hookimpl\ndef auditbench_audit_finished(run):\n    pass\n"
    site.add("gap", f'AUDITBENCH_API = "1.1"\n{observer}{CODE}')
    found = describe_plugin(Registry(), "gap")
    assert (found.api, found.hooks) == ("1.1", ("auditbench_analyzers", "auditbench_audit_finished"))


def test_what_cannot_be_loaded_has_no_version(site: PluginSite) -> None:
    site.add("gap", f'AUDITBENCH_API = "9.0"\n{CODE}')
    found = describe_plugin(Registry(), "gap")
    assert (found.api, found.hooks, json.dumps(found.problems[0].found)) == ("", (), "\"AUDITBENCH_API = '9.0'\"")


@pytest.mark.parametrize("cost", ["outputs", "passes", "samples", "trains", None])
def test_a_cost_is_one_of_the_classes(site: PluginSite, cost: str | None) -> None:
    site.add("gap", CODE.replace("analyze=analyze", f"analyze=analyze, cost={cost!r}"))
    assert describe_plugin(Registry(), "gap").analyzers[0].cost == cost


@pytest.mark.parametrize("cost", ["'cheap'", "1", "('passes',)", "['passes']"])
def test_no_other_cost_is_taken(site: PluginSite, cost: str) -> None:
    site.add("gap", CODE.replace("analyze=analyze", f"analyze=analyze, cost={cost}"))
    (problem,) = describe_plugin(Registry(), "gap").problems
    assert problem.where == "plugin gap (gap 1.0): cost"
    assert problem.allowed == "outputs, passes, samples, trains, or None"


def test_every_plugin_of_ours_is_of_this_version_and_its_analyzers_state_their_cost() -> None:
    from auditbench.contracts import Analyzer
    from auditbench.plugin_entries import list_entry_points

    registry = Registry()
    entries = [registry.load(entry.name) for entry in list_entry_points() if entry.first_party]
    records = [item.record for entry in entries for item in registry.provided_by(entry.name)]
    unstated = [record.name for record in records if isinstance(record, Analyzer) and record.cost is None]
    assert len(records) > 10
    assert unstated == []
    assert {registry.api_of(entry.name) for entry in entries} == {API_VERSION}

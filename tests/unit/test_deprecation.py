"""Names of the contracts that go away: whoever uses one is named in the run, and nobody else."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from auditbench.deprecation import ContractDeprecationWarning, heard_uses
from auditbench.registry import Registry
from auditbench.testing import toy_context
from auditbench.worker.analysis import Outcome, run_analyzer
from tests.in_process_worker import workers_in_this_process
from tests.integration.probe_audit import audit, probe_site
from tests.integration.small_audit import Recorder
from tests.plugin_site import ANALYZERS, PluginSite, installed_site

NAMES = """
import warnings
from auditbench.deprecation import ContractDeprecationWarning

def __getattr__(name):
    if name != "old_gap":
        raise AttributeError(name)
    warnings.warn("`old_gap` is now `gap`", ContractDeprecationWarning, stacklevel=2)
    return 1.0
"""
USE = "import old_names\nold_names.old_gap\n"
RESULT = "return AnalysisResult(metrics=(Metric(name='m', value=1.0, n=1, no_interval='exact'),))"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[PluginSite]:
    """Plugins beside a module that plays a host with one name that goes away."""
    with installed_site(tmp_path / "site") as found:
        (found.path / "old_names.py").write_text(NAMES)
        found.modules.append("old_names")
        yield found


def run(plugin: str) -> Outcome:
    registry = Registry()
    return run_analyzer(registry.analyzer(plugin), toy_context(analyzer=plugin), registry)


def test_what_an_analyzer_uses_stands_in_the_run_once_and_its_result_is_kept(site: PluginSite) -> None:
    site.add_analyzer("gap", f"{USE}{USE}{RESULT}")
    with pytest.warns(ContractDeprecationWarning):
        outcome = run("gap")
    (warning,) = outcome.warnings()
    assert outcome.result.status == "ok"
    assert warning.key == "core.deprecated"
    assert dict(warning.values) == {"plugin": "gap", "source": "gap 1.0", "what": "`old_gap` is now `gap`"}


def test_a_wrapper_of_another_plugin_is_named_and_not_the_analyzer(site: PluginSite) -> None:
    site.add_analyzer("gap", RESULT)
    site.add("eye", "import old_names\n@hookimpl(wrapper=True)\ndef auditbench_run_analyzer(analyzer, context):\n"
                    "    old_names.old_gap\n    return (yield)\n")  # fmt: skip
    registry = Registry()
    registry.load("eye")
    with pytest.warns(ContractDeprecationWarning):
        outcome = run_analyzer(registry.analyzer("gap"), toy_context(analyzer="gap"), registry)
    assert [warning.values["plugin"] for warning in outcome.warnings()] == ["eye"]


def test_what_a_plugin_uses_while_it_is_loaded_is_heard(site: PluginSite) -> None:
    site.add("gap", f"{USE}def analyze(context, params): ...\n{ANALYZERS.format(name='gap')}")
    registry = Registry()
    with pytest.warns(ContractDeprecationWarning), heard_uses() as uses:
        registry.load("gap")
    assert [message.values["plugin"] for message in registry.deprecations(uses)] == ["gap"]


def test_a_file_of_a_package_belongs_to_its_plugin(site: PluginSite) -> None:
    package = site.path / "gap_tools"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "deep.py").write_text(USE)
    code = f"import gap_tools.deep\ndef analyze(context, params): ...\n{ANALYZERS.format(name='gap')}"
    site.add("gap", code, module="gap_tools_hooks")
    (package / "hooks.py").write_text((site.path / "gap_tools_hooks.py").read_text())
    points = next(site.path.glob("*.dist-info")) / "entry_points.txt"
    points.write_text("[auditbench.plugins]\ngap = gap_tools.hooks\n")
    site.modules.extend(["gap_tools", "gap_tools.deep", "gap_tools.hooks"])
    registry = Registry()
    with pytest.warns(ContractDeprecationWarning), heard_uses() as uses:
        registry.load("gap")
    assert [message.values["plugin"] for message in registry.deprecations(uses)] == ["gap"]


def test_a_name_in_a_loop_is_heard_once(site: PluginSite) -> None:
    site.add_analyzer("gap", f"import old_names\nfor _ in range(50):\n    old_names.old_gap\n{RESULT}")
    registry = Registry()
    registry.load("gap")
    with pytest.warns(ContractDeprecationWarning) as told, heard_uses() as uses:
        run_analyzer(registry.analyzer("gap"), toy_context(analyzer="gap"), registry)
    assert (len(uses), len(told)) == (1, 1)


def test_code_of_nobody_is_no_plugins_fault(site: PluginSite) -> None:
    site.add_analyzer("gap", RESULT)
    registry = Registry()
    registry.load("gap")
    with pytest.warns(ContractDeprecationWarning), heard_uses() as uses:
        warnings.warn("mine", ContractDeprecationWarning, stacklevel=1)
    assert [use.text for use in uses] == ["mine"]
    assert registry.deprecations(uses) == ()


def test_other_warnings_and_the_filters_stay_as_they_were(site: PluginSite) -> None:
    site.add_analyzer("gap", "import warnings\nwarnings.warn('other', DeprecationWarning)\n" + RESULT)
    before = list(warnings.filters)
    with pytest.warns(DeprecationWarning, match="other"):
        outcome = run("gap")
    assert outcome.warnings() == ()
    assert list(warnings.filters) == before


def test_a_result_is_used_again_all_the_same_and_says_it_again(tmp_path: Path) -> None:
    with probe_site(tmp_path) as site, workers_in_this_process():
        (site.path / "old_names.py").write_text(NAMES)
        site.add_analyzer("gap", f"{USE}{RESULT}")
        site.modules.append("old_names")
        with pytest.warns(ContractDeprecationWarning):
            first = audit(tmp_path, "[analyzers.gap]\n", tmp_path / "run")
        recorder = Recorder()
        again = audit(tmp_path, "[analyzers.gap]\n", tmp_path / "run", listener=recorder)
    assert recorder.states["gap"] == "reused"
    assert [warning.key for warning in first.warnings] == ["core.deprecated"]
    assert again.warnings == first.warnings


def test_an_audit_in_python_tells_what_is_used_while_loading_running_and_observing(site: PluginSite) -> None:
    import numpy as np

    import auditbench

    run_and_observe = (
        "def analyze(context, params):\n    old_names.old_other\n    return AnalysisResult()\n"
        "@hookimpl\ndef auditbench_audit_finished(run):\n    old_names.old_third\n"
    )
    (site.path / "old_names.py").write_text(NAMES.replace('name != "old_gap"', '"old_" not in name').replace(
        "`old_gap`", "{name}").replace('warn("', 'warn(f"'))  # fmt: skip
    site.add("gap", f"{USE}{run_and_observe}{ANALYZERS.format(name='gap')}")
    features = np.linspace(-1.0, 1.0, 20).reshape(20, 1)
    with pytest.warns(ContractDeprecationWarning):
        found = auditbench.audit(
            lambda rows: rows[:, 0],
            features,
            features[:, 0],
            task="regression",
            output="value",
            analyzers={"gap": {}},
        )
    told = [warning.values["what"] for warning in found.warnings if warning.key == "core.deprecated"]
    assert sorted(map(str, told)) == ["old_gap is now `gap`", "old_other is now `gap`", "old_third is now `gap`"]

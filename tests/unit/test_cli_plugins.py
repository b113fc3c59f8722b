"""`plugins`, `doctor` and `schema` in text and JSON, with the plugins played by the test."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest

from auditbench.cli import health
from auditbench.cli.boundary import guarded
from auditbench.contracts import API_VERSION, Cost, MethodFacts, Needs
from auditbench.descriptions import AnalyzerDescription, PluginDescription, Provision
from auditbench.errors import Problem
from auditbench.plugin_entries import PluginEntry
from auditbench.run import PluginFacts

FACTS = PluginFacts(name="toy", distribution="toy-plugin", version="1.2")
SCHEMA = {
    "properties": {
        "rows": {"type": "integer", "minimum": 1, "maximum": 10, "default": 5, "description": "Explained rows."},
        "method": {"enum": ["a", "b"], "default": "a"},
        "limit": {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "null"}], "default": None},
        "needed": {"type": "string"},
    },
    "required": ["needed"],
}
TOY = AnalyzerDescription(
    name="toy",
    topic="fairness",
    summary="A \x1b[31mtoy",
    plugin=FACTS,
    needs=Needs(
        tasks=("regression",), capabilities=("gradients",), sensitive_features=True, packages=("absent_package",)
    ),
    after=("performance",),
    metrics=("gap",),
    metric_tasks={"gap": ("regression",)},
    methods=(MethodFacts(name="toy.own\x1b", source=()),),
    schema=SCHEMA,
    cost="samples",
    missing_packages=("absent_package",),
    missing=Problem(message="not installed", where="toy", fix="pip install 'toy-plugin[deep]'"),
)
PLUGIN = PluginDescription(
    plugin=FACTS,
    first_party=False,
    api="1.0",
    hooks=("auditbench_analyzers", "auditbench_renderers"),
    analyzers=(TOY,),
    provides=(
        Provision(kind="renderer", name="toy-page", summary="A page"),
        Provision(
            kind="renderer",
            name="toy-print",
            summary="Paper",
            missing=Problem(message="A press is not installed", where="toy-print", found="none", fix="buy one"),
        ),
        Provision(kind="architecture", name="toy-net", summary="A net", schema=SCHEMA),
        Provision(kind="preset", name="toy-basics", summary="The least."),
    ),
)
BROKEN = PluginDescription(
    plugin=PluginFacts(name="broken", distribution="b", version="0"),
    first_party=False,
    problems=(Problem(message="this plugin cannot be imported", where="plugin broken (b 0)", found="SyntaxError: x"),),
)
OBSERVER = PluginDescription(plugin=PluginFacts(name="eye", distribution="e", version="3"), first_party=False)
PRINTER = dataclasses.replace(
    PLUGIN,
    plugin=PluginFacts(name="print", distribution="p", version="4"),
    analyzers=(dataclasses.replace(TOY, missing_packages=(), missing_programs=("A scale",)),),
)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auditbench.supervisor.describe", lambda names=None: (PLUGIN, BROKEN, OBSERVER, PRINTER))
    entries = (PluginEntry(name="toy", module="json", distribution="toy-plugin", version="1.2"),)
    monkeypatch.setattr("auditbench.plugin_entries.list_entry_points", lambda: entries)


def test_list(installed: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(["plugins", "list"]) == 0
    assert capsys.readouterr().out == "toy  toy-plugin 1.2  json\n"
    assert guarded(["plugins", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {"name": "toy", "distribution": "toy-plugin", "version": "1.2", "module": "json", "module_found": True}
    ]


@pytest.mark.parametrize("module", ["absent_module", "json.absent", "json.absent:plugin"])
def test_list_marks_a_plugin_whose_module_is_not_there_and_imports_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], module: str
) -> None:
    gone = PluginEntry(name="gone", module=module, distribution="g", version="1")
    kept = PluginEntry(name="kept", module="antigravity:plugin", distribution="k", version="2")
    monkeypatch.setattr("auditbench.plugin_entries.list_entry_points", lambda: (gone, kept))
    sys.modules.pop("antigravity", None)
    assert guarded(["plugins", "list"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"gone  g 1  {module}  (there is no such module)",
        "kept  k 2  antigravity:plugin",
    ]
    assert guarded(["plugins", "list", "--json"]) == 0
    assert [plugin["module_found"] for plugin in json.loads(capsys.readouterr().out)] == [False, True]
    assert "antigravity" not in sys.modules


def test_list_without_plugins(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("auditbench.plugin_entries.list_entry_points", lambda: ())
    assert guarded(["plugins", "list"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "No plugins are installed" in err
    assert guarded(["plugins", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_show(installed: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(["plugins", "show", "toy"]) == 2  # the broken one is shown below it
    assert capsys.readouterr().out.partition("\nbroken")[0].splitlines() == [
        "toy (toy-plugin 1.2)",
        f"  written for  version 1.0 of the contracts; this Auditbench keeps {API_VERSION}",
        "  implements   auditbench_analyzers, auditbench_renderers",
        "",
        "analyzer toy: A ⟨U+001B⟩[31mtoy",
        "  topic       fairness",
        "  cost        evaluates rows many times, as often as its parameters say",
        "  tasks       regression",
        "  model with  gradients",
        "  data with   sensitive features",
        "  packages    absent_package",
        "  after       performance",
        "  missing     absent_package; pip install 'toy-plugin[deep]'",
        "  parameters, in [analyzers.toy]",
        "    rows = 5  (integer, at least 1, at most 10)",
        "        Explained rows.",
        '    method = "a"  (one of a, b)',
        "    limit, not set  (number, above 0)",
        "    needed = … (required)  (string)",
        "  metrics, for [[gates]] and `auditbench explain`",
        "    toy.gap  (regression)",
        "  methods, for `auditbench explain`",
        "    toy.own⟨U+001B⟩",
        "  in audit.toml",
        "    [analyzers.toy]",
        "    rows = 5",
        '    method = "a"',
        '    needed = "…"',
        "",
        "renderer toy-page: A page",
        "",
        "renderer toy-print: Paper",
        "  toy-print: A press is not installed",
        "    found: none",
        "    fix: buy one",
        "",
        "architecture toy-net: A net",
        "  parameters, in [train.parameters]",
        "    rows = 5  (integer, at least 1, at most 10)",
        "        Explained rows.",
        '    method = "a"  (one of a, b)',
        "    limit, not set  (number, above 0)",
        "    needed = … (required)  (string)",
        "",
        "preset toy-basics: The least.",
        "  its gates: auditbench explain preset:toy-basics",
    ]


@pytest.mark.parametrize("option", [[], ["--json"]])
@pytest.mark.parametrize(("plugin", "code"), [(PLUGIN, 0), (OBSERVER, 0), (BROKEN, 2)])
def test_show_of_a_plugin_that_cannot_be_used_ends_with_2(
    monkeypatch: pytest.MonkeyPatch, plugin: PluginDescription, code: int, option: list[str]
) -> None:
    monkeypatch.setattr("auditbench.supervisor.describe", lambda names: (plugin,))
    assert guarded(["plugins", "show", plugin.plugin.name, *option]) == code


@pytest.mark.parametrize("cost", [*get_args(Cost), None])
def test_every_class_of_cost_has_its_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], cost: Cost | None
) -> None:
    shown = dataclasses.replace(PLUGIN, analyzers=(dataclasses.replace(TOY, cost=cost),))
    monkeypatch.setattr("auditbench.supervisor.describe", lambda names: (shown,))
    assert guarded(["plugins", "show", "toy"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  cost ")]
    assert len(line) > len("  cost        ")
    assert ("not stated" in line) == (cost is None)


def test_doctor_names_each_problem_and_its_fix(
    installed: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = {"version": "2.13", "threads": 2, "built_for": "", "device": ""}
    monkeypatch.setattr(health, "_run_apart", lambda program: answer)
    assert guarded(["doctor", "--json"]) == 2
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)}
    assert {name for name, check in checks.items() if not check["ok"]} >= {"plugin toy", "plugin broken"}
    assert checks["plugin toy"]["fix"] == "pip install 'toy-plugin[deep]'"
    assert "SyntaxError" in checks["plugin broken"]["detail"]
    assert checks["plugin eye"]["detail"] == "e 3: observes runs"
    assert checks["plugin print"]["ok"]
    assert checks["plugin print"]["detail"] == (
        "p 4: analyzer toy (not here: A scale), renderer toy-page, "
        "renderer toy-print (not here: A press is not installed; buy one), architecture toy-net, preset toy-basics"
    )
    assert checks["torch"] == {"name": "torch", "ok": True, "detail": "2.13", "fix": ""}
    assert checks["device"]["detail"] == "cpu"
    assert guarded(["doctor"]) == 2
    out, err = capsys.readouterr()
    assert "fix: pip install 'toy-plugin[deep]'" in out
    assert "Looking" in err


def test_doctor_is_content_when_all_is_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(health, "examine", lambda: iter([health.Check(name="a", ok=True, detail="b")]))
    assert guarded(["doctor"]) == 0
    assert capsys.readouterr().out == "ok       a  b\nEverything is in order.\n"


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("import os; os.abort()", "crashed with signal 6"),
        ("raise ImportError('libtorch.so is missing')", "ImportError: libtorch.so is missing"),
    ],
)
def test_torch_that_does_not_start_is_a_problem(monkeypatch: pytest.MonkeyPatch, program: str, words: str) -> None:
    monkeypatch.setattr(health, "_TORCH", program)
    (check,) = health.check_torch()
    assert not check.ok
    assert words in check.detail
    assert "reinstall torch" in check.fix


def test_torch_that_hangs_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*arguments: Any, **options: Any) -> None:
        raise subprocess.TimeoutExpired("python", options["timeout"])

    monkeypatch.setattr(subprocess, "run", hang)
    (check,) = health.check_torch()
    assert "no answer" in check.detail


def test_other_checks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert health.check_folder(tmp_path, "here").detail.startswith(f"{tmp_path}: writable")
    assert not health.check_folder(tmp_path / "absent", "here").ok
    assert health.check_platform().ok
    assert health.check_python().ok
    assert health.check_packages().ok
    monkeypatch.setattr(sys, "platform", "win32")
    assert not health.check_platform().ok
    monkeypatch.setattr(health, "find_spec", lambda name: None if name == "shap" else object())
    assert health.check_packages().fix == "pip install shap"


def test_formats_that_lack_a_package_name_their_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "not yet" not in health.check_formats().detail
    monkeypatch.setattr(health, "find_spec", lambda name: None if name in ("h5py", "urllib3") else object())
    detail = health.check_formats().detail
    assert "onnx, huggingface can be opened" in detail
    assert "keras with pip install 'auditbench[keras]'; endpoint with pip install 'auditbench[endpoint]'" in detail
    monkeypatch.setattr(health, "_container_limit", lambda: 1024**3)
    assert not health.check_memory().ok


@pytest.mark.parametrize(("kind", "title"), [("config", "AuditConfig"), ("run", "AuditRun")])
def test_schema(capsys: pytest.CaptureFixture[str], kind: str, title: str) -> None:
    import jsonschema

    assert guarded(["schema", kind]) == 0
    schema = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["title"] == title

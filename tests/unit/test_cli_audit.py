"""What `audit`, `demo`, `check`, `train` and `render` say and hand on, with the supervisor played by the test."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from auditbench.cli.audit import default_folder
from auditbench.cli.boundary import guarded
from auditbench.cli.summary import run_document, say_run
from auditbench.config_file import LoadedConfig
from auditbench.descriptions import AnalyzerDescription
from auditbench.errors import EmptyDataError
from auditbench.findings import Finding, Message
from auditbench.journal import Journal
from auditbench.run import AuditRun, PluginFacts, Volatile
from auditbench.run_file import encode_run
from auditbench.supervisor.planning import Plan, PlannedAnalyzer
from tests.finished_run import a_run

CONFIG = """
[audit]
name = "Loan Model 2"
[model]
task = "binary-classification"
[data]
test = "people.csv"
target = "approved"
sensitive = ["sex"]
[analyzers.performance]
[analyzers.fairness]
[[gates]]
metric = "performance.accuracy"
min = 0.8
[report]
formats = ["html", "json"]
language = "zh-CN"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "audit.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """What the commands asked of the supervisor, by function; an audit gives `a_run()` and leaves a report."""
    asked: dict[str, dict[str, Any]] = {}

    def audit(loaded: LoadedConfig, **options: Any) -> AuditRun:
        asked["audit"] = {"loaded": loaded, **options}
        write_report(options["out"])
        options["listener"].stage_started("shap")
        return a_run()

    def train(loaded: LoadedConfig, **options: Any) -> None:
        asked["train"] = {"loaded": loaded, **options}

    def render(folder: Path, formats: tuple[str, ...], language: str) -> tuple[Path, ...]:
        asked["render"] = {"folder": folder, "formats": formats, "language": language}
        return (folder / "report.html",)

    def plan(loaded: LoadedConfig, **options: Any) -> Plan:
        asked["plan"] = {"loaded": loaded, **options}
        return a_plan()

    for function in (audit, train, render, plan):
        monkeypatch.setattr(f"auditbench.supervisor.{function.__name__}", function)
    return asked


def write_report(folder: Path) -> None:
    """A run folder with one report of its run, and a file that is none."""
    folder.mkdir(parents=True, exist_ok=True)
    Journal.create(folder / "journal.jsonl", {}).add_rendered("report.html", "html")
    (folder / "report.html").write_text("")
    (folder / "report.txt").write_text("left by somebody else")


def a_plan() -> Plan:
    facts = PluginFacts(name="performance", distribution="auditbench", version="0")
    described = AnalyzerDescription(
        name="performance", topic="performance", summary="s", plugin=facts, parameters={"bins": 10, "label": "a\nb"}
    )
    runs = PlannedAnalyzer(name="performance", group="g", required=True, time_limit=900.0, description=described)
    not_run = PlannedAnalyzer(
        name="fairness", group="g", required=False, time_limit=9.0, reason=Message(key="core.not_applicable_sensitive")
    )
    return Plan(analyzers=(runs, not_run), formats=("html",), renderers={"html": "g"}, trains=True, plugins=(facts,))


def test_audit_tells_verdict_gates_gaps_files_and_times(
    calls: dict[str, Any], config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guarded(["audit", str(config)]) == 1
    out, err = capsys.readouterr()
    folder = config.parent / "auditbench-out" / "loan-model-2"
    assert out.splitlines() == [
        "Not ready for release: Loan Model 2",
        "2 blocking gates: 1 failed, 1 passed; 1 of 2 analyzers completed on 16,281 rows, and 1 analyzer does not apply.",
        "",
        "Gates that did not pass",
        "  failed  fairness.demographic_parity_ratio (feature = sex)",
        "      observed 0.3142, interval 0.28 to 0.34, limit at least 0.8, n = 16,281",
        "  undefined (advisory)  fairness.demographic_parity_ratio (feature = sex)",
        "      observed —, limit at most 0.1, Because of x⟨U+001B⟩[31m.",
        "",
        "Analyzers without a result",
        "  shap  failed (required): Because of lens.",
        "  lime  not applicable: It needs sensitive features, and the config names none in data.sensitive.",
        f"  `auditbench show {folder} --debug` shows what they raised or wrote last",
        "warning: Because of rain.",
        "",
        f"report   {folder / 'report.html'}",
        f"record   {folder / 'run.json'}",
        "time     32.5 s: shap 30.5 s, load 2.0 s",
        "exit code 1",
    ]
    assert err == "shap: started\n"


def test_the_way_to_what_was_raised_is_told_only_where_something_is_held(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = a_run()
    silent = dataclasses.replace(run, volatile=dataclasses.replace(run.volatile, details={"shap": ""}))
    told = []
    for shown in (run, silent):
        say_run(shown, tmp_path)
        told.append("what they raised or wrote last" in capsys.readouterr().out)
    assert told == [True, False]


def test_what_does_not_apply_is_counted_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = a_run()
    assert [result.status for result in run.results] == ["ok", "failed", "not_applicable"]
    document = run_document(run, tmp_path)
    assert document["analyzers_by_status"] == {"ok": 1, "failed": 1, "not_applicable": 1}
    apart = dataclasses.replace(run.results[2], analyzer="captum")
    say_run(dataclasses.replace(run, results=(*run.results, apart)), tmp_path)
    assert "1 of 2 analyzers completed on 16,281 rows, and 2 analyzers do not apply." in capsys.readouterr().out
    say_run(dataclasses.replace(run, results=run.results[:1]), tmp_path)
    assert "1 of 1 analyzer completed on 16,281 rows." in capsys.readouterr().out


@pytest.mark.parametrize(("options", "language"), [([], "zh-CN"), (["--lang", "en"], "en")])
def test_audit_takes_a_language(calls: dict[str, Any], config: Path, options: list[str], language: str) -> None:
    assert guarded(["audit", str(config), *options]) == 1
    assert calls["audit"]["loaded"].config.report.language == language


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_check_looks_at_the_device_of_the_audit(calls: dict[str, Any], config: Path, device: str) -> None:
    assert guarded(["check", str(config), "--device", device]) == 0
    assert calls["plan"]["device"] == device


def test_findings_are_counted_by_severity(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = [Finding(rule="a.b", severity=kind, title=Message(key="a.b")) for kind in ("low", "high", "low")]
    run = a_run()
    results = (dataclasses.replace(run.results[0], findings=tuple(found)), *run.results[1:])
    told = dataclasses.replace(run, results=results)
    say_run(told, tmp_path)
    assert "3 findings: 1 high, 2 low." in capsys.readouterr().out.splitlines()
    assert list(run_document(told, tmp_path)["findings"].items()) == [("high", 1), ("low", 2)]


@pytest.mark.parametrize(("count", "shown", "rest"), [(5, 5, ""), (6, 6, ""), (7, 5, "  and 2 more")])
def test_a_single_finding_is_shown_instead_of_counted(
    count: int, shown: int, rest: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = tuple(
        Finding(rule="a.b", severity="low", title=Message(key="toy.reason", values={"who": n})) for n in range(count)
    )
    run = a_run()
    say_run(dataclasses.replace(run, results=(dataclasses.replace(run.results[0], findings=found),)), tmp_path)
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("  low: ")] == [f"  low: Because of {n}." for n in range(shown)]
    assert ("more" in "\n".join(lines)) == bool(rest)
    assert not rest or rest in lines


@pytest.mark.parametrize(
    ("key", "required", "told"),
    [("core.skipped_by_command", True, True), ("core.skipped_by_command", False, False), ("toy.reason", True, False)],
)
def test_required_analyzers_that_the_command_left_out_are_why_the_audit_is_incomplete(
    key: str, required: bool, told: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = a_run()
    reason = Message(key=key, values={"who": "rain"})
    left_out = dataclasses.replace(run.results[1], status="skipped", reason=reason, required=required)
    say_run(dataclasses.replace(run, results=(run.results[0], left_out)), tmp_path)
    said = "required analyzer was left out by --only or --skip, so the audit is incomplete"
    assert (said in capsys.readouterr().out) == told


def test_audit_hands_on_its_options(calls: dict[str, Any], config: Path, tmp_path: Path) -> None:
    options = ["--only=performance,fairness", "--skip=shap", "--set=audit.seed=7", "--device=cpu", "--format=html,json"]
    guarded(["audit", str(config), f"--out={tmp_path / 'there'}", *options, "--no-resume"])
    asked = calls["audit"]
    asked.pop("listener")
    assert asked.pop("loaded").config.audit.seed == 7
    assert asked == {
        "out": tmp_path / "there",
        "only": ("performance", "fairness"),
        "skip": ("shap",),
        "device": "cpu",
        "formats": ("html", "json"),
        "resume": False,
        "baseline": None,
    }
    guarded(["audit", str(config), "--baseline", str(tmp_path)])
    assert (calls["audit"]["formats"], calls["audit"]["resume"]) == (None, True)
    assert calls["audit"]["baseline"] == tmp_path


def test_audit_as_json(calls: dict[str, Any], config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(["audit", str(config), "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert (document["verdict"], document["exit_code"]) == ("not_ready", 1)
    assert [gate["state"] for gate in document["gates"]] == ["pass", "error", "fail"]
    assert document["gates"][1]["reason"] == "Because of x\x1b[31m."
    assert [item["status"] for item in document["analyzers"]] == ["ok", "failed", "not_applicable"]
    assert document["reports"] == [str(config.parent / "auditbench-out" / "loan-model-2" / "report.html")]


def test_audit_without_rows_exits_4(
    monkeypatch: pytest.MonkeyPatch, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def audit(loaded: LoadedConfig, **options: Any) -> AuditRun:
        raise EmptyDataError("there are no rows")

    monkeypatch.setattr("auditbench.supervisor.audit", audit)
    assert guarded(["audit", str(config)]) == 4
    assert "AB201 there are no rows" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("income", "income"),
        ("Adult income", "adult-income"),
        ("../../etc", "etc"),
        ("贷款 审批", "贷款-审批"),
        ("///", "audit"),
        ("x" * 200, "x" * 60),
    ],
)
def test_default_folder_stands_beside_the_configuration(name: str, slug: str) -> None:
    assert default_folder(Path("a/b.toml"), name) == Path("a/auditbench-out") / slug


@pytest.mark.parametrize(
    ("verdict", "code", "words"),
    [
        ("ready_for_review", 0, "Ready for review"),
        ("evidence_incomplete", 3, "Evidence incomplete"),
        ("no_decision", 1, "No decision possible"),
        ("no_gates", 0, "No gates"),
        ("nothing_evaluated", 4, "Nothing was evaluated"),
    ],
)
def test_every_verdict_has_words(
    monkeypatch: pytest.MonkeyPatch,
    config: Path,
    capsys: pytest.CaptureFixture[str],
    verdict: str,
    code: int,
    words: str,
) -> None:
    run = a_run(verdict=verdict, exit_code=code, gates=(), results=(), warnings=(), volatile=Volatile())
    monkeypatch.setattr("auditbench.supervisor.audit", lambda loaded, **options: run)
    assert guarded(["audit", str(config)]) == code
    out = capsys.readouterr().out
    assert out.startswith(words)
    assert "Gates that did not pass" not in out
    assert "without a result" not in out


def test_check_prints_the_plan(calls: dict[str, Any], config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(["check", str(config), "--only", "performance"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines() == [
        f"{config} is valid",
        "  data      people.csv, target approved, sensitive sex",
        "  model     model (bundle, binary-classification), made by [train], since there is none",
        "  gates     1 gate",
        "  reports   html, run.json",
        "Analyzers, in this order",
        "   1.  performance (limit 15 min 0 s)",
        r'       bins = 10, label = "a\nb"',
        "  not  fairness: It needs sensitive features, and the config names none in data.sensitive.",
    ]
    assert calls["plan"]["only"] == ("performance",)


def test_check_as_json(calls: dict[str, Any], config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(["check", str(config), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [(item["name"], item["runs"]) for item in document["analyzers"]] == [
        ("performance", True),
        ("fairness", False),
    ]
    assert document["trains"] is True


def test_check_of_a_plan_that_does_nothing_exits_4(
    monkeypatch: pytest.MonkeyPatch, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nothing = dataclasses.replace(a_plan(), analyzers=a_plan().analyzers[1:])
    monkeypatch.setattr("auditbench.supervisor.plan", lambda loaded, **options: nothing)
    assert guarded(["check", str(config)]) == 4
    assert "No analyzer would run" in capsys.readouterr().out


def test_train_may_write_elsewhere(
    calls: dict[str, Any], config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guarded(["train", str(config), "--device", "cpu"]) == 0
    assert calls["train"]["loaded"].config.model.path == "model"
    assert str(tmp_path / "model") in capsys.readouterr().out
    there = tmp_path / 'a "quoted" place'
    assert guarded(["train", str(config), "--out", str(there)]) == 0
    assert calls["train"]["loaded"].config.model.path == str(there)
    assert str(there) in capsys.readouterr().out


def test_render_uses_what_the_run_was_configured_with(
    calls: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run.json").write_bytes(encode_run(a_run()))
    assert guarded(["render", str(tmp_path / "run.json")]) == 0
    assert calls["render"] == {"folder": tmp_path, "formats": ("html",), "language": "zh-CN"}
    assert capsys.readouterr().out == f"{tmp_path / 'report.html'}\n"
    assert guarded(["render", str(tmp_path), "--format", "html,json", "--lang", "en"]) == 0
    assert calls["render"] == {"folder": tmp_path, "formats": ("html", "json"), "language": "en"}


def test_demo_writes_its_configuration_and_exits_0(
    calls: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "demo"
    assert guarded(["demo", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "Not ready for release" in printed
    assert str(out / "run" / "report.html") in printed
    assert calls["audit"]["loaded"].path == out / "audit.toml"
    assert (calls["audit"]["resume"], calls["audit"]["replace"]) == (True, True)
    assert guarded(["demo", "--out", str(out)]) == 0
    (out / "audit.toml").write_text(CONFIG)
    assert guarded(["demo", "--out", str(out)]) == 2
    assert "another audit.toml is there" in capsys.readouterr().err


@pytest.mark.parametrize("code", [0, 3, 4, 5, 130])
def test_demo_keeps_every_other_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: int) -> None:
    monkeypatch.setattr("auditbench.supervisor.audit", lambda loaded, **options: a_run(exit_code=code))
    assert guarded(["demo", "--out", str(tmp_path)]) == code


def test_demo_opens_the_report(calls: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    opened: list[str] = []
    monkeypatch.setattr("click.launch", opened.append)
    guarded(["demo", "--out", str(tmp_path), "--open"])
    assert opened == [(tmp_path / "run" / "report.html").as_uri()]


def test_demo_names_a_folder_that_cannot_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert guarded(["demo", "--out", str(tmp_path / "file")]) == 2
    assert "AB502" in capsys.readouterr().err

"""The plugin of pytest inside pytest: an audit.toml as a file of tests."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from auditbench.findings import GateDecision, Message
from auditbench.results import AnalysisResult
from auditbench.run_file import encode_run, read_run
from tests.finished_run import FAILED, PASSED, a_run
from tests.integration.small_audit import write_config, write_rows

pytest_plugins = ["pytester"]

TABLES = """
[analyzers.performance]
replicates = 40
[[gates]]
id = "accuracy"
metric = "performance.accuracy"
min = 0.9999
[[gates]]
id = "any"
metric = "performance.auc"
min = 0
[[gates]]
id = "advice"
metric = "performance.recall"
min = 0.9999
on_fail = "warn"
"""
# Stands in for the audit: a run that the test has written, or a refusal.
CONFTEST = """
import pathlib
from auditbench import supervisor
from auditbench.errors import DataError
from auditbench.run_file import decode_run

def audit(loaded, **options):
    with open("calls", "a") as calls:
        calls.write(f"{loaded.path.name} {options['out']} {options['baseline']}\\n")
    if REFUSED:
        raise DataError("a column is\\x1b[31m absent", where="rows.csv", fix="name another")
    return decode_run(pathlib.Path("given.json").read_bytes())

supervisor.audit = audit
"""


@pytest.fixture
def folder(pytester: pytest.Pytester) -> Path:
    """A folder with the configuration of an audit with three gates."""
    write_rows(pytester.path, 80)
    write_config(pytester.path, TABLES)
    pytester.makeini("[pytest]\nfilterwarnings = error\nxfail_strict = true\naddopts = --strict-markers\n")
    return pytester.path


def give(pytester: pytest.Pytester, **changes: Any) -> None:
    """Let the audit give this run."""
    pytester.makeconftest(f"REFUSED = False\n{CONFTEST}")
    (pytester.path / "given.json").write_bytes(encode_run(a_run(**changes)))


def gate(identity: str, like: GateDecision = FAILED, **changes: Any) -> GateDecision:
    return dataclasses.replace(like, id=identity, **changes)


def ran(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """Pytest in a process of its own, which finds the plugin as installed."""
    return pytester.runpytest_subprocess("-p", "no:xdist", "-rA", *arguments)


def test_the_plugin_is_installed_and_light() -> None:
    (point,) = [point for point in importlib.metadata.entry_points(group="pytest11") if point.name == "auditbench"]
    assert point.value == "auditbench.pytest_plugin"
    program = "import sys, pytest; before = set(sys.modules); import auditbench.pytest_plugin; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"auditbench", "auditbench.pytest_plugin"}


def test_an_audit_is_tests(pytester: pytest.Pytester, folder: Path) -> None:
    """With real workers: red and green as the exit code of the audit is, and the gate's sentence as the message."""
    pytester.makepyfile(test_other="def test_other(): pass")
    result = ran(pytester, "--audit", "audit.toml", "--audit-out", "runs")
    result.assert_outcomes(passed=3, failed=1, xfailed=1)
    run = read_run(folder / "runs" / "small")
    assert (run.exit_code, run.verdict) == (1, "not_ready")
    value = next(gate.value for gate in run.gates if gate.id == "accuracy")
    assert value is not None
    result.stdout.fnmatch_lines(
        [
            "*audit.toml: gate?accuracy?*",
            f"Accuracy is {value:.4g} (* to *), outside its limit of at least 0.9999.",
            f"Run: {folder / 'runs' / 'small'}",
            "PASSED audit.toml::audit",
            "PASSED audit.toml::gate?any?",
            "XFAIL audit.toml::gate?advice? - Recall is *, outside its limit of at least 0.9999.",
            "FAILED audit.toml::gate?accuracy? - *Accuracy is *",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*pytest_plugin.py*")
    ran(pytester, "--audit", "audit.toml", "--audit-out", "runs", "-k", "any").assert_outcomes(passed=1, deselected=4)
    again = read_run(folder / "runs" / "small")
    assert again.volatile.started != run.volatile.started
    assert again.volatile.seconds["performance"] == run.volatile.seconds["performance"]


NO_VALUE: dict[str, Any] = {"state": "not_run", "value": None, "low": None, "high": None}
OUTSIDE = "fairness.demographic_parity_ratio by sex is 0.3142 (0.28 to 0.34), outside its limit of at least 0.8."
CROSSES = (
    "fairness.demographic_parity_ratio by sex is 0.3142 (0.28 to 0.34); the interval crosses its limit of at least 0.8."
)
BARE = "fairness.demographic_parity_ratio by sex has no value to hold against its limit of at least 0.8. It limits the change"
CASES: dict[str, tuple[dict[str, Any], str, str]] = {
    "passes": ({"state": "pass"}, "PASSED", ""),
    "fails": ({}, "FAILED", OUTSIDE),
    "open": ({"state": "inconclusive"}, "FAILED", CROSSES),
    "open-with-a-warning": ({"state": "inconclusive", "on_inconclusive": "warn"}, "XFAIL", CROSSES),
    "advisory": ({"blocking": False}, "XFAIL", OUTSIDE),
    "waived": ({"waived_until": "2999-01-01", "waiver_holds": True}, "XFAIL", OUTSIDE),
    "waived-no-more": ({"waived_until": "2001-01-01"}, "FAILED", OUTSIDE),
    "not-run": ({**NO_VALUE, "reason": Message(key="core.no_baseline")}, "FAILED", BARE),
    "undecided": ({"id": "another"}, "FAILED", "The audit came to no decision on the gate undecided."),
}


def test_a_gate_is_red_where_it_stops_the_release(
    pytester: pytest.Pytester, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    tables = [f"[[gates]]\nid = '{name}'\nmetric = 'performance.auc'\nmin = 0\n" for name in CASES]
    write_config(folder, TABLES.partition("[[gates]]")[0] + "".join(tables))
    decisions = {name: dataclasses.replace(gate(name), **changes) for name, (changes, _, _) in CASES.items()}
    give(pytester, gates=tuple(decisions.values()), config={})
    shown = ran(pytester, "--audit", "audit.toml").stdout.lines
    for name, (changes, outcome, words) in CASES.items():
        (line,) = [line for line in shown if line.startswith(("PASSED", "FAILED", "XFAIL")) and f"gate[{name}]" in line]
        assert line.startswith(outcome)
        assert words in line
        assert decisions[name].stops_release == (outcome == "FAILED") or "id" in changes


def test_the_sentence_is_in_the_language_of_the_report(pytester: pytest.Pytester, folder: Path) -> None:
    give(pytester, gates=(gate("accuracy"),))
    result = ran(pytester, "--audit", "audit.toml", "-k", "accuracy")
    for words in (
        "按 sex 分组的fairness.demographic_parity_ratio为 0.3142",
        "0.28 至 0.34",
        "不符合限值要求",
        "不低于 0.8",
    ):
        assert words in result.stdout.str()


def test_an_incomplete_audit_is_red_though_its_gates_are_green(pytester: pytest.Pytester, folder: Path) -> None:
    lost = AnalysisResult(
        analyzer="shap", topic="x", status="failed", reason=Message(key="toy.reason", values={"who": "lens"})
    )
    gates = tuple(gate(name, PASSED) for name in ("accuracy", "any", "advice"))
    give(pytester, gates=gates, results=(lost,), exit_code=3, verdict="evidence_incomplete", config={})
    result = ran(pytester, "--audit", "audit.toml")
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["Evidence incomplete: Loan Model 2 (exit code 3)", "shap: failed. Because of lens."])


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param((), id="all"),
        pytest.param(("-k", "accuracy"), id="by-name"),
        pytest.param(("audit.toml::gate[accuracy]",), id="by-node"),
    ],
)
def test_an_interrupted_audit_interrupts_the_session(
    pytester: pytest.Pytester, folder: Path, arguments: tuple[str, ...]
) -> None:
    """Its gates may be green by what had finished; no selection of tests makes the session so."""
    give(pytester, gates=(gate("accuracy", PASSED),), status="interrupted", exit_code=130, config={})
    result = ran(pytester, "--audit", "audit.toml", *arguments)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.assert_outcomes()


def test_a_refused_audit_is_red_in_every_test_and_runs_once(pytester: pytest.Pytester, folder: Path) -> None:
    pytester.makeconftest(f"REFUSED = True\n{CONFTEST}")
    result = ran(pytester, "--audit", "audit.toml", "--audit-baseline", "may")
    result.assert_outcomes(failed=4)
    result.stdout.fnmatch_lines(["AB200 rows.csv: a column is⟨U+001B⟩?31m absent", "  fix: name another"])
    assert "\x1b[31m absent" not in result.stdout.str()
    assert "During handling of the above exception" not in result.stdout.str()
    assert (folder / "calls").read_text().splitlines() == [
        f"audit.toml {folder / '.pytest_cache' / 'd' / 'auditbench' / 'small'} {folder / 'may'}"
    ]


def test_nothing_is_collected_unless_it_is_named(pytester: pytest.Pytester, folder: Path) -> None:
    pytester.makepyfile(test_other="def test_other(): pass")
    ran(pytester).assert_outcomes(passed=1)
    ran(pytester, "test_other.py").assert_outcomes(passed=1)


def test_the_ini_option_names_audits_of_the_whole_suite(pytester: pytest.Pytester, folder: Path) -> None:
    (folder / "models").mkdir()
    (folder / "audit.toml").rename(folder / "models" / "audit.toml")
    pytester.makeini("[pytest]\naudit_configs = models/audit.toml\ntestpaths = tests\naddopts = --strict-markers\n")
    (folder / "tests").mkdir()
    (folder / "tests" / "test_other.py").write_text("def test_other(): pass\n")
    give(pytester, gates=tuple(gate(name, PASSED) for name in ("accuracy", "any", "advice")), exit_code=0)
    ran(pytester).assert_outcomes(passed=5)
    ran(pytester, "tests/test_other.py").assert_outcomes(passed=1)
    ran(pytester, "tests", "models").assert_outcomes(passed=5)
    ran(pytester, ".", "--audit", "models/audit.toml").assert_outcomes(passed=5)
    ran(pytester, "-m", "not audit").assert_outcomes(passed=1, deselected=4)
    ran(pytester, "models/audit.toml::gate[any]").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param("[nonsense]\n", "AB100 nonsense", id="unknown-table"),
        pytest.param("= 3\n", "AB100 ", id="no-toml"),
    ],
)
def test_a_refused_configuration_is_an_error_in_words(
    pytester: pytest.Pytester, folder: Path, change: str, words: str
) -> None:
    with (folder / "audit.toml").open("a") as file:
        file.write(change)
    result = ran(pytester, "--audit", "audit.toml")
    result.assert_outcomes(errors=1)
    assert words in result.stdout.str()
    result.stdout.no_fnmatch_line("*Traceback*")


@pytest.mark.parametrize("arguments", [("--audit", "models"), ("-o", "audit_configs=absent.toml")], ids=" ".join)
def test_an_audit_that_is_not_there_is_refused(
    pytester: pytest.Pytester, folder: Path, arguments: tuple[str, ...]
) -> None:
    (folder / "models").mkdir()
    pytester.makepyfile(test_other="def test_other(): pass")
    result = ran(pytester, *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    path = folder / arguments[-1].removeprefix("audit_configs=")
    result.stderr.fnmatch_lines([f"ERROR: expected the audit.toml of an audit, found no file at {path}"])


def test_two_audits_of_one_name_are_refused(pytester: pytest.Pytester, folder: Path) -> None:
    (folder / "other.toml").write_text((folder / "audit.toml").read_text())
    result = ran(pytester, "--audit", "audit.toml", "--audit", "other.toml", "--collect-only")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*audit.toml has the same audit.name: expected another one for each audit*"])


def test_processes_of_one_run_share_an_audit(pytester: pytest.Pytester, folder: Path) -> None:
    """Two processes of xdist meet at the folder of the run; the second waits instead of being refused."""
    wait = CONFTEST.replace(
        "def audit(loaded, **options):\n",
        "import os, time\n\ndef audit(loaded, **options):\n"
        "    os.mkdir('at-work')\n    time.sleep(0.5)\n    os.rmdir('at-work')\n",
    )
    pytester.makeconftest(f"REFUSED = False\n{wait}")
    gates = tuple(gate(name, PASSED) for name in ("accuracy", "any", "advice"))
    (folder / "given.json").write_bytes(encode_run(a_run(gates=gates, exit_code=0)))
    result = pytester.runpytest_subprocess("--audit", "audit.toml", "-n", "2", "--dist", "load")
    result.assert_outcomes(passed=4)
    assert len((folder / "calls").read_text().splitlines()) == 2


def test_without_its_cache_pytest_needs_a_folder(pytester: pytest.Pytester, folder: Path) -> None:
    give(pytester, gates=(gate("accuracy", PASSED),), exit_code=0)
    result = ran(pytester, "-p", "no:cacheprovider", "--audit", "audit.toml", "-k", "accuracy")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*expected --audit-out DIR*"])
    ran(
        pytester, "-p", "no:cacheprovider", "--audit", "audit.toml", "--audit-out", "runs", "-k", "accuracy"
    ).assert_outcomes(passed=1, deselected=3)

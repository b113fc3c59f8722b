"""An audit with gates of files and presets, and `gate` on its run: the same decisions, and a folder that stays as it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from auditbench.cli.boundary import guarded
from auditbench.messages import LANGUAGES
from auditbench.run_file import read_run
from tests.in_process_worker import workers_in_this_process
from tests.integration.gated_audit import CONFIG, GATE, PROBE, STEADY, gated_site
from tests.plugin_site import PluginSite

PERFORMANCE = "[analyzers.performance]\nreplicates = 40\n"
FAIRNESS = "[analyzers.fairness]\nminimum_group = 5\nminimum_outcomes = 2\n"
FILE = """
preset = ["binary-basics", "fairness-four-fifths"]
[[gates]]
id = "accuracy"
metric = "performance.accuracy"
min = 0.9999
explanation = "Nothing reaches this."
[[gates]]
metric = "steady.nothing"
min = 0
[[gates]]
metric = "fairness.demographic_parity_ratio"
where = { feature = "nobody" }
min = 0
[[gates]]
id = "advice"
metric = "performance.recall"
min = 0.999
on_fail = "warn"
[[waivers]]
gate = "accuracy"
until = "2999-01-01"
by = "A"
reason = "B"
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PluginSite]:
    with gated_site(tmp_path_factory.mktemp("gate-command")) as site, workers_in_this_process():
        yield site


@pytest.fixture(scope="module")
def home(site: PluginSite) -> Path:
    """A folder with a run whose gates came from its own config, a file beside it, and the command line."""
    folder = site.path.parent
    own = "[[gates]]\nid = 'own'\nmetric = 'steady.one'\nmin = 0\n"
    config = CONFIG.replace('name = "people"', 'name = "people"\ngates = "gates.toml"')
    (folder / "audit.toml").write_text(config + STEADY + PERFORMANCE + FAIRNESS + own)
    (folder / "gates.toml").write_text(FILE)
    (folder / "more.toml").write_text("[[gates]]\nid = 'more'\nmetric = 'performance.auc'\nmin = 0\n")
    audit = ["audit", str(folder / "audit.toml"), "--out", str(folder / "run"), "--gates", str(folder / "more.toml")]
    assert guarded(audit) == 1
    return folder


def digests(folder: Path) -> dict[str, tuple[str, int]]:
    return {
        str(path): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def gated(home: Path, capsys: pytest.CaptureFixture[str], *files: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """`auditbench gate` with these files on the run, which stays as it is: exit code and gates by id."""
    capsys.readouterr()
    before = digests(home / "run")
    options = [part for file in files for part in ("--gates", file)]
    code = guarded(["gate", str(home / "run"), "--json", *options])
    assert digests(home / "run") == before
    return code, {gate["id"]: gate for gate in json.loads(capsys.readouterr().out)["gates"]}


def test_the_audit_decides_the_gates_of_every_file(home: Path) -> None:
    run = read_run(home / "run")
    assert [gate.id for gate in run.gates] == [
        "own", "binary-basics.auc", "binary-basics.balanced-accuracy", "binary-basics.calibration",
        "fairness-four-fifths.selection.city", "accuracy", "steady.nothing", "fairness.demographic_parity_ratio.nobody",
        "advice", "more",
    ]  # fmt: skip
    states = {gate.id: gate.state for gate in run.gates}
    assert (states["own"], states["accuracy"], states["steady.nothing"], states["more"]) == ("pass", "fail", "error", "pass")  # fmt: skip
    assert [waiver.gate for waiver in run.waivers] == ["accuracy"]
    assert run.config["audit"]["gates"] == ["gates.toml"]
    assert f"--gates {home / 'more.toml'}" in run.volatile.command


def test_explanations_are_in_the_record_in_every_language(home: Path) -> None:
    run = read_run(home / "run")
    given = {gate.id: gate.explanation for gate in run.gates}
    assert given["accuracy"] == "Nothing reaches this."
    for language in LANGUAGES:
        assert given["binary-basics.auc"] in run.messages[language]
        assert "preset.regression-basics.r2" not in run.messages[language]


def test_gate_decides_as_the_audit_did(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads((home / "run" / "run.json").read_bytes())
    recorded = {gate["id"]: gate for gate in document["gates"]}
    assert len(recorded) == 10
    everything = gated(home, capsys)
    of_files = gated(home, capsys, str(home / "gates.toml"), str(home / "more.toml"))
    assert everything[0] == of_files[0] == document["exit_code"] == 1
    assert set(everything[1]) == set(recorded)
    assert set(of_files[1]) == set(recorded) - {"own"}
    told = {"reason", "explanation", "stops_release", "title", "meaning", "formula", "reading"}
    for decided in (everything[1], of_files[1]):
        for identity, gate in decided.items():
            assert {key: value for key, value in gate.items() if key not in told} == {
                key: value for key, value in recorded[identity].items() if key not in told
            }


def test_other_gates_give_another_verdict(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "lenient.toml").write_text("[[gates]]\nid = 'lenient'\nmetric = 'performance.accuracy'\nmin = 0\n")
    code, decided = gated(home, capsys, str(home / "lenient.toml"))
    assert (code, [gate["state"] for gate in decided.values()]) == (0, ["pass"])


def test_a_preset_says_which_analyzers_the_run_lacks(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = digests(home / "run")
    assert guarded(["gate", str(home / "run"), "--gates", "preset:explanations-sound"]) == 2
    err = capsys.readouterr().err
    assert "preset:explanations-sound (explanations-sound.shap-adds-up).metric" in err
    assert "audit again with [analyzers.captum]" in err
    assert digests(home / "run") == before


def test_a_gate_on_an_analyzer_that_was_left_out_has_its_title(home: Path) -> None:
    out = home / "left-out"
    audit = ["audit", str(home / "audit.toml"), "--out", str(out), "--only", "steady", "--format", "markdown"]
    assert guarded(audit) == 3
    run = read_run(out)
    states = {gate.metric: gate.state for gate in run.gates}
    assert (states["performance.auc"], states["steady.one"]) == ("not_run", "pass")
    english, chinese = (run.messages[language]["performance.balanced_accuracy"] for language in LANGUAGES)
    assert english == "Balanced accuracy"
    assert "平衡准确率" in str(chinese)
    assert "Balanced accuracy" in (out / "report.md").read_text()


def test_check_counts_the_gates_of_files(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(["check", str(home / "audit.toml"), "--gates", str(home / "more.toml")]) == 0
    out = capsys.readouterr().out
    assert "gates     10 gates, with those of gates.toml, " in out
    assert guarded(["check", str(home / "audit.toml"), "--gates", "preset:resources-small", "--json"]) == 2
    err = capsys.readouterr().err
    assert "preset:resources-small (resources-small.size).metric: the config lists no analyzer" in err
    assert "add [analyzers.resources]" in err


def test_an_audit_that_lost_an_analyzer_stays_incomplete(
    site: PluginSite, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROBE_KIND", "raises")
    tables = STEADY + PROBE.replace("false", "true") + GATE.replace("probe.score", "steady.one")
    (home / "lost.toml").write_text(CONFIG + tables)
    out = home / "lost"
    assert guarded(["audit", str(home / "lost.toml"), "--out", str(out)]) == 3
    (home / "steady.toml").write_text("[[gates]]\nmetric = 'steady.one'\nmin = 0\n")
    assert guarded(["gate", str(out), "--gates", str(home / "steady.toml")]) == 3
    assert "Evidence incomplete" in capsys.readouterr().out

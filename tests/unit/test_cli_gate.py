"""`auditbench gate`: decides from the record alone, exits as an audit does, refuses what it cannot decide, writes nothing."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from auditbench.cli.boundary import guarded
from auditbench.comparison.record import BaselineFacts, Comparison, MetricChange
from auditbench.findings import GateDecision, Message
from auditbench.results import AnalysisResult, Interval, Metric
from auditbench.run import AuditRun, DataFacts
from auditbench.run_file import encode_run
from tests.finished_run import a_run, finish

ANALYZERS = {name: {} for name in ("toy", "lost", "late", "away", "idle")}
REASON = Message(key="core.not_applicable_sensitive")


def estimated(name: str, value: float, low: float, high: float, **fields: Any) -> Metric:
    return Metric(name=name, value=value, n=100, interval=Interval(low=low, high=high, method="wilson"), **fields)


METRICS = (
    estimated("score", 0.9, 0.85, 0.95),
    estimated("gap", 0.1, 0.05, 0.15, where={"feature": "sex"}),
    estimated("gap", 0.2, 0.15, 0.25, where={"feature": "race"}),
    Metric(name="none", value=None, n=0, reason=REASON),
    Metric(name="size", value=10.0, n=1, no_interval="count", unit="bytes"),
    Metric(name="wait", value=0.5, n=10, no_interval="not_estimated", unit="s", repeatable=False),
)
RESULTS = (
    AnalysisResult(analyzer="toy", topic="probe", metrics=METRICS),
    AnalysisResult(analyzer="lost", topic="probe", status="failed", reason=REASON, required=False),
    AnalysisResult(analyzer="late", topic="probe", status="timed_out", reason=REASON, required=False),
    AnalysisResult(analyzer="away", topic="probe", status="skipped", reason=REASON, required=False),
    AnalysisResult(analyzer="idle", topic="probe", status="not_applicable", reason=REASON),
)
WAIVER = "[[waivers]]\ngate = 'g'\nuntil = '{}'\nby = 'A'\nreason = 'B'\n"


def toy_run(**changes: Any) -> AuditRun:
    """A run whose own gate passes."""
    own = GateDecision(id="own", metric="toy.score", state="pass", blocking=True, decide="interval", minimum=0.5)
    parts: dict[str, Any] = {
        "results": RESULTS,
        "gates": (own,),
        "config": {"analyzers": ANALYZERS, "gates": [{"id": "own", "metric": "toy.score", "min": 0.5}], "waivers": []},
        "data": DataFacts(
            name="people", digests={}, rows=100, train_rows=0, target="approved", sensitive=("sex", "race")
        ),
        "messages": {"en": {"toy.declared": "Declared and not given"}},
        "warnings": (),
        "verdict": "ready_for_review",
        "exit_code": 0,
    }
    return a_run(**{**parts, **changes})


def gates(metric: str, limits: str, more: str = "") -> str:
    return f"[[gates]]\nid = 'g'\nmetric = '{metric}'\n{limits}\n{more}\n"


def digests(folder: Path) -> dict[str, tuple[str, int, int]]:
    """Content, mode and time of every file and folder."""
    return {
        str(path): (
            hashlib.sha256(path.read_bytes() if path.is_file() else b"").hexdigest(),
            path.stat().st_mode,
            path.stat().st_mtime_ns,
        )
        for path in [folder, *sorted(folder.rglob("*"))]
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    finish(tmp_path / "run", toy_run())
    return tmp_path / "run"


def told(folder: Path, text: str, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str, str]:
    """The command on a run and one file of gates: exit code, stdout and stderr; the run is as it was."""
    (folder.parent / "gates.toml").write_text(text)
    before = digests(folder)
    code = guarded(["gate", str(folder), "--gates", str(folder.parent / "gates.toml"), *options])
    assert digests(folder) == before
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize(
    ("metric", "limits", "state", "code", "words"),
    [
        pytest.param("toy.score", "min = 0.8", "passed", 0, "whole interval is within", id="pass"),
        pytest.param("toy.score", "min = 0.96", "failed", 1, "whole interval is outside", id="fail"),
        pytest.param("toy.score", "min = 0.9", "inconclusive", 1, "an interval reaches across", id="inconclusive"),
        pytest.param("toy.score", "min = 0.9\ninconclusive = 'warn'", "inconclusive", 0, "across", id="inconclusive-is-well"),
        pytest.param("toy.score", "min = 0.9\ndecide = 'estimate'", "passed", 0, "the value is within", id="estimate"),
        pytest.param("toy.score", "min = 0.96\non_fail = 'warn'", "failed (advisory)", 0, "outside", id="advisory"),
        pytest.param("toy.none", "min = 0", "undefined", 1, "sensitive features", id="undefined"),
        pytest.param("toy.size", "max = 10", "passed", 0, "observed 10 bytes", id="count"),
        pytest.param("toy.wait", "max = 1", "inconclusive", 1, "has no interval", id="no-interval"),
        pytest.param("toy.gap", "max = 1", "undefined", 1, "must pick one", id="ambiguous"),
        pytest.param("toy.gap", "max = 1\nwhere = {feature = 'age'}", "undefined", 1, "carries", id="no-such-label"),
        pytest.param("toy.gap", "max = 0.2\nwhere = {feature = 'sex'}", "passed", 0, "(feature = sex)", id="label"),
        pytest.param("toy.declared", "max = 1", "undefined", 1, "gave no metric", id="declared-and-not-given"),
        pytest.param("lost.x", "max = 1", "undefined", 1, "sensitive", id="failed-analyzer"),
        pytest.param("late.x", "max = 1", "undefined", 1, "sensitive", id="analyzer-timed-out"),
        pytest.param("away.x", "max = 1", "not run", 1, "sensitive", id="skipped-analyzer"),
        pytest.param("idle.x", "max = 1", "not run", 1, "sensitive", id="analyzer-that-does-not-apply"),
    ],
)  # fmt: skip
def test_the_exit_code_is_that_of_the_state(
    folder: Path, capsys: pytest.CaptureFixture[str], metric: str, limits: str, state: str, code: int, words: str
) -> None:
    ended, out, err = told(folder, gates(metric, limits), capsys)
    assert (ended, err) == (code, "")
    assert f"  {state}  {metric}" in out
    assert words in out
    assert out.endswith(f"exit code {code}\n")


@pytest.mark.parametrize(
    ("changes", "verdict", "code"),
    [
        pytest.param({"results": (*RESULTS[1:], RESULTS[0])}, "ready_for_review", 0, id="complete"),
        pytest.param(
            {"results": (RESULTS[0], AnalysisResult(analyzer="lost", topic="p", status="failed", reason=REASON))},
            "evidence_incomplete", 3, id="required-analyzer-lost",
        ),
        pytest.param({"results": (), "data": DataFacts(name="", digests={}, rows=0, train_rows=0, target="y")}, "nothing_evaluated", 4, id="no-rows"),
        pytest.param({"results": RESULTS[4:]}, "nothing_evaluated", 4, id="nothing-ran"),
        pytest.param({"exit_code": 3, "verdict": "evidence_incomplete"}, "evidence_incomplete", 3, id="a-report-was-not-written"),
        pytest.param({"exit_code": 5, "verdict": "evidence_incomplete"}, "evidence_incomplete", 5, id="a-fault-of-ours"),
        pytest.param({"exit_code": 1, "verdict": "not_ready"}, "ready_for_review", 0, id="only-its-own-gates-failed"),
        pytest.param(
            {"warnings": (Message(key="core.model_changed", values={"analyzer": "toy", "what": "weights"}),)},
            "evidence_incomplete", 1, id="measured-after-a-change",
        ),
    ],
)  # fmt: skip
def test_what_the_run_came_to_counts_with_its_gates(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], verdict: str, code: int
) -> None:
    finish(tmp_path / "run", toy_run(**changes))
    ended, out, _ = told(tmp_path / "run", gates("toy.score", "min = 0.8"), capsys, "--json")
    assert ended == code
    document = json.loads(out)
    assert (document["verdict"], document["exit_code"]) == (verdict, code)


def test_an_interrupted_run_is_never_ready(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "run.json").write_bytes(encode_run(toy_run(status="interrupted", exit_code=130)))
    code, out, _ = told(folder, gates("toy.score", "min = 0.8"), capsys)
    assert code == 3
    assert "Evidence incomplete" in out
    assert "interrupted" in out


@pytest.mark.parametrize(("until", "code", "words"), [("2999-01-01", 0, "failed, waived until 2999-01-01 "), ("2020-01-01", 1, "failed, waived until 2020-01-01 (expired)")])  # fmt: skip
def test_a_waiver_holds_until_its_day(
    folder: Path, capsys: pytest.CaptureFixture[str], until: str, code: int, words: str
) -> None:
    ended, out, _ = told(folder, gates("toy.score", "min = 0.96") + WAIVER.format(until), capsys)
    assert ended == code
    assert words in out


def compared(difference: float, low: float, high: float) -> Comparison:
    """With a baseline in which the score was other by this much."""
    change = MetricChange(
        metric="toy.score",
        higher_is_better=True,
        before=0.9 - difference,
        after=0.9,
        difference=difference,
        interval=Interval(low=low, high=high, method="paired"),
        verdict="within_noise",
    )
    facts = BaselineFacts(name="b", model="m", model_digest="d", rows=100, verdict="no_gates", exit_code=0)
    return Comparison(
        baseline=facts, rows=100, pairs=100, baseline_only=0, candidate_only=0, paired=True, tested=1, metrics=(change,)
    )


@pytest.mark.parametrize(
    ("baseline", "limits", "code", "words"),
    [
        pytest.param(None, "max_drop = 0.1", 1, ("not run", "--baseline RUN"), id="no-baseline"),
        pytest.param(
            compared(-0.02, -0.05, 0.01), "max_drop = 0.1", 0,
            ("passed", "gain over the baseline -0.02, interval -0.05 to 0.01", "worse than the baseline by at most 0.1"),
            id="pass",
        ),
        pytest.param(compared(-0.2, -0.3, -0.15), "max_drop = 0.1", 1, ("failed", "it is outside the limit"), id="fail"),
        pytest.param(
            compared(0.02, 0.0, 0.05), "min = 0.5\nmin_gain = 0.01", 1,
            ("inconclusive", "limit at least 0.5 and better than the baseline by at least 0.01", "reaches across"),
            id="inconclusive",
        ),
    ],
)  # fmt: skip
def test_limits_on_the_change_are_decided_by_the_baseline_of_the_run(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    baseline: Comparison | None,
    limits: str,
    code: int,
    words: tuple[str, ...],
) -> None:
    finish(tmp_path / "run", toy_run(baseline=baseline))
    ended, out, _ = told(tmp_path / "run", gates("toy.score", limits), capsys)
    assert ended == code
    assert [word for word in words if word not in out] == []


BAD = {
    "no-analyzer": (gates("toi.score", "min = 0"), "gates[0].metric: the run has no analyzer", "did you mean `toy`?"),
    "no-analyzer-at-all-like-it": (gates("fairness.x", "min = 0"), "the run has no analyzer", "audit again with [analyzers.fairness]"),
    "no-metric": (gates("toy.scores", "min = 0"), "toy gave no metric of this name", "did you mean `score`?"),
    "preset-of-another-task": ("preset = 'regression-basics'\n", "for models of another task", "binary-basics"),
    "preset-of-absent-analyzers": ("preset = 'binary-basics'\n", "preset (binary-basics.auc).metric", "[analyzers.performance]"),
    "id-twice": (gates("toy.score", "min = 0") * 2, "the same id as", "own `id`"),
    "waivers-alone": (WAIVER.format("2999-01-01"), "no gate has this id", "there are no gates"),
    "no-such-day": (gates("toy.score", "min = 0") + WAIVER.format("2999-02-30"), "there is no such day", "2999-02-30"),
    "limits-crossed": (gates("toy.score", "min = 2\nmax = 1"), "gates[0]: expected `min` <= `max`", "min = 2, max = 1 }"),
    "unknown-key": (gates("toy.score", "minn = 1\nmax = 2"), "gates[0].minn: unknown key", "did you mean `min`?"),
    "empty": ("", "the file holds no gates", "preset"),
    "a-configuration": ("[audit]\nname = 'a'\n[model]\n", "this is the configuration of an audit", "`[audit] gates`"),
    "unknown-preset": ("preset = 'binary-basic'\n", "preset: there is no such preset", "did you mean `binary-basics`?"),
    "no-such-state": (gates("toy.score", "min = 0\non_fail = 'warm'"), "gates[0].on_fail: this value", "did you mean `warn`?"),
    "no-toml": ("=", "not valid TOML", "line 1"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "first", "second"), [pytest.param(*row, id=name) for name, row in BAD.items()])
def test_what_cannot_be_decided_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], text: str, first: str, second: str
) -> None:
    code, out, err = told(folder, text, capsys)
    assert (code, out) == (2, "")
    assert err.startswith("AB100 ")
    assert "gates.toml" in err
    assert first in err
    assert second in err


def test_gates_are_told_worst_first_with_their_explanation(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        ("passes", "toy.size", "max = 10"),
        ("crosses", "toy.score", "min = 0.9"),
        ("advises", "toy.score", "min = 0.97\non_fail = 'warn'"),
        ("lacks", "away.x", "min = 0"),
        ("fails", "toy.score", "min = 0.96\nexplanation = 'The last model had {score}.'"),
        ("undefined", "toy.none", "min = 0"),
    ]
    text = "".join(gates(metric, limits).replace("'g'", f"'{name}'") for name, metric, limits in rows)
    code, out, _ = told(folder, text, capsys)
    assert code == 1
    ids = [line.split()[1] for line in out.splitlines() if line.startswith("      id ")]
    assert ids == ["fails", "undefined", "lacks", "crosses", "advises", "passes"]
    assert "      observed 0.9, interval 0.85 to 0.95, limit at least 0.96, n = 100, the whole interval" in out
    assert "      The last model had {score}." in out
    assert "5 blocking gates: 1 failed, 1 undefined, 1 not run, 1 inconclusive, 1 passed on 100 rows" in out
    _, out, _ = told(folder, text, capsys, "--json")
    document = json.loads(out)
    assert [gate["id"] for gate in document["gates"]] == ids
    assert document["gates"][0]["explanation"] == "The last model had {score}."
    assert [gate["stops_release"] for gate in document["gates"]] == [True] * 4 + [False] * 2
    assert all(gate["reason"] for gate in document["gates"])


def test_explain_tells_what_each_metric_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    templates = {"toy.score": "Score", "toy.score.help": "How\x1b much.", "toy.score.formula": "a / b"}
    finish(tmp_path / "run", toy_run(messages={"en": templates}))
    text = gates("toy.score", "min = 0.8") + "[[gates]]\nid = 'other'\nmetric = 'toy.size'\nmax = 99\n"
    assert "meaning" not in told(tmp_path / "run", text, capsys)[1]
    _, out, _ = told(tmp_path / "run", text, capsys, "--explain")
    lines = ["      title: Score", "      meaning: How⟨U+001B⟩ much.", "      formula: a / b", "      id g"]
    assert "\n".join(lines) in out
    _, out, _ = told(tmp_path / "run", text, capsys, "--json")
    found = {gate["id"]: (gate["title"], gate["formula"], gate["reading"]) for gate in json.loads(out)["gates"]}
    assert found == {"g": ("Score", "a / b", None), "other": (None, None, None)}


def test_a_preset_without_its_prefix_is_recognised(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(["gate", str(folder), "--gates", "binary-basics"]) == 2
    assert "fix: did you mean `preset:binary-basics`?" in capsys.readouterr().err


def test_without_a_file_the_gates_of_the_run_are_decided(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = digests(folder)
    for path in (folder, folder / "run.json"):
        assert guarded(["gate", str(path), "--json"]) == 0
        (gate,) = json.loads(capsys.readouterr().out)["gates"]
        assert (gate["id"], gate["state"], gate["minimum"]) == ("own", "pass", 0.5)
    assert digests(folder) == before


def test_a_run_without_gates_decides_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finish(tmp_path, toy_run(gates=(), config={"analyzers": ANALYZERS}))
    assert guarded(["gate", str(tmp_path)]) == 0
    assert "No gates: the audit decided nothing" in capsys.readouterr().out


def test_a_record_with_gates_of_another_version_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finish(tmp_path, toy_run(config={"gates": [{"metric": "toy.score", "least": 1}]}))
    assert guarded(["gate", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("AB503 run.json: config.gates: the gates in the record cannot be read")


def test_an_altered_run_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = folder / "run.json"
    record.write_bytes(record.read_bytes().replace(b'"value": 0.9', b'"value": 0.99', 1))
    code, out, err = told(folder, gates("toy.score", "min = 0.8"), capsys)
    assert (code, out) == (2, "")
    assert "these files are not those that the audit wrote" in err


def test_what_is_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(["gate", str(tmp_path / "absent"), "--gates", "preset:binary-basics"]) == 2
    assert capsys.readouterr().err.startswith("AB503 ")


def test_a_later_audit_that_did_not_end_makes_it_incomplete(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / ".lock").write_text("process 1 on here since today")
    code, out, err = told(folder, gates("toy.score", "min = 0.8"), capsys)
    assert code == 3
    assert "has not come to its end" in err
    assert "exit code 3" in out


def test_a_folder_that_may_only_be_read_is_enough(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in [*folder.rglob("*"), folder]:
        path.chmod(0o500 if path.is_dir() else 0o400)
    try:
        assert told(folder, gates("toy.score", "min = 0.8"), capsys)[0] == 0
    finally:
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o700 if path.is_dir() else 0o600)


def test_names_and_explanations_cannot_act_on_the_terminal(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = gates("toy.gap", 'max = 1\nexplanation = "a\\u001b[31m\\n::error::b\\u202e"', "where = {'\\u001b[2J' = 'x'}")
    code, out, _ = told(folder, text.replace("'\\u001b[2J'", '"\\u001b[2J"'), capsys)
    assert code == 1
    assert not {"\x1b", "\u202e"} & set(out)
    assert not any(line.lstrip().startswith("::") for line in out.splitlines())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("preset:binary-basics", "binary-basics.calibration"),
        ("binary-basics.auc", "limit: min = 0.5; the whole interval has to be inside"),
        ("fairness-four-fifths.selection", "one gate for each sensitive feature"),
        ("fairness-four-fifths.selection.sex", "convention for screening"),
        ("g", "The last one had 0.8."),
    ],
)
def test_presets_and_gates_are_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, words: str
) -> None:
    file = tmp_path / "gates.toml"
    file.write_text(
        "preset = 'fairness-four-fifths'\n" + gates("toy.score", "max = 1\nexplanation = 'The last one had 0.8.'")
    )
    assert guarded(["explain", name, "--gates", str(file)]) == 0
    assert words in capsys.readouterr().out


def test_an_unknown_preset_and_a_bad_file_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(["explain", "preset:binary-basic"]) == 2
    err = capsys.readouterr().err
    assert "explanations-sound" in err
    assert "did you mean `binary-basics`?" in err
    (tmp_path / "gates.toml").write_text("[[gates]]\nmetric = 'a'\n")
    assert guarded(["explain", "g", "--gates", str(tmp_path / "gates.toml")]) == 2
    assert "gates[0].metric" in capsys.readouterr().err


def test_the_schema_describes_every_key(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(["schema", "gates"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert set(schema["properties"]) == {"preset", "gates", "waivers"}
    assert schema["properties"]["preset"]["anyOf"][0] == {"type": "string"}
    assert schema["$defs"]["GateTable"]["properties"]["explanation"]["description"]
    assert guarded(["schema", "config"]) == 0
    table = json.loads(capsys.readouterr().out)["$defs"]["AuditTable"]
    assert table["properties"]["gates"]["anyOf"][1]["items"] == {"type": "string"}

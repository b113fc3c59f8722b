"""Whatever a record, a plugin, a file or an exception says, the terminal shows it as text on a line of its own."""

from __future__ import annotations

import dataclasses
import io
import json
import re
import sys
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import click
import pyarrow as pa
import pyarrow.parquet
import pytest
from rich.console import Console

from auditbench.cli import commands, health
from auditbench.cli.boundary import guarded
from auditbench.cli.live_progress import LiveProgress
from auditbench.cli.options import debug_option
from auditbench.cli.progress import PlainProgress
from auditbench.cli.second_opinion import SecondOpinion
from auditbench.comparison.record import Comparison
from auditbench.descriptions import AnalyzerDescription, PluginDescription
from auditbench.errors import AuditbenchError, ConfigError, Problem, WorkerError
from auditbench.findings import Message
from auditbench.listener import Listener
from auditbench.models.opening.scanning import Scan
from auditbench.plugin_entries import PluginEntry
from auditbench.run import AuditFacts, AuditRun
from auditbench.safe_text import LONGEST_NAME, LONGEST_TEXT
from auditbench.supervisor.planning import Plan, PlannedAnalyzer
from auditbench.testing.filled_records import filled
from tests.finished_run import a_run, finish
from tests.hostile_run import hostile_run
from tests.hostile_texts import TERMINAL, packed

UNSEEN = {"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"}
COMMAND = re.compile(r"\s*::|.*##\w*\[")
CONFIG = """
[audit]
name = "audit"
[model]
path = "x"
task = "binary-classification"
[data]
test = "x"
target = "x"
positive = "x"
sensitive = ["x"]
[analyzers.performance]
"""
FILE_NAMES = [text for text in TERMINAL if len(text.encode("utf-8", "surrogateescape")) < 200 and "/" not in text]
Command: TypeAlias = Callable[[Sequence[str]], Any]
PACKS = packed(text for text in TERMINAL if len(text) <= LONGEST_NAME)
# What a file in UTF-8 can hold of them, and a text beside which they print as many lines.
SLOTS = [text.encode("utf-8", "backslashreplace").decode() for text in (*PACKS, "plain")]
every_pack = pytest.mark.parametrize("text", PACKS, ids=range(len(PACKS)))
every_text = pytest.mark.parametrize("text", [*PACKS, "x" * (LONGEST_TEXT + 1)], ids=range(len(PACKS) + 1))


@pytest.fixture(autouse=True)
def no_traces_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept for later goes to a folder of the test."""
    kept = tmp_path / "kept"
    kept.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(kept))


@pytest.fixture
def printed(capfd: pytest.CaptureFixture[str]) -> Command:
    """Runs a command and gives all that it wrote, once that is known to be harmless."""

    def run(arguments: Sequence[str]) -> str:
        guarded(list(arguments))
        out, err = capfd.readouterr()
        for line in (out + err).split("\n"):
            assert_harmless(line)
        return out + err

    return run


@pytest.fixture
def printed_json(capfd: pytest.CaptureFixture[str]) -> Command:
    """Runs a command and gives the document that it wrote, once every line of it is known to be harmless."""

    def run(arguments: Sequence[str]) -> Any:
        guarded(list(arguments))
        out, err = capfd.readouterr()
        for line in err.split("\n"):
            assert_harmless(line)
        for line in out.split("\n"):
            assert line.isascii()
            assert not line or line.isprintable()
            assert not COMMAND.match(line)
        return json.loads(out)

    return run


def assert_harmless(line: str) -> None:
    assert [f"U+{ord(mark):04X}" for mark in line if unicodedata.category(mark) in UNSEEN] == []
    assert not COMMAND.match(line), line
    assert len(line) <= LONGEST_TEXT + 4 * LONGEST_NAME


def encodable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def lines_of(text: str) -> int:
    return text.count("\n")


def quoted(text: str) -> str:
    """A text as a string of TOML."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def harmless(text: str) -> str:
    return "x" * len(text)


def test_a_run(tmp_path: Path, printed: Command) -> None:
    counts = []
    for index, slot in enumerate(SLOTS):
        folder = tmp_path / str(index)
        finish(folder, hostile_run(slot, arrays=False))
        counts.append(lines_of(printed(["show", str(folder)])))
        assert "Gates that did not pass" in printed(["show", str(folder), "--debug"])
    assert min(counts) == max(counts) > 30


def test_no_line_of_a_run_is_too_long(tmp_path: Path, printed: Command) -> None:
    finish(tmp_path / "run", hostile_run("x" * (LONGEST_TEXT // 2), arrays=False))
    assert lines_of(printed(["show", str(tmp_path / "run")])) > 30


def test_other_gates_on_a_run(tmp_path: Path, printed: Command, printed_json: Command) -> None:
    counts = []
    for index, slot in enumerate(SLOTS):
        folder, file = tmp_path / str(index), tmp_path / f"{index}.toml"
        run = hostile_run(slot, arrays=False)
        finish(folder, dataclasses.replace(run, config={**run.config, "gates": [], "waivers": []}))
        name = quoted(slot)
        gate = f"[[gates]]\nmetric = 'performance.auc'\nmin = 0.5\nexplanation = {name}\n"
        waiver = f"[[waivers]]\ngate = 'g'\nuntil = '2000-01-01'\nby = {name}\nreason = {name}\n"
        file.write_text(f"{gate}{gate}id = 'g'\nwhere = {{ {name} = {name} }}\n{waiver}", "utf-8")
        counts.append(lines_of(printed(["gate", str(folder), "--gates", str(file)])))
        printed_json(["gate", str(folder), "--gates", str(file), "--json"])
        printed(["explain", "g", "--gates", str(file)])
        file.write_text(f"{gate}id = {name}\n{name} = 1\n", "utf-8")
        assert "AB" in printed(["gate", str(folder), "--gates", str(file)])
    assert min(counts) == max(counts) > 8


def test_two_runs(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    printed: Command,
    printed_json: Command,
) -> None:
    counts = []
    for index, slot in enumerate(SLOTS):
        folder = str(tmp_path / str(index))
        finish(Path(folder), a_run(audit=AuditFacts(name=slot), messages={"en": {slot: f"{slot} {{name}}"}}))
        comparison = filled(Comparison, slot)
        monkeypatch.setattr("auditbench.compared_runs.compare", lambda *_, found=comparison, **options: found)
        counts.append(lines_of(printed(["compare", folder, folder, "--all"])))
        printed_json(["compare", folder, folder, "--json"])
    assert min(counts) == max(counts) > 20


@every_pack
def test_an_audit(
    text: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    printed: Command,
    printed_json: Command,
) -> None:
    config = tmp_path / "audit.toml"
    config.write_text(CONFIG, "utf-8")

    def audit(*_: object, listener: Listener, **options: object) -> AuditRun:
        tell(listener, text)
        return hostile_run(encodable(text), arrays=False)

    monkeypatch.setattr("auditbench.supervisor.audit", audit)
    assert "exit code 1" in printed(["audit", str(config), "--out", str(tmp_path / "run")])
    printed_json(["audit", str(config), "--out", str(tmp_path / "run"), "--json"])


@every_text
def test_a_run_as_json(text: str, tmp_path: Path, printed_json: Command) -> None:
    text = encodable(text)
    finish(tmp_path / "run", a_run(audit=AuditFacts(name=text), warnings=(Message(key=text, values={text: text}),)))
    document = printed_json(["show", str(tmp_path / "run"), "--json"])
    assert (document["name"], document["warnings"]) == (text, [text])


@pytest.mark.parametrize("name", FILE_NAMES, ids=range(len(FILE_NAMES)))
def test_a_folder(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: Command) -> None:
    folder = tmp_path / name
    finish(folder, a_run())
    plain = tmp_path / harmless(name)
    finish(plain, a_run())
    assert lines_of(printed(["show", str(folder)])) == lines_of(printed(["show", str(plain)])) > 5
    for arguments in (["show", str(folder / "none")], ["check", str(folder / "none")], ["scan", str(folder / "none")]):
        assert re.match("AB[0-9]{3} ", printed(arguments))
    config = folder / "audit.toml"
    config.write_text("nonsense = 1\n")
    assert "nonsense" in printed(["check", str(config)])
    config.write_text(CONFIG)
    monkeypatch.setattr("auditbench.supervisor.train", lambda *_, **options: None)
    monkeypatch.setattr("auditbench.supervisor.render", lambda home, *_: (home / "report.html",))
    assert lines_of(printed(["train", str(config)])) == 2
    assert lines_of(printed(["render", str(folder)])) == 1


@every_pack
def test_plugins(text: str, monkeypatch: pytest.MonkeyPatch, printed: Command) -> None:
    counts = []
    for slot in (text, harmless(text)):
        schema = {"properties": {slot: {"enum": [slot], "default": slot, "description": slot}}, "required": []}
        analyzer = dataclasses.replace(
            filled(AnalyzerDescription, slot), name="toy", metrics=("gap",), schema=schema,
            messages={"en": {f"toy.gap{end}": slot for end in ("", ".help", ".formula", ".how")}},
        )  # fmt: skip
        plugin = dataclasses.replace(
            filled(PluginDescription, slot), analyzers=(analyzer, filled(AnalyzerDescription, slot))
        )
        broken = dataclasses.replace(plugin, problems=filled(tuple[Problem, ...], slot))
        entries = (filled(PluginEntry, slot),)
        monkeypatch.setattr("auditbench.supervisor.describe", lambda names=None, found=(plugin, broken): found)
        monkeypatch.setattr("auditbench.plugin_entries.list_entry_points", lambda found=entries: found)
        checks = (health.Check(name=slot, ok=ok, detail=slot, fix=slot) for ok in (True, False))
        monkeypatch.setattr(health, "examine", lambda found=checks: found)
        shown = [printed(["plugins", "list"]), printed(["plugins", "show", "x"]), printed(["explain", "toy.gap"])]
        shown += [printed(["doctor"])]
        printed(["explain", slot])
        counts.append([lines_of(part) for part in shown])
    assert counts[0] == counts[1]
    assert min(counts[0]) > 0


@every_pack
def test_a_plan(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: Command) -> None:
    config = tmp_path / "audit.toml"
    counts = []
    for slot in (text.encode("utf-8", "replace").decode(), harmless(text)):
        name = quoted(slot)
        config.write_text(CONFIG.replace('"x"', name), "utf-8")
        described = filled(AnalyzerDescription, slot)
        runs = PlannedAnalyzer(name=slot, group=slot, required=False, time_limit=9.0, description=described)
        plan = dataclasses.replace(filled(Plan, slot), analyzers=(runs, filled(PlannedAnalyzer, slot)))
        monkeypatch.setattr("auditbench.supervisor.plan", lambda loaded, found=plan, **options: found)
        shown = printed(["check", str(config)])
        assert "is valid" in shown
        counts.append(lines_of(shown))
        config.write_text(config.read_text("utf-8") + f"[{name}]\n{name} = 1\n", "utf-8")
        counts.append(lines_of(printed(["check", str(config)])))
    assert counts[:2] == counts[2:]


@every_text
def test_a_scan(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: Command) -> None:
    (tmp_path / "file").write_bytes(b"x")
    counts = []
    for slot in (text, harmless(text)):
        found = filled(Scan, slot)
        other = SecondOpinion(version=slot, dangerous=(slot,), suspicious=(slot,), failed=slot)
        monkeypatch.setattr("auditbench.models.opening.scanning.scan_bytes", lambda *_, found=found: found)
        monkeypatch.setattr("auditbench.cli.second_opinion.second_opinion", lambda *_, other=other: other)
        counts.append(lines_of(printed(["scan", str(tmp_path / "file")])))
    assert counts[0] == counts[1] > 5


@every_pack
def test_a_table_of_which_a_configuration_is_drafted(text: str, tmp_path: Path, printed: Command) -> None:
    name = text.encode("utf-8", "replace").decode()
    table = pa.table({name: [name, "a"] * 50, "sex": ["f", "m"] * 50, "y": ["a", name, "a", "a"] * 25})
    pa.parquet.write_table(table, tmp_path / "t.parquet")
    shown = printed(["init", str(tmp_path / "out"), "--data", str(tmp_path / "t.parquet"), "--target", name])
    assert "next: auditbench check" in shown
    printed(["init", str(tmp_path / "other"), "--data", str(tmp_path / "t.parquet"), "--target", f"{name}?"])


@every_text
@pytest.mark.parametrize("arguments", [["doctor"], ["doctor", "--debug"]], ids=["plain", "debug"])
def test_errors(text: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch, printed: Command) -> None:
    problem = Problem(message=text, where=text, found=text, allowed=text, fix=text)
    errors: list[BaseException] = [
        ConfigError(text, where=text, found=text, allowed=text, fix=text),
        ConfigError(text, problems=(problem, problem)),
        WorkerError(text, details=text),
        AuditbenchError(text, details=f"Traceback\n{text}"),
        ValueError(text),
        KeyError(text),
        OSError(2, text, text),
        SystemExit(text),
        click.UsageError(text),
        click.FileError(text, hint=text),
        click.BadParameter(text, param_hint=text),
        type(f"E{text[:40]}".replace("\0", "").encode("utf-8", "replace").decode(), (Exception,), {})(text),
    ]
    for error in errors:

        def answer(error: BaseException = error) -> None:
            raise error

        stand_in = click.command("doctor")(debug_option(answer))
        monkeypatch.setattr(commands.LazyGroup, "get_command", lambda self, ctx, name, found=stand_in: found)
        assert re.search("(?m)^AB[0-9]{3} ", printed(arguments))


@every_text
def test_what_is_kept_for_later_is_harmless_to_print(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: Command
) -> None:
    def answer() -> None:
        raise WorkerError("no", details=f"Traceback\n{text}")

    stand_in = click.command("doctor")(answer)
    monkeypatch.setattr(commands.LazyGroup, "get_command", lambda self, ctx, name: stand_in)
    printed(["doctor"])
    (kept,) = (tmp_path / "kept").iterdir()
    for line in kept.read_text("utf-8").split("\n"):
        assert_harmless(line)


@every_text
def test_arguments(text: str, printed: Command) -> None:
    for arguments in ([text], ["show", text], ["audit", f"--{text}"], ["check", "x", "--set", text], ["schema", text]):
        assert "AB" in printed(arguments) or text == ""


def tell(listener: Listener, text: str) -> None:
    listener.stage_started(text, text)
    listener.stage_progress(text, text, 1, 2)
    for state in ("ok", text):
        listener.stage_finished(text, 1.0, state, text)
    listener.note(text)


@every_text
def test_progress_in_lines(text: str, capfd: pytest.CaptureFixture[str]) -> None:
    ticks = iter(range(0, 1000, 100))
    tell(PlainProgress(clock=lambda: float(next(ticks))), text)
    lines = capfd.readouterr().err.split("\n")
    assert len(lines) == 6
    for line in lines:
        assert_harmless(line)


@every_text
def test_progress_in_bars(text: str) -> None:
    """The bars move the cursor themselves; with styles and cursor left out, nothing is left but lines of text."""
    screen = io.StringIO()
    listener = LiveProgress(Console(file=screen, force_terminal=False, width=500, markup=False, highlight=False))
    with listener.progress:
        tell(listener, text)
    for line in screen.getvalue().split("\n"):
        assert_harmless(line)
    coloured = io.StringIO()
    listener = LiveProgress(Console(file=coloured, force_terminal=True, width=500, markup=False, highlight=False))
    with listener.progress:
        tell(listener, text)
    sequences = set(re.findall(r"\x1b(?:\[[0-9;?]*([A-Za-z])|(.))", coloured.getvalue()))
    assert {letter for pair in sequences for letter in pair} <= {"", "m", "h", "l", "K", "A", "F", "G"}
    assert "\x1b[2J" not in coloured.getvalue()
    assert sys.stdout is not screen

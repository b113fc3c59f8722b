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
from auditbench.descriptions import AnalyzerDescription, PluginDescription
from auditbench.errors import AuditbenchError, ConfigError, Problem, WorkerError
from auditbench.findings import Message
from auditbench.listener import Listener
from auditbench.models.opening.scanning import Scan
from auditbench.registry import PluginEntry
from auditbench.run import AuditFacts
from auditbench.safe_text import LONGEST_NAME, LONGEST_TEXT
from auditbench.supervisor.planning import Plan, PlannedAnalyzer
from tests.finished_run import a_run, finish
from tests.hostile_run import filled, hostile_run
from tests.hostile_texts import TERMINAL, packed

UNSEEN = {"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"}
COMMAND = re.compile(r"\s*::|.*##\w*\[")
FILE_NAMES = [text for text in TERMINAL if len(text.encode("utf-8", "surrogateescape")) < 200 and "/" not in text]
# Commands act where a line begins; the others may stand together.
STARTING = tuple(text for text in TERMINAL if text.lstrip().startswith(("::", "##", "###", "a\n")))
PACKS = (*STARTING[:1], *STARTING[-2:], *packed(text for text in TERMINAL if text not in STARTING))
every_pack = pytest.mark.parametrize("text", PACKS, ids=range(len(PACKS)))
every_text = pytest.mark.parametrize("text", TERMINAL, ids=range(len(TERMINAL)))


@pytest.fixture(autouse=True)
def no_traces_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept for later goes to a folder of the test."""
    kept = tmp_path / "kept"
    kept.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(kept))


@pytest.fixture
def printed(capfd: pytest.CaptureFixture[str]) -> Callable[[Sequence[str]], str]:
    """Runs a command and gives all that it wrote, once that is known to be harmless."""

    def run(arguments: Sequence[str]) -> str:
        guarded(list(arguments))
        out, err = capfd.readouterr()
        for line in (out + err).split("\n"):
            assert_harmless(line)
        return out + err

    return run


def assert_harmless(line: str) -> None:
    assert [f"U+{ord(mark):04X}" for mark in line if unicodedata.category(mark) in UNSEEN] == []
    assert not COMMAND.match(line), line
    assert len(line) <= LONGEST_TEXT + 4 * LONGEST_NAME


def lines_of(text: str) -> int:
    return text.count("\n")


def harmless(text: str) -> str:
    return "x" * len(text)


@every_pack
def test_a_run(text: str, tmp_path: Path, printed: Callable[[Sequence[str]], str]) -> None:
    counts = []
    for index, slot in enumerate((text, harmless(text))):
        folder = tmp_path / str(index)
        run = hostile_run(slot.encode("utf-8", "backslashreplace").decode(), arrays=False)
        finish(folder, dataclasses.replace(run, volatile=dataclasses.replace(run.volatile, results=())))
        counts.append(lines_of(printed(["show", str(folder)])))
        assert "Gates that did not pass" in printed(["show", str(folder), "--debug"])
    assert counts[0] == counts[1] > 30


@every_text
def test_a_run_as_json(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = text.encode("utf-8", "backslashreplace").decode()
    finish(tmp_path / "run", a_run(audit=AuditFacts(name=text), warnings=(Message(key=text, values={text: text}),)))
    assert guarded(["show", str(tmp_path / "run"), "--json"]) == 0
    out = capsys.readouterr().out
    for line in out.split("\n"):
        assert line.isascii()
        assert not line or line.isprintable()
        assert not COMMAND.match(line)
    assert (json.loads(out)["name"], json.loads(out)["warnings"]) == (text, [text])


@pytest.mark.parametrize("name", FILE_NAMES, ids=range(len(FILE_NAMES)))
def test_a_folder(name: str, tmp_path: Path, printed: Callable[[Sequence[str]], str]) -> None:
    folder = tmp_path / name
    finish(folder, a_run())
    plain = tmp_path / harmless(name)
    finish(plain, a_run())
    assert lines_of(printed(["show", str(folder)])) == lines_of(printed(["show", str(plain)])) > 5
    for arguments in (["show", str(folder / "none")], ["check", str(folder / "none")], ["scan", str(folder / "none")]):
        assert re.match("AB[0-9]{3} ", printed(arguments))
    (folder / "audit.toml").write_text("nonsense = 1\n")
    assert "nonsense" in printed(["check", str(folder / "audit.toml")])


@every_pack
def test_plugins(text: str, monkeypatch: pytest.MonkeyPatch, printed: Callable[[Sequence[str]], str]) -> None:
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
        monkeypatch.setattr("auditbench.registry.list_entry_points", lambda found=entries: found)
        checks = (health.Check(name=slot, ok=ok, detail=slot, fix=slot) for ok in (True, False))
        monkeypatch.setattr(health, "examine", lambda found=checks: found)
        shown = [printed(["plugins", "list"]), printed(["plugins", "show", "x"]), printed(["explain", "toy.gap"])]
        shown += [printed(["doctor"])]
        printed(["explain", slot])
        counts.append([lines_of(part) for part in shown])
    assert counts[0] == counts[1]
    assert min(counts[0]) > 0


@every_pack
def test_a_plan(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: Callable[[Sequence[str]], str]
) -> None:
    config = tmp_path / "audit.toml"
    counts = []
    for slot in (text.encode("utf-8", "replace").decode(), harmless(text)):
        quoted = json.dumps(slot, ensure_ascii=False).replace("\x7f", "\\u007f")
        config.write_text(
            f'[audit]\nname = "x"\n[model]\npath = {quoted}\ntask = "binary-classification"\n[data]\ntest = {quoted}\n'
            f"target = {quoted}\npositive = {quoted}\nsensitive = [{quoted}]\n[analyzers.performance]\n",
            "utf-8",
        )
        described = filled(AnalyzerDescription, slot)
        runs = PlannedAnalyzer(name=slot, group=slot, required=False, time_limit=9.0, description=described)
        plan = dataclasses.replace(filled(Plan, slot), analyzers=(runs, filled(PlannedAnalyzer, slot)))
        monkeypatch.setattr("auditbench.supervisor.plan", lambda loaded, found=plan, **options: found)
        shown = printed(["check", str(config)])
        assert "is valid" in shown
        counts.append(lines_of(shown))
        config.write_text(config.read_text("utf-8") + f"[{quoted}]\n{quoted} = 1\n", "utf-8")
        counts.append(lines_of(printed(["check", str(config)])))
    assert counts[:2] == counts[2:]


@every_text
def test_a_scan(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: Callable[[Sequence[str]], str]
) -> None:
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
def test_a_table_of_which_a_configuration_is_drafted(
    text: str, tmp_path: Path, printed: Callable[[Sequence[str]], str]
) -> None:
    name = text.encode("utf-8", "replace").decode()
    table = pa.table({name: [name, "a"] * 50, "sex": ["f", "m"] * 50, "y": ["a", name, "a", "a"] * 25})
    pa.parquet.write_table(table, tmp_path / "t.parquet")
    shown = printed(["init", str(tmp_path / "out"), "--data", str(tmp_path / "t.parquet"), "--target", name])
    assert "next: auditbench check" in shown
    printed(["init", str(tmp_path / "other"), "--data", str(tmp_path / "t.parquet"), "--target", f"{name}?"])


@every_text
@pytest.mark.parametrize("arguments", [["doctor"], ["doctor", "--debug"]], ids=["plain", "debug"])
def test_errors(
    text: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch, printed: Callable[[Sequence[str]], str]
) -> None:
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
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: Callable[[Sequence[str]], str]
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
def test_arguments(text: str, printed: Callable[[Sequence[str]], str]) -> None:
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

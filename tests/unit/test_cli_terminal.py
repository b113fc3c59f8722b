"""Text from files and users stays text on the terminal."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditbench.cli import terminal
from auditbench.cli.terminal import cells, complain, padded, safe_text, say, say_json


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("plain, Ünïcode, 性别", "plain, Ünïcode, 性别", id="ordinary-text-stays"),
        pytest.param("\x1b[31mred", r"\x1b[31mred", id="colour"),
        pytest.param("a\nb\r\tc", r"a\nb\r\tc", id="one-line"),
        pytest.param("\x9b2J", r"\x9b2J", id="eight-bit-sequence"),
        pytest.param("::error::boo", r"\x3a:error::boo", id="workflow-command"),
        pytest.param("  ::set-output x", r"  \x3a:set-output x", id="workflow-command-after-blanks"),
        pytest.param("a ::b", "a ::b", id="colons-inside-a-line"),
        pytest.param("##[error]x", r"\x23#[error]x", id="bracket-command"),
        pytest.param("x ##vso[task.setvariable]", r"x \x23#vso[task.setvariable]", id="pipeline-command"),
        pytest.param("\u202eevil\u2066", r"\u202eevil\u2066", id="direction"),
        pytest.param("\udcff", r"\udcff", id="undecodable-file-name"),
        pytest.param("[bold]x[/bold]", "[bold]x[/bold]", id="markup-is-not-interpreted"),
    ],
)
def test_safe_text(text: str, expected: str) -> None:
    assert safe_text(text) == expected


@given(st.text())
def test_nothing_acts_in_safe_text(text: str) -> None:
    safe = safe_text(text)
    assert not [mark for mark in safe if unicodedata.category(mark) in {"Cc", "Cs", "Zl", "Zp"}]
    assert not safe.lstrip().startswith("::")
    assert "##[" not in safe
    assert safe_text(safe) == safe


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_printed_lines_are_the_lines_of_the_text(text: str) -> None:
    stream = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        say(text)
    assert stream.getvalue() == "".join(f"{safe_text(line)}\n" for line in text.split("\n"))


def test_tones_need_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say("good news", "good")
    complain("bad news", "bad")
    assert capsys.readouterr() == ("good news\n", "bad news\n")


@pytest.mark.parametrize(
    ("name", "value", "coloured"), [("TERM", "xterm", True), ("NO_COLOR", "1", False), ("TERM", "dumb", False)]
)
def test_tones_on_a_terminal(monkeypatch: pytest.MonkeyPatch, name: str, value: str, coloured: bool) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Screen()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(name, value)
    say("\x1b[2Jnews", "good")
    assert ("\x1b[32m" in screen.getvalue()) == coloured
    assert r"\x1b[2Jnews" in screen.getvalue()


def test_json_is_ascii_and_parses_back(capsys: pytest.CaptureFixture[str]) -> None:
    document = {"性别": "\x1b[31m", "n": None}
    say_json(document)
    printed = capsys.readouterr().out
    assert printed.isascii()
    assert json.loads(printed) == document


def test_padding_counts_cells() -> None:
    assert cells("性别") == 4
    assert padded("性别", 6) == "性别  "
    assert padded("sex", 6) == "sex   "
    assert padded("longer", 2) == "longer"


def test_a_reader_that_goes_away_changes_nothing() -> None:
    """What is printed after the reader left is lost, and the program goes on to its own exit code."""
    program = "from auditbench.cli.terminal import say\nfor i in range(20000): say('x' * 80)\nraise SystemExit(7)"
    reader, writer = os.pipe()
    with subprocess.Popen([sys.executable, "-c", program], stdout=writer, stderr=subprocess.PIPE) as process:
        os.close(writer)
        assert os.read(reader, 10) == b"x" * 10
        os.close(reader)
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode == 7


def test_streams_that_were_closed_exist_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    terminal.prepare_streams()
    assert sys.stdout.writable()
    say("into the void")
    sys.stdout.close()


def test_a_narrow_encoding_shows_escapes() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    program = "from auditbench.cli.terminal import *; prepare_streams(); say('性别')"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, r"\u6027\u522b")

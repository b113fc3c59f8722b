"""Text from files and users stays text on the terminal."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import unicodedata
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from auditbench.cli import terminal
from auditbench.cli.terminal import cells, complain, complain_lines, padded, safe_line, say, say_json, say_prose


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("plain, Ünïcode, 性别", "plain, Ünïcode, 性别", id="ordinary-text-stays"),
        pytest.param("\x1b[31mred", "⟨U+001B⟩[31mred", id="colour"),
        pytest.param("\x1b]8;;http://e.x\x07a", "⟨U+001B⟩]8;;http://e.x⟨U+0007⟩a", id="operating-system-command"),
        pytest.param("a\nb\r\tc", "a↵b↵⇥c", id="one-line"),
        pytest.param("\x9b2J", "⟨U+009B⟩2J", id="eight-bit-sequence"),
        pytest.param("::error::boo", "⟨U+003A⟩:error::boo", id="workflow-command"),
        pytest.param("  ::set-output x", "  ⟨U+003A⟩:set-output x", id="workflow-command-after-blanks"),
        pytest.param("\u3000::debug::", "⟨U+3000⟩::debug::", id="workflow-command-after-wide-blank"),
        pytest.param("a ::b", "a ::b", id="colons-inside-a-line"),
        pytest.param("##[error]x", "⟨U+0023⟩#[error]x", id="bracket-command"),
        pytest.param("x ##vso[task.setvariable]", "x ⟨U+0023⟩#vso[task.setvariable]", id="pipeline-command"),
        pytest.param("###teamcity[x]", "#⟨U+0023⟩#teamcity[x]", id="service-message"),
        pytest.param("## a heading", "## a heading", id="two-signs-that-are-no-command"),
        pytest.param("section_start:1:a\r\x1b[0K", "section_start:1:a↵⟨U+001B⟩[0K", id="section-of-a-job-log"),
        pytest.param("\u202eevil\u2066", "⟨U+202E⟩evil⟨U+2066⟩", id="direction"),
        pytest.param("\udcff", "⟨U+DCFF⟩", id="undecodable-file-name"),
        pytest.param("[bold]x[/bold]", "[bold]x[/bold]", id="markup-is-not-interpreted"),
    ],
)
def test_safe_line(text: str, expected: str) -> None:
    assert safe_line(text) == expected


@given(st.text() | st.text(alphabet=":#[ao \t\r\x1b"), st.integers(1, 40))
def test_nothing_acts_in_a_safe_line(text: str, longest: int) -> None:
    safe = safe_line(text, longest)
    assert not [mark for mark in safe if unicodedata.category(mark) in {"Cc", "Cf", "Cs", "Zl", "Zp"}]
    assert not safe.lstrip().startswith("::")
    assert not re.search(r"##\w*\[", safe)
    assert len(safe) <= longest
    assert safe_line(safe, longest) == safe


@given(st.text())
def test_what_is_said_is_one_line(text: str) -> None:
    stream = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        say(text)
    assert stream.getvalue() == f"{safe_line(text)}\n"


def test_text_with_lines_of_its_own_is_complained_line_by_line(capsys: pytest.CaptureFixture[str]) -> None:
    complain_lines("Traceback\n::error::x\n")
    assert capsys.readouterr().err == "Traceback\n⟨U+003A⟩:error::x\n\n"


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_tones_need_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say("good news", "good")
    complain("bad news", "bad")
    assert capsys.readouterr() == ("good news\n", "bad news\n")


@pytest.mark.parametrize(
    ("name", "value", "coloured"), [("TERM", "xterm", True), ("NO_COLOR", "1", False), ("TERM", "dumb", False)]
)
def test_tones_on_a_terminal(monkeypatch: pytest.MonkeyPatch, name: str, value: str, coloured: bool) -> None:
    screen = Screen()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(name, value)
    say("\x1b[2Jnews", "good")
    assert ("\x1b[32m" in screen.getvalue()) == coloured
    assert "⟨U+001B⟩[2Jnews" in screen.getvalue()


def prose(text: str, columns: int, stream: io.StringIO) -> list[str]:
    """The lines of a sentence on a stream, where the terminal is so wide."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        patch.setenv("COLUMNS", str(columns))
        say_prose(text)
    return stream.getvalue().removesuffix("\n").split("\n")


SENTENCES = (
    "  lime  failed (required): No layer is called conv9; found: conv9; allowed: conv1, conv2; what to do: name one"
)


def test_sentences_are_broken_between_words_on_a_terminal_alone() -> None:
    assert prose(SENTENCES, 50, io.StringIO()) == [SENTENCES]
    assert prose(SENTENCES, 50, Screen()) == [
        "  lime  failed (required): No layer is called",
        "    conv9; found: conv9; allowed: conv1, conv2;",
        "    what to do: name one",
    ]
    assert prose(SENTENCES, 500, Screen()) == prose(SENTENCES, 120, Screen())
    assert prose("性别 " * 4, 10, Screen()) == ["性别 性别", "  性别", "  性别 "]
    assert prose("x" * 40, 20, Screen()) == ["x" * 40]


def bare(text: str) -> str:
    """Without spaces, and with the sign again that stands first in a command of a line."""
    return text.replace(" ", "").replace("⟨U+003A⟩", ":")


@given(st.text() | st.text(alphabet=":#[a \t\r\x1b"), st.integers(1, 40))
def test_no_line_of_broken_sentences_acts_and_none_is_lost(text: str, columns: int) -> None:
    lines = prose(text, columns, Screen())
    for line in lines:
        assert safe_line(line) == line
    assert bare("".join(lines)) == bare(safe_line(text))


@given(st.recursive(st.text() | st.none(), lambda item: st.lists(item) | st.dictionaries(st.text(), item)))
@example({"性别": "\x1b[31m\x7f", "n": None, "##vso[a]": "###[error]x", "long": "x" * 9000})
def test_json_is_printable_ascii_without_commands_and_parses_back(document: Any) -> None:
    stream = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        say_json(document)
    printed = stream.getvalue()
    assert set(printed) <= {chr(code) for code in range(32, 127)} | {"\n"}
    assert "##" not in printed
    assert not [line for line in printed.split("\n") if line.lstrip().startswith("::")]
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

"""Words on the terminal: nothing that came from a file or a user can act as anything but text."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Literal, TextIO, TypeAlias

import click

from auditbench.safe_text import LONGEST_TEXT, code_of, safe_text

Tone: TypeAlias = Literal["", "good", "bad", "caution", "quiet", "strong"]

_STYLES: dict[str, dict[str, Any]] = {
    "good": {"fg": "green", "bold": True},
    "bad": {"fg": "red", "bold": True},
    "caution": {"fg": "yellow", "bold": True},
    "quiet": {"dim": True},
    "strong": {"bold": True},
}
# What the runners of continuous integration obey: `::error::` where a line begins, `##[command]` and `##vso[command]`
# anywhere in it.
_COMMAND = re.compile(r"^(\s*)(:)(?=:)|(#)(?=#\w*\[)")
_WIDEST = 120  # cells of a line of prose


def safe_line(text: object, longest: int = LONGEST_TEXT) -> str:
    """Text as a line of its own in which nothing acts: `safe_text`, and no command of a continuous integration service.

    The sign that such a command begins with becomes a code, too: `⟨U+003A⟩:error::`.
    """
    line = _COMMAND.sub(_disarmed, safe_text(str(text), longest))
    return safe_text(line, longest)


def say(text: str = "", tone: Tone = "") -> None:
    """Write a result to stdout, as one line whatever it holds.

    A reader that has gone away is no error, so that the exit code stays what it is.
    """
    sys.stdout = _write(sys.stdout, safe_line(text), tone)


def say_prose(text: str, tone: Tone = "") -> None:
    """Write sentences to stdout: on a terminal in lines of its width, broken between words; elsewhere in one line.

    Paths, commands and digests are for `say`: a reader copies them whole.
    """
    width = min(shutil.get_terminal_size().columns, _WIDEST) if sys.stdout is not None and sys.stdout.isatty() else 0
    for line in _broken(safe_line(text), width) if width else (text,):
        say(line, tone)


def complain(text: str, tone: Tone = "") -> None:
    """Write one line to stderr: refusals, warnings, progress without a terminal."""
    sys.stderr = _write(sys.stderr, safe_line(text), tone)


def complain_lines(text: str) -> None:
    """Write text that has lines of its own to stderr, each as `complain` does: a trace, the help of a command."""
    for line in text.split("\n"):
        complain(line)


def say_json(document: Any) -> None:
    """Write JSON to stdout: printable ASCII without NaN, whole, and without a command; read back, it is the same."""
    import json

    text = json.dumps(document, indent=2, allow_nan=False)
    sys.stdout = _write(sys.stdout, text.replace("\x7f", "\\u007f").replace("##", "#\\u0023"), "")


def prepare_streams() -> None:
    """Let the standard streams write any text, whatever the locale, and exist even when they were closed."""
    sys.stdout = sys.stdout or _nowhere()
    sys.stderr = sys.stderr or _nowhere()
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # absent on stand-ins


def padded(text: str, width: int) -> str:
    """Text and spaces to a width in terminal cells; Chinese characters take two."""
    return text + " " * max(0, width - cells(text))


def cells(text: str) -> int:
    """Width of text in terminal cells."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _broken(text: str, width: int) -> Iterator[str]:
    """A line as lines of at most `width` cells, all but the first indented further; a longer word stays whole."""
    indent = " " * (len(text) - len(text.lstrip(" ")))
    words = text.lstrip(" ").split(" ")
    line = indent + words[0]
    for word in words[1:]:
        if cells(line) + 1 + cells(word) > width:
            yield line
            line = f"{indent}  {word}"
        else:
            line = f"{line} {word}"
    yield line


def _disarmed(command: re.Match[str]) -> str:
    return f"{command[1] or ''}{code_of(command[2] or command[3])}"


def _write(stream: TextIO, text: str, tone: Tone) -> TextIO:
    """Write text and a line end, and return the stream to use from now on."""
    if tone and _colours(stream):
        text = click.style(text, **_STYLES[tone])
    try:
        stream.write(f"{text}\n")
        stream.flush()
    except BrokenPipeError:
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return _nowhere()
    return stream


def _colours(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 - lives as long as the process

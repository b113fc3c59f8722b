"""Words on the terminal: nothing that came from a file or a user can act as anything but text."""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from typing import Any, Literal, TextIO, TypeAlias

import click

Tone: TypeAlias = Literal["", "good", "bad", "caution", "quiet", "strong"]

_STYLES: dict[str, dict[str, Any]] = {
    "good": {"fg": "green", "bold": True},
    "bad": {"fg": "red", "bold": True},
    "caution": {"fg": "yellow", "bold": True},
    "quiet": {"dim": True},
    "strong": {"bold": True},
}
# Control characters (ANSI sequences begin with one), line separators, marks that reverse the direction of writing.
_ACTIVE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
# What the runners of continuous integration obey: `::error::` where a line begins, `##[command]` anywhere.
_COMMAND = re.compile(r"^(\s*):(?=:)|#(?=#(?:\[|vso\[))")


def safe_text(text: object) -> str:
    """Text as one line in which nothing acts: what would is shown as an escape such as `\\x1b`."""
    visible = _ACTIVE.sub(lambda match: match.group().encode("unicode_escape").decode("ascii"), str(text))
    return _COMMAND.sub(lambda match: f"{match.group(1) or ''}\\x{ord(match.group().strip()):02x}", visible)


def say(text: str = "", tone: Tone = "") -> None:
    """Write a result to stdout; a reader that has gone away is no error, so that the exit code stays what it is."""
    sys.stdout = _write(sys.stdout, text, tone)


def complain(text: str, tone: Tone = "") -> None:
    """Write to stderr: refusals, warnings, progress without a terminal."""
    sys.stderr = _write(sys.stderr, text, tone)


def say_json(document: Any) -> None:
    """Write JSON to stdout, in ASCII and without NaN."""
    import json

    say(json.dumps(document, indent=2, allow_nan=False))


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


def _write(stream: TextIO, text: str, tone: Tone) -> TextIO:
    """Write lines and return the stream to use from now on."""
    lines = [safe_text(line) for line in text.split("\n")]
    if tone and _colours(stream):
        lines = [click.style(line, **_STYLES[tone]) for line in lines]
    try:
        stream.write("\n".join(lines) + "\n")
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

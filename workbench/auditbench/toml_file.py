"""A TOML file that a person wrote, read whole or refused with the reason."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from auditbench.errors import ConfigError
from auditbench.paths import is_there

MAX_BYTES = 1_000_000
_TWICE = re.compile(r"Cannot overwrite a value \(at (?:line (?P<line>\d+)|end of document)")
_KEY = re.compile(r"""\s*(?P<key>[\w.'"-]+)\s*=|(?P<table>\[[\w.'"-]+\])\s*(#.*)?$""")


def read_toml(path: Path, *, fix: str) -> dict[str, Any]:
    """The tables of a file.

    Args:
        fix: What to do when there is no such file.

    Raises:
        ConfigError: It is absent, no regular file, not readable, too long, not UTF-8, or not TOML.
    """
    return _parse(_read(path, fix), path)


def _read(path: Path, fix: str) -> str:
    where = str(path)
    if not is_there(path):
        raise ConfigError("there is no such file", where=where, fix=fix)
    if not path.is_file():
        raise ConfigError("expected a regular file", where=where, found="a folder or a device", fix=fix)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            "the file cannot be read",
            where=where,
            found=str(error.strerror),
            fix="let the user who runs this read it, or name another file",
        ) from error
    if len(content) > MAX_BYTES:
        raise ConfigError(
            "the file is too long for a configuration",
            where=where,
            found=f"more than {MAX_BYTES:,} bytes",
            allowed=f"at most {MAX_BYTES:,} bytes",
            fix="name the configuration, and keep data in files of their own",
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            "the file is not UTF-8 text",
            where=f"{where}:{line}",
            found=f"byte 0x{content[error.start]:02x}",
            fix="save it as UTF-8",
        ) from error


def _parse(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        if (twice := _given_twice(text, str(error))) is not None:
            raise ConfigError(
                "a key is given twice",
                where=str(path),
                found=twice,
                fix="remove one of the two, or its table's heading",
            ) from error
        raise ConfigError(
            "the file is not valid TOML", where=str(path), found=str(error), fix="correct it at that line and column"
        ) from error
    except RecursionError as error:
        raise ConfigError(
            "the file is nested too deeply",
            where=str(path),
            found="more tables or lists within each other than can be read",
            fix="write tables under headings of their own, such as `[audit]`",
        ) from error


def _given_twice(text: str, error: str) -> str | None:
    """The key that a value stands for where it has one already, and its line; None for any other error."""
    if (found := _TWICE.match(error)) is None:
        return None
    lines = text.splitlines()[: int(found["line"]) if found["line"] else None]
    for number, line in reversed(list(enumerate(lines, start=1))):
        if (key := _KEY.match(line)) is not None:
            return f"`{key['key'] or key['table']}` again in line {number}"
    return None

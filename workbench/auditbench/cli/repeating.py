"""Commands that a sentence names, for the audit of this command line: the same file, settings, trusted files and gates."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from auditbench.paths import as_argument, is_folder_there

_NAMED = re.compile(r"\bauditbench ([a-z]+) CONFIG\b")


def repeated(context: click.Context, name: str, **changed: Any) -> str:
    """The command `name` with what this command line gave and it takes as well, in quotes where a shell needs them.

    An option is the same where its name and its help are: `--out` of `train` is another one than that of `audit`.

    Args:
        changed: Values by parameter, instead of those given.
    """
    return " ".join((f"auditbench {name}", *_words(context, name, {**context.params, **changed})))


def filled_in(text: str, context: click.Context | None) -> str:
    """The text with each `auditbench NAME CONFIG` as it is for the config of this command line, if it has one."""
    path = None if context is None else _config(context, context.params)
    if context is None or path is None or is_folder_there(path):
        return text
    return _NAMED.sub(lambda found: repeated(context, found[1]) if _command(context, found[1]) else found[0], text)


def _words(context: click.Context, name: str, values: dict[str, Any]) -> Iterator[str]:
    path, command = _config(context, values), _command(context, name)
    if path is not None:
        yield as_argument(path)
    taken = {_identity(option) for option in (command.params if command else ()) if isinstance(option, click.Option)}
    for option in context.command.params:
        given = values.get(str(option.name))
        if not isinstance(option, click.Option) or _identity(option) not in taken or given in (None, option.default):
            continue
        for value in given if option.multiple else (given,):
            if value is not False:
                yield option.opts[-1] if option.is_flag else f"{option.opts[-1]} {shlex.quote(str(value))}"


def _config(context: click.Context, values: dict[str, Any]) -> Path | None:
    names = (
        str(argument.name)
        for argument in context.command.params
        if isinstance(argument, click.Argument) and argument.human_readable_name.startswith("CONFIG")
    )
    return next((values[name] for name in names if isinstance(values.get(name), Path)), None)


def _command(context: click.Context, name: str) -> click.Command | None:
    root = context.find_root().command
    return root.get_command(context, name) if isinstance(root, click.Group) else None


def _identity(option: click.Option) -> tuple[str | None, str | None]:
    return option.name, option.help

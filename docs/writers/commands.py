"""The command line: every command with its help, its arguments and its options."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

from auditbench.cli.commands import cli
from writers.markdown import anchor_of, code, fence, heading, page, prose, table

_INTRODUCTION = (
    "Every command takes `--help`, and `--debug`, which shows the traces of errors. What a command found stands on standard "
    "output, progress and errors on standard error. The [exit code](errors.md#exit-codes) says how it ended."
)


def command_page() -> str:
    """Every command, those of groups too."""
    parts = [part for path, command in every_command(cli) for part in _command(path, command)]
    return page("Command line", _INTRODUCTION, *parts)


def every_command(group: click.Group, path: str = "auditbench") -> Iterator[tuple[str, click.Command]]:
    """Commands by what one types, in the order of the help."""
    yield path, group
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from every_command(command, f"{path} {name}")
        elif command is not None:
            yield f"{path} {name}", command


def _command(path: str, command: click.Command) -> Iterator[str]:
    parameters = [item for item in command.params if not getattr(item, "hidden", False)]
    arguments = [item.make_metavar(click.Context(command)) for item in parameters if isinstance(item, click.Argument)]
    options = [item for item in parameters if isinstance(item, click.Option)]
    yield heading(2, code(path), anchor=anchor_of(path))
    yield _text(command.help or "")
    words = [path, "[OPTIONS]", "COMMAND" if isinstance(command, click.Group) else "", *arguments]
    yield fence("text", " ".join(filter(None, words)))
    yield table(("option", "default", "what it does"), [_option(option) for option in options])
    if "Examples:" in (command.epilog or ""):
        yield "Examples:"
        yield fence("sh", inspect.cleandoc(str(command.epilog).partition("Examples:")[2]))


def _option(option: click.Option) -> tuple[str, str, str]:
    context = click.Context(click.Command("x"))
    names = ", ".join([*option.opts, *option.secondary_opts])
    value = "" if option.is_flag or option.count else f" {option.make_metavar(context)}"
    default = option.default if option.show_default and not option.is_flag else ""
    return code(names + value), code(str(default)) if default else "", prose(option.help or "")


def _text(text: str) -> str:
    """Help with its paragraphs; what must not be wrapped is code."""
    blocks = re.split(r"\n\s*\n", inspect.cleandoc(text))
    return "\n\n".join(
        fence("text", block.removeprefix("\b").strip("\n")) if block.startswith("\b") else prose(block)
        for block in blocks
    )

"""Options that several commands share, and what a command line has switched on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])


@dataclass(slots=True)
class Session:
    """What holds for one command line; `--debug` may stand before or after the command.

    Attributes:
        context: Of the command that runs; None before one is found.
    """

    debug: bool = False
    context: click.Context | None = None


def _enter(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    """Note the command, and whether its errors come with traces."""
    if (session := context.find_object(Session)) is not None:
        session.context, session.debug = context, session.debug or value


def split_names(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Names from a repeatable option whose value may hold several, separated by commas."""
    return tuple(name for value in values for part in value.split(",") if (name := part.strip()))


debug_option = click.option(
    "--debug",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_enter,
    help="Show traces of errors.",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")

config_argument = click.argument("config", type=click.Path(path_type=Path))

set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Replace one key of the configuration, such as data.max_rows=1000, or take it away: data.max_rows=null; repeatable.",
)

trust_option = click.option(
    "--trust-model",
    "trusted",
    multiple=True,
    metavar="SHA256",
    help="Let the code in the model file of this sha256 run, as `model.trust` does; repeatable.",
)

device_option = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where the model runs.",
)

only_option = click.option(
    "--only", multiple=True, metavar="A,B", callback=split_names, help="Run only these analyzers."
)

skip_option = click.option(
    "--skip", multiple=True, metavar="A,B", callback=split_names, help="Leave these analyzers out."
)

format_option = click.option(
    "--format",
    "formats",
    multiple=True,
    metavar="A,B",
    callback=split_names,
    help="Formats of the report, such as html,markdown,csv, instead of the configured ones.",
)


lang_option = click.option(
    "--lang", type=click.Choice(["en", "zh-CN"]), help="Language of the reports, instead of the configured one."
)


def gates_option(text: str) -> Callable[[_Command], _Command]:
    """The option that names files of gates; commands differ in what it does to the gates that are there."""
    return click.option("--gates", "gate_files", multiple=True, metavar="FILE", help=text)


def example(*lines: str) -> str:
    """The epilog of a command: command lines to copy, not re-wrapped."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)

"""The table of commands. A command's module is imported when it is invoked or asked for its help, never before."""

from __future__ import annotations

import difflib
from importlib import import_module
from typing import Any

import click

from auditbench import __version__
from auditbench.cli.options import debug_option

COMMANDS = {
    "demo": "Audit the embedded example, end to end.",
    "init": "Write a commented audit.toml from data and a model.",
    "check": "Validate CONFIG and its data, and print the plan.",
    "train": "Train the model that CONFIG describes, and write it as a bundle.",
    "audit": "Audit the model that CONFIG describes.",
    "export": "Write a bundle as ONNX or .pt2, with an audit of the export.",
    "convert": "Write the model of CONFIG as a bundle, if it is one.",
    "gate": "Decide gates again from a run, without running anything.",
    "compare": "Say what changed from BASELINE to CANDIDATE, beyond noise.",
    "show": "Summarise a run in the terminal.",
    "render": "Write the reports of a run again, from its record alone.",
    "scan": "List what a model file would import and call, without running it.",
    "explain": "Explain an error code, a metric, a method, a gate or a preset.",
    "plugins": "List or describe what is installed, check a plugin, or begin one.",
    "schema": "Print the JSON Schema of a file format.",
    "doctor": "Check that this machine can run an audit.",
}


class LazyGroup(click.Group):
    """Commands by name from `COMMANDS`; each stands in the module of its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order in which a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"auditbench.cli.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table without importing a command."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or name the nearest one."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            near = difflib.get_close_matches(name, COMMANDS, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; commands: {', '.join(COMMANDS)}"
            raise click.UsageError(f"no such command {name!r}{hint}", ctx=ctx)
        return super().resolve_command(ctx, args)


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="A first run: auditbench demo",
)
@click.version_option(__version__, "--version", prog_name="auditbench", message="%(prog)s %(version)s")
@debug_option
def cli(**_: Any) -> None:
    """Audit a PyTorch model: how well it works, for whom, why it decides as it does, and what it costs.

    Analyzers are plugins; the exit code is the verdict; the report is one page that opens offline.
    """

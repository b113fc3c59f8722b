"""`auditbench plugins check`: whether a plugin keeps what Auditbench promises its users of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from auditbench.cli.options import debug_option, example, json_option

if TYPE_CHECKING:
    from auditbench.cli.terminal import Tone
    from auditbench.testing.conformance.promises import Conformance, Outcome, State

_TIME_LIMIT = 900.0


@click.command("check", epilog=example("auditbench plugins check .", "auditbench plugins check fairness --json"))
@click.argument("plugin", metavar="PATH|NAME")
@click.option(
    "--time-limit",
    type=click.FloatRange(min=1),
    default=_TIME_LIMIT,
    show_default=True,
    metavar="SECONDS",
    help="For each analyzer, renderer, loader, architecture or data set.",
)
@json_option
@debug_option
def check_plugin(plugin: str, time_limit: float, as_json: bool) -> int:
    """Say which promises a plugin keeps: PATH is the folder of its project, NAME an installed plugin.

    A name without a separator is that of an installed plugin, unless a folder of this name holds a pyproject.toml; `./NAME`
    is always the folder. What is checked is told first.

    A project need not be installed. Its code runs in processes of its own, each under limits. What a model loader or a data
    set is tried on, and parameters of an analyzer, stand in its pyproject.toml under [tool.auditbench.conformance]: `samples`
    names an audit.toml and `parameters` has a table, each by the name of the thing. The exit code is 0 when no promise is
    broken, else 2; one that was not tried is told and counts as neither kept nor broken.
    """
    from auditbench.cli.terminal import complain, say_json
    from auditbench.errors import ExitCode
    from auditbench.record import plain
    from auditbench.safe_text import LONGEST_TEXT, safe_text
    from auditbench.testing.conformance import separate

    if _is_path(plugin):
        complain(f"checks the project in {safe_text(str(Path(plugin).absolute()), LONGEST_TEXT)}")
        found = separate.check_project(Path(plugin), seconds=time_limit, tell=complain)
    else:
        complain(f"checks the installed plugin {safe_text(plugin)}")
        found = separate.check_plugin(plugin, seconds=time_limit, tell=complain)
    if as_json:
        say_json([plain(one) for one in found])
    else:
        _say(found)
    return int(ExitCode.REFUSED if any(one.broken for one in found) else ExitCode.PASSED)


def _is_path(plugin: str) -> bool:
    """Whether a folder is meant: one is written as a path, holds a project, or has a name that no installed plugin has."""
    from auditbench.plugin_entries import list_entry_points

    folder = Path(plugin)
    if plugin != folder.name or plugin == ".." or (folder / "pyproject.toml").is_file():
        return True
    return folder.is_dir() and all(entry.name != plugin for entry in list_entry_points())


def _say(found: tuple[Conformance, ...]) -> None:
    """Every promise by its thing, then what breaks the broken ones and how to mend it, so that it stands last."""
    from auditbench.cli.terminal import say

    counts: dict[State, int] = {"kept": 0, "broken": 0, "not_tried": 0}
    for conformance in found:
        say(_title(conformance), "strong")
        for outcome in conformance.outcomes:
            counts[outcome.state] += 1
            _say_lines(outcome, outcome.lines()[: 1 if outcome.state == "broken" else None])
        say()
    for conformance in found:
        for outcome in conformance.broken:
            say(_title(conformance), "strong")
            _say_lines(outcome, outcome.lines())
            say()
    say(
        f"{counts['kept']} promises kept, {counts['broken']} broken, {counts['not_tried']} not tried",
        "bad" if counts["broken"] else "caution" if counts["not_tried"] else "good",
    )


def _title(conformance: Conformance) -> str:
    from auditbench.safe_text import safe_text

    return f"{conformance.kind} {safe_text(conformance.name)}"


def _say_lines(outcome: Outcome, lines: list[str]) -> None:
    from auditbench.cli.terminal import say

    tone: Tone = "bad" if outcome.state == "broken" else "caution" if outcome.state == "not_tried" else ""
    for line in lines:
        say(f"  {line}", tone)

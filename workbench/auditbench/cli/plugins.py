"""`auditbench plugins`: what is installed, and what it offers."""

from __future__ import annotations

import click

from auditbench.cli.options import debug_option, example, json_option
from auditbench.cli.plugins_check import check_plugin
from auditbench.cli.plugins_new import new_plugin


@click.group(epilog=example("auditbench plugins list", "auditbench plugins show shap", "auditbench plugins new gap"))
@debug_option
def plugins() -> None:
    """List or describe what is installed, check a plugin, or begin one."""


@plugins.command("list", epilog=example("auditbench plugins list", "auditbench plugins list --json | jq '.[].name'"))
@json_option
@debug_option
def list_plugins(as_json: bool) -> None:
    """List the installed plugins, from their metadata.

    None of them is loaded, so that one whose module is not there is marked and no other fault is seen; `auditbench doctor`
    loads each and says what is wrong with it.
    """
    from auditbench.cli.terminal import cells, complain, padded, say, say_json
    from auditbench.plugin_entries import list_entry_points
    from auditbench.safe_text import safe_text

    entries = list_entry_points()
    if as_json:
        parts = ("name", "distribution", "version", "module", "module_found")
        say_json([{part: getattr(entry, part) for part in parts} for entry in entries])
        return
    if not entries:
        complain(
            "No plugins are installed: this Auditbench has no analyzers and no reports. Install it again, or a plugin."
        )
    rows = [(safe_text(entry.name), safe_text(f"{entry.distribution} {entry.version}")) for entry in entries]
    widths = [max((cells(row[column]) for row in rows), default=0) for column in range(2)]
    for entry, (name, source) in zip(entries, rows, strict=True):
        mark = "" if entry.module_found else "  (there is no such module)"
        say(f"{padded(name, widths[0])}  {padded(source, widths[1])}  {entry.module}{mark}", "bad" if mark else "")


@plugins.command("show", epilog=example("auditbench plugins show fairness", "auditbench plugins show shap --json"))
@click.argument("name")
@json_option
@debug_option
def show_plugin(name: str, as_json: bool) -> int:
    """Describe the plugin NAME: what it implements, its parameters, what it costs and needs, and what to write into audit.toml.

    The plugin is loaded in a process of its own. The exit code is 0, or 2 when it cannot be used.
    """
    from auditbench import supervisor
    from auditbench.cli.plugins_show import say_plugin
    from auditbench.cli.terminal import say_json
    from auditbench.errors import ExitCode
    from auditbench.record import plain

    described = supervisor.describe((name,))
    for plugin in described:
        if as_json:
            say_json(plain(plugin))
        else:
            say_plugin(plugin)
    return ExitCode.REFUSED if any(plugin.problems for plugin in described) else ExitCode.PASSED


plugins.add_command(check_plugin)
plugins.add_command(new_plugin)

"""`auditbench plugins`: what is installed, and what it offers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from auditbench.cli.options import debug_option, example, json_option

if TYPE_CHECKING:
    from auditbench.cli.schema_tables import SchemaTable
    from auditbench.descriptions import AnalyzerDescription, PluginDescription


@click.group(epilog=example("auditbench plugins list", "auditbench plugins show shap"))
@debug_option
def plugins() -> None:
    """List what is installed, or describe one plugin."""


@plugins.command("list", epilog=example("auditbench plugins list", "auditbench plugins list --json | jq '.[].name'"))
@json_option
@debug_option
def list_plugins(as_json: bool) -> None:
    """List the installed plugins, from their metadata.

    None of them is loaded; `auditbench doctor` loads each and says what is wrong with it.
    """
    from auditbench.cli.terminal import cells, padded, say, say_json
    from auditbench.registry import list_entry_points
    from auditbench.safe_text import safe_text

    entries = list_entry_points()
    if as_json:
        parts = ("name", "distribution", "version", "module")
        say_json([{part: getattr(entry, part) for part in parts} for entry in entries])
        return
    rows = [
        (safe_text(entry.name), safe_text(f"{entry.distribution} {entry.version}"), entry.module) for entry in entries
    ]
    widths = [max((cells(row[column]) for row in rows), default=0) for column in range(2)]
    for name, source, module in rows:
        say(f"{padded(name, widths[0])}  {padded(source, widths[1])}  {module}")


@plugins.command("show", epilog=example("auditbench plugins show fairness", "auditbench plugins show shap --json"))
@click.argument("name")
@json_option
@debug_option
def show_plugin(name: str, as_json: bool) -> None:
    """Describe the plugin NAME: its parameters, its metrics, what it needs, and what to write into audit.toml.

    The plugin is loaded in a process of its own.
    """
    from auditbench import supervisor
    from auditbench.cli.terminal import say_json
    from auditbench.record import plain

    for plugin in supervisor.describe((name,)):
        if as_json:
            say_json(plain(plugin))
        else:
            _say_plugin(plugin)


def _say_plugin(plugin: PluginDescription) -> None:
    from auditbench.cli.terminal import say
    from auditbench.safe_text import safe_text

    facts = plugin.plugin
    source = safe_text(f"{facts.distribution} {facts.version}")
    say(f"{safe_text(facts.name)} ({source})", "strong")
    for problem in plugin.problems:
        for line in problem.lines():
            say(f"  {line}", "bad")
    for analyzer in plugin.analyzers:
        _say_analyzer(analyzer)
    for item in plugin.provides:
        say()
        say(f"{item.kind} {safe_text(item.name)}: {item.summary}")
        for line in item.missing.lines() if item.missing else ():
            say(f"  {line}", "caution")


def _say_analyzer(analyzer: AnalyzerDescription) -> None:
    from auditbench.cli.schema_tables import root_table
    from auditbench.cli.snippets import snippet
    from auditbench.cli.terminal import say
    from auditbench.safe_text import safe_text

    say()
    say(f"analyzer {safe_text(analyzer.name)}: {analyzer.summary}")
    say(f"  topic       {safe_text(analyzer.topic)}")
    for label, text in _needed(analyzer):
        say(f"  {label:<10}  {text}")
    if missing := analyzer.missing_packages + analyzer.missing_programs:
        say(f"  missing     {', '.join(missing)}", "bad")
    table = root_table(analyzer.name, analyzer.schema)
    say(f"  parameters, in {table.heading}" + ("" if table.contents() else ": none"))
    _say_contents(table, "    ")
    if analyzer.metrics:
        say("  metrics, for [[gates]] and `auditbench explain`")
        for metric in analyzer.metrics:
            tasks = ", ".join(analyzer.metric_tasks.get(metric, ()))
            say(f"    {safe_text(f'{analyzer.name}.{metric}')}" + (f"  ({tasks})" if tasks else ""))
    if analyzer.methods:
        say("  methods, for `auditbench explain`")
        for method in analyzer.methods:
            say(f"    {safe_text(method.name)}")
    say("  in audit.toml")
    for line in snippet(analyzer):
        say(f"    {line}")


def _needed(analyzer: AnalyzerDescription) -> list[tuple[str, str]]:
    needs = analyzer.needs
    parts = [
        ("tasks", ", ".join(needs.tasks)),
        ("model with", ", ".join(needs.capabilities)),
        ("inputs", ", ".join(needs.modalities)),
        ("data with", "sensitive features" if needs.sensitive_features else ""),
        ("beside", "a further model" if needs.further_models else ""),
        ("packages", ", ".join(needs.packages)),
        ("programs", ", ".join(program.title for program in needs.programs)),
        ("after", ", ".join(analyzer.after)),
    ]
    return [(label, text) for label, text in parts if text]


def _say_contents(table: SchemaTable, indent: str) -> None:
    """Its keys, and then the tables in it under their headings, as TOML orders them."""
    from auditbench.cli.terminal import say, say_prose

    for item in table.contents():
        if item.plain:
            say_prose(f"{indent}{item.words()}")
            if item.help:
                say_prose(f"{indent}    {item.help}")
    for item in table.contents():
        for form in item.tables:
            note = item.note(form)
            say(f"{indent}{form.heading}" + (f"  ({note})" if note else ""))
            for text in item.helps(form):
                say_prose(f"{indent}    {text}")
            _say_contents(form, f"{indent}  ")

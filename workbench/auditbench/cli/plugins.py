"""`auditbench plugins`: what is installed, and what it offers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from auditbench.cli.options import debug_option, example, json_option

if TYPE_CHECKING:
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
    """Describe the plugin NAME: its parameters, its metrics, and what it needs.

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
    from auditbench.cli.terminal import say
    from auditbench.safe_text import safe_text

    say()
    say(f"analyzer {safe_text(analyzer.name)}: {analyzer.summary}")
    say(f"  topic       {safe_text(analyzer.topic)}")
    for label, text in _needed(analyzer):
        say(f"  {label:<10}  {text}")
    if missing := analyzer.missing_packages + analyzer.missing_programs:
        say(f"  missing     {', '.join(missing)}", "bad")
    say(f"  parameters, in [analyzers.{safe_text(analyzer.name)}]" + ("" if _parameters(analyzer) else ": none"))
    for name, kind, help_text in _parameters(analyzer):
        say(f"    {safe_text(name)} = {kind}")
        if help_text:
            say(f"        {help_text}")
    if analyzer.metrics:
        say("  metrics, for [[gates]] and `auditbench explain`")
        for metric in analyzer.metrics:
            tasks = ", ".join(analyzer.metric_tasks.get(metric, ()))
            say(f"    {safe_text(f'{analyzer.name}.{metric}')}" + (f"  ({tasks})" if tasks else ""))
    if analyzer.methods:
        say("  methods, for `auditbench explain`")
        for method in analyzer.methods:
            say(f"    {safe_text(method.name)}")


def _needed(analyzer: AnalyzerDescription) -> list[tuple[str, str]]:
    needs = analyzer.needs
    parts = [
        ("tasks", ", ".join(needs.tasks)),
        ("model with", ", ".join(needs.capabilities)),
        ("inputs", ", ".join(needs.modalities)),
        ("data with", "sensitive features" if needs.sensitive_features else ""),
        ("packages", ", ".join(needs.packages)),
        ("programs", ", ".join(program.title for program in needs.programs)),
        ("after", ", ".join(analyzer.after)),
    ]
    return [(label, text) for label, text in parts if text]


def _parameters(analyzer: AnalyzerDescription) -> list[tuple[str, str, str]]:
    """Name, default with what else is allowed, and help of each parameter, from its JSON Schema."""
    import json

    required = set(analyzer.schema.get("required", ()))
    found = []
    for name, schema in analyzer.schema.get("properties", {}).items():
        default = "… (required)" if name in required else json.dumps(schema.get("default"), ensure_ascii=False)
        allowed = _allowed(schema)
        found.append((name, f"{default}  ({allowed})" if allowed else default, str(schema.get("description", ""))))
    return found


def _allowed(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    if "anyOf" in schema:
        return " or ".join(part for option in schema["anyOf"] if (part := _allowed(option)))
    words = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
    limits = [f"{word} {schema[key]:g}" for key, word in words.items() if isinstance(schema.get(key), (int, float))]
    return ", ".join([str(schema.get("type", "")), *limits]).strip(", ")

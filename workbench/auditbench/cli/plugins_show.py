"""What `auditbench plugins show` says of a plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditbench.contracts import API_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from auditbench.cli.schema_tables import SchemaTable
    from auditbench.contracts import Cost, Needs
    from auditbench.descriptions import AnalyzerDescription, PluginDescription, Provision

_COSTS: Mapping[Cost | None, str] = {
    "outputs": "evaluates no model: it reads the outputs that the audit has",
    "passes": "evaluates at most ten rows for each row of the data",
    "samples": "evaluates rows many times, as often as its parameters say",
    "trains": "fits models of its own, beside what it evaluates",
    None: "not stated",
}


def say_plugin(plugin: PluginDescription) -> None:
    """Write what a plugin is and provides, or why it cannot be used."""
    from auditbench.cli.terminal import say
    from auditbench.safe_text import safe_text

    facts = plugin.plugin
    source = safe_text(f"{facts.distribution} {facts.version}")
    say(f"{safe_text(facts.name)} ({source})", "strong")
    if plugin.api:
        say(f"  written for  version {plugin.api} of the contracts; this Auditbench keeps {API_VERSION}")
        say(f"  implements   {', '.join(plugin.hooks) or 'no hook'}")
    for problem in plugin.problems:
        for line in problem.lines():
            say(f"  {line}", "bad")
    for analyzer in plugin.analyzers:
        _say_analyzer(analyzer)
    for item in plugin.provides:
        _say_provision(item)


def _say_provision(item: Provision) -> None:
    from auditbench.cli.schema_tables import architecture_table
    from auditbench.cli.terminal import say
    from auditbench.safe_text import safe_text

    say()
    say(f"{item.kind} {safe_text(item.name)}: {item.summary}")
    for line in item.missing.lines() if item.missing else ():
        say(f"  {line}", "caution")
    if item.schema:
        table = architecture_table(item.schema)
        say(f"  parameters, in {table.heading}")
        _say_contents(table, "    ")
    if item.kind == "preset":
        say(f"  its gates: auditbench explain preset:{safe_text(item.name)}")


def _say_analyzer(analyzer: AnalyzerDescription) -> None:
    from auditbench.cli.schema_tables import root_table
    from auditbench.cli.snippets import snippet
    from auditbench.cli.terminal import say
    from auditbench.safe_text import safe_text

    say()
    say(f"analyzer {safe_text(analyzer.name)}: {analyzer.summary}")
    say(f"  topic       {safe_text(analyzer.topic)}")
    say(f"  cost        {_COSTS[analyzer.cost]}")
    for label, text in _needed(analyzer):
        say(f"  {label:<10}  {text}")
    if missing := analyzer.missing_packages + analyzer.missing_programs:
        way = f"; {analyzer.missing.fix}" if analyzer.missing and analyzer.missing.fix else ""
        say(f"  missing     {', '.join(missing)}{way}", "bad")
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
        ("beside", ", ".join(_beside(needs))),
        ("packages", ", ".join(needs.packages)),
        ("programs", ", ".join(program.title for program in needs.programs)),
        ("after", ", ".join(analyzer.after)),
    ]
    return [(label, text) for label, text in parts if text]


def _beside(needs: Needs) -> Iterator[str]:
    if needs.further_models:
        yield "a further model"
    if needs.training:
        yield "a [train] table and training rows"


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

"""`auditbench check`: everything that can be found out before anything is trained or evaluated."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from auditbench.cli.options import (
    config_argument,
    debug_option,
    device_option,
    example,
    format_option,
    gates_option,
    json_option,
    only_option,
    set_option,
    skip_option,
    trust_option,
)

if TYPE_CHECKING:
    from auditbench.config import ModelTable
    from auditbench.config_file import LoadedConfig
    from auditbench.findings import Message
    from auditbench.messages import Catalogue
    from auditbench.supervisor.planning import Plan, PlannedAnalyzer


@click.command(
    epilog=example("auditbench check audit.toml", "auditbench check audit.toml --set analyzers.shap.rows=50")
)
@config_argument
@only_option
@skip_option
@set_option
@trust_option
@gates_option("Decide the gates of this file, or of `preset:NAME`, beside those of CONFIG; repeatable.")
@device_option
@format_option
@json_option
@debug_option
def check(
    config: Path,
    only: tuple[str, ...],
    skip: tuple[str, ...],
    overrides: tuple[str, ...],
    trusted: tuple[str, ...],
    gate_files: tuple[str, ...],
    device: str,
    formats: tuple[str, ...],
    as_json: bool,
) -> int:
    """Validate CONFIG and its data, and print the plan.

    Looks at every key, the plugins and files it names, their parameters and the metrics of the gates, and lists
    everything that is wrong at once. Then reads the data, and opens the model or prepares its training, as an audit
    does; a program is not run, nothing is trained, and of networks whose scale is declared 64 rows are evaluated. Where
    parameters name layers, outputs or rows, a few rows tell whether the network has them, as training begins with it. Of more
    than 512 images, texts or series to train on, as many at equal distances are read; a fault in another one is found by
    the audit. Columns are read in whole, and so are texts and series to evaluate. Prints the rows, classes and inputs that were read, which analyzers would run, in
    which order, and which would not and why. Exits 0 when an audit can start, 2 when it would be refused, 4 when there
    are no rows or no analyzer would run.
    """
    from auditbench import supervisor
    from auditbench.cli.terminal import say_json
    from auditbench.config_file import load_config
    from auditbench.errors import ExitCode
    from auditbench.messages import load_messages, merge_catalogues

    loaded = load_config(config, overrides, trusted, gate_files)
    plan = supervisor.plan(loaded, only=only, skip=skip, device=device, formats=formats or None)
    catalogue = merge_catalogues("en", load_messages("auditbench").get("en", {}))
    if as_json:
        say_json(_document(loaded, plan, catalogue))
    else:
        _say(loaded, plan, catalogue)
    runs = any(analyzer.reason is None for analyzer in plan.analyzers)
    return ExitCode.PASSED if runs else ExitCode.NOTHING_EVALUATED


def _warnings(plan: Plan) -> tuple[Message, ...]:
    from auditbench.supervisor.data_warnings import data_warnings

    return () if plan.tried is None else data_warnings(plan.tried.read)


def _limits(plan: Plan, further: str | None = None) -> tuple[Message, ...]:
    """Those of the audited model, or of a further one."""
    if plan.tried is None:
        return ()
    return plan.tried.limits if further is None else plan.tried.further_limits.get(further, ())


def _place(table: ModelTable) -> str:
    """Where a model is, or the columns that stand for it."""
    from auditbench.safe_text import safe_text

    return safe_text(", ".join(table.columns) if table.format == "predictions" else table.path)


def _document(loaded: LoadedConfig, plan: Plan, catalogue: Catalogue) -> dict[str, Any]:
    from auditbench.cli.rows_read import read_document

    return {
        "config": str(loaded.path),
        "digest": loaded.digest,
        "trains": plan.trains,
        "programs": [{"name": item.name, "sha256": item.sha256, "kind": item.kind} for item in plan.programs],
        "analyzers": [
            {
                "name": analyzer.name,
                "runs": analyzer.reason is None,
                "reason": catalogue.text(analyzer.reason) if analyzer.reason else None,
                "required": analyzer.required,
                "time_limit": analyzer.time_limit,
                "parameters": dict(analyzer.description.parameters) if analyzer.description else {},
            }
            for analyzer in plan.analyzers
        ],
        "read": None if plan.tried is None else read_document(plan.tried.read),
        "limits": [catalogue.text(limit) for limit in _limits(plan)],
        "further_limits": {
            name: [catalogue.text(limit) for limit in _limits(plan, name)] for name in loaded.config.models
        },
        "warnings": [catalogue.text(warning) for warning in _warnings(plan)],
        "gates": len(loaded.config.gates),
        "gate_files": [*loaded.config.audit.gates, *loaded.gate_files],
        "formats": list(plan.formats),
    }


def _say(loaded: LoadedConfig, plan: Plan, catalogue: Catalogue) -> None:
    from auditbench.cli.rows_read import numbers_line, read_lines
    from auditbench.cli.terminal import say, say_prose
    from auditbench.cli.words import counted
    from auditbench.models.formats import describes_itself, takes_encoded_rows
    from auditbench.safe_text import safe_text

    config = loaded.config
    say(f"{loaded.path} is valid", "good")
    say(f"  data      {_data_words(loaded)}")
    texts, encoded = config.data.continued is not None, takes_encoded_rows(config.model.format)
    stored = config.model.format == "predictions"
    for line in () if plan.tried is None else read_lines(plan.tried.read, texts=texts, encoded=encoded, stored=stored):
        say(f"            {line}")
    example = None if plan.tried is None else plan.tried.example
    if encoded and example is not None and not describes_itself(config.model, loaded.base):
        say(f"            {numbers_line(config.model, example)}")
    for warning in _warnings(plan):
        say_prose(f"            warning: {catalogue.text(warning)}", "caution")
    made = "made by [train], since there is none" if plan.trains else "as it is there"
    say(f"  model     {_place(config.model)} ({config.model.format}, {config.model.task}), {made}")
    for limit in _limits(plan):
        say_prose(f"            {catalogue.text(limit)}", "caution")
    for further, table in config.models.items():
        say(f"  beside    {further}: {_place(table)} ({table.format}, {table.task}), to compare with")
        for limit in _limits(plan, further):
            say_prose(f"            {catalogue.text(limit)}", "caution")
    for program in plan.programs:
        name = f"{safe_text(program.name)} ({program.kind})"
        say(f"  runs      {name}, trusted by its sha256 {program.sha256}", "caution")
    files = ", ".join(map(safe_text, (*config.audit.gates, *loaded.gate_files)))
    say(f"  gates     {counted(len(config.gates), 'gate')}" + (f", with those of {files}" if files else ""))
    say(f"  reports   {', '.join((*map(safe_text, plan.formats), 'run.json'))}")
    will = [analyzer for analyzer in plan.analyzers if analyzer.reason is None]
    say("Analyzers, in this order" if will else "No analyzer would run", "strong")
    for index, analyzer in enumerate(will, start=1):
        _say_planned(index, analyzer)
    for analyzer in plan.analyzers:
        if analyzer.reason is not None:
            say_prose(f"  not  {safe_text(analyzer.name)}: {catalogue.text(analyzer.reason)}", "caution")


def _data_words(loaded: LoadedConfig) -> str:
    data = loaded.config.data
    positive = f", positive {data.positive}" if data.positive else ""
    sensitive = f", sensitive {', '.join(data.sensitive)}" if data.sensitive else ", no sensitive features"
    beside = f", control {', '.join(data.control)}" if data.control else ""
    beside += f", weights {data.weights}" if data.weights else ""
    return f"{data.dataset or data.test}, target {data.target}{positive}{sensitive}{beside}"


def _say_planned(index: int, analyzer: PlannedAnalyzer) -> None:
    import json

    from auditbench.cli.terminal import say
    from auditbench.cli.words import duration
    from auditbench.safe_text import safe_text

    optional = "" if analyzer.required else ", not required"
    name = f"{safe_text(analyzer.name)} (limit {duration(analyzer.time_limit)}{optional})"
    say(f"  {index:>2}.  {name}")
    parameters = analyzer.description.parameters if analyzer.description else {}
    if parameters:
        text = ", ".join(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in parameters.items())
        say(f"       {text}", "quiet")

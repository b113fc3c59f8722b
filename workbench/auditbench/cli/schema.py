"""`auditbench schema`: the file formats as JSON Schema."""

from __future__ import annotations

import click

from auditbench.cli.options import debug_option, example


@click.command(
    epilog=example("auditbench schema config > audit.schema.json", "auditbench schema run > run.schema.json")
)
@click.argument("kind", type=click.Choice(["config", "gates", "run"]))
@debug_option
def schema(kind: str) -> None:
    """Print the JSON Schema of a file format.

    `config` is audit.toml as it stands after loading, where every key is described; `gates` is a gates.toml; `run` is
    run.json.
    """
    from auditbench.cli.terminal import say_json

    if kind == "config":
        from auditbench.config import AuditConfig

        say_json(AuditConfig.model_json_schema())
    elif kind == "gates":
        from auditbench.gate_file import GateFile

        say_json(GateFile.model_json_schema())
    else:
        from auditbench.run_file import run_schema

        say_json(run_schema())

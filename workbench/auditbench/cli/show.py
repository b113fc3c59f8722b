"""`auditbench show`: a run in the terminal."""

from __future__ import annotations

from pathlib import Path

import click

from auditbench.cli.options import Session, debug_option, example, json_option


@click.command(
    epilog=example("auditbench show auditbench-demo/run", "auditbench show auditbench-demo/run --json | jq .verdict")
)
@click.argument("run", type=click.Path(path_type=Path))
@json_option
@debug_option
@click.pass_obj
def show(session: Session, run: Path, as_json: bool) -> None:
    """Summarise a run in the terminal.

    RUN is a run folder or its run.json. Nothing is computed again, and the exit code is 0 whatever the verdict was.
    """
    from auditbench.cli.summary import run_document, say_run
    from auditbench.cli.terminal import say, say_json
    from auditbench.run_file import read_run

    record = read_run(run)
    folder = run if run.is_dir() else run.parent
    if as_json:
        say_json(run_document(record, folder))
    else:
        say_run(record, folder, debug=session.debug)
        say(f"exit code {record.exit_code}", "quiet")

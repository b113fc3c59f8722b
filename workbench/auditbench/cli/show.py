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
def show(session: Session, run: Path, as_json: bool) -> int:
    """Summarise a run in the terminal.

    RUN is a run folder or its run.json. Nothing is computed again, and the exit code is 0 whatever the verdict was.
    2: record, arrays or reports are not those that the audit wrote. 3: a later audit in the folder did not come to its
    end, so that the run shown is not the last.
    """
    from auditbench.cli.summary import run_document, say_run
    from auditbench.cli.terminal import complain, say, say_json
    from auditbench.errors import ExitCode
    from auditbench.folder_lock import unfinished
    from auditbench.manifest import refuse_altered
    from auditbench.run_file import read_run
    from auditbench.store import report_files

    record = read_run(run)
    folder = run if run.is_dir() else run.parent
    refuse_altered(folder, status=record.status, reports=report_files(folder))
    process = unfinished(folder)
    if process:
        complain(f"The last audit in this folder has not come to its end ({process}).")
        complain("  fix: wait for it, or run the audit again; what follows is of the audit before it")
    if as_json:
        say_json({**run_document(record, folder), "unfinished": process or None})
    else:
        say_run(record, folder, debug=session.debug)
        say(f"exit code {record.exit_code}", "quiet")
    return ExitCode.INCOMPLETE if process else ExitCode.PASSED

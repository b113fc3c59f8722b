"""`auditbench demo`: the embedded example, end to end."""

from __future__ import annotations

from pathlib import Path

import click

from auditbench.cli.options import Session, debug_option, example


@click.command(epilog=example("auditbench demo", "auditbench demo --out /tmp/demo --open"))
@click.option(
    "--out",
    default="auditbench-demo",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Folder for the example and its run.",
)
@click.option("--open", "open_report", is_flag=True, help="Open the report in the browser.")
@debug_option
@click.pass_obj
def demo(session: Session, out: Path, open_report: bool) -> int:
    """Audit the embedded example, end to end.

    Trains a small network on the Adult census data, audits it, and writes the report. Nothing is downloaded. Exits 0
    when the audit is complete, whatever its verdict; the example's model is meant to fail a gate. A run that an earlier
    demo left in the folder is gone on with, or replaced when it was made otherwise.
    """
    from auditbench import supervisor
    from auditbench.cli.progress import progress_listener
    from auditbench.cli.summary import say_run
    from auditbench.cli.terminal import say
    from auditbench.config_file import load_config
    from auditbench.errors import ExitCode
    from auditbench.store import report_files

    config = _copied_example(out)
    loaded = load_config(config, ())
    with progress_listener() as listener:
        run = supervisor.audit(
            loaded,
            out=out / "run",
            only=(),
            skip=(),
            device="auto",
            formats=None,
            resume=True,
            replace=True,
            listener=listener,
        )
    say_run(run, out / "run", debug=session.debug)
    say(f"config   {config}")
    if run.exit_code == ExitCode.GATE_FAILED:
        say("The example is meant to fail a gate. The demo is complete and exits 0; `auditbench audit` would exit 1.")
    if open_report:
        for page in report_files(out / "run"):
            if page.suffix == ".html":
                click.launch(page.resolve().as_uri())
    return ExitCode.PASSED if run.exit_code == ExitCode.GATE_FAILED else run.exit_code


def _copied_example(out: Path) -> Path:
    """Write the embedded audit.toml into the folder, unless it is there already.

    Raises:
        RunFolderError: Another audit.toml is there, or the folder cannot be written.
    """
    from importlib import resources

    from auditbench.errors import RunFolderError
    from auditbench.paths import as_argument

    text = (resources.files("auditbench") / "demo" / "audit.toml").read_bytes()
    path = out / "audit.toml"
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_bytes(text)
        elif path.read_bytes() != text:
            raise RunFolderError(
                "another audit.toml is there",
                where=str(path),
                fix=f"audit it with `auditbench audit {as_argument(path)}`, or choose another folder with --out",
            )
    except OSError as error:
        raise RunFolderError(
            "the folder cannot be used", where=str(out), found=str(error.strerror), fix="choose another one with --out"
        ) from error
    return path

"""`auditbench audit`: the main command; its exit code is the verdict."""

from __future__ import annotations

import re
from pathlib import Path

import click

from auditbench.cli.options import (
    Session,
    config_argument,
    debug_option,
    device_option,
    example,
    format_option,
    gates_option,
    json_option,
    lang_option,
    only_option,
    set_option,
    skip_option,
    trust_option,
)


@click.command(
    epilog=example(
        "auditbench audit audit.toml",
        "auditbench audit audit.toml --only performance,fairness --set data.max_rows=2000",
        "auditbench audit audit.toml --baseline runs/may --out runs/june",
        "auditbench audit audit.toml --out /tmp/run --format html --json | jq .verdict",
    )
)
@config_argument
@click.option(
    "--out", type=click.Path(path_type=Path), help="Run folder; auditbench-out/NAME beside CONFIG by default."
)
@only_option
@skip_option
@set_option
@trust_option
@gates_option("Decide the gates of this file, or of `preset:NAME`, beside those of CONFIG; repeatable.")
@device_option
@format_option
@lang_option
@click.option(
    "--baseline",
    type=click.Path(path_type=Path),
    help="Finished run to compare with; gates with `max_drop` and `min_gain` need it.",
)
@click.option("--no-resume", is_flag=True, help="Start over instead of going on with an interrupted run.")
@json_option
@debug_option
@click.pass_obj
def audit(
    session: Session,
    config: Path,
    out: Path | None,
    only: tuple[str, ...],
    skip: tuple[str, ...],
    overrides: tuple[str, ...],
    trusted: tuple[str, ...],
    gate_files: tuple[str, ...],
    device: str,
    formats: tuple[str, ...],
    lang: str | None,
    baseline: Path | None,
    no_resume: bool,
    as_json: bool,
) -> int:
    """Audit the model that CONFIG describes.

    A model that is not there yet is trained first, if CONFIG has a [train] table. The exit code is the verdict.
    0: no gate stops the release. 1: a gate does. 2: refused, nothing was evaluated. 3: a required analyzer has no
    result. 4: nothing to evaluate. 5: a fault of ours.
    """
    from auditbench import supervisor
    from auditbench.cli.progress import progress_listener
    from auditbench.cli.summary import run_document, say_run
    from auditbench.cli.terminal import say, say_json
    from auditbench.config_file import load_config

    if lang is not None:
        overrides = (*overrides, f'report.language="{lang}"')
    loaded = load_config(config, overrides, trusted, gate_files)
    folder = out or default_folder(config, loaded.config.audit.name)
    with progress_listener() as listener:
        run = supervisor.audit(
            loaded,
            out=folder,
            only=only,
            skip=skip,
            device=device,
            formats=formats or None,
            resume=not no_resume,
            baseline=baseline,
            listener=listener,
        )
    if as_json:
        say_json(run_document(run, folder))
    else:
        say_run(run, folder, debug=session.debug)
        say(f"exit code {run.exit_code}", "quiet")
    return run.exit_code


def default_folder(config: Path, name: str) -> Path:
    """Where a run goes without `--out`: `auditbench-out` beside the configuration, and the audit's name."""
    slug = re.sub(r"[^\w.-]+", "-", name.lower()).strip(".-_")[:60]
    return config.parent / "auditbench-out" / (slug or "audit")

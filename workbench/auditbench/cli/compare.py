"""`auditbench compare`: what changed from one run to another, beyond noise."""

from __future__ import annotations

from pathlib import Path

import click

from auditbench.cli.options import debug_option, example, json_option


@click.command(
    epilog=example(
        "auditbench compare runs/may runs/june",
        "auditbench compare runs/may runs/june --json | jq '.metrics[] | select(.verdict == \"worse\")'",
    )
)
@click.argument("baseline", type=click.Path(path_type=Path))
@click.argument("candidate", type=click.Path(path_type=Path))
@click.option(
    "--level",
    type=click.FloatRange(0.5, 1.0, min_open=True, max_open=True),
    default=0.95,
    show_default=True,
    help="All verdicts together call a change that is none at most at the rate of 1 less this.",
)
@click.option("--all", "every", is_flag=True, help="Also list metrics within noise and those that were not tested.")
@json_option
@debug_option
def compare(baseline: Path, candidate: Path, level: float, every: bool, as_json: bool) -> None:
    """Say what changed from BASELINE to CANDIDATE, beyond noise.

    Both are run folders or their run.json. A metric that says what each row does to it is compared row by row where the
    two runs have the same rows, others by their intervals; Holm's method keeps the rate over all of them. Model and
    data are not opened. The exit code is 0 whatever changed: to stop a pipeline, use gates with `max_drop` or
    `min_gain` and `auditbench audit --baseline`. 2: a run cannot be read, or the two answer different questions.
    """
    from auditbench.cli.comparison_tables import say_comparison
    from auditbench.cli.terminal import say_json
    from auditbench.compared_runs import compare as compare_runs
    from auditbench.finished_run import read_finished
    from auditbench.record import plain

    before, after = read_finished(baseline), read_finished(candidate)
    comparison = compare_runs(before, after, level=level)
    if as_json:
        say_json(plain(comparison))
    else:
        say_comparison(comparison, after, before, every=every)

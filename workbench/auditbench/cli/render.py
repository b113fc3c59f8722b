"""`auditbench render`: reports from a run, without running anything again."""

from __future__ import annotations

from pathlib import Path

import click

from auditbench.cli.options import debug_option, example, format_option, lang_option


@click.command(
    epilog=example("auditbench render auditbench-demo/run", "auditbench render RUN --format html --lang zh-CN")
)
@click.argument("run", type=click.Path(path_type=Path))
@format_option
@lang_option
@debug_option
def render(run: Path, formats: tuple[str, ...], lang: str | None) -> None:
    """Write the reports of a run again, from its record alone.

    RUN is a run folder or its run.json. Prints the path of every file it wrote.
    """
    from auditbench import supervisor
    from auditbench.cli.terminal import say
    from auditbench.run_file import read_run

    folder = run if run.is_dir() else run.parent
    configured = read_run(folder).config.get("report", {})
    chosen = formats or tuple(configured.get("formats", ("html",)))
    for file in supervisor.render(folder, chosen, lang or configured.get("language", "en")):
        say(str(file))

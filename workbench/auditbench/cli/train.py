"""`auditbench train`: make the model that an audit would make, without auditing it."""

from __future__ import annotations

from pathlib import Path

import click

from auditbench.cli.options import config_argument, debug_option, device_option, example, set_option


@click.command(
    epilog=example("auditbench train audit.toml", "auditbench train audit.toml --set train.epochs=50 --out model")
)
@config_argument
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the bundle, instead of model.path.")
@set_option
@device_option
@debug_option
@click.pass_context
def train(context: click.Context, config: Path, out: Path | None, overrides: tuple[str, ...], device: str) -> None:
    """Train the model that CONFIG describes, and write it as a bundle.

    A bundle made by earlier settings is replaced. `auditbench audit` does this by itself when there is no bundle yet.
    """
    import json

    from auditbench import supervisor
    from auditbench.cli.progress import progress_listener
    from auditbench.cli.repeating import repeated
    from auditbench.cli.terminal import say
    from auditbench.config_file import load_config

    if out is not None:
        overrides = (*overrides, f"model.path={json.dumps(str(out.resolve()))}")
    loaded = load_config(config, overrides)
    with progress_listener() as listener:
        supervisor.train(loaded, device=device, listener=listener)
    say(f"model    {loaded.base / loaded.config.model.path}")
    say(f"next: {repeated(context, 'audit', overrides=overrides)}")

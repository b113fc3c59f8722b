"""`auditbench convert`: the model of a config as a bundle, where that is exactly the same model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from auditbench.cli.options import debug_option, example, set_option, trust_option
from auditbench.models.exporting import TOLERANCE

if TYPE_CHECKING:
    from auditbench.config_file import LoadedConfig
    from auditbench.models.exporting import Conversion, Difference

_OF_OTHER_FORMATS = ("format", "architecture", "factory", "weights_in", "parameters", "output", "inputs", "trust")


@click.command(
    epilog=example(
        "auditbench convert audit.toml --out model",
        "auditbench convert audit.toml --out model --replace --tolerance 1e-6",
    )
)
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the bundle.")
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    default=TOLERANCE,
    show_default=True,
    help="Largest difference of an output, divided by the largest output (of logits and probabilities where above 1).",
)
@click.option("--replace", is_flag=True, help="Replace a bundle that stands there.")
@set_option
@trust_option
@debug_option
def convert(
    config: Path, out: Path, tolerance: float, replace: bool, overrides: tuple[str, ...], trusted: tuple[str, ...]
) -> None:
    """Write the model of CONFIG as a bundle, if it is one.

    This takes weights and checkpoints with one of the product's architectures; pickled, scripted and exported modules and
    networks of a factory that have the layers of one of them; and linear models and perceptrons of scikit-learn. The bundle
    is opened again, and its outputs are compared with those of the model on the rows of CONFIG and on random rows, some of
    them with large numbers; one that differs by more than the tolerance is refused, and so is any other model, with what
    can be done instead. How the weights were trained is not known, so that the bundle does not say it.
    """
    from auditbench import supervisor
    from auditbench.config_file import load_config

    loaded = load_config(config, overrides, trusted)
    folder = out.absolute()
    _say(supervisor.convert(loaded, folder, tolerance=tolerance, replace=replace), loaded, config)


def _say(made: Conversion, loaded: LoadedConfig, config: Path) -> None:
    from auditbench.cli.terminal import say

    sizes = ", ".join(f"{name} = {value}" for name, value in made.parameters.items())
    say(f"bundle       {made.folder}")
    say(f"network      {made.architecture}" + (f" ({sizes})" if sizes else ""))
    say(f"weights      {made.size:,} bytes, sha256 {made.sha256}", "quiet")
    say(f"             largest difference of an output {_words(made.on_random_rows, 'random rows')}")
    say(f"             largest difference of an output {_words(made.on_data, 'rows of the data')}")
    if made.output != made.was:
        say(
            f"             the bundle gives logits, of which the probabilities of the {loaded.config.model.format} are made"
        )
    say(f"next: in {config}, in place of the keys of [model] that are there:")
    for line in table_lines(made, loaded):
        say(f"  {line}")


def table_lines(made: Conversion, loaded: LoadedConfig) -> list[str]:
    """The `[model]` table of the bundle: what the first one says about the model apart from its format."""
    from auditbench.cli.toml_words import quoted

    kept = loaded.config.model.model_dump(mode="json", exclude_unset=True, exclude={"path", *_OF_OTHER_FORMATS})
    values = {"path": os.path.relpath(made.folder, loaded.base.resolve()), **kept}
    return [
        "[model]",
        *(f"{name} = {quoted(value) if isinstance(value, str) else value}" for name, value in values.items()),
    ]


def _words(found: Difference, what: str) -> str:
    return f"{found.largest:.2g} (scaled {found.scaled:.2g}) on {found.rows:,} {what}"

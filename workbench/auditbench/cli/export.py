"""`auditbench export`: a bundle as ONNX, as torch's `.pt2` or as a copy, each with an audit of the export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from auditbench.cli.options import debug_option, example, set_option, split_names
from auditbench.models.exporting import TOLERANCE

if TYPE_CHECKING:
    from auditbench.config_file import LoadedConfig
    from auditbench.models.exporting import Difference, Export, ExportKind


@click.command(
    epilog=example(
        "auditbench export audit.toml --to onnx,pt2",
        "auditbench export model --to onnx --out deployed",
        "auditbench audit export/model/onnx/audit.toml",
    )
)
@click.argument("source", metavar="CONFIG|BUNDLE", type=click.Path(path_type=Path))
@click.option(
    "--to",
    "kinds",
    multiple=True,
    metavar="A,B",
    callback=split_names,
    help="What to write: onnx, pt2, safetensors; one or several.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder for a folder each; `export/NAME` beside the bundle NAME."
)
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    default=TOLERANCE,
    show_default=True,
    help="Largest difference of an output, divided by the largest output (of logits where that is above 1).",
)
@set_option
@debug_option
def export(
    source: Path, kinds: tuple[str, ...], out: Path | None, tolerance: float, overrides: tuple[str, ...]
) -> None:
    """Write a bundle as ONNX or .pt2, with an audit of the export.

    The network behind the encoder is exported, for any number of rows: float32 as they are encoded, int64 for token ids.
    model.json stands beside it and says what the inputs, the classes and the output are. An export is opened again
    before it is written, and its outputs are compared with those of the bundle on random rows and, given a CONFIG, on
    its data; one that differs by more than the tolerance is refused. onnx needs the extra `onnx`.
    """
    from auditbench import supervisor
    from auditbench.cli.exported_audit import write_audit

    wanted = _kinds(kinds)
    loaded, bundle = _source(source, overrides)
    home = out or bundle.resolve().parent / "export" / bundle.resolve().name
    folders = {kind: (home / kind).resolve() for kind in wanted}
    exports = supervisor.export(bundle.resolve(), folders, loaded=loaded, tolerance=tolerance)
    configs = [] if loaded is None else [write_audit(loaded, item, tolerance) for item in exports]
    for item in exports:
        _say(item)
    _say_next(configs)


def _kinds(names: tuple[str, ...]) -> tuple[ExportKind, ...]:
    """The kinds of these names, each once.

    Raises:
        ConfigError: There is no such kind.
        MissingDependencyError: A package that one needs is not installed.
    """
    from auditbench.config_problems import nearest
    from auditbench.errors import ConfigError
    from auditbench.models.exporting import KINDS
    from auditbench.models.opening.packages import EXPORTING, require

    kinds: tuple[ExportKind, ...] = tuple(kind for kind in KINDS if kind in names)
    if not names:
        raise ConfigError(
            "the format of the export is not named",
            where="--to",
            found="nothing",
            allowed=", ".join(KINDS),
            fix="such as `auditbench export audit.toml --to onnx`; several are separated by commas",
        )
    for name in names:
        if name not in KINDS:
            raise ConfigError(
                "there is no such export",
                where="--to",
                found=name,
                allowed=", ".join(KINDS),
                fix=nearest(name, KINDS) or "name one of them",
            )
    if "onnx" in kinds:
        require(EXPORTING, extra="onnx", where="--to onnx")
    return kinds


def _source(source: Path, overrides: tuple[str, ...]) -> tuple[LoadedConfig | None, Path]:
    """The config, if one is named, and the folder of the bundle.

    Raises:
        ConfigError: The config is not valid, or its model is no bundle.
    """
    from auditbench.config_file import load_config
    from auditbench.errors import ConfigError

    if source.is_dir():
        if overrides:
            raise ConfigError(
                "a bundle has no keys to set",
                where="--set",
                found=overrides[0],
                fix="name the configuration: auditbench export CONFIG",
            )
        return None, source
    loaded = load_config(source, overrides)
    model = loaded.config.model
    if model.format != "bundle":
        raise ConfigError(
            "only a bundle can be exported",
            where="model.format",
            found=model.format,
            allowed="bundle",
            fix="name the configuration of a bundle, which `auditbench train` makes",
        )
    return loaded, loaded.base / model.path


def _say(item: Export) -> None:
    from auditbench.cli.terminal import say

    say(f"{item.kind:<12} {Path(item.folder) / item.file}, {item.size:,} bytes")
    say(f"             sha256 {item.sha256}", "quiet")
    say(f"             largest difference of an output {_words(item.on_random_rows, 'random rows')}")
    if item.on_data is not None:
        say(f"             largest difference of an output {_words(item.on_data, 'rows of the data')}")


def _words(found: Difference, what: str) -> str:
    return f"{found.largest:.2g} (scaled {found.scaled:.2g}) on {found.rows:,} {what}"


def _say_next(configs: list[Path]) -> None:
    from auditbench.cli.terminal import say
    from auditbench.paths import as_argument

    if configs:
        say(f"next: auditbench audit {as_argument(configs[0])}")
    else:
        say("An audit of the export needs data: `auditbench export CONFIG` writes one beside it.", "quiet")

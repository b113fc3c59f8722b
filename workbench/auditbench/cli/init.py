"""`auditbench init`: a first audit.toml from a data file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from auditbench.cli.options import debug_option, example

if TYPE_CHECKING:
    from auditbench.cli.draft import Draft, Sources
    from auditbench.cli.input_profile import DataProfile
    from auditbench.cli.model_draft import ModelSource
    from auditbench.descriptions import AnalyzerDescription


@click.command(
    epilog=example(
        "auditbench init --data people.csv",
        "auditbench init audits/credit --data credit.parquet --target default --model model",
        "auditbench init --data people.csv --with-gates",
        "auditbench init --data scored.csv --target default --predictions score",
        "auditbench init --data people.csv --predictions scores.csv",
    )
)
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(path_type=Path))
@click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path),
    help="Rows: a .parquet, .csv, .npz or .ts file, or a folder of images.",
)
@click.option(
    "--model",
    metavar="PATH",
    help="Model to audit: a file or folder of any format, or an address; without it, [train] makes one.",
)
@click.option(
    "--predictions",
    metavar="COLUMN|FILE",
    multiple=True,
    help="What a model gave, instead of a model: a column of the data, or a .csv or .parquet file that a column of ids joins to "
    "them, whose column is named beside it where it has several; repeat it for each class.",
)
@click.option("--target", help="Column to predict; without it, the best candidate.")
@click.option("--with-gates", is_flag=True, help="Write a gates.toml beside it, and name it in audit.toml.")
@debug_option
def init(
    folder: Path, data: Path, model: str | None, predictions: tuple[str, ...], target: str | None, with_gates: bool
) -> None:
    """Write a commented audit.toml from data and a model.

    What the model is, is told by its content; nothing of it is run. Columns of a table and of texts, arrays of images and
    of series, .ts files and folders of images are recognised. Types, candidates for the target, and columns that may hold
    sensitive features or row ids are guessed from the schema and a sample of the rows; each guess stands with its reason.
    DIR is the current folder unless given. A file that is already there is never overwritten.
    """
    from auditbench.cli.draft import draft_config
    from auditbench.cli.gates_draft import GATES_FILE, draft_gates
    from auditbench.cli.input_profile import profile_data
    from auditbench.errors import ConfigError

    path, gates = folder / "audit.toml", folder / GATES_FILE if with_gates else None
    for file in (path, *([gates] if gates else [])):
        _refuse_existing(file)
    if model is not None and predictions:
        raise ConfigError(
            "a model and predictions instead of a model", where="--predictions", fix="give --model or --predictions"
        )
    rows = _evaluated_rows(data)
    profile = profile_data(rows)
    source = _predictions_source(folder, predictions, profile, rows) if predictions else _model_source(folder, model)
    draft = draft_config(
        profile,
        _sources(folder, data.stem, rows, source),
        target=target,
        analyzers=_installed_analyzers(),
        gates=GATES_FILE if gates else "",
    )
    _write_new(path, draft.text)
    if gates:
        _write_new(gates, draft_gates(draft.task, sensitive=bool(draft.sensitive)))
    _tell(path, draft, source, gates)


def _refuse_existing(path: Path) -> None:
    from auditbench.errors import ConfigError

    if os.path.lexists(path):
        raise ConfigError(
            "this file is there already",
            where=str(path),
            fix="name another folder, or move the file away; it is not overwritten",
        )


def _model_source(folder: Path, model: str | None) -> ModelSource:
    """What `--model` names.

    Raises:
        ModelError: There is no such model, or it is of no format that can be opened.
    """
    from auditbench.cli.model_draft import ModelSource
    from auditbench.cli.model_profile import profile_address, profile_model
    from auditbench.errors import ModelError
    from auditbench.paths import is_there

    if model is None:
        return ModelSource()
    if model.startswith(("http://", "https://")):
        return ModelSource(path=model, profile=profile_address(model))
    place = Path(model)
    if not is_there(place):
        raise ModelError("there is no such model", where="--model", found=model, fix="name its file or folder")
    return ModelSource(path=_seen_from(folder, place), profile=profile_model(place))


def _predictions_source(folder: Path, given: tuple[str, ...], profile: DataProfile, rows: Path) -> ModelSource:
    """What `--predictions` names."""
    from auditbench.cli.model_draft import ModelSource
    from auditbench.cli.predictions_profile import profile_predictions

    found = profile_predictions(given, profile, rows)
    return ModelSource(path="" if found.file is None else _seen_from(folder, found.file), predictions=found)


def _evaluated_rows(data: Path) -> Path:
    """The data; of a folder with `train` and `test` in it, the latter."""
    from auditbench.paths import is_folder_there

    return data / "test" if is_folder_there(data / "train") and is_folder_there(data / "test") else data


def _sources(folder: Path, name: str, rows: Path, model: ModelSource) -> Sources:
    """Where everything is."""
    from auditbench.cli.draft import Sources

    train = _training_file(rows)
    return Sources(
        name=name, test=_seen_from(folder, rows), train=_seen_from(folder, train) if train else "", model=model
    )


def _training_file(data: Path) -> Path | None:
    """The file or folder beside the data whose name says `train` where the other says `test`."""
    for old, new in (("test", "train"), ("Test", "Train"), ("TEST", "TRAIN")):
        candidate = data.with_name(data.name.replace(old, new))
        if candidate != data and candidate.exists():
            return candidate
    return None


def _seen_from(folder: Path, path: Path) -> str:
    return os.path.relpath(path.resolve(), folder.resolve())


def _installed_analyzers() -> list[AnalyzerDescription]:
    """The analyzers that are installed and load."""
    from auditbench import supervisor

    return [item for plugin in supervisor.describe(None) for item in plugin.analyzers]


def _write_new(path: Path, text: str) -> None:
    from auditbench.errors import RunFolderError

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except (OSError, UnicodeEncodeError) as error:
        raise RunFolderError(
            "the file cannot be written", where=str(path), found=str(error), fix="name another folder as DIR"
        ) from error


def _tell(path: Path, draft: Draft, model: ModelSource, gates: Path | None) -> None:
    from auditbench.cli.draft import name_shown
    from auditbench.cli.terminal import say
    from auditbench.paths import as_argument
    from auditbench.safe_text import safe_text

    say(f"Wrote {path}" + (f" and {gates}" if gates else ""), "good")
    say(f"  target     {name_shown(draft.target)} ({draft.task})")
    for candidate in draft.candidates[:3]:
        mark = "*" if candidate.column.name == draft.target else " "
        reasons = "; ".join(candidate.reasons) or "nothing speaks for it"
        say(f"           {mark} {name_shown(candidate.column.name)}: {reasons}")
    if model.profile is not None:
        say(f"  model      {safe_text(model.path)} ({model.profile.form}): {model.profile.what}")
    if model.predictions is not None:
        file = f" of {safe_text(model.path)}, found by {name_shown(model.predictions.key)}" if model.path else ""
        say(f"  model      none: predictions from {', '.join(map(name_shown, model.predictions.columns))}{file}")
    for item in draft.inputs:
        say(f"  input      {safe_text(item)}")
    say(f"  sensitive  {', '.join(map(name_shown, draft.sensitive)) or 'none found by name'}")
    say(f"  excluded   {', '.join(map(name_shown, draft.excluded)) or 'none'}")
    say(f"  gates      {gates.name if gates else 'none yet: see the end of the file, or give --with-gates'}")
    for question in draft.open_questions:
        say(f"  to do      {question}", "caution")
    say(f"next: auditbench check {as_argument(path)}")

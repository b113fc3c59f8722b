"""Whether the content of the model's file is of the format that the config names. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditbench.errors import ModelError, Problem
from auditbench.models.formats import FORMATS
from auditbench.models.opening.content import content_kind, format_of, refuse_other_kind
from auditbench.models.opening.files import read_file, refusing
from auditbench.paths import is_file_there, without_turns

if TYPE_CHECKING:
    from pathlib import Path

    from auditbench.config import ModelTable


def other_kind(table: ModelTable, base: Path) -> tuple[str, Problem] | None:
    """The format that the content of the model's file is of, and what to say where the config names another one.

    None where there is no file, its content is of no format, or of the one that is named.

    Args:
        base: Folder that paths start from.
    """
    path = without_turns(base / table.path)
    if not is_file_there(path):
        return None
    try:
        with refusing(path):
            kind = content_kind(read_file(path))
    except ModelError:
        return None  # what is wrong with the file is told by whoever opens it
    form = format_of(kind)
    if form not in FORMATS or table.format in (form, "estimator"):
        return None  # an estimator's file may be of several kinds, which its loader tells apart
    try:
        refuse_other_kind(path, kind, kind_in_words(table))
    except ModelError as error:
        return form, error.problems[0]
    return None


def kind_in_words(table: ModelTable) -> str:
    """What the content should be, by `model.format`."""
    if table.format != "bundle":
        return table.format
    return "bundle, which is a folder" + (
        "" if "format" in table.model_fields_set else " (the default of model.format)"
    )

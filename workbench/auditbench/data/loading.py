"""Named data sets: what `data.dataset` in audit.toml can stand for. Nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from auditbench.needs import Needs

if TYPE_CHECKING:
    from auditbench.config import DataTable


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSource:
    """Where the files of a data set are, and what its users need not say about it.

    Attributes:
        test: The file with the evaluated rows, or a folder of images, as `data.test` may name.
        train: File with the training rows; None when there are none or when `split` tells them apart.
        split: Column that says `train` or `test`, when both are in `test`.
        licence: Licence line for the report.
    """

    test: Path
    train: Path | None = None
    split: str | None = None
    licence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetLoader:
    """A data set that comes with a plugin or with the product; `name` is `data.dataset` in audit.toml.

    Attributes:
        needs: Packages and programs, without which a config that names it is refused.
    """

    name: str
    summary: str
    load: Callable[[DataTable], DatasetSource]
    needs: Needs = field(default_factory=Needs)

"""`Sample`: a model or a data set that an author gives to be tried, as the tables of an audit.toml name it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from auditbench.config import DataTable, ModelTable
from auditbench.config_problems import problems_of
from auditbench.contracts import DatasetLoader
from auditbench.data import BUILT_IN as DATA_SETS
from auditbench.errors import ConfigError, Problem
from auditbench.models.architectures import BUILT_IN as ARCHITECTURES
from auditbench.models.formats import ModelRequest
from auditbench.paths import without_turns
from auditbench.toml_file import read_toml

if TYPE_CHECKING:
    from auditbench.data import TableSource

_Table = TypeVar("_Table", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What a file with the tables `[model]` and `[data]` of an audit.toml names.

    Attributes:
        base: Folder that its paths start from: that of the file.
        table: None where there is no `[model]`, as a data set has none.
    """

    base: Path
    data: DataTable
    table: ModelTable | None = None

    @property
    def model_path(self) -> Path:
        """File or folder of the model."""
        return without_turns(self.base / self.model_table.path)

    @property
    def model_table(self) -> ModelTable:
        """The `[model]` table; raises ConfigError where there is none."""
        if self.table is None:
            raise ConfigError(
                "a sample of a model needs its table", where="model", fix="add [model] as in an audit.toml"
            )
        return self.table

    def source(self, *further: DatasetLoader) -> TableSource:
        """The rows, read.

        Args:
            further: Data sets that it may name beside those of the product.

        Raises:
            DataError: They cannot be read as the sample says.
        """
        from auditbench.data import open_source

        return open_source(self.data, self.base, {loader.name: loader for loader in (*DATA_SETS, *further)})

    def request(self, *, path: Path | None = None) -> ModelRequest:
        """What a loader is asked for.

        Args:
            path: Instead of the model's own.
        """
        table = self.model_table
        return ModelRequest(
            path=path or self.model_path,
            base=self.base,
            table=table.model_copy(update={"name": table.name or "sample"}),
            source=self.source(),
            device="cpu",
            architectures={architecture.name: architecture for architecture in ARCHITECTURES},
        )


def read_sample(path: Path) -> Sample:
    """Read a TOML file with `[data]`, and `[model]` for a model; an audit.toml is one, whose other tables do not count.

    Raises:
        ConfigError: With everything that is wrong with the two tables.
    """
    document = read_toml(path, fix="name a file with the tables [model] and [data] of an audit.toml")
    problems: list[Problem] = []
    data = _table(DataTable, document.get("data", {}), "data", problems)
    table = _table(ModelTable, document["model"], "model", problems) if "model" in document else None
    if problems or data is None:
        raise ConfigError(f"{path.name} is no sample", problems=tuple(problems))
    return Sample(base=path.resolve().parent, data=data, table=table)


def _table(kind: type[_Table], content: object, name: str, problems: list[Problem]) -> _Table | None:
    """The table as its model, or None with what is wrong added to the problems."""
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        problems += problems_of(error, kind, name)
        return None

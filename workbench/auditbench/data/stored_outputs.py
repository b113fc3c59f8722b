"""Columns of the data that hold the outputs of models, as the config names them. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from auditbench.config import AuditConfig, ModelTable

_NO_FILE = "model"
"""The default of `model.path`, which is the name of no data file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputColumns:
    """The columns that models have their outputs in.

    Attributes:
        named: Column by the key that names it; no column is a feature unless `data.features` names it.
        instead_of_model: Whether the audited model is nothing but its outputs, so that the data may lack features.
    """

    named: Mapping[str, str] = field(default_factory=dict)
    instead_of_model: bool = False


NO_OUTPUTS = OutputColumns()


def output_columns(config: AuditConfig) -> OutputColumns:
    """The columns of the data that the models of a config have their outputs in."""
    tables = {"model": config.model, **{f"models.{name}": table for name, table in config.models.items()}}
    return OutputColumns(
        named={
            f"{where}.columns[{index}]": column
            for where, table in tables.items()
            if table.format == "predictions" and not has_own_file(table)
            for index, column in enumerate(table.columns)
        },
        instead_of_model=config.model.format == "predictions",
    )


def has_own_file(table: ModelTable) -> bool:
    """Whether the outputs of `predictions` stand in a file of their own, and not in the data."""
    return getattr(table, "path", _NO_FILE) != _NO_FILE

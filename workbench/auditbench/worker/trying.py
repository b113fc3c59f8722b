"""What an audit would refuse when it opens data and model: found by calling what it calls, without training or evaluating."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from auditbench.config import AuditConfig, ModelTable
from auditbench.data import build_evaluation
from auditbench.data.building import labelled_rows
from auditbench.errors import AuditbenchError
from auditbench.models.bundle import bundle_exists, refuse_foreign
from auditbench.models.formats import FORMATS, ModelRequest
from auditbench.training import ensure_model
from auditbench.training.precision import Precision
from auditbench.training.preparing import prepare, train_table
from auditbench.training.starting import initial_description, open_initial
from auditbench.worker.subject_opening import (
    audited_table,
    further_tables,
    named_architectures,
    open_model,
    read_source,
    refuse_rows,
    resolve_device,
)

if TYPE_CHECKING:
    from auditbench.data import ModelInput, TableSource
    from auditbench.models import Architecture
    from auditbench.registry import Registry

_TRIED_ROWS = 512
"""Images, texts and series that stand for all of those to train on."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Tools:
    """Where files are, and what opens them."""

    base: Path
    registry: Registry
    device: str
    architectures: Mapping[str, Architecture]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """What a model takes, and the classes it gives."""

    inputs: Mapping[str, ModelInput]
    classes: tuple[str, ...]


def try_subject(config: AuditConfig, base: Path, registry: Registry, *, device: str) -> None:
    """Read the data, open the model or prepare its training, and code the evaluated rows, as an audit does.

    Some images, texts and series stand for all of those to train on, unless they are refused; tables are read in whole.
    A model whose code would run is left to the audit.

    Args:
        base: Folder that the paths of the config start from.
        device: `auto`, `cpu` or `cuda`.

    Raises:
        DataError: The data do not fit the config.
        EmptyDataError: There are no rows to evaluate.
        ModelError: The model cannot be opened or trained, was made with other settings, or does not fit the data.
    """
    source = read_source(config, base, registry)
    tools = _Tools(
        base=base,
        registry=registry,
        device=resolve_device(device),
        architectures=named_architectures(config, registry),
    )
    if config.train is not None and not bundle_exists(base / config.model.path):
        _try_training(config, source, tools)
    else:
        ensure_model(config, base, source, tools.device, tools.architectures, lambda *_: None)
        taken = _opened(audited_table(config), source, tools)
        if taken is not None:
            _try_rows(config, source, taken)
    for table in further_tables(config).values():
        _opened(table, source, tools)


def _try_training(config: AuditConfig, source: TableSource, tools: _Tools) -> None:
    refuse_foreign(tools.base / config.model.path)
    refuse_rows(config, source)
    Precision(train_table(config), torch.device(tools.device))
    some = _some_rows(source)
    try:
        taken = _prepared(config, some, tools)
        _try_rows(config, some, taken)
        if source.train is not None and source.table.continued is None:
            labelled_rows(source, source.train, {}, taken.classes)
    except AuditbenchError:
        if some is source:
            raise
        _try_rows(config, source, _prepared(config, source, tools))


def _some_rows(source: TableSource) -> TableSource:
    """The source with rows at equal distances to train on, where a row is more than cells of a table."""
    train = source.train
    if train is None or not train.inputs or len(train) <= _TRIED_ROWS:
        return source
    return dataclasses.replace(source, train=train.take(np.linspace(0, len(train) - 1, _TRIED_ROWS).astype(np.intp)))


def _prepared(config: AuditConfig, source: TableSource, tools: _Tools) -> _Taken:
    table = train_table(config)
    prepared = prepare(
        config,
        source,
        open_initial(table, tools.base),
        described=initial_description(table, tools.base),
        device=tools.device,
        architectures=tools.architectures,
    )
    return _Taken(inputs=prepared.inputs, classes=prepared.classes)


def _opened(table: ModelTable, source: TableSource, tools: _Tools) -> _Taken | None:
    """What a model takes and gives, opened unless that runs code of its own; None where only a plugin knows."""
    content = FORMATS.get(table.format)
    if content is None:
        return None
    if content == "program" or table.factory is not None:
        from auditbench.models.declared import interface_of

        request = ModelRequest(
            path=tools.base / table.path,
            base=tools.base,
            table=table,
            source=source,
            device=tools.device,
            architectures=tools.architectures,
        )
        declared = interface_of(request)
        return _Taken(inputs=declared.inputs, classes=declared.classes)
    model = open_model(table, tools.base, tools.registry, tools.device, tools.architectures, source)
    return _Taken(inputs=model.inputs, classes=model.facts.classes)


def _try_rows(config: AuditConfig, source: TableSource, taken: _Taken) -> None:
    build_evaluation(source, taken.inputs, task=config.model.task, classes=taken.classes, seed=config.audit.seed)

"""What an audit would refuse when it opens data and model: found by calling what it calls, without training."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from auditbench.config import AuditConfig, ModelTable
from auditbench.data import build_evaluation, fit_features
from auditbench.data.building import LabelledRows, labelled_rows
from auditbench.data.inputs import TableInput
from auditbench.data.table import NumberColumn
from auditbench.descriptions import NumberRange, TriedSubject
from auditbench.errors import AuditbenchError
from auditbench.findings import Message
from auditbench.models.bundle import bundle_exists, described_model, refuse_foreign
from auditbench.models.description import BundleDescription
from auditbench.models.formats import FORMATS, ModelRequest
from auditbench.models.inspection import inspect_model
from auditbench.models.stored_rows import StoredOutputs
from auditbench.paths import without_turns
from auditbench.training import ensure_model
from auditbench.training.precision import Precision
from auditbench.training.preparing import prepare, split_and_weights, train_table
from auditbench.training.starting import in_target_units, initial_description, open_initial
from auditbench.worker.odd_outputs import doubts, refuse_odd_outputs
from auditbench.worker.subject_checks import refuse_parameters
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
    from auditbench.data import EvaluationData, ModelInput, TableSource
    from auditbench.models import Architecture, ModelUnderTest
    from auditbench.registry import Registry
    from auditbench.run import Capability, DataFacts

_TRIED_ROWS = 512
"""Images, texts and series that stand for all of those to train on."""

_EVALUATED_ROWS = 64
"""Rows whose outputs tell a scale that is declared wrongly."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Tools:
    """Where files are, and what opens them."""

    base: Path
    registry: Registry
    device: str
    architectures: Mapping[str, Architecture]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """What a model takes, and the classes it gives; of one that was opened also itself, what it offers and its limits."""

    inputs: Mapping[str, ModelInput]
    classes: tuple[str, ...]
    capabilities: tuple[Capability, ...] | None = None
    limits: tuple[Message, ...] = ()
    model: ModelUnderTest | None = None


def try_subject(
    config: AuditConfig, base: Path, registry: Registry, *, device: str, analyzers: Iterable[str] = ()
) -> TriedSubject:
    """Read the data, open the model or prepare its training, and code the evaluated rows, as an audit does.

    Of images, texts and series to train on, some stand for all, unless they are refused; all that stands in columns beside
    them is looked at, and so are tables. A model whose code would run is left to the audit.

    Args:
        base: Folder that the paths of the config start from.
        device: `auto`, `cpu` or `cuda`.
        analyzers: Names of those that look at model and data. Where the model is still to be trained they look at the
            network that training begins with.

    Returns:
        What was found. For a language model the training rows are texts, and classes are not named. A text has no shape
        and no vocabulary where some stand for all.

    Raises:
        DataError: The data do not fit the config.
        EmptyDataError: There are no rows to evaluate.
        ModelError: The model cannot be opened or trained, was made with other settings, or does not fit the data.
        ConfigError: Parameters of analyzers do not fit the model and the data.
    """
    source = read_source(config, base, registry)
    tools = _tools(config, base, registry, device)
    taken: _Taken | None = None
    reasons: Mapping[str, Message] = {}
    if config.train is not None and not bundle_exists(base / config.model.path):
        read, reasons = _try_training(config, source, tools, analyzers)
    else:
        ensure_model(config, base, source, tools.device, tools.architectures, lambda *_: None)
        taken = _opened(audited_table(config), source, tools)
        data = _evaluation(config, source, taken)
        read = _read(data)
        if (model := taken.model) is not None:
            taken = dataclasses.replace(taken, limits=(*taken.limits, *_tried(model, data)))
            reasons = refuse_parameters(config, registry, analyzers, model=model, data=data)
    further = {name: _opened(table, source, tools).limits for name, table in further_tables(config).items()}
    outcomes = {} if source.table.continued is not None else read.outcomes
    rows = 0 if source.train is None else len(source.train)
    return TriedSubject(
        read=dataclasses.replace(read, train_rows=rows, outcomes=outcomes),
        capabilities=None if taken is None else taken.capabilities,
        limits=() if taken is None else taken.limits,
        further_limits=further,
        not_possible=reasons,
        example=None if taken is None else _example(source, taken),
    )


def refuse_in_vain(
    config: AuditConfig, base: Path, registry: Registry, source: TableSource, *, device: str, analyzers: Iterable[str]
) -> None:
    """Refuse parameters of analyzers that do not fit the network that training would begin with; see `try_subject`.

    Nothing is tried where no analyzer looks at the model.
    """
    looking = [name for name in analyzers if registry.analyzer(name).record.check is not None]
    if looking:
        _try_training(config, source, _tools(config, base, registry, device), looking)


def _tools(config: AuditConfig, base: Path, registry: Registry, device: str) -> _Tools:
    return _Tools(
        base=base,
        registry=registry,
        device=resolve_device(device),
        architectures=named_architectures(config, registry),
    )


def _example(source: TableSource, taken: _Taken) -> NumberRange | None:
    """The feature whose numbers are the largest, as they reach the model."""
    widest, found = -1.0, None
    features = [one for item in taken.inputs.values() if isinstance(item, TableInput) for one in item.features]
    for one in features:
        column = source.test.columns[one.name]
        if not isinstance(column, NumberColumn) or np.isnan(column.values).all():
            continue
        low, high = float(np.nanmin(column.values)), float(np.nanmax(column.values))
        if (size := max(-low, high)) > widest:
            ends = ((end - one.mean) / one.scale for end in (low, high))
            widest, found = size, NumberRange(feature=one.name, low=next(ends), high=next(ends))
    return found


def _try_training(
    config: AuditConfig, source: TableSource, tools: _Tools, analyzers: Iterable[str]
) -> tuple[DataFacts, Mapping[str, Message]]:
    """What was read, and why analyzers will not apply, which some rows that stand for all do not tell."""
    refuse_foreign(tools.base / config.model.path)
    refuse_rows(config, source)
    Precision(train_table(config), torch.device(tools.device))
    some = _some_rows(source)
    try:
        taken, read, reasons = _try_rows(config, some, tools, analyzers)
        if some is source:
            return read, reasons
        _try_columns(config, source, taken)
        return _without_extent_of_texts(read), {}
    except AuditbenchError:
        if some is source:
            raise
        _, read, reasons = _try_rows(config, source, tools, analyzers)
        return read, reasons


def _without_extent_of_texts(read: DataFacts) -> DataFacts:
    inputs = (
        dataclasses.replace(item, shape=(), vocabulary=0) if item.modality == "text" else item for item in read.inputs
    )
    return dataclasses.replace(read, inputs=tuple(inputs))


def _some_rows(source: TableSource) -> TableSource:
    """The source with rows at equal distances to train on, where a row is more than cells of a table."""
    train = source.train
    if train is None or not train.inputs or len(train) <= _TRIED_ROWS:
        return source
    return dataclasses.replace(source, train=train.take(np.linspace(0, len(train) - 1, _TRIED_ROWS).astype(np.intp)))


def _try_columns(config: AuditConfig, source: TableSource, taken: _Taken) -> None:
    """Look at what stands in columns beside the inputs, of all rows to train on: labels, cells, the split and weights."""
    train, table = source.train, train_table(config)
    if train is None:
        return
    if source.table.continued is None:
        tables = {
            name: TableInput(features=fit_features(source))
            for name, item in taken.inputs.items()
            if isinstance(item, TableInput)
        }
        rows = labelled_rows(source, train, tables, taken.classes)
    else:  # the tokens of a text share its split and its weight
        rows = LabelledRows(part=train, inputs={}, y_true=np.zeros(len(train), dtype=np.int64), dropped={})
    split_and_weights(rows, source, table, config.model.task, taken.classes, config.audit.seed)


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
    scaling = in_target_units(prepared.network, dict(prepared.network.state_dict()), prepared.scaling)
    description = BundleDescription(
        architecture=prepared.architecture.name,
        parameters={},
        task=config.model.task,
        classes=prepared.classes,
        target=source.table.target,
        output="value" if config.model.task == "regression" else "logit",
        scaling=scaling,
        inputs=prepared.inputs,
    )
    model = described_model(description, prepared.network, config.model, tools.device)
    return _Taken(inputs=prepared.inputs, classes=prepared.classes, model=model)


def _opened(table: ModelTable, source: TableSource, tools: _Tools) -> _Taken:
    """What a model takes and gives, opened unless that runs code of its own."""
    content = FORMATS.get(table.format)
    pickled = content == "estimator" and bool(inspect_model(table, tools.base).programs)
    if not (pickled or content in ("program", "callable") or table.factory is not None):
        model = open_model(table, tools.base, tools.registry, tools.device, tools.architectures, source)
        facts = model.facts
        return _Taken(
            inputs=model.inputs,
            classes=facts.classes,
            capabilities=facts.capabilities,
            limits=facts.limits,
            model=model,
        )
    from auditbench.models.declared import interface_of
    from auditbench.models.estimators.loading import estimator_interface

    request = ModelRequest(
        path=without_turns(tools.base / table.path),
        base=tools.base,
        table=table,
        source=source,
        device=tools.device,
        architectures=tools.architectures,
    )
    declared = estimator_interface(request) if pickled else interface_of(request)
    return _Taken(
        inputs=declared.inputs,
        classes=declared.classes,
        capabilities=("black_box",) if content in ("estimator", "callable") else None,
        limits=(Message(key="core.model_not_opened"),),
    )


def _tried(model: ModelUnderTest, data: EvaluationData) -> tuple[Message, ...]:
    """What makes the outputs at hand doubtful: those that are stored, or of some rows if the file does not say the scale.

    Raises:
        ModelError: An output is not finite, or no probability where the model is declared to give them.
    """
    if isinstance(model.module, StoredOutputs):
        outputs = model.module.outputs.cpu().numpy()
    elif FORMATS.get(model.facts.format) in ("weights", "graph", "keras"):
        outputs = model.predict(data.take(np.arange(min(_EVALUATED_ROWS, len(data)))).inputs)
    else:
        return ()
    refuse_odd_outputs(model, outputs)
    return doubts(model, outputs)


def _try_rows(
    config: AuditConfig, source: TableSource, tools: _Tools, analyzers: Iterable[str]
) -> tuple[_Taken, DataFacts, Mapping[str, Message]]:
    """Prepare training on the rows of a source, read those to evaluate, and let analyzers look at both."""
    taken = _prepared(config, source, tools)
    data = _evaluation(config, source, taken)
    model = taken.model
    reasons = {} if model is None else refuse_parameters(config, tools.registry, analyzers, model=model, data=data)
    return taken, _read(data), reasons


def _evaluation(config: AuditConfig, source: TableSource, taken: _Taken) -> EvaluationData:
    return build_evaluation(source, taken.inputs, task=config.model.task, classes=taken.classes, seed=config.audit.seed)


def _read(data: EvaluationData) -> DataFacts:
    return dataclasses.replace(data.facts, inputs=data.input_facts())

"""Opening what is audited: the data, the model (trained first when it is missing), its outputs, the cases to show."""

from __future__ import annotations

import copy
import dataclasses
import functools
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from auditbench.config import AuditConfig, ModelTable
from auditbench.context import AuditContext, ContextHost, Trainer
from auditbench.data import BUILT_IN as DATA_SETS
from auditbench.data import build_evaluation, class_names, open_source
from auditbench.data.building import labelled_rows
from auditbench.data.coding import code_groups
from auditbench.data.stored_outputs import output_columns
from auditbench.data.weights import row_weights
from auditbench.descriptions import TrainedModel
from auditbench.errors import EmptyDataError, ModelError
from auditbench.models.architectures import BUILT_IN as ARCHITECTURES
from auditbench.models.bundle import bundle_exists
from auditbench.models.formats import FORMATS, ModelRequest
from auditbench.models.loading import load_model
from auditbench.models.missing_cells import with_own_rules
from auditbench.models.threads import suitable_threads
from auditbench.paths import without_turns
from auditbench.record import plain
from auditbench.worker.cases import ChosenCases, choose_cases, with_stored_inputs
from auditbench.worker.odd_outputs import refuse_odd_outputs, with_doubt
from auditbench.worker.read_only import read_only, read_only_data
from auditbench.worker.stages import Stage, TrainingStage
from auditbench.worker.subject_state import ModelWatch, SubjectState, other_watch, subject_state

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.data import DatasetLoader, EvaluationData, TableSource
    from auditbench.engines import Engine
    from auditbench.models import Architecture, ModelUnderTest
    from auditbench.registry import Registry
    from auditbench.results import AnalysisResult
    from auditbench.run import DataFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What an audit is about, opened.

    Attributes:
        others: The further models, by name.
        outputs: Shape `(rows, outputs)`, in the declared scale.
        raw_inputs: Whether the config asks for inputs to be shown as they are.
        seconds: Wall-clock seconds of `train` and `load`.
        state: Of model and data, as opened; `others_state` of each further model.
        folder: Where paths in the config start.
        trainer: What trains copies of the model; None where it cannot be trained again.
    """

    config_seed: int
    model: ModelUnderTest
    data: EvaluationData
    outputs: npt.NDArray[Any]
    chosen: ChosenCases
    raw_inputs: bool
    seconds: Mapping[str, float] = field(default_factory=dict)
    state: SubjectState
    others: Mapping[str, ModelUnderTest] = field(default_factory=dict)
    others_state: Mapping[str, ModelWatch] = field(default_factory=dict)
    folder: Path = field(default_factory=Path)
    trainer: Trainer | None = None

    def context(
        self,
        analyzer: str,
        params: Any,
        *,
        results: Mapping[str, AnalysisResult],
        engine: Engine,
        host: ContextHost,
    ) -> AuditContext:
        """What one analyzer sees of it; it begins with the batches in which the model was opened."""
        return AuditContext(
            analyzer=analyzer,
            model=_with_own_batch(self.model),
            models={name: _with_own_batch(model) for name, model in self.others.items()},
            data=self.data,
            params=params,
            seed=self.config_seed,
            results=results,
            outputs=self.outputs,
            case_indices=self.chosen.indices,
            raw_inputs=self.raw_inputs,
            folder=self.folder,
            trainer=self.trainer,
            engine=engine,
            host=host,
        )

    def changes(self) -> tuple[str, ...]:
        """What of it is no longer as it was opened, in words.

        Raises:
            Exception: Whatever a model that was changed raises when it is looked at.
        """
        changes = list(self.state.changes(self.model, self.data, self.outputs))
        for name, watch in self.others_state.items():
            changes += watch.changes(self.others[name], self.data)
        return tuple(dict.fromkeys(changes))

    def document(self) -> dict[str, Any]:
        """What the record says about it, as JSON types; cases without the arrays of their inputs."""
        return {
            "model": plain(self.model.facts),
            "others": {name: model.facts.digest for name, model in self.others.items()},
            "data": plain(self.data.facts),
            "cases": plain(with_stored_inputs(self.chosen.cases, lambda *_: None)),
            "case_rule": plain(self.chosen.rule),
            "device": device_kind(self.model.device),
            "training": dict(self.model.training_cost),
            "seconds": dict(self.seconds),
        }


def open_subject(
    config: AuditConfig,
    base: Path,
    registry: Registry,
    *,
    device: str,
    stage: Stage,
    may_train: bool,
    before_training: Callable[[TableSource], None] = lambda _: None,
) -> Subject:
    """Open data and model, evaluate the model once on every row, and choose the cases.

    Args:
        device: `auto`, `cpu` or `cuda`.
        may_train: Whether a missing bundle is trained; otherwise it is an error.
        before_training: Called with the data before one is, to refuse what would be in vain.

    Raises:
        DataError: The data do not fit the config.
        ModelError: The model cannot be opened or does not fit the data.
    """
    from auditbench.training import ensure_model, trainer_of

    place = resolve_device(device)
    seconds: dict[str, float] = {}
    started = time.monotonic()
    source = read_source(config, base, registry)
    architectures = named_architectures(config, registry)
    if may_train and config.train is not None and not bundle_exists(base / config.model.path):
        refuse_rows(config, source)
        before_training(source)
    with TrainingStage(stage, seconds) as training:
        ensure_model(
            config if may_train else config.model_copy(update={"train": None}),
            base,
            source,
            place,
            architectures,
            training.progress,
            training.tell,
        )
    model = open_model(audited_table(config), base, registry, place, architectures, source)
    others = {
        name: open_model(table, base, registry, place, architectures, source)
        for name, table in further_tables(config).items()
    }
    model = _with_programs(model, others.values())
    data = build_evaluation(
        source,
        model.inputs,
        task=config.model.task,
        classes=model.facts.classes,
        seed=config.audit.seed,
        identified=any(one.facts.format == "predictions" for one in (model, *others.values())),
    )
    subject = make_subject(model, data, seed=config.audit.seed, cases=config.report.cases, raw=config.report.raw_inputs)
    seconds["load"] = time.monotonic() - started - seconds.get("train", 0.0)
    return dataclasses.replace(
        subject,
        seconds=seconds,
        folder=base,
        others=others,
        others_state={name: other_watch(one, subject.data) for name, one in others.items()},
        trainer=trainer_of(
            config,
            base,
            read=functools.partial(read_source, config, base, registry),
            model=subject.model,
            data=subject.data,
            architectures=architectures,
        ),
    )


def make_subject(model: ModelUnderTest, data: EvaluationData, *, seed: int, cases: int, raw: bool) -> Subject:
    """A subject of a model and data that are open already; torch keeps the number of threads that suits the model,
    where its size is known.

    Data and outputs are read-only from here on, so that no analyzer changes what the next one sees.

    Raises:
        ModelError: An output is not finite, or no probability where the model is declared to give them.
    """
    if model.facts.parameters is not None:
        torch.set_num_threads(suitable_threads(model.facts.parameters, torch.get_num_threads()))
    data = read_only_data(dataclasses.replace(data, facts=_with_inputs(data, model)))
    parts = [model.predict(rows.inputs) for rows in data.batches(model.batch_rows)]
    outputs = read_only(np.concatenate(parts))
    refuse_odd_outputs(model, outputs)
    model = with_doubt(model, outputs)
    return Subject(
        config_seed=seed,
        model=model,
        data=data,
        outputs=outputs,
        chosen=choose_cases(model, data, outputs, count=cases, raw_inputs=raw),
        raw_inputs=raw,
        state=subject_state(model, data, outputs),
    )


def _with_inputs(data: EvaluationData, model: ModelUnderTest) -> DataFacts:
    """The facts with what the model takes."""
    features = with_own_rules(data.facts.features, model)
    return dataclasses.replace(data.facts, features=features, inputs=data.input_facts())


def train_subject(config: AuditConfig, base: Path, registry: Registry, *, device: str, stage: Stage) -> TrainedModel:
    """Train the model that the config describes, replacing one that `train` made before.

    Raises:
        TrainingError: There is no `[train]` table, or training cannot be done.
    """
    from auditbench.training import train_bundle

    place = resolve_device(device)
    source = read_source(config, base, registry)
    architectures = named_architectures(config, registry)
    with TrainingStage(stage, {}) as training:
        train_bundle(
            config,
            source,
            base / config.model.path,
            base=base,
            device=place,
            architectures=architectures,
            progress=training.progress,
            tell=training.tell,
        )
    model = open_model(audited_table(config), base, registry, place, architectures, source)
    return TrainedModel(path=config.model.path, model=model.facts, cost=dict(model.training_cost))


def refuse_rows(config: AuditConfig, source: TableSource) -> None:
    """Refuse labels, groups and weights that no model could be evaluated on, before one is trained.

    Raises:
        DataError: A label is missing or none of the classes, a sensitive or control column holds numbers without bins, or a
            row has no weight.
    """
    part = source.test
    if source.table.continued is None:
        classes = class_names(source, {}, config.model.task)
        part = labelled_rows(source, part, {}, classes).part
    code_groups(part, source.table, "sensitive")
    code_groups(part, source.table, "control")
    row_weights(part, source.table.weights)


def read_source(config: AuditConfig, base: Path, registry: Registry) -> TableSource:
    """The data that the config names, read.

    Raises:
        DataError: They do not fit the config.
        EmptyDataError: There are no rows to evaluate.
    """
    loaders: dict[str, DatasetLoader] = {item.name: item for item in DATA_SETS}
    name = config.data.dataset
    if name is not None and name not in loaders:
        loaders[name] = registry.dataset_loader(name, where="data.dataset").record
    source = open_source(config.data, base, loaders, config.train, output_columns(config))
    if not len(source.test):
        raise EmptyDataError(
            "there are no rows to evaluate", where="data", found="0 rows", fix="name a file with labelled rows"
        )
    return source


def named_architectures(config: AuditConfig, registry: Registry) -> dict[str, Architecture]:
    """Every architecture of the product, and those of plugins that the config names."""
    found: dict[str, Architecture] = {item.name: item for item in ARCHITECTURES}
    tables = {"model": config.model, **{f"models.{name}": table for name, table in config.models.items()}}
    named = {
        f"{where}.architecture": table.architecture
        for where, table in tables.items()
        if FORMATS.get(table.format) == "weights"
    }
    if config.train is not None:
        named["train.architecture"] = config.train.architecture
    for where, name in named.items():
        if name is not None and name not in found:
            found[name] = registry.architecture(name, where=where).record
    return found


def audited_table(config: AuditConfig) -> ModelTable:
    """The `[model]` table, with a name."""
    return config.model.model_copy(update={"name": config.model.name or config.audit.name})


def further_tables(config: AuditConfig) -> dict[str, ModelTable]:
    """The `[models.NAME]` tables, each with a name."""
    return {name: table.model_copy(update={"name": table.name or name}) for name, table in config.models.items()}


def open_model(
    table: ModelTable,
    base: Path,
    registry: Registry,
    device: str,
    architectures: Mapping[str, Architecture],
    source: TableSource,
) -> ModelUnderTest:
    """Open the model of a table.

    Raises:
        ModelError: It cannot be opened or does not fit the data.
    """
    request = ModelRequest(
        path=without_turns(base / table.path),
        base=base,
        table=table,
        source=source,
        device=device,
        architectures=architectures,
    )
    if table.format in FORMATS:
        return load_model(request)
    return registry.model_loader(table.format, where="model.format").record.load(request)


def resolve_device(device: str) -> str:
    """A device that torch knows: `auto` is the first GPU, or else the CPU.

    Raises:
        ModelError: A GPU is asked for and torch sees none.
    """
    if device == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ModelError("torch sees no GPU", where="--device", found=device, allowed="cpu", fix="use --device cpu")
    return "cuda:0" if device == "cuda" else device


def device_kind(device: str) -> str:
    """`cpu`, or the kind of GPU behind a device."""
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device


def _with_programs(model: ModelUnderTest, others: Iterable[ModelUnderTest]) -> ModelUnderTest:
    """The model, with the programs of the further models among those whose code ran to open what is audited."""
    programs = dict.fromkeys(program for one in (model, *others) for program in one.facts.programs)
    return dataclasses.replace(model, facts=dataclasses.replace(model.facts, programs=tuple(programs)))


def _with_own_batch(model: ModelUnderTest) -> ModelUnderTest:
    return dataclasses.replace(model, batch=copy.copy(model.batch))

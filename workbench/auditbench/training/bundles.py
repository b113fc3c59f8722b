"""`train_bundle` and `ensure_model`: when a model is trained, and when the one that is there is used."""

from __future__ import annotations

import hashlib
import json
import resource
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import torch

from auditbench import __version__
from auditbench.config import AuditConfig
from auditbench.config_training import TrainTable
from auditbench.errors import ModelError, StaleModelError
from auditbench.models.architecture import Architecture
from auditbench.models.bundle import (
    bundle_exists,
    read_bundle_description,
    read_cost,
    read_training_key,
    refuse_foreign,
    save_bundle,
)
from auditbench.models.description import BundleDescription, OutputScaling, canonical
from auditbench.models.formats import is_file
from auditbench.models.opening import OpenedWeights
from auditbench.models.threads import computing_threads
from auditbench.run import TrainingFacts
from auditbench.training.changed_settings import changed_settings
from auditbench.training.checkpoints import Checkpoints
from auditbench.training.loop import Fitted, fit
from auditbench.training.one_at_a_time import training_lock
from auditbench.training.preparing import Prepared, prepare, train_table
from auditbench.training.starting import in_target_units, initial_description, open_initial, trained_parameters

if TYPE_CHECKING:
    from auditbench.data.table import TableSource

Progress: TypeAlias = Callable[[int, int, str], None]
Tell: TypeAlias = Callable[[str], None]
SCHEMA_VERSION = 2
"""Of training: a change that gives other weights from the same settings and data raises it."""

_ALWAYS_TOLD = frozenset(
    {"loss", "optimizer", "learning_rate", "momentum", "weight_decay", "batch_size", "epochs", "patience", "validation"}
)
"""Settings that are recorded as they are; the others where they are not the default."""
_LATER_KEYS = frozenset({"tokenizer", "mean", "scale"})
"""Keys of an input that came later; without them the key of a training is the one that it always had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsuredModel:
    """A model that is there.

    Attributes:
        trained: Whether it was trained just now.
        key: Of settings and data; empty when there is no `[train]` table.
        cost: What training cost: `seconds`, `rows_per_second`, `peak_memory_bytes`; empty when not known.
    """

    path: Path
    trained: bool
    key: str = ""
    cost: Mapping[str, float] = field(default_factory=dict)


def ensure_model(
    config: AuditConfig,
    base: Path,
    source: TableSource,
    device: str,
    architectures: Mapping[str, Architecture],
    progress: Progress,
    tell: Tell = lambda text: None,
) -> EnsuredModel:
    """The model that the config names, trained when it is missing and `[train]` says how.

    Args:
        base: Folder that `model.path` is relative to.
        progress: See `train_bundle`; so `tell`.

    Raises:
        ModelError: There is no model and no `[train]` table.
        StaleModelError: The bundle was made with other settings or data.
        TrainingError: Training cannot start, or diverged, or another process trains this model.
    """
    path = base / config.model.path
    if config.train is None or config.model.format != "bundle":
        if is_file(config.model) and not bundle_exists(path):
            raise ModelError(
                "there is no model",
                where="model.path",
                found=f"nothing at {path}",
                allowed="a bundle, or a [train] table that says how to make one",
                fix="correct model.path, or add a [train] table",
            )
        return EnsuredModel(path=path, trained=False)
    key = training_key(config, source, *_initial(config.train, base))
    trained = not bundle_exists(path)
    if trained:
        train_bundle(
            config, source, path, base=base, device=device, architectures=architectures, progress=progress, tell=tell
        )
    elif read_training_key(path) != key:
        description = read_bundle_description(path)
        raise StaleModelError(
            "the model was made with other settings or other data than the configuration names",
            where="model.path",
            found=changed_settings(description, config, config.train, source, architectures),
            allowed="a model of these settings and data",
            fix=_ways_on(source, description.training),
        )
    return EnsuredModel(path=path, trained=trained, key=key, cost=read_cost(path))


def training_key(
    config: AuditConfig,
    source: TableSource,
    opened: OpenedWeights | None = None,
    described: BundleDescription | None = None,
) -> str:
    """sha256 over everything that decides the weights, except versions, device and threads.

    That is the `[train]` table, task, seed, the file of training rows, the `[data]` keys that touch them, and the file of
    weights that training begins with, with what its bundle says about it.

    Args:
        opened: The weights of `train.init_from`; `described` what their bundle says about them.

    Raises:
        TrainingError: There is no `[train]` table.
    """
    table = source.table
    document = {
        "schema": SCHEMA_VERSION,
        "train": train_table(config).model_dump(mode="json", exclude={"checkpoint_steps"}),
        "initial": None if opened is None else [opened.sha256, _digest(described)],
        "task": config.model.task,
        "seed": config.audit.seed,
        "data": source.train_digest,
        "features": source.feature_names,
        "inputs": {name: _input_key(source, name) for name in sorted(table.inputs)},
        "types": {name: table.types[name] for name in sorted(table.types)},
        "target": table.target,
        "positive": table.positive,
        "classes": table.classes,
        "split": table.split,
        "missing": [table.missing_numbers, table.missing_categories, table.missing_labels],
    }
    return hashlib.sha256(json.dumps(document, sort_keys=True, allow_nan=False).encode()).hexdigest()


def _input_key(source: TableSource, name: str) -> dict[str, Any]:
    """The keys of an input; of a file of tokens what it says, and of keys that a bundle is older than those that are set."""
    keys = source.table.inputs[name].model_dump(mode="json")
    told = {key: value for key, value in keys.items() if key not in _LATER_KEYS or value}
    if tokens := source.tokens.get(name):
        told["tokenizer"] = hashlib.sha256(tokens.encode()).hexdigest()
    return told


def train_bundle(
    config: AuditConfig,
    source: TableSource,
    folder: Path,
    *,
    base: Path = Path(),
    device: str,
    architectures: Mapping[str, Architecture],
    progress: Progress,
    tell: Tell = lambda text: None,
) -> None:
    """Train a model on the training rows and write it as a bundle, replacing one that is there.

    A run with the same settings and data that was killed before goes on from its last checkpoint, which stands beside
    the bundle until that is written.

    Args:
        base: Folder that `train.init_from` is relative to.
        progress: Called after each epoch with epochs done, epochs at most, and the losses as text.
        tell: Called with a sentence when something goes otherwise than planned.

    Raises:
        TrainingError: There are no training rows, the settings do not fit the task, the loss diverged, or another process
            trains this model.
        ModelError: The architecture is unknown or does not take its parameters, or the folder cannot be written.
    """
    started = time.perf_counter()
    table = train_table(config)
    refuse_foreign(folder)
    with training_lock(folder):
        opened, described = _initial(table, base)
        key = training_key(config, source, opened, described)
        if opened is not None and described is None:
            tell(
                "train.init_from names weights alone: whether inputs and classes mean the same to them was not checked"
            )
        prepared = prepare(config, source, opened, described=described, device=device, architectures=architectures)
        checkpoints = Checkpoints(
            folder, f"{key} on {torch.device(device).type} by {__version__} and torch {torch.__version__}"
        )
        with computing_threads(sum(tensor.numel() for tensor in prepared.network.parameters())):
            fitted = fit(
                prepared.trained,
                prepared.train,
                prepared.validation,
                prepared.loss,
                table,
                seed=config.audit.seed,
                progress=progress,
                tell=tell,
                augmentation=prepared.augmentation,
                checkpoints=checkpoints,
            )
        weights = dict(fitted.weights)
        if prepared.trained is not prepared.network:
            weights = {name.removeprefix("network."): tensor for name, tensor in weights.items()}
        scaling = in_target_units(prepared.network, weights, prepared.scaling)
        description = _description(config, source, prepared, scaling, _facts(config, source, prepared, fitted, key))
        save_bundle(folder, description, weights, _cost(time.perf_counter() - started, prepared, fitted, device))
        checkpoints.remove()


def _ways_on(source: TableSource, training: TrainingFacts | None) -> str:
    """What to do about a model of other settings; as it is it may be audited only on rows that it cannot have seen."""
    ways = "replace it with `auditbench train CONFIG`, or name another model.path"
    if source.held_out is not None or (training is not None and training.held_out is not None):
        return ways
    return f"{ways}; or remove [train] to audit it as it is"


def _description(
    config: AuditConfig, source: TableSource, prepared: Prepared, scaling: OutputScaling, facts: TrainingFacts
) -> BundleDescription:
    return BundleDescription(
        architecture=facts.architecture,
        parameters=facts.parameters,
        task=config.model.task,
        classes=prepared.classes,
        target=source.table.target,
        output="value" if config.model.task == "regression" else "logit",
        scaling=scaling,
        inputs=prepared.inputs,
        training=facts,
    )


def _initial(table: TrainTable, base: Path) -> tuple[OpenedWeights | None, BundleDescription | None]:
    """What training begins with, and what its bundle says about it."""
    return open_initial(table, base), initial_description(table, base)


def _digest(described: BundleDescription | None) -> str:
    return "" if described is None else hashlib.sha256(canonical(described)).hexdigest()


def _facts(config: AuditConfig, source: TableSource, prepared: Prepared, fitted: Fitted, key: str) -> TrainingFacts:
    parameters = {} if prepared.params is None else prepared.params.model_dump(mode="json")
    return TrainingFacts(
        architecture=prepared.architecture.name,
        parameters=parameters,
        settings={**_settings(train_table(config)), "seed": config.audit.seed},
        train_rows=len(prepared.train),
        validation_rows=len(prepared.validation),
        epochs=len(fitted.losses),
        best_epoch=fitted.best_epoch,
        losses=fitted.losses,
        learning_rates=fitted.rates,
        steps=fitted.steps,
        trained_parameters=trained_parameters(prepared.network),
        initial=prepared.initial,
        held_out=source.held_out,
        key=key,
    )


def _settings(table: TrainTable) -> dict[str, Any]:
    """What the record says of the `[train]` table: the usual keys, and others that were set."""
    document = table.model_dump(mode="json", exclude={"architecture", "parameters", "checkpoint_steps"})
    usual = TrainTable().model_dump(mode="json")
    return {name: value for name, value in document.items() if name in _ALWAYS_TOLD or value != usual[name]}


def _cost(seconds: float, prepared: Prepared, fitted: Fitted, device: str) -> dict[str, Any]:
    """What a clock or a meter gave, as training.json holds it; see `read_cost`."""
    # Linux counts the peak in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    rows, seconds = len(prepared.train), seconds + fitted.earlier_seconds
    cost = {
        "seconds": seconds,
        "rows_per_second": rows * len(fitted.losses) / seconds,
        "peak_memory_bytes": float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit),
        "device": device,
        "epochs": [{"seconds": each, "rows_per_second": rows / each} for each in fitted.seconds],
        "rows_at_once": fitted.part_rows,
        "halved_for_memory": fitted.halvings,
        "told": list(fitted.told),
    }
    if torch.device(device).type == "cuda":
        cost["peak_device_memory_bytes"] = float(torch.cuda.max_memory_allocated(device))
    return cost

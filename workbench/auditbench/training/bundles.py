"""`train_bundle` and `ensure_model`: when a model is trained, and when the one that is there is used."""

from __future__ import annotations

import hashlib
import json
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
from auditbench.models.description import BundleDescription, canonical
from auditbench.models.formats import is_file
from auditbench.models.opening import OpenedWeights
from auditbench.run import TrainingFacts
from auditbench.training.changed_settings import changed_settings
from auditbench.training.checkpoints import Checkpoints
from auditbench.training.one_at_a_time import training_lock
from auditbench.training.preparing import prepare, train_table
from auditbench.training.starting import initial_description, open_initial
from auditbench.training.trained import train_prepared

if TYPE_CHECKING:
    from auditbench.data.table import TableSource

Progress: TypeAlias = Callable[[int, int, str], None]
Tell: TypeAlias = Callable[[str], None]
SCHEMA_VERSION = 2
"""Of training: a change that gives other weights from the same settings and data raises it."""

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
        "train": _train_key(train_table(config), source),
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


def _train_key(train: TrainTable, source: TableSource) -> dict[str, Any]:
    """The keys of `[train]`; of those that came later what is set, with the bounds of the groups that they name."""
    keys = train.model_dump(mode="json", exclude={"checkpoint_steps", "reweigh"})
    if not train.reweigh:
        return keys
    return {**keys, "reweigh": {name: source.table.bins.get(name) for name in train.reweigh}}


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
        for sentence in prepared.told:
            tell(sentence)
        checkpoints = Checkpoints(
            folder, f"{key} on {torch.device(device).type} by {__version__} and torch {torch.__version__}"
        )
        trained = train_prepared(
            config,
            source,
            prepared,
            key=key,
            device=device,
            progress=progress,
            tell=tell,
            checkpoints=checkpoints,
            started=started,
        )
        save_bundle(folder, trained.description, trained.weights, trained.cost)
        checkpoints.remove()


def _ways_on(source: TableSource, training: TrainingFacts | None) -> str:
    """What to do about a model of other settings; as it is it may be audited only on rows that it cannot have seen."""
    ways = "replace it with `auditbench train CONFIG`, or name another model.path"
    if source.held_out is not None or (training is not None and training.held_out is not None):
        return ways
    return f"{ways}; or remove [train] to audit it as it is"


def _initial(table: TrainTable, base: Path) -> tuple[OpenedWeights | None, BundleDescription | None]:
    """What training begins with, and what its bundle says about it."""
    return open_initial(table, base), initial_description(table, base)


def _digest(described: BundleDescription | None) -> str:
    return "" if described is None else hashlib.sha256(canonical(described)).hexdigest()

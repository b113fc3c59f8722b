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

import numpy as np
import torch
from torch import nn

from auditbench.config import AuditConfig, TrainTable
from auditbench.data.building import LabelledRows, class_names, labelled_rows
from auditbench.data.encoding import encoded_zeros, make_encoder
from auditbench.data.inputs import ModelInput
from auditbench.data.modalities import fit_inputs
from auditbench.errors import ModelError, StaleModelError, TrainingError
from auditbench.models.architecture import Architecture
from auditbench.models.bundle import bundle_exists, read_cost, read_training_key, save_bundle
from auditbench.models.description import BundleDescription, OutputScaling, output_count
from auditbench.models.network import build_network, check_parameters, find_architecture
from auditbench.models.threads import computing_threads
from auditbench.run import Task, TrainingFacts
from auditbench.training.loop import (
    Examples,
    Fitted,
    Loss,
    binary_cross_entropy,
    cross_entropy,
    fit,
    mean_squared_error,
)
from auditbench.training.splitting import held_out

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.data.table import TableSource

Progress: TypeAlias = Callable[[int, int, str], None]
SCHEMA_VERSION = 1
"""Of training: a change that gives other weights from the same settings and data raises it."""

_ENCODED_AT_ONCE = 16_384


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
) -> EnsuredModel:
    """The model that the config names, trained when it is missing and `[train]` says how.

    Args:
        base: Folder that `model.path` is relative to.
        progress: See `train_bundle`.

    Raises:
        ModelError: There is no model and no `[train]` table.
        StaleModelError: The bundle was made with other settings or data.
        TrainingError: Training cannot start, or diverged.
    """
    path = base / config.model.path
    if config.train is None or config.model.format != "bundle":
        if not bundle_exists(path):
            raise ModelError(
                "there is no model",
                where="model.path",
                found=f"nothing at {path}",
                allowed="a bundle, or a [train] table that says how to make one",
                fix="correct model.path, or add a [train] table",
            )
        return EnsuredModel(path=path, trained=False)
    key = training_key(config, source)
    trained = not bundle_exists(path)
    if trained:
        train_bundle(config, source, path, device=device, architectures=architectures, progress=progress)
    elif (found := read_training_key(path)) != key:
        raise StaleModelError(
            "the model was made with other settings or other data than the configuration names",
            where="model.path",
            found=f"{path} with training key {found or 'none'}"[:200],
            allowed=f"training key {key}",
            fix="replace it with `auditbench train CONFIG`, name another model.path, or remove [train] to audit it as it is",
        )
    return EnsuredModel(path=path, trained=trained, key=key, cost=read_cost(path))


def training_key(config: AuditConfig, source: TableSource) -> str:
    """sha256 over everything that decides the weights, except device and threads.

    That is the `[train]` table, task, seed, the file of training rows, and the `[data]` keys that touch them.

    Raises:
        TrainingError: There is no `[train]` table.
    """
    table = source.table
    document = {
        "schema": SCHEMA_VERSION,
        "train": _train_table(config).model_dump(mode="json"),
        "task": config.model.task,
        "seed": config.audit.seed,
        "data": source.train_digest,
        "features": source.feature_names,
        "inputs": {name: item.model_dump(mode="json") for name, item in sorted(table.inputs.items())},
        "types": {name: table.types[name] for name in sorted(table.types)},
        "target": table.target,
        "positive": table.positive,
        "classes": table.classes,
        "split": table.split,
        "missing": [table.missing_numbers, table.missing_categories, table.missing_labels],
    }
    return hashlib.sha256(json.dumps(document, sort_keys=True, allow_nan=False).encode()).hexdigest()


def train_bundle(
    config: AuditConfig,
    source: TableSource,
    folder: Path,
    *,
    device: str,
    architectures: Mapping[str, Architecture],
    progress: Progress,
) -> None:
    """Train a model on the training rows and write it as a bundle, replacing one that is there.

    Args:
        progress: Called after each epoch with epochs done, epochs at most, and the losses as text.

    Raises:
        TrainingError: There are no training rows, the settings do not fit the task, or the loss diverged.
        ModelError: The architecture is unknown or does not take its parameters, or the folder cannot be written.
    """
    started = time.perf_counter()
    table, task, seed = _train_table(config), config.model.task, config.audit.seed
    loss = _loss(table, task)
    architecture = find_architecture(table.architecture, architectures, where="train.architecture")
    params = check_parameters(architecture, table.parameters, where="train.parameters")
    inputs, classes = fit_inputs(source), class_names(source, task)
    rows = _training_rows(source, inputs, classes)
    outputs = output_count(task, classes)
    scaling = _scaling(rows.y_true, task)
    labels = None if task == "regression" else rows.y_true
    train, validation = held_out(labels, len(rows.y_true), table.validation, seed)
    examples = _examples(rows, inputs, task, scaling, device)
    network = build_network(architecture, params, inputs=inputs, outputs=outputs, seed=seed)
    with computing_threads(sum(tensor.numel() for tensor in network.parameters())):
        fitted = fit(
            network.to(device),
            examples.take(torch.from_numpy(train).to(device)),
            examples.take(torch.from_numpy(validation).to(device)),
            loss,
            table,
            seed=seed,
            progress=progress,
        )
    scaling = _fold(network, fitted.weights, scaling)
    description = BundleDescription(
        architecture=architecture.name,
        parameters={} if params is None else params.model_dump(mode="json"),
        task=task,
        classes=classes,
        target=source.table.target,
        output="value" if task == "regression" else "logit",
        scaling=scaling,
        inputs=inputs,
        training=TrainingFacts(
            architecture=architecture.name,
            parameters={} if params is None else params.model_dump(mode="json"),
            settings={**_settings(table), "seed": seed},
            train_rows=len(train),
            validation_rows=len(validation),
            epochs=len(fitted.losses),
            best_epoch=fitted.best_epoch,
            losses=fitted.losses,
            key=training_key(config, source),
        ),
    )
    seconds = time.perf_counter() - started
    save_bundle(folder, description, fitted.weights, _cost(seconds, len(train), fitted, device))


def _train_table(config: AuditConfig) -> TrainTable:
    if config.train is None:
        raise TrainingError(
            "the configuration does not say how to train",
            where="train",
            found="no [train] table",
            fix='add a [train] table; `architecture = "mlp"` is enough',
        )
    return config.train


def _settings(table: TrainTable) -> dict[str, Any]:
    return table.model_dump(mode="json", exclude={"architecture", "parameters"})


def _loss(table: TrainTable, task: Task) -> Loss:
    fitting = "mse" if task == "regression" else "cross-entropy"
    if table.loss not in ("auto", fitting):
        raise TrainingError(
            f"the loss does not fit {task}",
            where="train.loss",
            found=repr(table.loss),
            allowed=f"'auto', {fitting!r}",
            fix=f'set train.loss = "{fitting}"',
        )
    losses: dict[Task, Loss] = {
        "binary-classification": binary_cross_entropy,
        "multiclass-classification": cross_entropy,
        "regression": mean_squared_error,
    }
    return losses[task]


def _training_rows(source: TableSource, inputs: Mapping[str, ModelInput], classes: tuple[str, ...]) -> LabelledRows:
    if source.train is None:
        raise TrainingError(
            "there are no training rows",
            where="data.train",
            found="neither data.train nor a split column with `train`",
            fix="name a file in data.train; a model is never trained on the rows it is evaluated on",
        )
    return labelled_rows(source, source.train, inputs, classes)


def _scaling(y_true: npt.NDArray[Any], task: Task) -> OutputScaling:
    if task != "regression" or not len(y_true):
        return OutputScaling()
    deviation = float(y_true.std())
    mean = float(y_true.mean())
    return OutputScaling(mean=mean, scale=deviation if deviation > 1e-12 * max(1.0, abs(mean)) else 1.0)


def _examples(
    rows: LabelledRows, inputs: Mapping[str, ModelInput], task: Task, scaling: OutputScaling, device: str
) -> Examples:
    """All rows encoded once, so that an epoch only picks them; encoded in parts, so that float64 stays small."""
    encoder = make_encoder(inputs).to(device)
    starts = range(0, len(rows.y_true), _ENCODED_AT_ONCE)
    blocks = [
        {name: array[start : start + _ENCODED_AT_ONCE] for name, array in rows.inputs.items()} for start in starts
    ]
    parts = [encoder({name: torch.from_numpy(array).to(device) for name, array in block.items()}) for block in blocks]
    targets = (rows.y_true - scaling.mean) / scaling.scale if task == "regression" else rows.y_true
    dtype = torch.int64 if task == "multiclass-classification" else torch.float32
    encoded = torch.cat(parts) if parts else encoded_zeros(inputs, 0, device)
    return Examples(inputs=encoded, targets=torch.from_numpy(np.asarray(targets)).to(device=device, dtype=dtype))


def _fold(network: nn.Module, weights: dict[str, torch.Tensor], scaling: OutputScaling) -> OutputScaling:
    """Fold the scale of the target into a last linear layer, where there is one; otherwise it stays with the model."""
    name, last = list(network.named_children())[-1] if isinstance(network, nn.Sequential) else ("", network)
    if not name or not isinstance(last, nn.Linear):
        return scaling
    weight, bias = f"{name}.weight", f"{name}.bias"
    if bias not in weights:
        return scaling
    weights[weight] = (weights[weight].double() * scaling.scale).float()
    weights[bias] = (weights[bias].double() * scaling.scale + scaling.mean).float()
    return OutputScaling()


def _cost(seconds: float, rows: int, fitted: Fitted, device: str) -> dict[str, float | str]:
    # Linux counts the peak in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return {
        "seconds": seconds,
        "rows_per_second": rows * len(fitted.losses) / seconds,
        "peak_memory_bytes": float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit),
        "device": device,
    }

"""From what is prepared to what a bundle is made of: weights, a description, and what making them cost."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from auditbench.config import AuditConfig
from auditbench.config_training import TrainTable
from auditbench.models.description import BundleDescription, OutputScaling
from auditbench.models.threads import computing_threads
from auditbench.run import TrainingFacts
from auditbench.training.loop import Fitted, fit
from auditbench.training.preparing import Prepared, train_table
from auditbench.training.starting import in_target_units, trained_parameters

if TYPE_CHECKING:
    from auditbench.data.table import TableSource
    from auditbench.training.checkpoints import Checkpoints

_ALWAYS_TOLD = frozenset(
    {"loss", "optimizer", "learning_rate", "momentum", "weight_decay", "batch_size", "epochs", "patience", "validation"}
)
"""Settings that are recorded as they are; the others where they are not the default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What a training came to: the parts of a bundle, see `auditbench.models.bundle.save_bundle`."""

    description: BundleDescription
    weights: Mapping[str, torch.Tensor]
    cost: Mapping[str, Any]


def train_prepared(
    config: AuditConfig,
    source: TableSource,
    prepared: Prepared,
    *,
    key: str,
    device: str,
    progress: Callable[[int, int, str], None],
    tell: Callable[[str], None] = lambda text: None,
    checkpoints: Checkpoints | None = None,
    started: float | None = None,
) -> Trained:
    """Train what is prepared.

    Args:
        key: Of settings and data, for the record; see `training_key`.
        progress: See `fit`; so `tell`.
        started: When the work on it began, by `time.perf_counter`; now when absent.

    Raises:
        TrainingError: The loss diverged, or the device does not compute in `train.precision`.
    """
    started = time.perf_counter() if started is None else started
    with computing_threads(sum(tensor.numel() for tensor in prepared.network.parameters())):
        fitted = fit(
            prepared.trained,
            prepared.train,
            prepared.validation,
            prepared.loss,
            train_table(config),
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
    facts = _facts(config, source, prepared, fitted, key)
    return Trained(
        description=_description(config, source, prepared, scaling, facts),
        weights=weights,
        cost=_cost(time.perf_counter() - started, prepared, fitted, device),
    )


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

"""From a configuration and the rows as read to all that the loop needs: network, loss, examples on both sides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from auditbench.config import AuditConfig
from auditbench.config_training import TrainTable
from auditbench.data.building import LabelledRows, class_names, labelled_rows
from auditbench.data.coding import code_groups
from auditbench.data.inputs import ModelInput, TableInput
from auditbench.data.modalities import fit_inputs
from auditbench.data.splitting import held_out, held_out_by
from auditbench.data.table import NumberColumn
from auditbench.errors import TrainingError
from auditbench.models.architecture import Architecture
from auditbench.models.description import BundleDescription, OutputScaling, output_count
from auditbench.models.network import build_network, check_parameters, find_architecture
from auditbench.models.opening import OpenedWeights
from auditbench.models.packing import UnpackedNetwork
from auditbench.models.trained_rows import refuse_learned_rows
from auditbench.training.augmentation import Augmentation
from auditbench.training.examples import Examples, encoded_rows, row_weights
from auditbench.training.losses import Loss, make_loss
from auditbench.training.meanings import inputs_of_bundle
from auditbench.training.reweighing import Reweighed, reweighed_groups
from auditbench.training.starting import begin_with, compute_again, freeze, in_standard_units

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.data.splitting import Split
    from auditbench.data.table import TableSource
    from auditbench.run import InitialWeights, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What a run begins with.

    Attributes:
        params: Of the architecture, checked; None where it has none.
        network: As the architecture built it, on the device.
        scaling: From standardised values to the unit of the target.
        initial: Where its weights came from, if not from the seed.
        told: What settings cannot bring about on these rows, in sentences.
    """

    architecture: Architecture
    params: Any
    network: nn.Module
    inputs: Mapping[str, ModelInput]
    classes: tuple[str, ...]
    scaling: OutputScaling
    loss: Loss
    train: Examples
    validation: Examples
    augmentation: Augmentation | None
    initial: InitialWeights | None
    told: tuple[str, ...] = ()

    @property
    def trained(self) -> nn.Module:
        """The network behind what takes one tensor for several inputs."""
        return UnpackedNetwork(self.network, self.inputs) if len(self.inputs) > 1 else self.network


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced:
    """What stands in for the labels of all training rows, and for what each counts in the loss, shape `(rows,)`; None for
    their own.
    """

    labels: npt.NDArray[Any] | None = None
    weights: npt.NDArray[np.float64] | None = None


_NOTHING = Replaced()


def prepare(
    config: AuditConfig,
    source: TableSource,
    opened: OpenedWeights | None,
    *,
    described: BundleDescription | None = None,
    device: str,
    architectures: Mapping[str, Architecture],
    replaced: Replaced = _NOTHING,
) -> Prepared:
    """Make all that the loop needs, and refuse what does not go together.

    Args:
        opened: The weights of `train.init_from`; `described` what their bundle says about them.
        replaced: Labels and weights instead of those of the rows; the same rows are held out.

    Raises:
        TrainingError: There are no training rows, or the settings do not fit the task, the rows or the network.
        ModelError: The architecture is unknown or does not take its parameters.
    """
    table, task, seed = train_table(config), config.model.task, config.audit.seed
    architecture = find_architecture(table.architecture, architectures, where="train.architecture")
    params = check_parameters(architecture, table.parameters, where="train.parameters")
    if described is not None:
        refuse_learned_rows(described.training, source, where="train.init_from")
    rows, inputs, classes = _rows(source, task, described)
    split = _split(rows, table, task, seed)
    if replaced.labels is not None:
        rows = replace(rows, y_true=replaced.labels)
    groups = _reweighed(rows, table, source)
    given = replaced.weights
    weights = _weights(rows, table, classes, split, groups) if given is None else _given(given, split)
    scaling = _scaling(rows.y_true, task)
    network = build_network(architecture, params, inputs=inputs, outputs=output_count(task, classes), seed=seed)
    initial = None if opened is None else begin_with(network, opened, table.init_from or "")
    if initial is not None:
        in_standard_units(network, initial, scaling)
    freeze(network, table.freeze)
    if table.checkpointing:
        compute_again(network, architecture.name)
    loss = make_loss(table, task, inputs, classes, network)
    examples = _examples(rows, inputs, task, scaling, weights, device)
    return Prepared(
        architecture=architecture,
        params=params,
        network=network.to(device),
        inputs=inputs,
        classes=classes,
        scaling=scaling,
        loss=loss,
        train=examples.at(split[0]),
        validation=examples.at(split[1]),
        augmentation=Augmentation(table, inputs, seed) if table.augment else None,
        initial=initial,
        told=() if groups is None else tuple(groups.told(rows.y_true, classes, split[0])),
    )


def train_table(config: AuditConfig) -> TrainTable:
    """The `[train]` table.

    Raises:
        TrainingError: There is none.
    """
    if config.train is None:
        raise TrainingError(
            "the configuration does not say how to train",
            where="train",
            found="no [train] table",
            fix='add a [train] table; `architecture = "mlp"` is enough',
        )
    return config.train


def split_and_weights(
    rows: LabelledRows, source: TableSource, table: TrainTable, task: Task, classes: tuple[str, ...], seed: int
) -> tuple[Split, npt.NDArray[np.float64] | None]:
    """Which rows are held out for validation, and what each row counts in the loss; no input is looked at.

    Raises:
        TrainingError: A column of `[train]` does not divide the rows, or does not say what each counts.
    """
    split = _split(rows, table, task, seed)
    return split, _weights(rows, table, classes, split, _reweighed(rows, table, source))


def _rows(
    source: TableSource, task: Task, described: BundleDescription | None
) -> tuple[LabelledRows, dict[str, ModelInput], tuple[str, ...]]:
    if source.train is None:
        raise TrainingError(
            "there are no training rows",
            where="data.train",
            found="neither data.train, nor a split column with `train`, nor data.held_out",
            fix="name a file in data.train, or set data.held_out = 0.2; a model is never trained on the rows it is evaluated on",
        )
    inputs = fit_inputs(source)
    classes = class_names(source, inputs, task)
    if described is not None:
        inputs = inputs_of_bundle(described, inputs, classes)
    return labelled_rows(source, source.train, inputs, classes), inputs, classes


def _split(rows: LabelledRows, table: TrainTable, task: Task, seed: int) -> Split:
    count, name = len(rows.y_true), table.split_column
    if name is None:
        # A next token is held out with its whole row, whatever the token is.
        labels = rows.y_true if task in ("binary-classification", "multiclass-classification") else None
        return held_out(labels, count, table.validation, seed)
    return held_out_by(rows.part, table.validation, seed, split_by=table.split_by, column=name)


def _reweighed(rows: LabelledRows, table: TrainTable, source: TableSource) -> Reweighed | None:
    return reweighed_groups(table, code_groups(rows.part, source.table, "sensitive")) if table.reweigh else None


def _weights(
    rows: LabelledRows, table: TrainTable, classes: tuple[str, ...], split: Split, groups: Reweighed | None
) -> npt.NDArray[np.float64] | None:
    labels = rows.y_true if classes else None
    return row_weights(table, labels, classes, _sample_weights(rows, table), split, groups)


def _given(weights: npt.NDArray[np.float64], split: Split) -> npt.NDArray[np.float64] | None:
    """Weights that stand in for those of the rows; None where all are equal."""
    if not all(weights[side].any() for side in split):
        raise TrainingError(
            "the given weights are 0 for every row of one side",
            found="0 for all rows that are trained on, or for all that are held out for validation",
            allowed="a weight above 0 on both sides",
        )
    return weights if np.ptp(weights) else None


def _examples(
    rows: LabelledRows,
    inputs: Mapping[str, ModelInput],
    task: Task,
    scaling: OutputScaling,
    weights: npt.NDArray[np.float64] | None,
    device: str,
) -> Examples:
    targets = (rows.y_true - scaling.mean) / scaling.scale if task == "regression" else rows.y_true
    dtype = torch.float32 if task in ("binary-classification", "regression") else torch.int64
    return Examples(
        rows=encoded_rows(rows.inputs, inputs, device),
        targets=torch.tensor(targets, device=device, dtype=dtype),
        weights=None if weights is None else torch.tensor(weights, device=device, dtype=torch.float32),
        positions=torch.arange(len(rows.y_true)),
        tabular=all(isinstance(item, TableInput) for item in inputs.values()),
    )


def _sample_weights(rows: LabelledRows, table: TrainTable) -> npt.NDArray[np.float64] | None:
    if table.sample_weights is None:
        return None
    column = rows.part.columns[table.sample_weights]
    if not isinstance(column, NumberColumn):
        raise TrainingError(
            f"the column {table.sample_weights!r} holds categories, and a weight is a number",
            where="train.sample_weights",
            found=", ".join(repr(name) for name in column.names[:4]),
            allowed="a number of at least 0 in each row",
            fix=f'name another column, or declare data.types.{table.sample_weights} = "number"',
        )
    return column.values


def _scaling(y_true: npt.NDArray[Any], task: Task) -> OutputScaling:
    if task != "regression" or not len(y_true):
        return OutputScaling()
    deviation = float(y_true.std())
    mean = float(y_true.mean())
    return OutputScaling(mean=mean, scale=deviation if deviation > 1e-12 * max(1.0, abs(mean)) else 1.0)

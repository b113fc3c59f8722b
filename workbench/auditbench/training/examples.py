"""Rows as training takes them: encoded batches, what the network shall give for each row, and what each counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch

from auditbench.config_training import LEAST_WEIGHT, MOST_WEIGHT, TrainTable
from auditbench.data.encoding import make_encoder
from auditbench.data.inputs import ModelInput, TextInput, encoded_size
from auditbench.errors import TrainingError

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.data.modalities import RawInputs
    from auditbench.data.splitting import Split
    from auditbench.training.reweighing import Reweighed

KEPT_BYTES = 256 * 2**20
"""Encoded rows of at most so many bytes are encoded once and stay on the device; more are encoded batch by batch."""

_ENCODED_AT_ONCE = 16_384

EncodedRows: TypeAlias = Callable[[torch.Tensor], torch.Tensor]
"""From positions of rows, int64 on the CPU, to these rows encoded, on the device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Some rows, on the device of the network.

    Attributes:
        inputs: What the network takes, shape `(rows, *row)`.
        targets: Shape `(rows,)`: 0.0 or 1.0 (binary), a class index as int64, or a standardised value.
        weights: What each row counts in the loss, shape `(rows,)`; None where all count the same.
    """

    inputs: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """Rows to learn from, of which batches are taken.

    Attributes:
        rows: Gives the encoded rows at some positions.
        targets: Of all rows that `rows` knows; so `weights`. See `Batch`.
        positions: The rows that these examples are, in their order; int64 on the CPU.
        tabular: Whether they are rows of a table, which need little memory.
    """

    rows: EncodedRows
    targets: torch.Tensor
    weights: torch.Tensor | None = None
    positions: torch.Tensor
    tabular: bool = True

    def __len__(self) -> int:
        return len(self.positions)

    def take(self, indices: torch.Tensor | slice) -> Batch:
        """The examples at these indices, encoded."""
        positions = self.positions[indices]
        there = positions.to(self.targets.device)
        weights = None if self.weights is None else self.weights[there]
        return Batch(inputs=self.rows(positions), targets=self.targets[there], weights=weights)

    def at(self, positions: npt.NDArray[np.intp]) -> Examples:
        """The rows at these positions."""
        return replace(self, positions=torch.from_numpy(np.asarray(positions, dtype=np.int64)))


def encoded_rows(raw: RawInputs, inputs: Mapping[str, ModelInput], device: str) -> EncodedRows:
    """Rows that are encoded on the device: once, where their shapes say that they fit, and otherwise batch by batch.

    Args:
        raw: Arrays by name of the input, of at least one row, in memory or stored in files.
    """
    encoder = make_encoder(inputs).to(device)

    def encode(positions: npt.NDArray[np.int64]) -> torch.Tensor:
        arrays = {
            name: torch.from_numpy(np.ascontiguousarray(array[positions])).to(device) for name, array in raw.items()
        }
        encoded: torch.Tensor = encoder(arrays)
        return encoded

    total = len(next(iter(raw.values())))
    if total * encoded_size(inputs) * _bytes_a_number(inputs) > KEPT_BYTES:
        return lambda positions: encode(positions.numpy())
    starts = range(0, total, _ENCODED_AT_ONCE)
    kept = torch.cat([encode(np.arange(start, min(start + _ENCODED_AT_ONCE, total))) for start in starts])
    return lambda positions: kept[positions.to(kept.device)]


def row_weights(
    table: TrainTable,
    labels: npt.NDArray[np.int64] | None,
    classes: tuple[str, ...],
    sample_weights: npt.NDArray[np.float64] | None,
    split: Split,
    reweighed: Reweighed | None = None,
) -> npt.NDArray[np.float64] | None:
    """What each row counts in the loss: the weight of its class times its own; None where all count the same.

    Where groups are reweighed, that is times their factor, which follows from the weights of rows alone: weights of
    classes leave group and label as independent as it makes them. `balanced` is `rows / (classes that occur * rows of the class)` over the rows trained on, so that each class has the
    same sum; a class that does not occur there counts 1.

    Args:
        labels: Class of each row; None for regression.
        sample_weights: Of each row, shape `(rows,)`.
        reweighed: Groups of these rows; of rows with classes.
        split: Positions of the rows that are trained on, and of those held out.

    Raises:
        TrainingError: A weight is named for no class, or there are no classes; a row's own weight is missing, negative,
            or beyond what sums in float32 hold, or those of one side are all 0.
    """
    weights = None if table.class_weights == "none" else _by_class(table, labels, classes, split[0])
    if sample_weights is not None:
        _check_sample_weights(sample_weights, table.sample_weights or "", split)
        weights = sample_weights if weights is None else weights * sample_weights
    if reweighed is not None and labels is not None:
        factors = reweighed.factors(labels, sample_weights, split[0])
        weights = factors if weights is None else weights * factors
    return weights


def _by_class(
    table: TrainTable, labels: npt.NDArray[np.int64] | None, classes: tuple[str, ...], train: npt.NDArray[np.intp]
) -> npt.NDArray[np.float64]:
    if labels is None:
        raise TrainingError(
            "class weights need classes",
            where="train.class_weights",
            found=repr(table.class_weights)[:80],
            fix="remove train.class_weights; train.sample_weights weighs rows of any target",
        )
    by_class = np.ones(len(classes))
    if isinstance(table.class_weights, str):
        counts = np.bincount(labels[train], minlength=len(classes))
        there = counts > 0
        by_class[there] = len(train) / (there.sum() * counts[there])
    else:
        for name, weight in table.class_weights.items():
            if name not in classes:
                raise TrainingError(
                    f"there is no class {name!r}",
                    where=f"train.class_weights.{name}",
                    found=repr(name),
                    allowed=", ".join(repr(known) for known in classes[:12]),
                    fix="name a class as it stands in the target",
                )
            by_class[classes.index(name)] = weight
    weights: npt.NDArray[np.float64] = by_class[labels]
    return weights


def _check_sample_weights(weights: npt.NDArray[np.float64], column: str, split: Split) -> None:
    held = (weights == 0) | ((weights >= LEAST_WEIGHT) & (weights <= MOST_WEIGHT))
    wrong = np.flatnonzero(~held)
    if len(wrong) or not all(weights[side].any() for side in split):
        found = (
            f"{weights[wrong[0]]} in the labelled row {wrong[0] + 1}" if len(wrong) else "0 in every row of one side"
        )
        raise TrainingError(
            f"the column {column!r} does not say what each row counts",
            where="train.sample_weights",
            found=found,
            allowed=f"0, or a number from {LEAST_WEIGHT:g} to {MOST_WEIGHT:g} in each row, and not 0 in all that are trained "
            "on or all that are held out",
            fix="correct the column, or name another one; only ratios of weights count, so that all may be divided by their mean",
        )


def _bytes_a_number(inputs: Mapping[str, ModelInput]) -> int:
    """Of an encoded row: token ids that are the only input are int64, all else is float32."""
    return 8 if len(inputs) == 1 and isinstance(next(iter(inputs.values())), TextInput) else 4

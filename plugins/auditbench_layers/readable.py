"""What is asked of probes: targets by row, the classes that are told apart, and the rows that train and test."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from auditbench.data.inputs import PADDING, modality_of
from auditbench_layers.passes import encoded_parts
from auditbench_layers.probing import control_classes, halves

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.context import AuditContext
    from auditbench.data import Rows
    from auditbench.models import ModelUnderTest

    Codes: TypeAlias = npt.NDArray[np.int64]

FEWEST = 10
"""Rows of a class below which no probe looks for it: half of them train and half test."""
LABEL = "label"
INPUT = "input"
"""Name of what the network is given, beside those of its layers."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProbeTask:
    """Something that may be read from a layer.

    Attributes:
        name: `label`, or a sensitive feature.
        kept: Which of the rows have one of the classes, positions.
        classes: Of these rows, from 0, shape `(kept,)`; `control` those of the control task.
        count: Of classes.
        left_out: Rows of classes that are not looked for.
        trains: Which of the kept rows train.
    """

    name: str
    kept: npt.NDArray[np.intp]
    classes: Codes
    control: Codes
    count: int
    left_out: int
    trains: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class NoTask:
    """A target that no probe can look for, and the key of the reason."""

    name: str
    reason: str


def probe_tasks(context: AuditContext, rows: Rows, types: Codes, *, most_classes: int) -> Iterator[ProbeTask | NoTask]:
    """The label of the rows, then each sensitive feature; of a regression whether the label is above its median.

    Args:
        types: What the rows are told apart by in control tasks, from 0, shape `(rows,)`.
        most_classes: The most frequent classes are kept.
    """
    labels = rows.y_true > np.median(rows.y_true) if context.data.task == "regression" else rows.y_true
    values = {LABEL: labels, **{name: each for name, each in rows.sensitive_features.items() if name != LABEL}}
    groups = np.arange(len(rows)) if rows.clusters is None else np.unique(rows.clusters, return_inverse=True)[1]
    for name, of_row in values.items():
        yield _task(name, np.asarray(of_row), groups, types, most_classes, context.rng(f"probe/{name}"))


def input_and_types(
    model: ModelUnderTest, rows: Rows, *, reads_on: bool, most_columns: int
) -> tuple[npt.NDArray[np.float32] | None, Codes]:
    """The encoded input that a probe reads, and the type of each row, from 0: its last token where texts are read on, else
    its whole input.

    Returns:
        Shapes `(rows, columns)` and `(rows,)`; no input where it is one of texts, or has more than `most_columns`.
    """
    texts = modality_of(model.inputs) == "text"
    kept: list[npt.NDArray[np.float32]] = []
    told: list[npt.NDArray[np.generic]] = []
    for part in encoded_parts(model, rows):
        encoded = part.cpu().numpy()
        flat = np.ascontiguousarray(encoded.reshape(len(encoded), -1))
        if texts and reads_on:
            last = np.maximum((flat != PADDING).sum(axis=1) - 1, 0)
            told.append(flat[np.arange(len(flat)), last][:, np.newaxis])
        else:
            told.append(np.stack([np.frombuffer(_digest(row), dtype=np.uint64) for row in flat + flat.dtype.type(0)]))
        if not texts and flat.shape[1] <= most_columns:
            kept.append(flat)
    types = np.unique(np.concatenate(told), axis=0, return_inverse=True)[1].reshape(-1)
    return (np.concatenate(kept) if kept else None), np.asarray(types, dtype=np.int64)


def _digest(row: npt.NDArray[np.generic]) -> bytes:
    return hashlib.blake2b(row.tobytes(), digest_size=16).digest()


def _task(
    name: str, of_row: npt.NDArray[np.generic], groups: Codes, types: Codes, most: int, rng: np.random.Generator
) -> ProbeTask | NoTask:
    _, codes, sizes = np.unique(of_row, return_inverse=True, return_counts=True)
    order = np.argsort(-sizes, kind="stable")[:most]
    known = np.sort(order[sizes[order] >= FEWEST])
    kept = np.flatnonzero(np.isin(codes, known))
    if len(known) < 2:
        return NoTask(name, "few_of_a_class")
    classes = np.searchsorted(known, codes[kept]).astype(np.int64)
    if len(np.unique(groups[kept])) < 2:
        return NoTask(name, "one_cluster")
    trains = halves(np.unique(groups[kept], return_inverse=True)[1], rng)
    if any(len(np.unique(classes[part])) < len(known) for part in (trains, ~trains)):
        return NoTask(name, "class_on_one_side")
    control = control_classes(types[kept], classes, rng)
    return ProbeTask(
        name=name,
        kept=kept,
        classes=classes,
        control=control,
        count=len(known),
        left_out=len(of_row) - len(kept),
        trains=trains,
    )
